"""Only the part of a file that a continuation depends on is read."""

from __future__ import annotations

import numpy as np
import pytest

from physiolect import InputContract, Recording
from physiolect.errors import FormatError
from physiolect.generation import read_stretch

CONTRACT = InputContract(fs=50.0, min_samples=50, max_samples=100)
WHOLE = Recording(np.arange(120 * 250.0), 250.0)


class Reader:
    def __init__(self) -> None:
        self.asked: list[tuple[float | None, float | None]] = []

    def __call__(self, start: float | None, stop: float | None) -> Recording:
        self.asked.append((start, stop))
        return WHOLE.slice(start, stop)


@pytest.mark.parametrize(
    ("start", "stop", "asked", "first", "seen"),
    [
        (None, None, [(None, None)], 0.0, None),
        (7.0, None, [(7.0, None)], 7.0, None),
        (None, 99.5, [(37.0, 104.5)], 37.0, 62.5),
        (90.0, 99.5, [(90.0, 104.5)], 90.0, 9.5),
        (None, 119.0, [(57.0, 124.0), (57.0, None)], 57.0, 62.0),
        (None, 500.0, [(438.0, 505.0), (438.0, None), (None, None)], 0.0, 500.0),  # generate refuses it
    ],
)
def test_a_stretch(
    start: float | None, stop: float | None, asked: list[object], first: float, seen: float | None
) -> None:
    reader = Reader()
    if stop == 500.0:
        asked[-1] = (0.0, None)
    found = read_stretch(reader, CONTRACT, start=start, stop=stop, seconds=5.0)
    assert reader.asked == asked
    assert (found.first, found.stop) == (first, seen)


def test_what_cannot_be_read_at_all_is_an_error() -> None:
    def refuse(*_: object) -> Recording:
        raise FormatError("there is no file x")

    with pytest.raises(FormatError, match="there is no file x"):
        read_stretch(refuse, CONTRACT, start=None, stop=3.0, seconds=1.0)
