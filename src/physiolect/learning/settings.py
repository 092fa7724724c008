"""Settings that every training call shares, and how a call's keywords become settings."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from physiolect import config
from physiolect.datasets import Store, is_store
from physiolect.errors import ConfigError
from physiolect.learning.run_folder import holds_run, with_saved_settings
from physiolect.training import Form, Precision

S = TypeVar("S", bound="TrainingSettings")
Call = TypeVar("Call", bound=Callable[..., Any])

_MOST = 10**9


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """What pre-training and fine-tuning share; see `PretrainSettings` and `FinetuneSettings`."""

    seed: int = 0
    """Seed of the first weights, the order of windows, dropout, and the choice of validation patients."""
    resume: bool = False
    """Resume the run in --out, with the settings it had."""
    device: str = "auto"
    """Where to train: auto, cpu, cuda …; of several processes, each takes a GPU of its own."""
    precision: Precision = "auto"
    """Of products and attention in training: float32, or bf16, which auto takes on a GPU made for it; a CPU that
    multiplies bf16 takes it when asked."""
    form: Form = "auto"
    """Of the training step: eager, compiled, or captured as one CUDA graph, which auto takes on one GPU."""
    threads: int | None = None
    """Processor threads; weights differ by rounding between numbers of threads (default: one for a small model, else
    PyTorch's choice)."""
    log_every: int = 10
    """Updates between lines of metrics.jsonl."""
    minutes: float | None = None
    """Stop after this long, as if interrupted."""

    @property
    def out_folder(self) -> Path:
        """Folder of the run."""
        return Path(self.out)  # type: ignore[attr-defined]

    def holds_run(self) -> bool:
        """Say whether the folder holds a run that can be resumed."""
        return holds_run(self.out_folder)

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        raise NotImplementedError

    def shared_problems(self, counts: Collection[str]) -> list[str]:
        """List what is wrong with the settings of every training call.

        Args:
            counts: names of further settings that are None or a whole number from 1.
        """
        found = []
        for name in (*counts, "log_every", "threads"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= _MOST:
                found.append(f"--{name.replace('_', '-')} is {value}, but must be from 1 to {_MOST:,}")
        if not 0 <= self.seed < 2**63:
            found.append(f"--seed is {self.seed}, but must be from 0 to 2^63 - 1")
        if self.minutes is not None and not 0 < self.minutes < math.inf:
            found.append(f"--minutes is {self.minutes}, but must be above 0")
        saved = self.holds_run()
        if saved and not self.resume:
            found.append(
                f"{self.out_folder} holds a run already: give --resume to resume it, or another --out"
            )
        if is_store(self.out_folder):
            found.append(f"{self.out_folder} is a store: give a folder of its own with --out")
        if self.resume and not saved:
            found.append(f"{self.out_folder} holds nothing to resume: leave --resume out to start a run")
        return found


def read_settings(cls: type[S], call: str, given: Mapping[str, Any]) -> S:
    """Return the checked settings of a library call; on `resume`, those that the run had.

    Args:
        cls: their class.
        call: name of the call, for messages.
        given: keywords of the call; paths, stores, and dataclasses inside are allowed.

    Raises:
        ConfigError: settings are unknown, wrong, or contradict the run to resume; all are named at once.
    """
    hints = get_type_hints(cls)
    plain = {name: _plain(value, hints.get(name)) for name, value in given.items()}
    try:
        settings = config.from_dict(cls, with_saved_settings(plain), call)
    except ConfigError as error:
        raise ConfigError(config.in_python(str(error)), hint=config.in_python(error.hint or "")) from error
    problems = settings.problems()
    if problems:
        config.refuse(
            [config.in_python(each) for each in problems],
            call,
            hint=f"help(physiolect.{call}) lists all settings",
        )
    return settings


def takes_settings(cls: type[TrainingSettings], *without: str) -> Callable[[Call], Call]:
    """Show the fields of a settings class in a call's signature, as keywords with their defaults.

    Args:
        cls: the settings that the call takes as keywords.
        without: fields that the call does not take, or names itself.
    """

    def decorate(call: Call) -> Call:
        own = inspect.signature(call)
        named = [each for each in own.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
        hints = get_type_hints(cls)
        for field in dataclasses.fields(cls):
            if field.name in own.parameters or field.name in without:
                continue
            make = field.default_factory
            default = field.default if make is dataclasses.MISSING else make()
            named.append(
                inspect.Parameter(
                    field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hints[field.name]
                )
            )
        call.__signature__ = own.replace(parameters=named)  # type: ignore[attr-defined]
        return call

    return decorate


def _plain(value: Any, kind: Any) -> Any:
    """Return a keyword's value as YAML would hold it, where Python users have shorter ways to write it.

    A text alone is one name of several. A channel may be a number, and class weights may be numbers.
    """
    if isinstance(value, Store):
        return str(value.path)
    if kind == tuple[str, ...] and isinstance(value, str):
        return [value]
    if kind == str | None and isinstance(value, Integral) and not isinstance(value, bool):
        return str(value)
    if kind == str | None and isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value) if isinstance(value, Path) else config.plain(value)
