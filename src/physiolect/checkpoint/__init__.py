"""Model, tokenizer and contract together, as a folder that proves itself."""

from __future__ import annotations

from pathlib import Path

from physiolect.checkpoint.checkpoint import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    Checkpoint,
    check_target,
    load_folder,
)
from physiolect.checkpoint.fingerprint import Fingerprint, Verification
from physiolect.checkpoint.hub import download, is_hub_name
from physiolect.checkpoint.outputs import Outputs
from physiolect.checkpoint.published import PUBLISHED, export_published, load_published
from physiolect.checkpoint.run import Run, named_patients
from physiolect.checkpoint.tasks import for_task
from physiolect.checkpoint.tensor_file import load_state
from physiolect.checkpoint.text_side import TextSide
from physiolect.errors import CheckpointError
from physiolect.files import whole_folder
from physiolect.models.published.weights_file import SUFFIXES

__all__ = [
    "EMBEDDED",
    "PUBLISHED",
    "Checkpoint",
    "Fingerprint",
    "Outputs",
    "Run",
    "TextSide",
    "Verification",
    "as_checkpoint",
    "check_target",
    "export_published",
    "for_task",
    "load_checkpoint",
    "load_published",
    "load_state",
    "named_patients",
]


EMBEDDED: dict[str, Path] = {
    folder.name: folder
    for folder in sorted((Path(__file__).parent / "embedded").iterdir())
    if folder.is_dir()
}
"""Checkpoints that come with the package, by name; each folder's README.md is its model card."""


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Load a checkpoint folder, a published HeartGPT file, "ecg", or `owner/name` from the Hugging Face Hub.

    "ecg" and the other names of `EMBEDDED` come with the package, unless a checkpoint of that name lies here: what is
    the user's own comes first, and `EMBEDDED["ecg"]` is always the package's. Only a name of the form `owner/name`,
    whose `owner` is no folder here, ever touches the network. A run's folder stands for the best checkpoint in it,
    or the last where none was best yet.

    Raises:
        CheckpointError: there is nothing of that name, or it is incomplete, altered or unsafe.
    """
    place = whole_folder(Path(path))
    if str(path) in EMBEDDED and not _is_checkpoint(place):
        return load_folder(EMBEDDED[str(path)])
    if place.is_dir() and not (place / WEIGHTS_FILE).exists():
        for kind in ("best", "last"):
            if whole_folder(place / kind).is_dir():
                return load_folder(whole_folder(place / kind))
        folds = sorted(fold.name for fold in place.glob("fold-*") if _is_checkpoint(fold))
        if folds:
            raise CheckpointError(
                f"{path} is no checkpoint, but a cross-validated run",
                hint=f"each fold's folder is a checkpoint: pass {place / folds[0]}; or have the run judged by evaluate",
            )
    if place.is_file():
        if place.suffix.lower() in SUFFIXES:
            return load_published(place)
        raise CheckpointError(
            f"{place} is a file of another kind",
            hint=f"pass a checkpoint folder, or a HeartGPT file ({', '.join(SUFFIXES)})",
        )
    if not place.exists():
        if is_hub_name(str(path)):
            return load_folder(download(str(path)))
        raise CheckpointError(
            f"there is no checkpoint '{path}'",
            hint="pass a folder made by pretrain, finetune or convert, a HeartGPT .zip, owner/name on the Hub, "
            f"or one that comes with Physiolect: {', '.join(EMBEDDED)}",
        )
    return load_folder(place)


def as_checkpoint(given: Checkpoint | str | Path) -> Checkpoint:
    """Return an opened checkpoint as it is, and load any other.

    Raises:
        CheckpointError: as for `load_checkpoint`.
    """
    return given if isinstance(given, Checkpoint) else load_checkpoint(given)


def _is_checkpoint(place: Path) -> bool:
    """Say whether a folder holds a checkpoint, whole or not, or is a run's, which holds some."""
    return (place / CONFIG_FILE).is_file() or any(
        whole_folder(place / kind).is_dir() for kind in ("best", "last")
    )
