"""The inner loop of every recursive filter: one section, over sixteen signals at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physiolect.signals.compiled import LANES, compiled

Taps = tuple[float, ...]


@compiled
def run_section(block: NDArray[np.float64], b: Taps, a: Taps, rest: Taps, backward: bool) -> None:
    """Filter every column of a block in place, in the transposed direct form II.

    A recursion must wait for its last result; sixteen of them need not wait for each other. Sums are taken in the
    order of `scipy.signal.lfilter`, so that an ill-conditioned filter errs as it does there, to the last bit.

    Args:
        block: (time, LANES).
        b: numerator, order + 1 numbers.
        a: denominator, order + 1 numbers, the first of them 1.
        rest: state after an endless input of ones, order numbers.
        backward: run from the end to the beginning.
    """
    n = block.shape[0]
    # One flat array, whose size is known from the number of taps: the compiler keeps it in registers.
    state = np.zeros((len(b) + 1) * LANES)
    for k in range(len(rest)):
        for lane in range(LANES):
            state[k * LANES + lane] = rest[k] * block[n - 1 if backward else 0, lane]
    for i in range(n):
        row = block[n - 1 - i if backward else i]
        for lane in range(LANES):
            value = row[lane]
            result = state[lane] + b[0] * value
            row[lane] = result
            for k in range(1, len(b)):
                state[(k - 1) * LANES + lane] = state[k * LANES + lane] + value * b[k] - result * a[k]
