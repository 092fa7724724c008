"""The settings of an encoder, and its presets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Literal

from physiolect.errors import ConfigError
from physiolect.models.heads import Pooling
from physiolect.models.layers import Activation, Norm
from physiolect.models.scaling import SCALINGS, Scaling

ENCODER_POOLINGS: tuple[Pooling, ...] = ("mean", "class", "attention")
"""The mean over all positions, class token included; the class token alone; or a learned mean."""
_LITERALS: dict[str, tuple[str, ...]] = {
    "embedding": ("linear", "two-layer"),
    "positions": ("learned", "rotary", "each"),
    "positions_at": ("input", "every-layer"),
    "pattern": ("all", "cross"),
    "attention": ("scaled", "post-scaled"),
    "scaling": SCALINGS,
    "pooling": ENCODER_POOLINGS,
    "classifier": ("linear", "two-layer"),
}


@dataclass(frozen=True)
class EncoderConfig:
    """Everything that decides the shape and the maths of an encoder."""

    n_channels: int = 1
    """Channels of a window: leads, or the numbers that describe a token where tokens are given (beats)."""
    context_length: int = 500
    """Most samples of a window, or most tokens where tokens are given; a multiple of `patch`."""
    n_outputs: int = 1
    """Outputs of a window, or of each sample."""
    patch: int = 1
    """Samples that one token is made from."""
    per_lead: bool = False
    """A token is of one channel, with a learned embedding of that channel, and not of all channels together."""
    scaling: Scaling = "none"
    """What is done to a window first: nothing; each channel to [0, 1] (range) or to mean 0 and standard deviation 1
    (standard); or all channels together (joint-range, joint-standard)."""
    class_token: bool = True
    """A learned token stands before the window."""
    embedding: Literal["linear", "two-layer"] = "linear"
    """How a patch becomes a token: one linear layer, or linear, GELU, dropout, linear, for numbers of many kinds."""
    padding_channel: bool = False
    """The last channel is above 0 at real samples, and 0 at padding: an attention mask that travels with the window."""
    width: int = 128
    """Features of the residual stream."""
    n_layers: int = 6
    """Blocks."""
    n_heads: int = 4
    """Attention heads; divides `width`."""
    mlp_width: int = 512
    """Hidden features of each block's MLP."""
    positions: Literal["learned", "rotary", "each"] = "learned"
    """A learned table of times that is added, rotary angles in every layer, or a learned table of all tokens (ViT)."""
    positions_at: Literal["input", "every-layer"] = "input"
    """Where a learned table is added: once, or to the input of every layer (ECGformer)."""
    rotary_base: float = 10_000.0
    """Slowest rotary wavelength is about 2 pi times this many tokens of a channel."""
    attention: Literal["scaled", "post-scaled"] = "scaled"
    """softmax(q k^T / sqrt(head size)), or softmax(q k^T) / sqrt(width) (ECGformer)."""
    pattern: Literal["all", "cross"] = "all"
    """With `per_lead`, a token sees all tokens, or those of its channel and those of its time (ECG-JEPA)."""
    separators: bool = False
    """With `per_lead`, a learned token stands at both ends of each channel (ST-MEM)."""
    image_patch: int = 0
    """Pixels of a patch's side, where channels and time are resized to a square image of three equal colours, whose
    patches are the tokens (ViT, CLIP); 0 reads samples."""
    image_mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    """Subtracted from the colours of an image."""
    image_sd: tuple[float, ...] = (0.5, 0.5, 0.5)
    """What the colours are divided by after that."""
    first_norm: bool = False
    """A norm before the first block (CLIP)."""
    norm_epsilon: float = 1e-5
    """Of LayerNorm."""
    attention_bias: bool = False
    """Biases of the q, k, v projections."""
    qk_norm: bool = False
    """Normalise queries and keys per head."""
    activation: Activation = "gelu"
    """Of the MLP."""
    norm: Norm = "layer"
    """LayerNorm or RMSNorm."""
    bias: bool = True
    """Biases in norms, MLP and the attention's output."""
    final_norm: bool = True
    """A norm after the last block."""
    pooling: Pooling = "mean"
    """Whose features speak for a window: the mean of all positions, the class token's, or a learned mean."""
    classifier: Literal["linear", "two-layer"] = "linear"
    """The head: one linear layer, or linear, LayerNorm, linear (ECGformer)."""
    each_sample: bool = False
    """The head gives every sample of a patch outputs of its own; otherwise they share the patch's."""
    attention_dropout: float = 0.0
    """On attention weights."""
    residual_dropout: float = 0.0
    """After attention and after the MLP."""
    initialisation: Literal["torch", "scaled"] = "scaled"
    """PyTorch's defaults, or normal(0, 0.02) with residual branches scaled by (2 n_layers)^-0.5 (GPT-2)."""

    def __post_init__(self) -> None:
        problems = self.problems()
        if problems:
            raise ConfigError("; ".join(problems), hint="mend the model's settings, or start from a preset")

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        sizes = (
            "n_channels", "context_length", "n_outputs", "patch", "width", "n_layers", "n_heads", "mlp_width",
        )  # fmt: skip
        found = [
            f"{name} is {getattr(self, name)}, but must be at least 1"
            for name in sizes
            if getattr(self, name) < 1
        ]
        if not found and self.width % self.n_heads:
            found.append(f"width {self.width} is no multiple of n_heads {self.n_heads}")
        elif not found and self.positions == "rotary" and self.width // self.n_heads % 2:
            found.append(f"rotary positions need an even head size, got {self.width // self.n_heads}")
        if not found and self.context_length % self.patch:
            found.append(f"context_length {self.context_length} is no multiple of patch {self.patch}")
        found += [
            f"{name} is '{getattr(self, name)}', which is not one of {', '.join(known)}"
            for name, known in _LITERALS.items()
            if getattr(self, name) not in known
        ]
        for name in ("attention_dropout", "residual_dropout"):
            if not 0 <= getattr(self, name) < 1:
                found.append(f"{name} is {getattr(self, name)}, but must be in [0, 1)")
        if not 0 < self.rotary_base < inf:
            found.append(f"rotary_base is {self.rotary_base}, but must be above 0")
        return found + self._contradictions()

    def _contradictions(self) -> list[str]:
        found = []
        if self.pooling == "class" and not self.class_token:
            found.append("pooling is class, but there is no class token")
        if self.positions == "rotary" and self.positions_at == "every-layer":
            found.append("positions_at is for learned positions: rotary ones are in every layer")
        if (
            self.image_patch < 0
            or len(self.image_mean) != 3
            or len(self.image_sd) != 3
            or min(self.image_sd) <= 0
        ):
            found.append(
                "image_patch cannot be negative, and image_mean and image_sd have three numbers, sd above 0"
            )
        if self.image_patch and self.separators:
            found.append("an image has no separators")
        if not 0 < self.norm_epsilon < 1:
            found.append(f"norm_epsilon is {self.norm_epsilon}, but must be between 0 and 1")
        if self.positions == "each" and self.positions_at == "every-layer":
            found.append("positions_at every-layer is for positions learned")
        for name in ("separators", "pattern", "image_patch"):
            if getattr(self, name) not in (False, "all", 0) and not self.per_lead:
                found.append(f"{name} is for tokens of one channel each: set per_lead")
        if self.attention == "post-scaled" and self.qk_norm:
            found.append("qk_norm is for scaled attention")
        return found

    @property
    def n_patches(self) -> int:
        """Tokens of a channel, or of all channels together, in the longest window."""
        return self.context_length // self.patch

    @property
    def n_rows(self) -> int:
        """Channels that have patches of their own, or rows of an image's patches."""
        if not self.per_lead:
            return 1
        return self.n_patches if self.image_patch else self.n_channels

    @property
    def patch_size(self) -> int:
        """Numbers of a patch."""
        if self.image_patch:
            return 3 * self.image_patch**2
        return self.patch * (1 if self.per_lead else self.n_channels)


