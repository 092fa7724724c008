"""Recursive filters run forward and backward over any number of signals, stage after stage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physiolect.signals.compiled import LANES


@dataclass(frozen=True)
class Section:
    """One recursive filter as a quotient of polynomials in 1/z."""

    b: tuple[float, ...]
    """Numerator, order + 1 numbers."""
    a: tuple[float, ...]
    """Denominator, order + 1 numbers, the first of them 1."""
    rest: tuple[float, ...]
    """State after an endless input of ones, order numbers."""

    @classmethod
    def of(cls, b: Iterable[float], a: Iterable[float]) -> Section:
        """Return the section with the state in which a constant input leaves it."""
        from scipy.signal import lfilter_zi

        top, bottom = np.array([*b], np.float64), np.array([*a], np.float64)
        return cls(*(tuple(part.tolist()) for part in (top, bottom, lfilter_zi(top, bottom))))


Stage = tuple[Section, ...]
"""Sections that act as one filter: they run forward one after the other, then backward."""


def run_zero_phase(signals: NDArray[np.float64], stages: Sequence[Stage]) -> None:
    """Filter signals in place by each stage in turn, forward and backward.

    A stage sees its input extended at both ends by three times its order and three, each end turned about its last
    sample, as `scipy.signal.filtfilt` does it; of a shorter signal, by all there is.

    Args:
        signals: (n, time).
        stages: filters in the order in which they act.
    """
    from physiolect.signals.section_loop import run_section

    n, time = signals.shape
    paddings = [min(3 * (1 + sum(len(s.rest) for s in stage)), time - 1) for stage in stages]
    most = max(paddings, default=0)
    room = np.zeros((time + 2 * most, LANES))
    for first in range(0, n, LANES):
        part = signals[first : first + LANES]
        room[most : most + time, : len(part)] = part.T
        for stage, padding in zip(stages, paddings, strict=True):
            block = room[most - padding : most + time + padding]
            _extend(block, padding)
            for backward in (False, True):
                for section in stage:
                    run_section(block, section.b, section.a, section.rest, backward)
        part[:] = room[most : most + time, : len(part)].T


def _extend(block: NDArray[np.float64], padding: int) -> None:
    """Fill the first and last `padding` rows with what lies inside, turned about the first and the last sample."""
    if padding:
        begin, end = block[padding], block[-padding - 1]
        block[:padding] = 2 * begin - block[2 * padding : padding : -1]
        block[-padding:] = 2 * end - block[-padding - 2 : -2 * padding - 2 : -1]
