"""Continue a recording."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from physiolect.checkpoint import Checkpoint, as_checkpoint
from physiolect.contract import adapt, select_channels
from physiolect.errors import CheckpointError, ConfigError, ContractError
from physiolect.events import Listener, Reporter, Tell
from physiolect.formats import as_recording
from physiolect.generation.continuation import Continuation
from physiolect.generation.decoding import Mode, decode, outgrows_cache
from physiolect.generation.sampling import Sampling
from physiolect.generation.truth import recorded_truth
from physiolect.recording import Recording
from physiolect.training import using_threads

SECONDS, SAMPLES = 5.0, 5
"""Length of a continuation, and how many are drawn, where nothing else is asked for."""
_MOST_SECONDS = 1e9
"""Three decades: a longer wish is a slip of the hand."""
_ROUNDED = 0.01
"""Seconds that `stop` may lie beyond the end, which messages round to two decimals."""

OnToken = Callable[[NDArray[np.int64]], None]


def generate(
    checkpoint: Checkpoint | str | Path,
    recording: Recording | str | Path,
    *,
    seconds: float | None = None,
    n_tokens: int | None = None,
    stop: float | None = None,
    n_samples: int | None = None,
    greedy: bool = False,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = 0,
    channel: str | int | None = None,
    mode: Mode = "exact",
    hop: int | None = None,
    first: float = 0.0,
    threads: int | None = None,
    on_event: Listener | None = None,
    on_token: OnToken | None = None,
) -> Continuation:
    """Continue a recording, one token a sample of signal.

    Ctrl-C ends it early; the result then holds what there was by then.

    Args:
        checkpoint: a decoder, opened or as `load_checkpoint` takes it; the recording is adapted to its contract or
            refused. It runs where its model's weights are, and in their type: `checkpoint.model.to("cuda",
            torch.bfloat16)` beforehand is faster, and rounds.
        recording: the signal so far, or its file; its last window is the context.
        seconds: length of the continuation; 5 where neither this nor `n_tokens` is given.
        n_tokens: the same in samples at the contract's rate.
        stop: continue from this moment of the recording, in seconds, and compare with what was recorded after it; None
            continues from the end.
        n_samples: independent continuations; the context is computed once for all. None is 5, or 1 with `greedy`.
        greedy: take the likeliest token each time.
        temperature: divides the logits.
        top_k: draw among the k likeliest.
        top_p: draw among the likeliest that reach this probability together.
        seed: makes the draw repeatable; None draws from torch's own generator.
        channel: which channel to continue; None lets the contract choose.
        mode: "exact", or "hop": faster past the context, and approximate (see `decode`).
        hop: ids dropped at once in mode "hop".
        first: when the recording begins, in seconds of the one it was cut from.
        threads: processor threads; default: one for a small model, PyTorch's setting for a large one.
        on_event: gets the progress, and messages.
        on_token: called with the new ids (samples,) after each token.

    Raises:
        ContractError: the recording cannot be made into what the model accepts.
        CheckpointError: the checkpoint is no decoder, or takes several channels.
        ConfigError: a setting is out of range, or `seconds` and `n_tokens` are both given.
        Cancelled: `on_event` returned True.
    """
    checkpoint, reporter = _open_decoder(checkpoint), Reporter(on_event)
    contract = checkpoint.contract
    recording = as_recording(recording, channel, contract.modality)
    n_tokens, n_samples = count_tokens(seconds, n_tokens, contract.fs), _count_samples(n_samples, greedy)
    n_seen = _count_seen(recording, stop, first)
    context, report = adapt(recording.slice(0, n_seen, by="samples"), contract, channel, first=first)
    ids, scale = checkpoint.levels.encode(context.signal[0])
    model = checkpoint.model.eval()
    slow = mode == "exact" and outgrows_cache(model, context.n_samples, n_tokens)
    begun = time.perf_counter()
    with using_threads(threads, model):
        steps = decode(
            model,
            torch.from_numpy(ids).to(model.device),
            n_samples=n_samples,
            sampling=Sampling(greedy, temperature, top_k, top_p),
            generator=_generator(seed, model.device),
            mode=mode,
            hop=hop,
        )
        tell = reporter.progress(f"tokens of {recording.source or 'the recording'}", n_tokens)
        notice = _slow_way(contract.max_samples) if slow else ""
        drawn, interrupted = _draw(steps, n_tokens, reporter, notice, tell, on_token)
    taken = time.perf_counter() - begun
    new = np.stack(drawn, 1) if drawn else np.empty((n_samples, 0), np.int64)  # (S, n)
    found = Continuation(
        ids=new,
        signal=report.restore(checkpoint.levels.decode(new, scale)[:, np.newaxis])[:, 0].astype(np.float32),
        fs=context.fs,
        context=context,
        report=report,
        mode=mode,
        interrupted=interrupted,
        past_context=outgrows_cache(model, context.n_samples, new.shape[1]),
        first=first,
        length=recording.duration,
        tokens_per_second=new.size / taken,
    )
    return _with_recorded(found, recording, n_seen, checkpoint, channel, reporter)


def _draw(
    steps: Iterator[Tensor],
    n_tokens: int,
    reporter: Reporter,
    notice: str,
    tell: Tell,
    on_token: OnToken | None,
) -> tuple[list[NDArray[np.int64]], bool]:
    """Return the ids of each token (samples,), and whether Ctrl-C came first; a notice is sent after the first."""
    drawn: list[NDArray[np.int64]] = []
    try:
        with torch.inference_mode():
            for _ in range(n_tokens):
                drawn.append(next(steps)[:, 0].cpu().numpy())
                if len(drawn) == 1 and notice:
                    reporter.say(notice)
                tell(len(drawn))
                if on_token is not None:
                    on_token(drawn[-1])
    except KeyboardInterrupt:
        return drawn, True
    return drawn, False


def _open_decoder(given: Checkpoint | str | Path) -> Checkpoint:
    checkpoint = as_checkpoint(given)
    if checkpoint.outputs.kind != "token":
        raise CheckpointError(
            f"the checkpoint {checkpoint.task.does} and cannot continue a signal",
            hint="use a base model, such as ECGPT or PPGPT",
        )
    n = len(checkpoint.contract.channels)
    if n > 1:
        raise CheckpointError(
            f"the checkpoint takes {n} channels, but one alone can be continued",
            hint="use a model whose contract names one channel, or any (*)",
        )
    return checkpoint


def count_tokens(seconds: float | None, n_tokens: int | None, fs: float) -> int:
    """Return how many tokens to generate.

    Args:
        seconds: length of the continuation; 5 where neither this nor `n_tokens` is given.
        n_tokens: the same in samples at the contract's rate.
        fs: the contract's rate in Hz.

    Raises:
        ConfigError: both are given, or one is out of range.
    """
    if seconds is not None and n_tokens is not None:
        raise ConfigError("seconds and n_tokens both give the length", hint="leave one out")
    if n_tokens is not None:
        if n_tokens < 1:
            raise ConfigError(
                f"n_tokens is {n_tokens}, but must be at least 1", hint="pass n_tokens=1 or more"
            )
        return n_tokens
    length = SECONDS if seconds is None else seconds
    if not 0 < length <= _MOST_SECONDS:
        raise ConfigError(
            f"seconds is {length:g}, but must be above 0 and at most {_MOST_SECONDS:g}",
            hint=f"leave it out for {SECONDS:g} s",
        )
    return max(1, round(length * fs))


def _count_samples(n_samples: int | None, greedy: bool) -> int:
    """Return how many continuations to draw."""
    if n_samples is None:
        return 1 if greedy else SAMPLES
    if n_samples < 1:
        raise ConfigError(
            f"n_samples is {n_samples}, but must be at least 1", hint="pass n_samples=1 or more"
        )
    return n_samples


def _generator(seed: int | None, device: torch.device) -> torch.Generator | None:
    """Return what draws; None is torch's own generator."""
    if seed is None:
        return None
    if not 0 <= seed < 2**63:
        raise ConfigError(
            f"seed is {seed}, but must be from 0 to {2**63 - 1}", hint="pass another, or None for no seed"
        )
    return torch.Generator(device).manual_seed(seed)


def _count_seen(recording: Recording, stop: float | None, first: float) -> int:
    """Return how many samples of the recording come before `stop`."""
    if stop is None:
        return recording.n_samples
    end = recording.duration
    if not 0 <= stop <= end + _ROUNDED:
        raise ConfigError(
            f"stop is {first + stop:g} s, but {recording.source or 'the recording'} begins at {first:g} s and "
            f"ends at {first + end:.2f} s",
            hint="leave stop out to continue from the end",
        )
    return min(max(1, round(stop * recording.fs)), recording.n_samples)


def _slow_way(context_length: int) -> str:
    return (
        f"past {context_length} tokens the model computes its whole context anew for each token; "
        "mode hop is faster, and approximate"
    )


def _with_recorded(
    found: Continuation,
    recording: Recording,
    n_seen: int,
    checkpoint: Checkpoint,
    channel: str | int | None,
    reporter: Reporter,
) -> Continuation:
    """Return a continuation with what was recorded: after the context on the model's grid, and all at its own rate."""
    truth = _find_truth(found, recording, n_seen, checkpoint, channel, reporter)
    return replace(found, truth=truth, recorded=_at_own_rate(found, recording, checkpoint, channel))


def _at_own_rate(
    found: Continuation, recording: Recording, checkpoint: Checkpoint, channel: str | int | None
) -> Recording:
    """Return the channel as it was recorded, from the context's beginning as far as the continuation goes."""
    chosen = select_channels(recording, checkpoint.contract, channel)
    begin = found.report.start
    end = begin + (found.context.n_samples + found.signal.shape[1]) / found.fs
    first = min(round(begin * chosen.fs), chosen.n_samples - 1)
    last = min(max(round(end * chosen.fs), first + 1), chosen.n_samples)
    return chosen.slice(first, last, by="samples")


def _find_truth(
    found: Continuation,
    recording: Recording,
    n_seen: int,
    checkpoint: Checkpoint,
    channel: str | int | None,
    reporter: Reporter,
) -> NDArray[np.float32] | None:
    """Return what was recorded after the context, or None where nothing was, or it cannot be adapted."""
    if recording.n_samples <= n_seen or not found.ids.size:
        return None
    try:
        return recorded_truth(recording, found, checkpoint.contract, channel)
    except ContractError as error:
        reporter.say(f"what was recorded after {found.start:g} s is not shown: {error}")
        return None
