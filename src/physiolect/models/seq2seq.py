"""Sequence to sequence: an encoder over signals or tokens, and a decoder that looks at it by cross-attention."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from physiolect.errors import ConfigError
from physiolect.models.attention import Attention, Rotary
from physiolect.models.cache import LayerCache, SourceCache
from physiolect.models.capture import Capture
from physiolect.models.channel_input import ChannelInput
from physiolect.models.layers import MLP, Block, Transformer
from physiolect.models.model import Model
from physiolect.models.positions import sinusoidal
from physiolect.models.seq2seq_config import END, N_SPECIAL, PADDING, SEQ2SEQ_PRESETS, START, Seq2SeqConfig
from physiolect.models.stream import check_channels

__all__ = ["END", "N_SPECIAL", "PADDING", "SEQ2SEQ_PRESETS", "START", "Seq2Seq", "Seq2SeqConfig"]


class Taught(NamedTuple):
    """What a model says of an answer that it is shown."""

    logits: Tensor
    """(B, L + 1, V): of each symbol given those before it, and of the end."""
    frames: Tensor | None
    """(B, N, V): of the CTC head at each encoder token; None without a CTC head."""
    n_frames: Tensor
    """(B,): encoder tokens that are no padding."""


@dataclass
class Answering:
    """Memory of answers under way: what each decoder block has seen, of the answer and of the source."""

    cache: list[LayerCache]
    source: list[SourceCache | None]

    def repeat(self, n: int) -> None:
        """Make `n` copies of each row."""
        for each in (*self.cache, *self.source):
            if each is not None:
                each.repeat(n)

    def choose(self, rows: Tensor) -> None:
        """Keep the answers (B,) at these places; each one's source is the source that stands at its new place."""
        for each in self.cache:
            each.choose(rows)


