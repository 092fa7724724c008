"""Where a recording last holds a window that a model can read, for the advice of a refusal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MOST_TRIES = 1000


def latest_good(signal: NDArray[np.floating], length: int, longest_gap: int) -> int | None:
    """Return the sample at which the latest readable window ends; None where there is none.

    A window can be read if it has no infinite samples and no long gaps, and no channel is flat or empty.

    Args:
        signal: (channels, time).
        length: of a window, in samples.
        longest_gap: samples that may be missing in a row.
    """
    end = _last_change(signal)
    for _ in range(_MOST_TRIES):
        if end is None or end < length:
            return None
        window = signal[:, end - length : end]
        if _is_readable(window, longest_gap):
            return end
        # a window that ends sooner by half may hold none of what is wrong
        end = _last_change(signal[:, : end - max(1, length // 2)])
    return None


def _last_change(signal: NDArray[np.floating]) -> int | None:
    """Return the sample after the last at which every channel still moved or began to; None where one never does."""
    for stop in range(signal.shape[1], 0, -65536):
        part = signal[:, max(0, stop - 65537) : stop]
        with np.errstate(invalid="ignore"):
            moved = np.diff(part, axis=1)
        found = [np.flatnonzero(np.isfinite(row) & (row != 0)) for row in moved]
        if all(len(each) for each in found):
            return int(min(each[-1] for each in found)) + 2 + max(0, stop - 65537)
    return None


def _is_readable(window: NDArray[np.floating], longest_gap: int) -> bool:
    lowest, highest = np.fmin.reduce(window, axis=1), np.fmax.reduce(window, axis=1)
    if not (lowest < highest).all() or np.isinf(window).any():
        return False
    return all(_longest_run(np.isnan(row)) <= longest_gap for row in window)


def _longest_run(missing: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.r_[False, missing, False].astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))
