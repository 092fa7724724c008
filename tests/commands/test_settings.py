"""--start and --stop: seconds within a recording, in order."""

from __future__ import annotations

from math import inf, nan

import pytest

from physiolect.commands.settings import stretch_problems


@pytest.mark.parametrize(("start", "stop"), [(None, None), (0.0, 1.0), (2.5, None), (None, 3.0)])
def test_a_stretch_with_something_in_it(start: float | None, stop: float | None) -> None:
    assert stretch_problems("x.csv", start, stop) == []


@pytest.mark.parametrize(
    ("start", "stop", "words"),
    [
        (3.0, 2.0, "--start 3 and --stop 2 enclose nothing"),
        (-1.0, None, "--start -1 and --stop the end enclose nothing"),
        (nan, None, "enclose nothing"),
        (None, nan, "enclose nothing"),
        (None, inf, "the stretch does not lie in x.csv"),
        (inf, None, "the stretch does not lie in x.csv"),
    ],
)
def test_a_stretch_that_is_none(start: float | None, stop: float | None, words: str) -> None:
    (problem,) = stretch_problems("x.csv", start, stop)
    assert words in problem
