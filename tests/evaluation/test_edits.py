"""Edit distance against a plain recursion, and its kinds."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from physiolect.evaluation.edits import Edits, count_edits, rate_interval


def plain(a: str, b: str) -> int:
    @cache
    def far(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return i + j
        return min(far(i - 1, j) + 1, far(i, j - 1) + 1, far(i - 1, j - 1) + (a[i - 1] != b[j - 1]))

    return far(len(a), len(b))


def test_the_fewest_edits_are_those_of_a_plain_recursion() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        a, b = ("".join(rng.choice(list("abc"), rng.integers(0, 8))) for _ in range(2))
        found = count_edits(a, b)
        assert found.errors == plain(a, b)
        assert found.length == len(a)
        assert found.insertions - found.deletions == len(b) - len(a)


@pytest.mark.parametrize(
    ("truth", "found", "kinds"),
    [
        ("abc", "abc", (0, 0, 0)),
        ("abc", "abxc", (1, 0, 0)),
        ("abc", "ac", (0, 1, 0)),
        ("abc", "axc", (0, 0, 1)),
        ("", "ab", (2, 0, 0)),
        ("ab", "", (0, 2, 0)),
    ],
)
def test_kinds_of_edits(truth: str, found: str, kinds: tuple[int, int, int]) -> None:
    edits = count_edits(truth, found)
    assert (edits.insertions, edits.deletions, edits.substitutions) == kinds


def test_sums_rates_and_intervals() -> None:
    every = [count_edits("abcd", "abc"), count_edits("abcd", "abcd"), count_edits("ab", "ba")]
    total = Edits.of_all(every)
    assert total.length == 10
    assert total.rate == pytest.approx(total.errors / 10)
    assert "deletions" in str(total)
    low, high = rate_interval(every)
    assert low <= total.rate <= high
    assert rate_interval(every[:1]) == (0.25, 0.25)
    assert np.isnan(Edits().rate)
