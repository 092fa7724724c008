"""Continue a recording."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.contract import AdaptationReport, adapt
from physiolect.errors import CheckpointError, ConfigError
from physiolect.generation.decoding import Mode, decode
from physiolect.generation.sampling import Sampling
from physiolect.recording import Recording


@dataclass(frozen=True, eq=False)
class Continuation:
    """What a model thinks comes next, several times over."""

    ids: NDArray[np.int64]
    """Token ids (samples, n)."""
    signal: NDArray[np.float32]
    """The same in the recording's unit (samples, n)."""
    fs: float
    """Sampling rate in Hz: the contract's."""
    context: Recording
    """What the model saw: the adapted recording, one channel, in the contract's unit."""
    report: AdaptationReport
    """How the recording was adapted."""
    mode: Mode
    """ "exact", or "hop" (approximate)."""
    interrupted: bool = False
    """Ctrl-C came first; what there was by then is here."""

    @property
    def unit(self) -> str | None:
        """Unit of `signal`: the recording's."""
        return self.report.units[0]

    @property
    def seen(self) -> NDArray[np.float32]:
        """The context in the recording's unit, (time,)."""
        return self.report.restore(self.context.signal)[0].astype(np.float32)

    def quantiles(self, levels: ArrayLike = (0.05, 0.25, 0.5, 0.75, 0.95)) -> NDArray[np.float32]:
        """Return quantiles over the samples, (levels, n) in the recording's unit."""
        return np.quantile(self.signal, np.asarray(levels), axis=0).astype(np.float32)


def generate(
    checkpoint: Checkpoint,
    recording: Recording,
    *,
    n_tokens: int,
    greedy: bool = False,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
    n_samples: int = 1,
    channel: str | None = None,
    mode: Mode = "exact",
    hop: int | None = None,
    on_token: Callable[[NDArray[np.int64]], None] | None = None,
) -> Continuation:
    """Continue a recording from its end, one token a sample of signal.

    Args:
        checkpoint: a decoder; the recording is adapted to its contract or refused. It runs where its model's weights
            are, and in their type: `checkpoint.model.to("cuda", torch.bfloat16)` beforehand is faster, and rounds.
        recording: the signal so far; its last window is the context.
        n_tokens: samples to generate, at the contract's rate.
        greedy: take the likeliest token each time.
        temperature: divides the logits.
        top_k: draw among the k likeliest.
        top_p: draw among the likeliest that reach this probability together.
        seed: makes the draw repeatable; None draws from torch's own generator.
        n_samples: independent continuations; the context is computed once for all.
        channel: which channel to continue; None lets the contract choose.
        mode: "exact", or "hop": faster past the context, and approximate (see `decode`).
        hop: ids dropped at once in mode "hop".
        on_token: called with the new ids (samples,) after each token.

    Raises:
        ContractError: the recording cannot be made into what the model accepts.
        CheckpointError: the checkpoint is no decoder, or takes several channels.
        ConfigError: a setting is out of range.
    """
    if checkpoint.outputs.kind != "token":
        raise CheckpointError(
            f"the checkpoint {checkpoint.task.does} and cannot continue a signal",
            hint="use a base model, such as ECGPT or PPGPT",
        )
    for name, value in (("n_tokens", n_tokens), ("n_samples", n_samples)):
        if value < 1:
            raise ConfigError(f"{name} is {value}, but must be at least 1", hint=f"pass {name}=1 or more")
    if len(checkpoint.contract.channels) > 1:
        raise CheckpointError(
            f"the checkpoint takes {len(checkpoint.contract.channels)} channels, but one alone can be continued",
            hint="use a model whose contract names one channel, or any (*)",
        )
    context, report = adapt(recording, checkpoint.contract, channel)
    ids, scale = checkpoint.levels.encode(context.signal[0])
    device = checkpoint.model.device
    generator = None if seed is None else torch.Generator(device).manual_seed(seed)
    steps = decode(
        checkpoint.model.eval(),
        torch.from_numpy(ids).to(device),
        n_samples=n_samples,
        sampling=Sampling(greedy, temperature, top_k, top_p),
        generator=generator,
        mode=mode,
        hop=hop,
    )
    drawn: list[NDArray[np.int64]] = []
    interrupted = False
    try:
        with torch.inference_mode():
            for _ in range(n_tokens):
                drawn.append(next(steps)[:, 0].cpu().numpy())
                if on_token is not None:
                    on_token(drawn[-1])
    except KeyboardInterrupt:
        interrupted = True
    new = np.stack(drawn, 1) if drawn else np.empty((n_samples, 0), np.int64)  # (S, n)
    return Continuation(
        ids=new,
        signal=report.restore(checkpoint.levels.decode(new, scale)[:, np.newaxis])[:, 0].astype(np.float32),
        fs=context.fs,
        context=context,
        report=report,
        mode=mode,
        interrupted=interrupted,
    )
