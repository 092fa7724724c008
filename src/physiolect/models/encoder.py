"""The encoder: a transformer that looks both ways over windows of real numbers, or over tokens that are given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from physiolect.errors import ConfigError
from physiolect.models.attention import Rotary
from physiolect.models.capture import Capture
from physiolect.models.encoder_config import ENCODER_PRESETS, EncoderConfig
from physiolect.models.encoder_parts import image_patches, make_block, make_embedding, seen_across
from physiolect.models.heads import Pooling, make_pool
from physiolect.models.layers import Transformer, make_norm
from physiolect.models.model import Model, wandering
from physiolect.models.scaling import scaled
from physiolect.tasks import Scope

__all__ = ["ENCODER_PRESETS", "Encoder", "EncoderConfig"]


class Encoder(Model):
    """Reads windows (B, C, T); gives outputs of each sample, or of the window as a whole.

    Tokens N of a window are, in this order: the class token, then one for each patch of all channels together; or with
    `per_lead` one for each patch of the first channel, of the second, and so on; then the separators of each channel.
    Tokens that are given, such as beats described by some numbers each, are windows whose channels are those numbers,
    with a patch of 1.
    """

    Config = EncoderConfig
    takes = "signal"
    config: EncoderConfig

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        c = config
        self.embedding = make_embedding(c)
        self.class_token = nn.Embedding(1, c.width) if c.class_token else None
        rotary_positions, each = c.positions == "rotary", c.positions == "each"
        n = int(c.class_token) + c.n_patches * (c.n_rows if each else 1)
        self.positions = None if rotary_positions else nn.Embedding(n, c.width)
        self.lead_positions = nn.Embedding(c.n_rows, c.width) if c.n_rows > 1 and not each else None
        self.separators = nn.Embedding(2, c.width) if c.separators else None
        self.first_norm = make_norm(c.norm, c.width, bias=c.bias) if c.first_norm else None
        rotary = None if not rotary_positions else Rotary(head_size=c.width // c.n_heads, base=c.rotary_base)
        blocks = [make_block(c, rotary) for _ in range(c.n_layers)]
        self.trunk = Transformer(blocks, norm=c.norm if c.final_norm else None, norm_bias=c.bias)
        self.pool = make_pool(c.pooling, c.width)
        n = c.n_outputs * (c.patch if c.each_sample else 1)
        last = nn.Linear(c.width, n)
        self.head = (
            last
            if c.classifier == "linear"
            else nn.Sequential(nn.Linear(c.width, c.width), nn.LayerNorm(c.width), last)
        )
        for module in self.modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = c.norm_epsilon
        if c.initialisation == "scaled":
            self._initialise()

    def forward(
        self,
        x: Tensor,
        *,
        attention_mask: Tensor | None = None,
        last_only: bool = False,
        capture: Capture | None = None,
    ) -> Tensor:
        """Return outputs (B, T, K) for windows (B, C, T), or with `last_only` (B, 1, K) for windows as a whole.

        Args:
            x: windows; at padding any finite number.
            attention_mask: (B, T), True or 1 at real samples, False or 0 at padding, which stands on the right; None
                means all real. A row gets what it gets alone.
            last_only: one output a window, of what `pooling` makes of its real tokens.
            capture: attention weights and hidden states of tokens to keep.

        Raises:
            ConfigError: a window has other channels, or is longer than learned positions reach; the mask has another
                shape.
        """
        if self.config.padding_channel and attention_mask is None:
            attention_mask = x[:, -1] > 0
        if self.config.image_patch and attention_mask is None and x.shape[-1] < self.context_length:
            attention_mask = torch.ones_like(x[:, 0], dtype=torch.bool)  # the rest of the image is padding
        embedded = self.embed(x, attention_mask=attention_mask)
        out = self.from_embedded(
            embedded, attention_mask=attention_mask, last_only=last_only, capture=capture
        )
        return out if last_only else out[:, : x.shape[-1]]

    def embed(self, x: Tensor, *, attention_mask: Tensor | None = None) -> Tensor:
        """Return the patches' embedding (B, N, E), without class token and positions."""
        c = self.config
        patches = self.patches(x, attention_mask=attention_mask).to(self.dtype)  # (B, C, n, P)
        if c.per_lead:
            return self.embedding(patches).flatten(1, 2)
        return self.embedding(patches.transpose(1, 2).flatten(2))

    def patches(self, x: Tensor, *, attention_mask: Tensor | None = None) -> Tensor:
        """Return the scaled numbers of the patches of windows (B, C, T), as (B, C, n, P)."""
        c = self.config
        B, C, T = x.shape
        if c.n_channels != C:
            raise ConfigError(
                f"the windows have {C} channels, but the model takes {c.n_channels}",
                hint="choose the channels that the checkpoint's contract names",
            )
        if attention_mask is not None and attention_mask.shape != (B, T):
            raise ConfigError(
                f"attention_mask is {tuple(attention_mask.shape)}, but the windows are {(B, T)}",
                hint="one value a row and sample: True where it is real, False where it is padding",
            )
        real = None if attention_mask is None else attention_mask.bool().unsqueeze(1)  # (B, 1, T)
        x = scaled(x, real, c.scaling)
        if c.image_patch:
            return image_patches(x, c)
        return F.pad(x, (0, -T % c.patch)).unflatten(-1, (-1, c.patch))

    def from_embedded(
        self,
        x: Tensor,
        *,
        attention_mask: Tensor | None = None,
        last_only: bool = False,
        capture: Capture | None = None,
    ) -> Tensor:
        """Return what `forward` does, given what `embed` returned; without a mask outputs fill the last patch."""
        n = x.shape[1] // self._n_rows
        return self._read(
            self.read_patches(x, attention_mask=attention_mask, capture=capture), n, last_only, attention_mask
        )

    def read_patches(
        self,
        x: Tensor,
        *,
        attention_mask: Tensor | None = None,
        keep: Tensor | None = None,
        real: Tensor | None = None,
        capture: Capture | None = None,
    ) -> Tensor:
        """Return what the trunk makes of all tokens, (B, N, E), given what `embed` returned for their patches.

        Args:
            x: embedded patches, (B, n, E).
            attention_mask: of samples, as for `forward`.
            keep: numbers of the patches that the trunk sees, (B, K); it sees no other then. None keeps all.
            real: (B, K), which of these are seen by others; the rest fills rows that keep fewer. None means all.
            capture: attention weights and hidden states to keep.
        """
        n = x.shape[1] // self._n_rows
        x = self._with_extra_tokens(x, n)
        chosen = None if keep is None else self._chosen(keep, real, x.shape[1])
        if chosen is not None:
            x = x.take_along_dim(chosen[0].unsqueeze(-1), 1)
        beside = self._beside(n, x, attention_mask, chosen)
        if self.config.positions_at == "input" and beside["positions"] is not None:
            x = x + beside.pop("positions")
        x = x if self.first_norm is None else self.first_norm(x)
        return self.trunk(x, capture=capture, **beside)

    def _with_extra_tokens(self, x: Tensor, n: int) -> Tensor:
        """Add the embeddings of channels to n patches of each, and put class token and separators beside them."""
        B, leads = x.shape[0], self.lead_positions
        if leads is not None:
            x = x + leads.weight.repeat_interleave(n, 0)
        if self.class_token is not None:
            x = torch.cat((self.class_token.weight.expand(B, 1, -1).to(x.dtype), x), 1)
        if self.separators is not None:
            ends = self.separators.weight.repeat(self._n_rows, 1)  # (2 C, E)
            ends = ends if leads is None else ends + leads.weight.repeat_interleave(2, 0)
            x = torch.cat((x, ends.expand(B, -1, -1).to(x.dtype)), 1)
        return x

    def _chosen(self, keep: Tensor, real: Tensor | None, n_tokens: int) -> tuple[Tensor, Tensor]:
        """Return the numbers of the tokens that the trunk sees, (B, K), and which of them count."""
        first, B = int(self.config.class_token), keep.shape[0]
        extra = torch.arange(n_tokens, device=keep.device).expand(B, -1)
        last = extra[:, n_tokens - self._n_separators :]
        numbers = torch.cat((extra[:, :first], keep + first, last), 1)
        real = torch.ones_like(keep, dtype=torch.bool) if real is None else real
        return numbers, F.pad(real, (first, last.shape[1]), value=True)

    def features(self, x: Tensor, *, attention_mask: Tensor | None = None) -> Tensor:
        """Return what the trunk makes of windows (B, C, T), (B, N, E); without separators, and without a gradient."""
        found = self.trunk.norm(self.begin(x, self.config.n_layers, attention_mask=attention_mask))
        return found[:, : found.shape[1] - self._n_separators]

    @torch.no_grad()
    def begin(self, x: Tensor, n_blocks: int, *, attention_mask: Tensor | None = None) -> Tensor:
        """Return the output of the first blocks (B, N, E), from which `finish` continues; without a gradient."""
        capture = Capture.of(hidden=True)
        self(x, attention_mask=attention_mask, capture=capture, last_only=True)
        return capture.hidden_states[n_blocks]

    def finish(
        self, x: Tensor, n_blocks: int, *, attention_mask: Tensor | None = None, last_only: bool = False
    ) -> Tensor:
        """Return what `forward` does, given the output of the first blocks; see `from_embedded`."""
        n = (x.shape[1] - int(self.config.class_token) - self._n_separators) // self._n_rows
        beside = self._beside(n, x, attention_mask)
        if self.config.positions_at == "input":
            beside.pop("positions")
        return self._read(self.trunk.finish(x, first=n_blocks, **beside), n, last_only, attention_mask)

    @property
    def causal(self) -> bool:
        """Whether no output depends on later positions: never."""
        return False

    @property
    def blocks(self) -> list[nn.Module]:
        """The transformer blocks in their order."""
        return list(self.trunk.blocks)

    @property
    def input_parts(self) -> list[nn.Module]:
        """Embedding, class token, separators, and positions in time and among channels."""
        parts = (
            self.embedding, self.class_token, self.positions, self.lead_positions, self.separators, self.first_norm
        )  # fmt: skip
        return [part for part in parts if part is not None]

    @property
    def head_parts(self) -> list[nn.Module]:
        """The head, and the pooling before it."""
        return [part for part in (self.head, self.pool) if part is not None]

    @property
    def output_parts(self) -> list[nn.Module]:
        """Head, pooling and final norm."""
        return [*self.head_parts, self.trunk.norm]

    def probe(self) -> Tensor:
        """Return a fixed wandering window (1, C, T)."""
        steps = wandering(self.config.n_channels, self.config.context_length, self.device)
        return (steps / 50 - 1).to(self.dtype)

    def with_head(  # type: ignore[override]
        self,
        *,
        n_outputs: int,
        pooling: Pooling | None = None,
        scope: Scope = "window",
        unmask_last: bool = True,
        dropout: float | None = None,
    ) -> Self:
        """Return a model with this trunk, copied, and a new head, initialised by PyTorch's random numbers.

        Args:
            n_outputs: of the head.
            pooling: which features represent a window; None keeps the model's.
            scope: what outputs are about; of positions, every sample of a patch gets its own.
            unmask_last: without effect, since every block looks ahead.
            dropout: of attention weights and of branches; None leaves the model's.

        Raises:
            ConfigError: a setting is out of range.
        """
        config = replace(
            self.config,
            n_outputs=n_outputs,
            pooling=pooling or self.config.pooling,
            each_sample=scope == "position" and self.config.patch > 1,
        )
        if dropout is not None:
            config = replace(config, attention_dropout=dropout, residual_dropout=dropout)
        return self.with_config(config)

    @property
    def _n_rows(self) -> int:
        """Channels that have patches of their own."""
        return self.config.n_rows

    @property
    def _n_separators(self) -> int:
        return 2 * self._n_rows if self.config.separators else 0

    def _token_mask(self, n: int, attention_mask: Tensor | None) -> Tensor | None:
        """Return which tokens hold a real sample, (B, N), of a mask of samples (B, T) and n patches a channel."""
        c = self.config
        if attention_mask is None:
            return None
        real = F.pad(attention_mask.bool(), (0, n * c.patch - attention_mask.shape[1]))
        real = real.unflatten(1, (n, c.patch)).any(-1).repeat(1, c.n_rows)
        return F.pad(real, (int(c.class_token), 0), value=True)

    def _beside(
        self,
        n: int,
        x: Tensor,
        attention_mask: Tensor | None,
        chosen: tuple[Tensor, Tensor] | None = None,
    ) -> dict[str, Any]:
        """Return what the trunk needs beside tokens x of n patches a channel: their mask, angles and positions.

        With `chosen`, x holds these tokens alone; see `_chosen`.
        """
        c, first = self.config, int(self.config.class_token)
        if self.positions is not None and n > c.n_patches:
            raise ConfigError(
                f"{n} patches, but the model's learned positions end at {c.n_patches}",
                hint="pass shorter windows, or use a model with rotary positions",
            )
        table = None if self.positions is None else self.positions.weight
        places = torch.arange(first + n, device=x.device)
        if c.positions == "each":
            rows = c.n_patches * torch.arange(c.n_rows, device=x.device).unsqueeze(1)
            places = torch.cat((places[:first], (rows + places[first:]).flatten()))
        elif c.n_rows > 1:
            places = torch.cat((places[:first], places[first:].repeat(c.n_rows)))  # (N,)
        table = None if table is None else table[places]
        if c.separators:
            ends = (first - 1 + (c.n_patches + 1) * torch.arange(2, device=x.device)).repeat(self._n_rows)
            places = torch.cat((places, ends))
            table = (
                None if table is None else F.pad(table, (0, 0, 0, len(ends)))
            )  # their embedding is their own
        mask = self._token_mask(n, attention_mask)
        if mask is not None:
            mask = F.pad(mask, (0, self._n_separators), value=True)
        seen = seen_across(c, n, x.device) if c.pattern == "cross" else None  # (N, N)
        if chosen is not None:
            numbers, mask = chosen[0], chosen[1] if mask is None else mask.gather(1, chosen[0]) & chosen[1]
            places, table = places[numbers], None if table is None else table[numbers]
            seen = None if seen is None else seen[numbers.unsqueeze(2), numbers.unsqueeze(1)]
        if seen is not None:
            mask = seen.expand(x.shape[0], -1, -1) if mask is None else seen & mask.unsqueeze(1)
        rotary = self.trunk.rotary
        return {
            "attention_mask": mask,
            "angles": None if rotary is None else rotary.angles(places, x),
            "positions": table,
        }

    def _read(self, x: Tensor, n: int, last_only: bool, attention_mask: Tensor | None) -> Tensor:
        """Map the trunk's features (B, N, E) to outputs."""
        c = self.config
        x = x[:, : int(c.class_token) + self._n_rows * n]
        if last_only:
            assert self.pool is not None
            out = self.head(self.pool(x, self._token_mask(n, attention_mask)))
            return out.unflatten(-1, (c.patch, c.n_outputs)).mean(2) if c.each_sample else out
        x = x[:, int(c.class_token) :]
        if c.per_lead:
            x = x.unflatten(1, (c.n_rows, n)).mean(1)
        out = self.head(x)  # (B, n, K), or (B, n, P K)
        if c.each_sample:
            out = out.unflatten(-1, (c.patch, c.n_outputs)).flatten(1, 2)
        else:
            out = out.repeat_interleave(c.patch, 1)
        return out if attention_mask is None else out[:, : attention_mask.shape[1]]

    def _initialise(self) -> None:
        residual = 0.02 / (2 * self.config.n_layers) ** 0.5
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                branch_end = name.endswith(("attention.projection", "mlp.down"))
                nn.init.normal_(module.weight, std=residual if branch_end else 0.02)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