_VIT = EncoderConfig(
    n_channels=12,
    context_length=14 * 178,
    patch=178,
    per_lead=True,
    image_patch=16,
    scaling="joint-range",
    width=768,
    n_layers=12,
    n_heads=12,
    mlp_width=3072,
    positions="each",
    attention_bias=True,
    norm_epsilon=1e-12,
    pooling="class",
)
ENCODER_PRESETS: dict[str, EncoderConfig] = {
    "ecgformer": EncoderConfig(
        context_length=186,
        width=768,
        n_layers=6,
        n_heads=8,
        mlp_width=4 * 768,
        positions_at="every-layer",
        attention="post-scaled",
        attention_bias=True,
        final_norm=False,
        classifier="two-layer",
        initialisation="torch",
    ),
    "modern": EncoderConfig(
        context_length=5000,
        patch=5,
        per_lead=True,
        scaling="standard",
        mlp_width=340,
        positions="rotary",
        activation="swiglu",
        norm="rms",
        bias=False,
        qk_norm=True,
    ),
    "st-mem": EncoderConfig(
        n_channels=12,
        context_length=2250,
        patch=75,
        per_lead=True,
        separators=True,
        scaling="joint-standard",
        class_token=False,
        width=768,
        n_layers=12,
        n_heads=12,
        mlp_width=3072,
        attention_bias=True,
    ),
    "ecg-jepa": EncoderConfig(
        n_channels=8,
        context_length=2500,
        patch=50,
        per_lead=True,
        pattern="cross",
        class_token=False,
        width=768,
        n_layers=12,
        n_heads=16,
        mlp_width=3072,
    ),
    "vit": _VIT,
    "clip": replace(
        _VIT,
        context_length=7 * 357,
        patch=357,
        image_patch=32,
        image_mean=(0.48145466, 0.4578275, 0.40821073),
        image_sd=(0.26862954, 0.26130258, 0.27577711),
        first_norm=True,
        norm_epsilon=1e-5,
        activation="quick-gelu",
    ),
    "twelve-lead": EncoderConfig(
        n_channels=12,
        context_length=2500,
        patch=50,
        per_lead=True,
        scaling="standard",
        class_token=False,
        width=256,
        n_heads=8,
        mlp_width=680,
        positions="rotary",
        activation="swiglu",
        norm="rms",
        bias=False,
        qk_norm=True,
    ),
}
"""Encoders by name. "ecgformer" is the published description (arXiv:2401.05434), which names no number of layers: six
are ours. "st-mem" (arXiv:2402.09450) and "ecg-jepa" (arXiv:2410.08559) are encoders that learn without labels; of the
first, the sizes are those of a ViT-Base. "vit" and "clip" have the shapes of vit-base-patch16-224 (arXiv:2010.11929)
and of the vision side of clip-vit-base-patch32 (arXiv:2103.00020); a column of patches stands for 178 or 357 samples.
"modern" and "twelve-lead" are ours."""
