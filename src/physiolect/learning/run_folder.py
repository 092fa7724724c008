"""The folder of a run: its settings, its checkpoints `last` and `best`, and how it is resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch

from physiolect import __version__, config
from physiolect.checkpoint import Checkpoint, load_checkpoint, load_state
from physiolect.datasets import Store
from physiolect.errors import ConfigError, PhysiolectError
from physiolect.evaluation.cross_validated import FOLDS_FILE, PREDICTIONS_FILE, is_cross_validated
from physiolect.files import lock_folder, whole_folder

SETTINGS_FILE = "settings.yaml"
RUN_FILE = "run.yaml"
FREE = ("store", "out", "resume", "minutes", "threads", "device", "form")
"""Settings that a resumed run may change: they change results only by rounding."""


def holds_run(out: Path) -> bool:
    """Say whether a folder holds a run that can be resumed."""
    return any((out / name).exists() for name in ("last", "last.old"))


@contextmanager
def locked_run(out: Path, *, resume: bool, saved: Callable[[], bool]) -> Iterator[None]:
    """Keep other runs out of the folder of this one.

    Args:
        out: the folder.
        resume: whether the run in it is resumed.
        saved: whether the folder holds a run; asked again once it is locked, since another run may just have ended.

    Raises:
        WriteError: another run is writing there.
        ConfigError: a run has appeared there since the settings were checked.
    """
    with lock_folder(out):
        if saved() and not resume:
            raise ConfigError(f"{out} holds a run already", hint="resume it, or choose another folder")
        yield


def with_saved_settings(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings given or, on `resume`, those that the run had.

    Raises:
        ConfigError: there is no run, or a setting differs from the run's.
    """
    if given.get("resume") is not True or given.get("out") is None:
        return given
    out = Path(str(given["out"]))
    file = out / SETTINGS_FILE
    if not file.is_file():
        if not any(map(holds_run, (out, *out.glob("fold-*")))):
            raise ConfigError(
                f"{out} holds no run to resume",
                hint="name the folder of a run, or start one without resuming",
            )
        return given
    before = config.read_yaml(file)
    free = {name: value for name, value in given.items() if name in FREE}
    kept = {name: value for name, value in given.items() if name not in FREE}
    if _lengthens(kept.get("steps"), before, out):
        free["steps"] = kept.pop("steps")
    changed = [name for name, value in kept.items() if config.merge(before, {name: value}) != before]
    if changed:
        raise ConfigError(
            f"a resumed run keeps its settings, but {', '.join(changed)} differs from {file}",
            hint="leave these out, or start a new run"
            + ("; a finished run takes more --steps than it had" if "steps" in changed else ""),
        )
    return {**before, **free}


def _lengthens(steps: Any, before: Mapping[str, Any], out: Path) -> bool:
    """Return whether so many updates lengthen a finished run, or the runs of a finished cross-validation."""
    done, asked = saved_step(out), before.get("steps")
    if is_cross_validated(out):  # a fold may have ended early, when its validation loss no longer fell
        reached = max((saved_step(fold) or 0 for fold in out.glob("fold-*")), default=None)
        done = asked if isinstance(asked, int) else reached
    if not isinstance(steps, int) or isinstance(steps, bool) or done is None:
        return False
    return steps > done and done == (asked if isinstance(asked, int) else done)


def lengthened(out: Path, steps: int) -> str | None:
    """Write into the settings of a resumed run that it makes more updates; say so where it does.

    Args:
        out: folder of the run.
        steps: updates in all.
    """
    file = out / SETTINGS_FILE
    if not file.is_file():
        return None
    before = config.read_yaml(file)
    if before.get("steps") == steps:
        return None
    done = saved_step(out)
    if done is None:  # a cross-validation: without their predictions the folds count as unfinished
        folds = sorted(out.glob("fold-*"))
        for fold in folds:
            (fold / PREDICTIONS_FILE).unlink(missing_ok=True)
        (out / PREDICTIONS_FILE).unlink(missing_ok=True)
        done = max((saved_step(fold) or 0 for fold in folds), default=0)
    config.dump({**before, "steps": steps}, file)
    (out / FOLDS_FILE).unlink(missing_ok=True)
    return (
        f"the run goes on after update {done}, to {steps:,} in all: the learning rate follows a schedule of "
        f"{steps:,} updates from here on"
    )


def saved_step(out: Path) -> int | None:
    """Return the update after which `last` was saved, by its run.yaml; None where there is none."""
    file = whole_folder(out / "last") / RUN_FILE
    try:
        return int(config.read_yaml(file)["step"])
    except (PhysiolectError, OSError, KeyError, TypeError, ValueError):
        return None


def saved_run(out: Path, store: Store) -> tuple[Checkpoint, dict[str, torch.Tensor]]:
    """Return the checkpoint `last` of a run, and the state to resume from.

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
    folder: Path,
    state: Mapping[str, torch.Tensor],
    kind: Literal["last", "best"],
    **about: Any,
) -> None:
    """Write one of a run's two checkpoints; only `last` can be resumed.

    Args:
        checkpoint: the model as it is now.
        folder: of the run.
        state: of the training, with "step" and "best".
        kind: which checkpoint.
        **about: keys of run.yaml: `made_by` (the verb), `settings` (a dataclass), `store_sha256` and others.
    """
    made_by, settings = about.pop("made_by"), about.pop("settings")
    checkpoint.run = {
        "made_by": f"physiolect {__version__} {made_by}",
        "step": int(state["step"]),
        "validation_loss": float(state["best"]),
        **about,
        "settings": config.to_dict(settings),
    }
    checkpoint.save(folder / kind, state=state if kind == "last" else None)


def last_saved_step(out: str | Path) -> int | None:
    """Return the update after which a run was last saved; None where nothing was."""
    try:
        return int(load_checkpoint(Path(out) / "last").run["step"])
    except (PhysiolectError, OSError, KeyError):
        return None
