"""What verbs that train share: the folder of a run, going on with it, and how it ends."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import torch

from physiolect import __version__, config
from physiolect.checkpoint import Checkpoint, load_checkpoint, load_state
from physiolect.commands.terminal import say
from physiolect.datasets import Examples, Store
from physiolect.errors import ConfigError, PhysiolectError
from physiolect.files import lock_folder

SETTINGS_FILE = "settings.yaml"
FREE = ("store", "out", "resume", "minutes", "threads", "device", "form")
"""Settings that a resumed run may change: they decide no number but by rounding."""
_MOST = 10**9


class Settings(Protocol):
    """What every verb that trains is told."""

    @property
    def store(self) -> str: ...
    @property
    def out(self) -> str: ...
    @property
    def resume(self) -> bool: ...
    @property
    def seed(self) -> int: ...
    @property
    def minutes(self) -> float | None: ...


def is_saved(out: str | Path) -> bool:
    """Say whether a folder holds a run from which one can go on."""
    return any((Path(out) / name).exists() for name in ("last", "last.old"))


@contextmanager
def locked_run(settings: Settings, saved: Callable[[], bool]) -> Iterator[None]:
    """Keep other runs out of the folder of this one.

    Args:
        settings: of the verb.
        saved: whether the folder holds a run; asked again once it is locked, since another run may just have ended.

    Raises:
        WriteError: another run is writing there.
        ConfigError: a run has appeared there since the settings were checked.
    """
    with lock_folder(Path(settings.out)):
        if saved() and not settings.resume:
            raise ConfigError(
                f"{settings.out} holds a run already", hint="give --resume to continue it, or another --out"
            )
        yield


def run_problems(settings: Settings, counts: Collection[str], *, saved: bool) -> list[str]:
    """List what is wrong with the settings that verbs share.

    Args:
        settings: of the verb.
        counts: names of the settings that are None or a whole number from 1 on.
        saved: whether the folder holds a run.
    """
    found = []
    for name in counts:
        value = getattr(settings, name)
        if value is not None and not 1 <= value <= _MOST:
            found.append(f"--{name.replace('_', '-')} is {value}, but must be from 1 to {_MOST:,}")
    if not 0 <= settings.seed < 2**63:
        found.append(f"--seed is {settings.seed}, but must be from 0 to 2^63 - 1")
    if settings.minutes is not None and not 0 < settings.minutes < math.inf:
        found.append(f"--minutes is {settings.minutes}, but must be above 0")
    if saved and not settings.resume:
        found.append(f"{settings.out} holds a run already: give --resume to go on with it, or another --out")
    if settings.resume and not saved:
        found.append(f"{settings.out} holds nothing to resume: leave --resume out to start a run")
    return found


def with_held_settings(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what was given, and on `resume` the settings the run had, which must not be contradicted.

    Raises:
        ConfigError: there is no run, or a setting was given that it did not have.
    """
    if given.get("resume") is not True or given.get("out") is None:
        return given
    out = Path(str(given["out"]))
    file = out / SETTINGS_FILE
    if not file.is_file():
        if not any(map(is_saved, (out, *out.glob("fold-*")))):
            raise ConfigError(
                f"{out} holds no run to resume",
                hint="name the folder of a run, or leave --resume out to start one",
            )
        return given
    before = config.read_yaml(file)
    free = {name: value for name, value in given.items() if name in FREE}
    kept = {name: value for name, value in given.items() if name not in FREE}
    changed = [name for name, value in kept.items() if config.merge(before, {name: value}) != before]
    if changed:
        raise ConfigError(
            f"a resumed run keeps its settings, but {', '.join(changed)} differs from {file}",
            hint="leave these out, or start a new run",
        )
    return {**before, **free}


def saved_run(out: Path, store: Store) -> tuple[Checkpoint, dict[str, torch.Tensor]]:
    """Return the checkpoint `last` of a run, and the state to go on from.

    Raises:
        ConfigError: the run was trained on another store.
    """
    last = out / "last"
    checkpoint, state = load_checkpoint(last), load_state(last)
    refuse_other_store(checkpoint, store)
    return checkpoint, state


def refuse_other_store(checkpoint: Checkpoint, store: Store) -> None:
    """Raise ConfigError unless a run's checkpoint was trained on this store."""
    if checkpoint.run.get("store_sha256") != store.digest:
        raise ConfigError(
            f"{store.path} is another store than the run was trained on", hint="resume with the same store"
        )


def save_run(
    checkpoint: Checkpoint,
    out: Path,
    kind: Literal["last", "best"],
    state: Mapping[str, torch.Tensor],
    *,
    verb: str,
    settings: Settings,
    store: Store,
    **more: Any,
) -> None:
    """Write one of a run's two checkpoints, with what made it; only `last` can be gone on from."""
    checkpoint.run = {
        "made_by": f"physiolect {__version__} {verb}",
        "step": int(state["step"]),
        "validation_loss": float(state["best"]),
        "store_sha256": store.digest,
        **more,
        "settings": config.to_dict(settings),
    }
    checkpoint.save(out / kind, state=state if kind == "last" else None)


def tell_left_out(examples: Examples, labels: str | None) -> None:
    """Say how many recordings of the store a table of labels left out, if there is one and it did.

    Args:
        examples: all that were made.
        labels: the table that told of them; None where there is none.
    """
    store = examples.store
    every = set(store.sources)
    long = {store.sources[row] for row in (store.lengths >= examples.length).nonzero()[0].tolist()}
    untold, short = len(long - set(examples.sources)), len(every - long)
    parts = [f"{untold} of which {labels} tells nothing that is asked for"] if untold else []
    parts += [f"{short} shorter than a window"] if short else []
    if labels and parts:
        say(f"left out of the store's {len(every):,} recordings: {', '.join(parts)}")


def again(verb: str, settings: Settings) -> str:
    """Return the command that goes on with a run."""
    return shlex.join(["physiolect", verb, settings.store, "--out", settings.out, "--resume"])


def tell_stop(done: str, verb: str, settings: Settings, heard: int) -> int:
    """Say how far a stopped run came and how to go on; returns its exit code, given the signal heard, or 0."""
    say(f"stopped after {done}; to go on:\n  {again(verb, settings)}")
    return 128 + heard if heard else 0


def how_to_go_on(verb: str, settings: Settings) -> str:
    """Say from where the run can go on, after it ended without a word of its own."""
    try:
        step = load_checkpoint(Path(settings.out) / "last").run["step"]
    except (PhysiolectError, OSError, KeyError):
        return "nothing was saved yet, so start anew"
    return f"to go on from update {step}, with as many processes as you like:\n  {again(verb, settings)}"
