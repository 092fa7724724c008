"""The models of an evaluation: each is loaded once, and refusals name the one they are about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from physiolect.checkpoint import Checkpoint, Run, load_checkpoint
from physiolect.errors import PhysiolectError
from physiolect.evaluation.cross_validated import CrossValidatedRun, is_cross_validated

if TYPE_CHECKING:
    import torch

MODEL, OTHER = "model", "compared"
"""Names of the two models in results."""
_SETTINGS = {MODEL: "checkpoint", OTHER: "compare"}


@dataclass(frozen=True, eq=False)
class EvaluatedModel:
    """A checkpoint, or the models of a cross-validated run."""

    name: str
    """`MODEL` or `OTHER`."""
    path: str
    """What the user named; of an opened checkpoint, words that stand for it."""
    title: str
    """Name in tables and figures: "model (af)"."""
    checkpoint: Checkpoint
    """Of a cross-validated run, its first fold's."""
    source: Run | CrossValidatedRun
    """What made the checkpoint, or the folds' models."""

    @property
    def is_cross_validated(self) -> bool:
        """Whether it is a cross-validated run."""
        return isinstance(self.source, CrossValidatedRun)

    def models_of_rows(self, groups: Sequence[str], rows: Sequence[int]) -> dict[int, Checkpoint]:
        """Return the model for each row: the checkpoint, or that of the fold which tests the row's group.

        Raises:
            CheckpointError: no fold tested a row's group.
        """
        if isinstance(self.source, CrossValidatedRun):
            return self.source.models_of_rows(groups, rows)
        return dict.fromkeys(rows, self.checkpoint)

    @contextmanager
    def named_in_errors(self) -> Iterator[None]:
        """Let an error raised inside name this model."""
        with _naming(self.name, self.path):
            yield


def load_models(
    checkpoint: str | Path | Checkpoint, compare: str | Path | Checkpoint | None
) -> tuple[EvaluatedModel, ...]:
    """Load the model, and what it is compared with.

    Args:
        checkpoint: the model: a path, or an opened checkpoint.
        compare: another one; None for none.

    Raises:
        PhysiolectError: one cannot be loaded; the error names which.
    """
    given = {MODEL: checkpoint, **({} if compare is None else {OTHER: compare})}
    paths = {name: each if isinstance(each, Checkpoint) else str(each) for name, each in given.items()}
    titles = titles_of({name: each for name, each in paths.items() if isinstance(each, str)})
    return tuple(_load(name, each, titles.get(name, name)) for name, each in paths.items())


def titles_of(paths: Mapping[str, str]) -> dict[str, str]:
    """Return the names of models in tables and figures: "model (folds)".

    In brackets stands the last part of the path, or the whole path where two end alike.

    Args:
        paths: name -> path.
    """
    short = {name: Path(path).name or path for name, path in paths.items()}
    if len(set(short.values())) < len(short):
        short = dict(paths)
    return {name: f"{name} ({short[name]})" for name in paths}


@contextmanager
def left_in_place(models: Sequence[EvaluatedModel]) -> Iterator[None]:
    """Move models back to the device, and to the mode, in which they were."""
    before = [
        (each.checkpoint.model, each.checkpoint.model.device, each.checkpoint.model.training)
        for each in models
    ]
    try:
        yield
    finally:
        for model, device, training in before:
            model.to(device).train(training)


def place(checkpoint: Checkpoint, device: torch.device) -> Checkpoint:
    """Move a checkpoint's model to a device, and return the checkpoint."""
    checkpoint.model.to(device)
    return checkpoint


def _load(name: str, given: str | Checkpoint, title: str) -> EvaluatedModel:
    if isinstance(given, Checkpoint):
        path = f"the {name} in memory" if name == MODEL else f"the {name} model in memory"
        with _naming(name, path):
            return EvaluatedModel(name, path, title, given, Run.of(given.run))
    with _naming(name, given):
        if is_cross_validated(given):
            source = CrossValidatedRun(given)
            return EvaluatedModel(name, given, title, source.folds[0].checkpoint, source)
        checkpoint = load_checkpoint(given)
        return EvaluatedModel(name, given, title, checkpoint, Run.of(checkpoint.run))


@contextmanager
def _naming(name: str, path: str) -> Iterator[None]:
    try:
        yield
    except PhysiolectError as error:
        message = str(error)
        which = _SETTINGS[name] if path in message else f"{_SETTINGS[name]} {path}"
        raise type(error)(f"{which}: {message}", hint=error.hint) from error
