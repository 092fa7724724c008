"""The text's side of a model that learned from signals and texts: how a text comes into the space of its vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from physiolect import config
from physiolect.checkpoint.tensor_file import check_whole, let_others_read
from physiolect.errors import CheckpointError
from physiolect.language import TextPooling, TextTower, load_text_tower, weights_digest
from physiolect.models.paired import ProjectionKind, make_projection

FOLDER = "text"
_SETTINGS_FILE, _TENSORS_FILE = "text.yaml", "text.safetensors"
FILES = (f"{FOLDER}/{_SETTINGS_FILE}", f"{FOLDER}/{_TENSORS_FILE}")
"""Both, as they lie in a checkpoint."""
_PROJECTION, _TOWER = "projection.", "tower."


@dataclass(frozen=True)
class TextSide:
    """What lies beside the weights in a checkpoint; the tower itself does not, but its name and digest."""

    tower: str
    """Folder of the text encoder, or owner/name on the Hub."""
    tower_sha256: str
    """Digest of its weights before training."""
    text_width: int
    """Features of a text."""
    width: int
    """Features of the common space."""
    scale: float
    """Of cosines in training, one over the temperature."""
    pooling: TextPooling = "mean"
    """Which tokens represent a text."""
    projection: ProjectionKind = "linear"
    """What maps a text's features to the common space."""
    most_tokens: int = 256
    """Tokens of a text that are read."""
    tensors_sha256: str = ""
    """Digest of `tensors`."""
    tensors: Mapping[str, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Weights of the projection, and those of the tower that were trained, by name."""

    def save(self, folder: Path) -> None:
        """Write the two files."""
        from safetensors.torch import save_file

        folder.mkdir()
        tensors = {name: value.detach().cpu().contiguous().clone() for name, value in self.tensors.items()}
        config.dump({**config.to_dict(self), "tensors_sha256": _digest(tensors)}, folder / _SETTINGS_FILE)
        save_file(tensors, str(folder / _TENSORS_FILE))
        let_others_read(folder / _TENSORS_FILE, like=folder / _SETTINGS_FILE)

    @classmethod
    def load(cls, folder: Path) -> TextSide:
        """Read what `save` wrote.

        Raises:
            CheckpointError: a file is missing or was altered.
            ConfigError: a setting is unknown or of another type.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        file = folder / _TENSORS_FILE
        if not file.is_file() or not (folder / _SETTINGS_FILE).is_file():
            raise CheckpointError(
                f"{folder} lacks {_TENSORS_FILE} or {_SETTINGS_FILE}",
                hint="copy the checkpoint again, with all its files",
            )
        check_whole(file)
        held = config.read_yaml(folder / _SETTINGS_FILE)
        try:
            tensors = load_file(str(file))
        except SafetensorError as error:
            raise CheckpointError(
                f"{file} cannot be read: {error}", hint="copy the checkpoint again"
            ) from error
        found: TextSide = config.from_dict(cls, held, str(folder / _SETTINGS_FILE))
        if _digest(tensors) != found.tensors_sha256:
            raise CheckpointError(
                f"{file} was altered: its digest is another", hint="copy the checkpoint again"
            )
        object.__setattr__(found, "tensors", tensors)
        return found

    def open(self, tower: str | Path | None = None) -> Texts:
        """Load the text tower, and prove that it is the one that the model learned with.

        Args:
            tower: its folder, where it has moved; None takes the name that the checkpoint keeps.

        Raises:
            CheckpointError: it cannot be loaded, or it is another one.
        """
        name = self.tower if tower is None else str(tower)
        try:
            opened = load_text_tower(name, pooling=self.pooling, most_tokens=self.most_tokens)
        except CheckpointError as error:
            hint = "name its folder with text_tower (--text-tower)" if tower is None else error.hint
            raise CheckpointError(
                f"the checkpoint's text tower cannot be loaded: {error}", hint=hint
            ) from error
        if weights_digest(opened) != self.tower_sha256:
            raise CheckpointError(
                f"the text tower {name} has other weights than the one that the checkpoint learned with",
                hint="name the folder or revision that was used in training",
            )
        trained = {k.removeprefix(_TOWER): v for k, v in self.tensors.items() if k.startswith(_TOWER)}
        projected = {
            k.removeprefix(_PROJECTION): v for k, v in self.tensors.items() if k.startswith(_PROJECTION)
        }
        projection = make_projection(self.projection, self.text_width, self.width)
        try:
            projection.load_state_dict(projected)
            unknown = opened.load_state_dict(trained, strict=False).unexpected_keys
        except RuntimeError as error:
            raise CheckpointError(
                f"the checkpoint's projection of texts does not fit: {' '.join(str(error).split())[:160]}",
                hint="the checkpoint was altered: copy it again",
            ) from error
        if unknown:
            raise CheckpointError(
                f"the text tower {name} has no weights {', '.join(unknown[:2])}",
                hint="use the tower of the training",
            )
        return Texts(opened, projection.eval())


@dataclass(frozen=True, eq=False)
class Texts:
    """An opened text tower with its projection."""

    tower: TextTower
    projection: torch.nn.Module

    @torch.no_grad()
    def vectors(self, texts: Sequence[str]) -> Tensor:
        """Return texts as vectors of length 1 in the common space, (n, D) float32."""
        return F.normalize(self.projection(self.tower.features(texts)).float(), dim=-1)


def side_of(
    tower: TextTower,
    weights: Mapping[str, Tensor],
    *,
    tower_sha256: str,
    projection: ProjectionKind,
    scale: float,
) -> TextSide:
    """Return the text's side of a model in training.

    Args:
        tower: as it was loaded; some of its weights may have been trained.
        weights: of the projection, under "projection.…", and trained ones of the tower, under "tower.…".
        tower_sha256: digest of the tower before training.
        projection: its kind.
        scale: of cosines.
    """
    width = [value for name, value in weights.items() if name.startswith(_PROJECTION) and value.ndim == 2][
        -1
    ].shape[0]
    side = TextSide(
        tower=tower.name, tower_sha256=tower_sha256, text_width=tower.width, width=width, scale=scale,
        pooling=tower.pooling, projection=projection, most_tokens=tower.most_tokens,
    )  # fmt: skip
    object.__setattr__(side, "tensors", dict(weights))
    return side


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].float().contiguous().numpy().tobytes())
    return digest.hexdigest()
