"""Who is judged, what each is called, and what refuses one that cannot be before any has begun."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from physiolect.checkpoint import Checkpoint, load_checkpoint
from physiolect.commands.evaluate.runs import is_cross_validated
from physiolect.errors import PhysiolectError

if TYPE_CHECKING:
    from physiolect.commands.evaluate import Config

MODEL, OTHER = "model", "compared"
_OPTIONS = {MODEL: "--checkpoint", OTHER: "--compare"}


def named_of(config: Config) -> dict[str, str]:
    """Return who is judged, by the name in the results."""
    return {MODEL: config.checkpoint, **({OTHER: config.compare} if config.compare else {})}


def titles_of(config: Config) -> dict[str, str]:
    """Return what those who are judged are called in tables and figures: "model (folds)".

    It is the last part of the path, or all of it where both end alike.
    """
    named = named_of(config)
    short = {name: Path(path).name or path for name, path in named.items()}
    if len(set(short.values())) < len(short):
        short = named
    return {name: f"{name} ({short[name]})" for name in named}


@contextmanager
def blaming(config: Config, name: str) -> Iterator[None]:
    """Say of a refusal which of the models it is about."""
    try:
        yield
    except PhysiolectError as error:
        path, said = named_of(config)[name], str(error)
        whose = _OPTIONS[name] if path in said else f"{_OPTIONS[name]} {path}"
        raise type(error)(f"{whose}: {said}", hint=error.hint) from error


def lead_of(config: Config) -> Checkpoint:
    """Return the model whose windows, features and tokens are taken: of a cross-validated run, its first fold's."""
    path = config.checkpoint
    if is_cross_validated(path):
        path = str(next(iter(sorted(Path(path).glob("fold-*")))))
    with blaming(config, MODEL):
        return placed(load_checkpoint(path), config)


def placed(checkpoint: Checkpoint, config: Config) -> Checkpoint:
    """Return a checkpoint with its model where it is to compute."""
    from physiolect.training import choose_device

    checkpoint.model.to(choose_device(config.device))
    return checkpoint
