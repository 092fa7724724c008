"""The network that learns without labels: a model, and for each objective what stands beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from physiolect.language import TextTower
from physiolect.learning.unlabelled.settings import FirstStage
from physiolect.models.encoder import Encoder
from physiolect.models.model import Model
from physiolect.models.paired import PairedText, PairedViews
from physiolect.models.unlabelled import JointEmbedding, MaskedImage, MaskedPatches

_FROZEN = "tower."
_WEIGHTS = "weights/"
"""Prefix of names in a run's state."""


class Learner(nn.Module):
    """Calls every objective's part with the same model and batch.

    Args:
        model: what learns.
        stage: objectives and their settings.
        steps: updates of the whole run, over which a teacher's momentum rises.
        text_width: features of a text; None without an objective that needs texts.
        tower: the text tower, where some of its layers train.
    """

    def __init__(
        self,
        model: Model,
        stage: FirstStage,
        *,
        steps: int,
        text_width: int | None = None,
        tower: TextTower | None = None,
    ) -> None:
        super().__init__()
        self.model, self.steps = model, steps
        masking, pairing = stage.masking, stage.pairing
        parts: dict[str, nn.Module] = {}
        for name in stage.weights:
            if name == "masked":
                assert isinstance(model, Encoder)
                parts[name] = MaskedPatches(model, sizes=masking.decoder, share=masking.share)
            elif name == "masked-image":
                assert isinstance(model, Encoder)
                parts[name] = MaskedImage(model, share=masking.share)
            elif name == "jepa":
                assert isinstance(model, Encoder)
                shares = (masking.least, masking.most)
                parts[name] = JointEmbedding(
                    model,
                    sizes=masking.predictor,
                    mask=masking.times,
                    shares=shares,
                    momentum=masking.momentum,
                )
            else:
                assert text_width is not None
                assert pairing.width is not None
                shared: dict[str, Any] = {
                    "text_width": text_width, "width": pairing.width, "projection": pairing.projection,
                    "temperature": pairing.temperature, "learned": pairing.learned, "tower": tower,
                }  # fmt: skip
                views = name == "merl"
                parts[name] = (
                    PairedViews(dropout=pairing.dropout, **shared) if views else PairedText(**shared)
                )
        self.parts = nn.ModuleDict(parts)
        trained = self.paired is not None
        for (
            part
        ) in model.head_parts:  # an objective that reads features of patches alone leaves the head as it is
            part.requires_grad_(trained)

    def forward(self, x: Tensor, text: tuple[Tensor, ...]) -> dict[str, tuple[Tensor, ...]]:
        """Return what the loss of each objective is made of, by name, for windows (B, C, T) and their texts."""
        return {name: part(self.model, x, text) for name, part in self.parts.items()}

    @property
    def paired(self) -> PairedText | None:
        """The part that brings texts into the space of the model's vectors."""
        return next((part for part in self.parts.values() if isinstance(part, PairedText)), None)

    @property
    def regions(self) -> list[nn.Module]:
        """Parts that are compiled and sharded each by itself."""
        found = list(self.model.blocks)
        for part in self.parts.values():
            for trunk in (getattr(part, "decoder", None), getattr(part, "predictor", None)):
                found += [] if trunk is None else list(trunk.trunk.blocks)
            found += list(part.teacher.blocks) if isinstance(part, JointEmbedding) else []
        return found

    @torch.no_grad()
    def follow(self, step: Tensor, made: Tensor) -> None:
        """Move teachers after an update; see `JointEmbedding.follow`."""
        for part in self.parts.values():
            if isinstance(part, JointEmbedding):
                part.follow(self.model, step, self.steps, made)  # type: ignore[arg-type]

    def kept(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what a run's state keeps of all weights: those beside the model but for the tower's frozen ones."""
        trained = {name for name, p in self.named_parameters() if p.requires_grad}
        return {
            _WEIGHTS + name: value.detach().clone()
            for name, value in weights.items()
            if name.startswith("parts.") and (_FROZEN not in name or name in trained)
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `kept` gave; before the model is shared among processes."""
        held = {
            name.removeprefix(_WEIGHTS): value for name, value in state.items() if name.startswith(_WEIGHTS)
        }
        own = self.state_dict()
        assert held.keys() == {name.removeprefix(_WEIGHTS) for name in self.kept(own)}
        self.load_state_dict({**own, **held})
