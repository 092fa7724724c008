from __future__ import annotations

from fractions import Fraction

import pytest

from physiolect.detection.windows import made_up


@pytest.mark.parametrize(
    ("gap", "ratio", "expected"),
    [
        ((10, 20), Fraction(1), (10, 20)),
        ((0, 20), Fraction(2), (0, 40)),
        ((10, 20), Fraction(2), (19, 40)),  # sample 19 lies between the ninth, which is there, and the tenth
        ((18, 36), Fraction(5, 18), (5, 10)),
        ((19, 36), Fraction(5, 18), (6, 10)),  # sample 5 is the eighteenth
        ((90, 100), Fraction(2), (179, 199)),  # the recording ends first
    ],
)
def test_what_lies_between_the_neighbours_of_a_gap_is_made_up(
    gap: tuple[int, int], ratio: Fraction, expected: tuple[int, int]
) -> None:
    assert made_up(*gap, ratio, 199) == expected