class Seq2Seq(Model):
    """Reads windows (B, C, T) of a signal or (B, 1, T) of token ids; gives a sequence of symbols of any length.

    Steps at the end of a window where all channels are missing (NaN), or token ids 0 at its end, are padding. `forward`
    gives what stands beside the answer: of each step the logits of the CTC head, and of a window those of the first
    symbol. `teach`, `listen` and `say` give the answer itself.
    """

    Config = Seq2SeqConfig
    takes = "signal"
    config: Seq2SeqConfig

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__()
        self.config = c = config
        self.input: ChannelInput | None = None
        self.projection: nn.Module
        if c.input_vocabulary is None:
            self.input = ChannelInput(
                n_channels=c.n_channels, counts=c.counts, statistics=c.statistics, prior=c.prior,
                dropout=c.channel_dropout, noise=c.noise,
            )  # fmt: skip
            self.projection = nn.Linear(c.patch * c.n_channels, c.width, bias=c.bias)
        else:
            self.projection = nn.Embedding(c.input_vocabulary, c.width)
        self.trunk = _make_trunk(c, c.n_layers, decoder=False)
        self.frame_head = nn.Linear(c.width, c.n_outputs) if c.ctc else None
        self.symbols = nn.Embedding(c.n_outputs, c.width)
        self.decoder = _make_trunk(c, c.n_decoder_layers, decoder=True)
        self.head = nn.Linear(c.width, c.n_outputs)
        self._initialise()

    def forward(
        self,
        x: Tensor,
        *,
        attention_mask: Tensor | None = None,
        last_only: bool = False,
        capture: Capture | None = None,
    ) -> Tensor:
        """Return the CTC head's logits (B, T, V), or with `last_only` those of the first symbol (B, 1, V).

        Without a CTC head, those of the first symbol stand at every step.

        Args:
            x: windows.
            attention_mask: (B, T), True or 1 at real steps, False or 0 at padding, which stands on the right; None
                finds the padding.
            last_only: the first symbol alone.
            capture: attention weights and hidden states of the encoder to keep.

        Raises:
            ConfigError: a window has other channels or is too long, or the mask has another shape.
        """
        real = self.real_steps(x) if attention_mask is None else attention_mask
        embedded = self.embed(x, attention_mask=real)
        out = self.from_embedded(embedded, attention_mask=real, last_only=last_only, capture=capture)
        return out if last_only else out[:, : x.shape[-1]]

    def teach(self, x: Tensor, ids: Tensor, *, attention_mask: Tensor | None = None) -> Taught:
        """Return what the model says of answers, given the windows and at each symbol the true ones before it.

        Args:
            x: windows (B, C, T).
            ids: symbols of the answers (B, L), without start and end; 0 fills shorter ones on the right.
            attention_mask: as for `forward`.
        """
        source, real = self.encode(x, attention_mask=attention_mask)
        n = source.shape[1]
        n_frames = torch.full((len(x),), n, device=x.device) if real is None else real.sum(1)
        frames = None if self.frame_head is None else self.frame_head(source)
        return Taught(self._answer(F.pad(ids, (1, 0), value=START), source, real), frames, n_frames)

    def encode(self, x: Tensor, *, attention_mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return what the encoder makes of windows (B, C, T), (B, N, E), and which of it is real, (B, N) or None."""
        steps = self.real_steps(x) if attention_mask is None else attention_mask
        real = self._token_mask(steps)
        return self.trunk(self._placed(self.embed(x, attention_mask=steps)), attention_mask=real), real

    def look(
        self, x: Tensor, ids: Tensor, capture: Capture, *, attention_mask: Tensor | None = None
    ) -> Tensor:
        """Return the decoder's logits as `teach` does, and keep the weights of its attention."""
        source, real = self.encode(x, attention_mask=attention_mask)
        return self._answer(F.pad(ids, (1, 0), value=START), source, real, capture)

    def listen(self, x: Tensor, *, attention_mask: Tensor | None = None) -> Answering:
        """Return the memory from which `say` answers windows (B, C, T)."""
        source, real = self.encode(x, attention_mask=attention_mask)
        cache = [LayerCache(self.config.longest + 1) for _ in self.decoder.blocks]
        return Answering(cache, self.decoder.read_source(source, real))

    def say(self, ids: Tensor, answering: Answering) -> Tensor:
        """Return the logits (B, V) of the next symbol, given the last one (B,): at first START."""
        x = self._placed(self.symbols(ids.unsqueeze(1)), answering.cache[0].seen)
        x = self.decoder(x, cache=answering.cache, source=answering.source)
        return self.head(x)[:, 0]

    def real_steps(self, x: Tensor) -> Tensor | None:
        """Return which steps of windows (B, C, T) are no padding, (B, T); None where all are real."""
        check_channels(self, x)
        padding = x.isnan().all(1) if self.config.input_vocabulary is None else x[:, 0] < 0.5
        if not padding[:, -1].any():
            return None
        return (~padding).flip(1).cumsum(1).flip(1) > 0

    def embed(self, x: Tensor, *, attention_mask: Tensor | None = None) -> Tensor:
        """Return the encoder tokens' first features (B, N, E), without positions."""
        check_channels(self, x)
        c = self.config
        if x.shape[-1] > c.context_length:
            raise ConfigError(
                f"{x.shape[-1]} steps, but the model's windows end at {c.context_length}",
                hint="pass shorter windows, or train with a longer context_length",
            )
        if attention_mask is not None:
            if attention_mask.shape != (x.shape[0], x.shape[2]):
                raise ConfigError(
                    f"attention_mask is {tuple(attention_mask.shape)}, but the windows are {(len(x), x.shape[2])}",
                    hint="one value a row and step: True where it is real, False where it is padding",
                )
            x = x.masked_fill(~attention_mask.bool().unsqueeze(1), 0)
        if self.input is None:
            return self.projection(self._ids(x))
        steps = self.input(x.to(self.dtype))  # (B, T, C)
        if attention_mask is not None:  # what stands for padding in a patch is the same whatever came with it
            steps = steps * attention_mask.to(steps.dtype).unsqueeze(-1)
        if self.training and c.time_mask:
            steps = steps * _kept_steps(steps, c.time_mask, c.mask_span)
        steps = F.pad(steps, (0, 0, 0, -steps.shape[1] % c.patch)).unflatten(1, (-1, c.patch)).flatten(2)
        return self.projection(steps)  # (B, N, E)

    def from_embedded(
        self,
        x: Tensor,
        *,
        attention_mask: Tensor | None = None,
        last_only: bool = False,
        capture: Capture | None = None,
    ) -> Tensor:
        """Return what `forward` does, given what `embed` returned; without a mask outputs fill the last patch."""
        real = self._token_mask(attention_mask)
        return self._read(
            self.trunk(self._placed(x), attention_mask=real, capture=capture), real, last_only, attention_mask
        )

    def features(self, x: Tensor, *, attention_mask: Tensor | None = None) -> Tensor:
        """Return what the encoder makes of windows (B, C, T), (B, N, E); without a gradient."""
        return self.trunk.norm(self.begin(x, self.config.n_layers, attention_mask=attention_mask))

    @torch.no_grad()
    def begin(self, x: Tensor, n_blocks: int, *, attention_mask: Tensor | None = None) -> Tensor:
        """Return the output of the first encoder blocks (B, N, E), from which `finish` continues."""
        steps = self.real_steps(x) if attention_mask is None else attention_mask
        real, x = self._token_mask(steps), self._placed(self.embed(x, attention_mask=steps))
        for block in self.trunk.blocks[:n_blocks]:
            x, _ = block(x, attention_mask=real)
        return x

    def finish(
        self, x: Tensor, n_blocks: int, *, attention_mask: Tensor | None = None, last_only: bool = False
    ) -> Tensor:
        """Return what `forward` does, given the output of the first encoder blocks; see `from_embedded`."""
        real = self._token_mask(attention_mask)
        x = self.trunk.finish(x, first=n_blocks, attention_mask=real)
        return self._read(x, real, last_only, attention_mask)

    @property
    def causal(self) -> bool:
        """Whether no output depends on later steps: never, since the encoder reads whole windows."""
        return False

    def fit_statistics(self, x: Tensor) -> None:
        """Take the statistics of the channels of training windows (n, C, T)."""
        if self.input is not None:
            self.input.fit(x.to(self.dtype))

    def adapt_statistics(self, adapting: bool = True) -> None:
        """Let the statistics of channels follow the signal, or keep those of training."""
        if self.input is None:
            super().adapt_statistics(adapting)
        else:
            self.input.adapt(adapting)

    @property
    def blocks(self) -> list[nn.Module]:
        """The encoder's blocks in their order."""
        return list(self.trunk.blocks)

    @property
    def input_parts(self) -> list[nn.Module]:
        """Statistics, and the projection or embedding."""
        return [part for part in (self.input, self.projection) if part is not None]

    @property
    def head_parts(self) -> list[nn.Module]:
        """The decoder with its embedding and head, and the CTC head."""
        return [part for part in (self.symbols, self.decoder, self.head, self.frame_head) if part is not None]

    @property
    def output_parts(self) -> list[nn.Module]:
        """Decoder, heads, and the encoder's final norm."""
        return [*self.head_parts, self.trunk.norm]

    def probe(self) -> Tensor:
        """Return a fixed wandering window (1, C, T): of numbers above 0, or of token ids."""
        c = self.config
        step = torch.arange(c.context_length, device=self.device)
        if c.input_vocabulary is not None:
            ids = 1 + (step * step * 7 + step * 3) % (c.input_vocabulary - 1)
            return ids[None, None].to(self.dtype)
        channel = torch.arange(c.n_channels, device=self.device).unsqueeze(1)
        wandering = (step * step * 7 + step * (3 + channel) + 11 * channel) % 101
        return (wandering.unsqueeze(0) / 25 + 0.1).to(self.dtype)

    def with_head(self, *, n_outputs: int, dropout: float | None = None, **settings: Any) -> Self:
        """Return a model with this encoder, copied, and a new decoder, initialised by PyTorch's random numbers.

        Args:
            n_outputs: ids of the output, with padding, start and end.
            dropout: of attention weights and of branches; None leaves the model's.
            **settings: without effect: what other families' heads take.

        Raises:
            ConfigError: a setting is out of range.
        """
        config = replace(self.config, n_outputs=n_outputs)
        if dropout is not None:
            config = replace(config, attention_dropout=dropout, residual_dropout=dropout)
        fresh = type(self)(config).to(next(self.parameters()))
        new = ("head.", "frame_head.", "symbols.", "decoder.")
        kept = {name: value for name, value in self.state_dict().items() if not name.startswith(new)}
        fresh.load_state_dict({**fresh.state_dict(), **kept})
        return fresh

    def _ids(self, x: Tensor) -> Tensor:
        """Return token ids (B, T) of a channel that holds them, (B, 1, T)."""
        assert self.config.input_vocabulary is not None
        return x[:, 0].nan_to_num(0).round().long().clamp(0, self.config.input_vocabulary - 1)

    def _answer(
        self, ids: Tensor, source: Tensor, real: Tensor | None, capture: Capture | None = None
    ) -> Tensor:
        """Return the logits (B, L, V) of what follows each id (B, L), which sees no id after it."""
        return self.head(
            self.decoder(self._placed(self.symbols(ids)), source=source, source_mask=real, capture=capture)
        )

    def _placed(self, x: Tensor, first: int = 0) -> Tensor:
        """Add positions to x (B, N, E), of which the first is `first`: cross-attention finds its place by them."""
        if not self.config.input_positions:
            return x
        return x + sinusoidal(torch.arange(first, first + x.shape[1], device=x.device), x.shape[2]).to(
            x.dtype
        )

    def _token_mask(self, attention_mask: Tensor | None) -> Tensor | None:
        """Return which encoder tokens hold a real step, (B, N), of a mask of steps (B, T)."""
        if attention_mask is None:
            return None
        real = F.pad(attention_mask.bool(), (0, -attention_mask.shape[1] % self.config.patch))
        return real.unflatten(1, (-1, self.config.patch)).any(-1)

    def _read(self, x: Tensor, real: Tensor | None, last_only: bool, attention_mask: Tensor | None) -> Tensor:
        """Map the encoder's features (B, N, E) to outputs."""
        if last_only or self.frame_head is None:
            start = torch.full((len(x), 1), START, device=x.device)
            first = self._answer(start, x, real)  # (B, 1, V)
            return first if last_only else first.expand(-1, x.shape[1] * self.config.patch, -1)
        out = self.frame_head(x).repeat_interleave(self.config.patch, 1)
        return out if attention_mask is None else out[:, : attention_mask.shape[1]]

    def _initialise(self) -> None:
        usual = self.config.width**-0.5  # at small widths .02 would start with answers that depend on nothing
        residual = usual / (2 * (self.config.n_layers + self.config.n_decoder_layers)) ** 0.5
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                branch_end = name.endswith(("attention.projection", "cross.projection", "mlp.down"))
                table = (
                    isinstance(module, nn.Embedding) and self.config.input_positions
                )  # as large as positions
                std = 1.0 if table else residual if branch_end else usual
                nn.init.normal_(module.weight, std=std)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)


