from __future__ import annotations

import numpy as np
import pytest

from physiolect.errors import PhysiolectError
from physiolect.evaluation.beats import LEARNING, match_beats, measure_beats
from physiolect.evaluation.bootstrap import Bootstrap


def test_each_beat_is_matched_once_and_the_nearest_first() -> None:
    found = match_beats([1.0, 2.0, 3.0], [1.05, 1.10, 2.2, 2.9], duration=10)
    assert (found.right, found.missed, found.false) == (2, 1, 2)
    np.testing.assert_allclose(found.errors, [0.05, -0.1])
    assert found.sensitivity == pytest.approx(2 / 3)
    assert found.ppv == 0.5
    assert found.f1 == pytest.approx(4 / 7)
    np.testing.assert_allclose(match_beats([1.0, 1.2], [1.12], duration=10).errors, [-0.08])


def test_the_tolerance_itself_is_within() -> None:
    assert match_beats([1.0, 3.3], [1.15, 3.15], duration=10).right == 2
    assert match_beats([1.0], [1.1501], duration=10).right == 0


def test_beats_near_the_ends_without_a_partner_count_as_nothing() -> None:
    found = match_beats([0.1, 5.0, 9.95], [5.0, 9.9], duration=10)
    assert (found.right, found.missed, found.false, found.at_ends) == (2, 0, 0, 1)
    found = match_beats([5.0], [0.05, 5.0, 9.9], duration=10)
    assert (found.right, found.false, found.at_ends) == (1, 0, 2)


def test_a_learning_period_is_left_out() -> None:
    beats = np.arange(0.5, 600, 1.0)
    found = match_beats(beats, beats[300:] + 0.02, duration=600, skip=LEARNING)
    assert (found.right, found.missed, found.false) == (300, 0, 0)


def test_counts_are_those_of_wfdb() -> None:
    from wfdb.processing import compare_annotations

    rng = np.random.default_rng(0)
    fs = 1000
    for _ in range(20):
        true = np.cumsum(rng.integers(400, 1200, 60)) + 1000
        said = true + rng.integers(-180, 181, 60)
        kept = rng.random(60) > 0.1
        said = np.sort(np.concatenate([said[kept], rng.integers(2000, true[-1] - 1000, 3)]))
        theirs = compare_annotations(true, said, window_width=151)  # theirs must be below it
        ours = match_beats(true / fs, said / fs, duration=(true[-1] + 2000) / fs)
        # theirs goes through the beats in order, ours takes the nearest pairs first: a beat between two may differ
        assert abs(ours.right - theirs.tp) <= 1
        assert ours.right + ours.missed == theirs.tp + theirs.fn == 60
        assert ours.right + ours.false == theirs.tp + theirs.fp


def test_pooled_figures_add_counts_and_intervals_are_by_group() -> None:
    rng = np.random.default_rng(1)
    matches, groups = [], []
    for k in range(12):
        true = np.arange(1.0, 50)
        said = (true + rng.normal(0.01, 0.02, 49))[rng.random(49) > 0.02 * k]
        matches.append(match_beats(true, said, duration=60))
        groups.append(f"p{k // 2}")
    draws = Bootstrap(groups, n_resamples=400)
    found = measure_beats(matches, draws)
    right, missed = sum(m.right for m in matches), sum(m.missed for m in matches)
    assert found["sensitivity"].value == pytest.approx(right / (right + missed))
    assert found["mean sensitivity"].value == pytest.approx(np.mean([m.sensitivity for m in matches]))
    errors = 1000 * np.concatenate([m.errors for m in matches])
    assert found["timing_mean_ms"].value == pytest.approx(errors.mean())
    assert found["timing_sd_ms"].value == pytest.approx(errors.std())
    assert found["timing_median_abs_ms"].value == pytest.approx(np.median(np.abs(errors)))
    k = 7
    rows = [i for i, g in enumerate(draws.row_group) for _ in range(draws.times[k, g])]
    chosen = np.abs(1000 * np.concatenate([matches[i].errors for i in rows]))
    assert found["timing_median_abs_ms"].resampled[k] == pytest.approx(np.median(chosen), abs=0.2)
    assert found["sensitivity"].low < found["sensitivity"].value < found["sensitivity"].high
    assert matches[0].to_dict()["timing_mean_ms"] == pytest.approx(1000 * matches[0].errors.mean())


def test_no_beats_at_all_is_told_as_such() -> None:
    found = match_beats([], [], duration=10)
    assert np.isnan([found.sensitivity, found.ppv, found.f1]).all()
    assert found.to_dict()["f1"] is None
    assert measure_beats([found], Bootstrap(["a"]))["f1"].to_dict()["value"] is None


def test_what_cannot_be_judged_is_refused() -> None:
    with pytest.raises(PhysiolectError, match="nothing is left"):
        match_beats([1.0], [1.0], duration=100, skip=LEARNING)
    with pytest.raises(PhysiolectError, match="finite"):
        match_beats([np.nan], [1.0], duration=100)
    with pytest.raises(PhysiolectError, match="1 records but 2 groups"):
        measure_beats([match_beats([1.0], [1.0], duration=2)], Bootstrap(["a", "b"]))
