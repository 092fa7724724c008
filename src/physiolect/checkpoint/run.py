"""How a checkpoint was made, and which patients its training used: run.yaml, typed."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from physiolect import config
from physiolect.errors import CheckpointError, ConfigError

MOST_NAMED = 20_000
"""Patients that a checkpoint names; a longer list would make it slow to load."""

_MOST_VALUES, _MOST_NESTED = 10**6, 50


@dataclass(frozen=True)
class BaseRun:
    """The checkpoint that a fine-tuning started from."""

    checkpoint: str | None = None
    """What the user named: a folder, a file, or `ecg`."""
    weights_sha256: str | None = None
    """Digest of its weights."""
    store_sha256: str | None = None
    """Digest of the store that it was trained on."""
    trained_on: tuple[str, ...] = ()
    """Patients or recordings that were used to train or to choose it, or the checkpoints before it."""
    others: Mapping[str, Any] = field(default_factory=dict)
    """Keys that this version does not know."""


@dataclass(frozen=True)
class Run:
    """What made a checkpoint. Every field is optional: converted and older checkpoints record less."""

    made_by: str | None = None
    """Program, version and verb."""
    step: int | None = None
    """Updates done."""
    validation_loss: float | None = None
    """Lowest validation loss so far; infinity before the first evaluation."""
    store_sha256: str | None = None
    """Digest of the store that it was trained on."""
    examples_sha256: str | None = None
    """Digest of the labelled windows that it was trained on."""
    base: BaseRun | None = None
    """What a fine-tuning started from."""
    trained_on: tuple[str, ...] = ()
    """Patients, or recordings without a patient, whose windows trained it."""
    validated_on: tuple[str, ...] = ()
    """Patients, or recordings without a patient, whose windows chose the best checkpoint."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the verb."""
    others: Mapping[str, Any] = field(default_factory=dict)
    """Keys that this version does not know, and those of converted weights."""

    @classmethod
    def of(cls, run: Mapping[str, Any]) -> Run:
        """Return a checkpoint's `run` with types; no key is lost, and no key is required.

        Raises:
            CheckpointError: patients are not a list of names.
        """
        base = run.get("base")
        values = _split(cls, run)
        for name in ("trained_on", "validated_on"):
            values[name] = _names(name, run.get(name))
        if isinstance(base, Mapping):
            named = _names("base.trained_on", base.get("trained_on"))
            values["base"] = BaseRun(**{**_split(BaseRun, base), "trained_on": named})
        elif base is not None:
            values["base"], values["others"] = None, {**values["others"], "base": base}
        return cls(**{**values, "settings": values.get("settings") or {}})

    @property
    def base_trained_on(self) -> tuple[str, ...]:
        """Patients or recordings that the checkpoint before it was trained on, or chosen by."""
        return self.base.trained_on if self.base else ()

    @property
    def used(self) -> frozenset[str]:
        """Everyone who was used to train or choose this checkpoint or those before it."""
        return frozenset(self.trained_on) | frozenset(self.validated_on) | frozenset(self.base_trained_on)

    @property
    def records_patients(self) -> bool:
        """Whether it is known which patients or recordings trained it."""
        return bool(self.trained_on)

    def to_dict(self) -> dict[str, Any]:
        """Return what run.yaml holds: the keys that have a value, in a fixed order, and all others."""
        held = _joined(self)
        if self.base is not None:
            held["base"] = _joined(self.base)
        return held


def named_patients(train: Iterable[str], validation: Iterable[str]) -> dict[str, list[str]]:
    """Return the keys of run.yaml that name patients; nothing where there are too many names."""
    named = {"trained_on": sorted(set(train)), "validated_on": sorted(set(validation))}
    return named if sum(map(len, named.values())) <= MOST_NAMED else {}


def read_run(file: Path) -> dict[str, Any]:
    """Read run.yaml; a folder without one has an empty run.

    Raises:
        CheckpointError: it is no YAML, refers to itself, grows without bound, or holds other things than text, numbers,
            lists and mappings.
    """
    if not file.is_file():
        return {}
    hint = "mend or remove this file: the checkpoint works without it"
    try:
        run = config.read_yaml(file)
    except ConfigError as error:
        raise CheckpointError(str(error), hint=hint) from error
    left = _MOST_VALUES
    stack: list[tuple[Any, int]] = [(run, 0)]
    while stack:
        value, depth = stack.pop()
        left -= 1
        if left < 0 or depth > _MOST_NESTED:
            raise CheckpointError(
                f"{file} refers to itself, or holds more than {_MOST_VALUES:,} values", hint=hint
            )
        if isinstance(value, dict):
            stack += [(each, depth + 1) for pair in value.items() for each in pair]
        elif isinstance(value, list):
            stack += [(each, depth + 1) for each in value]
        elif not isinstance(value, str | int | float | None):
            raise CheckpointError(
                f"{file} holds {reprlib.repr(value)}, which is no text, number, list or mapping", hint=hint
            )
    return run


def _split(cls: type, held: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a class's fields, and all other keys as `others`."""
    known = {each.name for each in fields(cls)} - {"others"}
    mine = {name: held[name] for name in known & held.keys()}
    return {**mine, "others": {name: value for name, value in held.items() if name not in known}}


def _joined(found: Run | BaseRun) -> dict[str, Any]:
    held = {each.name: getattr(found, each.name) for each in fields(found)}
    others = held.pop("others")
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in held.items()}
    return {**{name: value for name, value in plain.items() if value not in (None, [], {})}, **others}


def _names(key: str, value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise CheckpointError(
            f"{key} in run.yaml is {reprlib.repr(value)}, but must be a list of names",
            hint="mend this file: leakage cannot be checked without it",
        )
    return tuple(value)
