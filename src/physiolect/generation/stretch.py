"""Which part of a file a continuation needs."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import Protocol

from physiolect.contract import InputContract
from physiolect.errors import FormatError
from physiolect.recording import Recording

_READ_BEFORE = 60.0
"""Seconds read before the context: more than the filters and gaps that reach into it."""


class Read(Protocol):
    """Reads the stretch [start, stop) of a recording, in seconds; None means its beginning, or its end."""

    def __call__(self, start: float | None, stop: float | None, /) -> Recording: ...


@dataclass(frozen=True)
class Stretch:
    """What was read."""

    recording: Recording
    """The context, what lies before it, and what was recorded after it."""
    first: float
    """When `recording` begins, in seconds of the whole."""
    stop: float | None
    """Where the context ends, in seconds of `recording`; None means its end."""


def read_stretch(
    read: Read, contract: InputContract, *, start: float | None, stop: float | None, seconds: float
) -> Stretch:
    """Read as much of a recording as a continuation depends on, and as much as it can be compared with.

    Args:
        read: reads a stretch.
        contract: of the model.
        start: use nothing before this moment, in seconds.
        stop: continue from this moment, in seconds; None reads all and continues from the end.
        seconds: length of the continuation.

    Raises:
        FormatError: the recording cannot be read.
    """
    if stop is None:
        return Stretch(read(start, None), start or 0.0, None)
    # whole seconds, so that the grid of samples after a change of rate is that of the whole recording
    needed = floor(stop - contract.max_samples / contract.fs - _READ_BEFORE)
    first = max(start or 0.0, float(needed))
    try:
        recording = read(first, stop + seconds)
    except FormatError:
        # it may end before that, or even before `first`; or else reading all of it says what is wrong
        try:
            recording = read(first, None)
        except FormatError:
            first = start or 0.0
            recording = read(first, None)
    n_seen = round(stop * recording.fs) - round(first * recording.fs)
    return Stretch(recording, first, n_seen / recording.fs)
