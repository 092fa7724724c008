"""The last windows of a recording, as a model of any family sees them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.contract import select_channels
from physiolect.decoding.translate import find_stretches
from physiolect.detection import Track, encode_windows, lay_out
from physiolect.errors import CheckpointError, ContractError
from physiolect.explanation.beat_windows import BeatSource, cut_beats
from physiolect.explanation.window import LevelWindow, SignalWindow, Window
from physiolect.models.encoder import EncoderConfig
from physiolect.models.resnet import ResNetConfig
from physiolect.recording import Recording

_STRETCH = 0.1
"""Seconds of one lead that count as a token, where the model itself has none."""


def cut_window(
    checkpoint: Checkpoint,
    recording: Recording,
    *,
    channel: str | int | None = None,
    first: float = 0.0,
    query: float | None = None,
    source: BeatSource | None = None,
) -> Window:
    """Return the last window of a recording as the model sees it.

    Args:
        checkpoint: whose contract and tokenizer make the window.
        recording: what there is.
        channel: which one to look at; None lets the contract choose.
        first: when the recording begins, in seconds of the one it was cut from.
        query: of a model that classifies heartbeats: the window in which the beat nearest to this moment is judged.
        source: of a model that reads heartbeats: what is known of them; None finds them.

    Raises:
        ContractError: the recording cannot be adapted, its last window is flat or holds a long gap, or no beats are
            found in it.
    """
    found = cut_windows(
        checkpoint, recording, channel=channel, first=first, limit=1, query=query, source=source
    )
    if not found:
        raise ContractError(
            "the last window of the recording has too few heartbeats, or a longer gap than can be bridged"
            if checkpoint.reads_beats
            else "the last window of the recording is flat, or has a longer gap than can be bridged",
            hint="choose another stretch or channel",
        )
    return found[-1]


def cut_windows(
    checkpoint: Checkpoint,
    recording: Recording,
    *,
    channel: str | int | None = None,
    first: float = 0.0,
    limit: int | None = None,
    query: float | None = None,
    source: BeatSource | None = None,
) -> list[Window]:
    """Return the windows of a recording, counted back from its end without overlap, in order of time.

    A window that is flat or touches a long gap is left out. Of a model that classifies heartbeats they are the windows
    of `detect`, which overlap so that each beat is judged far from a window's ends.

    Args:
        checkpoint: whose contract and tokenizer make the windows.
        recording: what there is.
        channel: which one to look at; None lets the contract choose.
        first: when the recording begins, in seconds of the one it was cut from.
        limit: how many of the last windows are cut; None means all.
        query: of a model that classifies heartbeats: only the window in which the beat nearest to it is judged.
        source: of a model that reads heartbeats: what is known of them; None finds them.

    Raises:
        ContractError: the recording cannot be adapted, or no beats are found in it.
        CheckpointError: the contract names more channels than the model takes, or its family cannot be explained.
    """
    contract = checkpoint.contract
    if checkpoint.reads_beats:
        return list(
            cut_beats(
                checkpoint,
                recording,
                channel=channel,
                first=first,
                limit=limit,
                query=query,
                source=source or BeatSource(),
            )
        )
    if len(contract.channels) > checkpoint.model.n_channels:
        raise CheckpointError(
            f"the checkpoint takes {len(contract.channels)} channels, but explanations of levels are of one",
            hint="use a model whose contract names one channel, or any (*)",
        )
    make = _maker(checkpoint)
    chosen = select_channels(recording, contract, channel)
    track = lay_out(recording, contract, channel)
    length = min(contract.max_samples, track.n_samples)
    starts = np.arange(track.n_samples - length, -1, -length)[:limit][::-1].copy()  # (windows,)
    inputs, flat = encode_windows(checkpoint, track.signal, starts, starts + length, length)
    good = ~flat & ~track.touches_gap(starts, length)
    return [
        make(inputs=inputs[i].numpy(), **_beside(track, int(starts[i]), length, chosen, first))
        for i in np.flatnonzero(good)
    ]


def cut_answer(
    checkpoint: Checkpoint, recording: Recording, *, channel: str | int | None = None, first: float = 0.0
) -> SignalWindow:
    """Return the last trial of a recording, or its last window, as a model that writes sequences sees it.

    Args:
        checkpoint: of a model that writes sequences.
        recording: what there is.
        channel: which one to look at; None lets the contract choose.
        first: when the recording begins, in seconds of the one it was cut from.

    Raises:
        ContractError: the recording cannot be adapted.
        ConfigError: the trial is longer than the model reads.
    """
    chosen = select_channels(recording, checkpoint.contract, channel)
    track = lay_out(recording, checkpoint.contract, channel)
    *_, (begin, end, _) = find_stretches(recording, track.n_samples, checkpoint)
    inputs, _ = checkpoint.encode(track.signal[None, :, begin:end])
    return SignalWindow(
        inputs=inputs[0].numpy(), patch=checkpoint.model.config.patch, per_lead=False, class_token=False,
        **_beside(track, begin, end - begin, chosen, first),
    )  # fmt: skip


def _maker(checkpoint: Checkpoint) -> Callable[..., Window]:
    """Return what makes a window of the model's kind."""
    config = checkpoint.model.config
    if checkpoint.tokenizer is not None:
        return LevelWindow
    if not isinstance(config, EncoderConfig | ResNetConfig):
        raise CheckpointError(
            f"models of the family {type(checkpoint.model).__name__} cannot be explained yet",
            hint="use a model of levels, an encoder or a residual network",
        )
    if isinstance(config, ResNetConfig):
        stretch = max(1, round(_STRETCH * checkpoint.contract.fs))
        tokens: dict[str, Any] = {"patch": stretch, "per_lead": True, "class_token": False}
    else:
        tokens = {
            "patch": config.patch, "per_lead": config.per_lead, "class_token": config.class_token,
            "separators": config.separators, "image_side": config.n_patches if config.image_patch else 0,
        }  # fmt: skip

    def make(**given: Any) -> Window:
        return SignalWindow(**given, **tokens)

    return make


def _beside(track: Track, start: int, length: int, chosen: Recording, first: float) -> dict[str, Any]:
    """Return what a window holds beside the model's inputs."""
    signal: NDArray[np.floating] = track.report.restore(track.signal[:, start : start + length])
    units = set(track.report.units)
    begin, end = start / track.fs, (start + length) / track.fs
    return {
        "signal": (signal[0] if len(signal) == 1 else signal).astype(np.float32),
        "start": first + begin, "fs": track.fs, "channels": chosen.channels,
        "unit": units.pop() if len(units) == 1 else None, "report": track.report,
        "recording": chosen.slice(begin, min(end, chosen.duration)),
    }  # fmt: skip
