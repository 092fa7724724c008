"""Pauses, rates, couplets, runs and bigeminy, of beats that are written down."""

from __future__ import annotations

import numpy as np
import pytest

from physiolect.detection.ectopy import (
    find_ectopy,
    find_long_intervals,
    find_silence,
    joined_beats,
    running_rates,
)

ALL = np.ones


def beats(letters: str) -> tuple[np.ndarray, np.ndarray]:
    return np.array([letter == "V" for letter in letters]), np.arange(len(letters), dtype=float)


@pytest.mark.parametrize(
    ("letters", "single", "couplets", "runs", "bigeminy"),
    [
        ("NNNNN", 0, [], [], []),
        ("NVNNV", 2, [], [], []),
        ("NVVNVVVN", 0, [2], [3], []),
        ("VVVVNNVV", 0, [2], [4], []),
        ("NVNVNVNN", 3, [], [], [3]),
        ("NVNVNN", 2, [], [], []),
        ("VNVNVVVN", 2, [], [3], [3]),
        ("", 0, [], [], []),
        ("V", 1, [], [], []),
    ],
)
def test_patterns(letters: str, single: int, couplets: list, runs: list, bigeminy: list) -> None:
    hit, times = beats(letters)
    found = find_ectopy(hit, times, ALL(max(0, len(hit) - 1), bool))
    assert found.beats == letters.count("V")
    assert found.single == single
    assert [each.beats for each in found.couplets] == couplets
    assert [each.beats for each in found.runs] == runs
    assert [each.beats for each in found.bigeminy] == bigeminy


def test_what_is_unknown_parts_a_run() -> None:
    hit, times = beats("NVVVVN")
    joined = joined_beats(times, np.array([2.5]))
    assert joined.tolist() == [True, True, False, True, True]
    found = find_ectopy(hit, times, joined)
    assert (len(found.couplets), len(found.runs)) == (2, 0)


def test_longest_run_says_when() -> None:
    hit, times = beats("VVVNVVVVN")
    longest = find_ectopy(hit, times, ALL(8, bool)).longest_run
    assert longest is not None
    assert (longest.start, longest.stop, longest.beats) == (4.0, 7.0, 4)


def test_pauses_and_what_is_too_long_for_one() -> None:
    times = np.array([0, 1, 3.5, 4.5, 20, 21])
    joined = joined_beats(times, np.empty(0))
    assert [(each.start, each.stop) for each in find_long_intervals(times, joined, 2, 10)] == [(1, 3.5)]
    assert [(each.start, each.stop) for each in find_long_intervals(times, joined, 10, 30)] == [(4.5, 20)]


def test_silence_is_found_between_beats_and_at_the_ends_of_what_was_judged() -> None:
    times = np.array([12.0, 13, 40, 41, 70, 71])
    found = find_silence(times, [(0.0, 55.0), (58.0, 65.0), (69.0, 90.0)], 10.0)
    assert [(each.start, each.stop, each.beats) for each in found] == [
        (0.0, 12.0, 1), (13.0, 40.0, 2), (41.0, 55.0, 1), (71.0, 90.0, 1),
    ]  # fmt: skip
    (whole,) = find_silence(np.empty(0), [(0.0, 20.0)], 10.0)
    assert (whole.start, whole.stop, whole.beats) == (0.0, 20.0, 0)
    assert find_silence(np.empty(0), [(0.0, 9.0)], 10.0) == ()
    joined = joined_beats(times, np.array([2.0]))
    assert find_long_intervals(times, joined, 2, 10) == ()


def test_rates_need_eight_intervals_without_a_hole() -> None:
    times = np.arange(20) * 0.5
    moments, rates = running_rates(times, joined_beats(times, np.empty(0)))
    np.testing.assert_allclose(rates, 120)
    assert (moments[0], len(rates)) == (2.0, 12)
    _, fewer = running_rates(times, joined_beats(times, np.array([3.1])))
    assert len(fewer) == 5
    later = np.where(times > 4, times + 11, times)
    assert len(running_rates(later, joined_beats(later, np.empty(0)))[1]) == 4
    assert len(running_rates(times[:8], np.ones(7, bool))[1]) == 0
