"""Heartbeats of a recording as windows of tokens through a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint, as_checkpoint
from physiolect.detection.beat_result import BeatResult
from physiolect.detection.beats import detect_beats
from physiolect.errors import ConfigError
from physiolect.events import Listener, Tell
from physiolect.recording import Recording

Beats: TypeAlias = "BeatResult | NDArray[np.integer] | Checkpoint | str | Path"
"""The beats of a recording: found by `detect_beats`, as samples at the recording's own rate, or what finds them."""

FEWEST = 4
"""Beats that a window needs for its rhythm."""


def beat_seconds(
    beats: Beats | None,
    recording: Recording,
    *,
    channel: str | int | None,
    batch_size: int,
    threads: int | None,
    on_event: Listener | None,
) -> NDArray[np.float64]:
    """Return when the beats of a recording are, in seconds and in order.

    Args:
        beats: what is known of them.
        recording: whose they are.
        channel: in which to find them.
        batch_size: of what finds them.
        threads: of what finds them.
        on_event: of what finds them.

    Raises:
        ConfigError: nothing is known of them.
    """
    if beats is None:
        raise ConfigError(
            "the checkpoint reads heartbeats, and nothing says where they are",
            hint="give a checkpoint that finds beats, or the beats found: beats=, --beats",
        )
    if isinstance(beats, Checkpoint | str | Path):
        beats = detect_beats(
            as_checkpoint(beats), recording, channel=channel, batch_size=batch_size, threads=threads,
            on_event=on_event,
        )  # fmt: skip
        if beats.interrupted:
            raise KeyboardInterrupt
    if isinstance(beats, BeatResult):
        times = beats.times if beats.peak_times is None else beats.peak_times
    else:
        times = np.asarray(beats, np.float64) / recording.fs
    times = np.sort(times)
    return times[(times >= 0) & (times < recording.duration)]


def likely_of_windows(
    checkpoint: Checkpoint,
    tokens: NDArray[np.float32],
    first: NDArray[np.int64],
    counts: NDArray[np.int64],
    *,
    batch_size: int,
    tell: Tell,
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Run windows of beats through a model, batch after batch.

    Args:
        checkpoint: reads heartbeats.
        tokens: (n, F) of all beats, standardised.
        first: first beat of each window, (w,).
        counts: beats of each window, (w,), at least 1.
        batch_size: windows at once.
        tell: is called with the windows done and the number of all.

    Yields:
        which of the windows, and what `Outputs.read` gives for them.

    Raises:
        ConfigError: the batch size is not above 0.
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size is {batch_size}, but must be at least 1", hint="64 is usual")
    for begin in range(0, len(first), batch_size):
        batch = slice(begin, min(begin + batch_size, len(first)))
        n = int(counts[batch].max())
        inside = np.arange(n) < counts[batch, None]
        index = np.where(inside, first[batch, None] + np.arange(n), 0)
        inputs = np.zeros((len(index), tokens.shape[1] + 1, n), np.float32)
        inputs[:, :-1] = np.where(inside[..., None], tokens[index], 0).swapaxes(1, 2)
        inputs[:, -1] = inside
        yield batch, checkpoint.predict(torch.from_numpy(inputs))
        tell(batch.stop, len(first))