def _make_trunk(c: Seq2SeqConfig, n_layers: int, *, decoder: bool) -> Transformer:
    rotary = Rotary(head_size=c.width // c.n_heads, base=c.rotary_base)
    shared: dict[str, Any] = {
        "width": c.width, "n_heads": c.n_heads, "bias": c.bias, "output_bias": c.bias, "dropout": c.attention_dropout,
        "qk_norm": c.qk_norm,
    }  # fmt: skip
    blocks = [
        Block(
            attention=Attention(**shared, causal=decoder, rotary=rotary),
            cross=Attention(**shared, source_width=c.width) if decoder else None,
            mlp=MLP(width=c.width, hidden=c.mlp_width, activation=c.activation, bias=c.bias),
            norm=c.norm,
            norm_bias=c.bias,
            dropout=c.residual_dropout,
        )
        for _ in range(n_layers)
    ]
    return Transformer(blocks, norm=c.norm, norm_bias=c.bias)


def _kept_steps(x: Tensor, share: float, span: int) -> Tensor:
    """Return 0 in spans that cover a share of the steps of x (B, T, C) on average, and 1 elsewhere, (B, T, 1)."""
    begins = torch.rand(len(x), 1, x.shape[1] + span - 1, device=x.device) < 1 - (1 - share) ** (1 / span)
    return 1 - F.max_pool1d(begins.to(x.dtype), span, stride=1).transpose(1, 2)
