"""Quality measured against what was put in."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from physiolect.signals.quality import limb_swap, measure_quality

FS = 250.0


def leads(n: int = 3, seconds: float = 10, seed: int = 0) -> NDArray[np.float32]:
    """Return smooth noise as a converter of 5 uV a step would give it, about 1 mV large."""
    rng = np.random.default_rng(seed)
    white = rng.standard_normal((n, round(seconds * FS)))
    smooth = np.apply_along_axis(np.convolve, 1, white, np.hanning(25), "same") / 3
    return (np.rint(smooth / 0.005) * 0.005).astype(np.float32)


def test_a_good_signal_has_nothing_to_remark() -> None:
    for seed in range(30):
        quality = measure_quality(leads(seed=seed), FS)
        assert not any(part.any() for part in (quality.missing, quality.flat, quality.clipped))
        assert (quality.largest < 10).all()


def test_missing_and_infinite_samples_are_counted() -> None:
    signal = leads()
    signal[1, 100:200] = np.nan
    signal[1, 0] = np.inf
    signal[2] = np.nan
    quality = measure_quality(signal, FS)
    assert quality.missing.tolist() == pytest.approx([0, 101 / 2500, 1])
    assert quality.flat.tolist() == quality.clipped.tolist() == [0, 0, 0]
    assert quality.largest[2] == 0


@pytest.mark.parametrize(("samples", "share"), [(249, 0), (250, 0.1), (2500, 1)])
def test_a_lead_is_flat_from_a_second_on(samples: int, share: float) -> None:
    signal = leads()
    signal[1, :samples] = 0.1
    assert measure_quality(signal, FS).flat.tolist() == pytest.approx([0, share, 0], abs=0.002)


@pytest.mark.parametrize("side", ["top", "bottom", "both"])
def test_what_is_cut_off_is_clipped(side: str) -> None:
    signal = leads()
    low, high = np.percentile(signal[1], (8, 92))
    before = signal[1].copy()
    if side in ("bottom", "both"):
        np.maximum(signal[1], np.float32(low), out=signal[1])
    if side in ("top", "both"):
        np.minimum(signal[1], np.float32(high), out=signal[1])
    quality = measure_quality(signal, FS)
    truth = (signal[1] != before).mean()
    assert quality.clipped[1] == pytest.approx(truth, rel=0.4)
    assert quality.clipped[[0, 2]].tolist() == [0, 0]


def test_one_long_stay_at_the_rail_is_clipped_and_a_smooth_peak_is_not() -> None:
    signal = leads()
    signal[0, 500:560] = 9
    wave = np.sin(np.arange(2500) / FS)  # its top is 25 samples wide in steps of 0.005
    signal[1] = np.rint(wave / 0.005) * 0.005
    signal[2, 1000] = 50
    quality = measure_quality(signal, FS)
    assert quality.clipped[0] == pytest.approx(60 / 2500)
    assert quality.clipped[2] == 0
    assert quality.largest[2] == pytest.approx(50, rel=0.01)
    constant = measure_quality(np.full((1, 2500), 3.0), FS)
    assert (constant.flat[0], constant.clipped[0]) == (1, 0)


def test_zeros_that_fill_up_a_short_signal_are_not_clipping() -> None:
    beat = np.abs(leads(2, seconds=0.8)) + np.float32(0.1)
    filled = np.pad(beat, ((0, 0), (30, 60)))  # 0.12 s before, 0.24 s after
    assert measure_quality(filled, FS).clipped.tolist() == [0, 0]
    within = filled.copy()
    within[1, 90:150] = 0  # 0.24 s at zero in its midst is another matter
    assert measure_quality(within, FS).clipped.tolist() == pytest.approx([0, 60 / within.shape[1]])


def by_runs(lead: NDArray[np.floating], fs: float) -> tuple[float, float, float]:
    """Return flat, clipped and largest of a lead by their definition, run after run, in float64."""
    bounds = [0, *(np.flatnonzero(lead[1:] != lead[:-1]) + 1).tolist(), len(lead)]
    start, stop = np.array(bounds[:-1]), np.array(bounds[1:])
    length, value = stop - start, lead[start].astype(np.float64)
    present = lead[np.isfinite(lead)].astype(np.float64)
    if not present.size:
        return 0.0, 0.0, 0.0
    flat = length[length >= fs].sum() / len(lead)
    largest = float(np.abs(present - np.median(present)).max())
    with np.errstate(invalid="ignore"):
        change = np.abs(np.diff(value))
    steps = change[np.isfinite(change) & (change > 0)]
    if not steps.size:
        return flat, 0.0, largest
    into, out = np.r_[change[0], change], np.r_[change, change[-1]]
    edge = 3 * steps.min() * (1 - 1e-6)
    filling = (value == 0) & ((start == 0) | (stop == len(lead)))
    plateau = (length >= max(4, np.ceil(0.02 * fs))) & (length < fs) & ~filling
    count = 0
    for extreme in (np.nanmax(value), np.nanmin(value)):
        there = plateau & (value == extreme)
        steep = there & ((into >= edge) | (out >= edge))
        if steep.sum() >= 2 or (there & (length >= 0.2 * fs)).any():
            count += length[there].sum()
    return flat, count / len(lead), largest


@pytest.mark.filterwarnings("ignore:invalid value")
def test_the_quick_way_is_the_definition() -> None:
    rng = np.random.default_rng(0)
    clipped = 0
    for _ in range(1000):
        fs = float(rng.choice([0.5, 1, 2, 3.3, 10, 50, 250, 1000]))
        n, coarse = int(rng.integers(1, 2000)), rng.choice([0.01, 0.5, 2])
        lead = np.round(rng.standard_normal(n).cumsum() / coarse) * coarse
        if rng.random() < 0.7:
            lead = lead.clip(*np.percentile(lead, [rng.integers(0, 30), rng.integers(70, 100)]))
        for bad, share in ((0, 0.3), (np.nan, 0.2), (np.inf, 0.1), (-np.inf, 0.1)):
            if rng.random() < share:
                at = int(rng.integers(0, n))
                lead[at : at + int(rng.integers(1, 900))] = bad
            if rng.random() < share / 2:
                lead[rng.random(n) < 0.02] = bad
        lead = lead.astype(rng.choice([np.float32, np.float64]))
        quality = measure_quality(lead[np.newaxis], fs)
        assert (quality.flat[0], quality.clipped[0], quality.largest[0]) == by_runs(lead, fs)
        clipped += quality.clipped[0] > 0
    assert 100 < clipped < 900


def test_a_long_recording_is_not_copied_over_and_over() -> None:
    signal = leads(1, seconds=4000)
    signal[0, 5] = np.nan
    tracemalloc.start()
    measure_quality(signal, FS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * signal.nbytes


def heart(angle: float) -> list[NDArray[np.float64]]:
    """Return leads I, II and V6 of beats whose axis lies at an angle (degrees) in the frontal plane."""
    seconds = np.arange(5000) / 500
    beats = np.exp(-(((seconds % 0.8) - 0.4) ** 2) / 2e-4)
    noise = np.random.default_rng(0).standard_normal((3, 5000)) / 50
    one, two = (np.cos(np.radians(angle - lead)) for lead in (0, 60))
    return [one * beats + noise[0], two * beats + noise[1], beats + noise[2]]


@pytest.mark.parametrize("angle", [-20, 0, 20, 45, 70, 85])
def test_swapped_limbs_are_hinted_at(angle: float) -> None:
    one, two, v6 = heart(angle)
    three = two - one
    assert limb_swap(one, two, v6, 500) is None
    if 0 < angle < 80:  # a lead I of almost nothing tells nothing, and beyond 0 II opposes V6 as well
        assert limb_swap(-one, three, v6, 500) == "RA/LA"
    if angle > 0:
        assert limb_swap(-three, -two, v6, 500) == "RA/LL"


def test_no_hint_where_nothing_can_be_told() -> None:
    one, two, v6 = heart(45)
    assert limb_swap(-one, two - one, np.zeros(5000), 500) is None
    assert limb_swap(-one, two - one, np.full(5000, np.nan), 500) is None
    assert limb_swap(-one[:400], (two - one)[:400], v6[:400], 500) is None
    v6[1000:1050] = np.nan
    assert limb_swap(-one, two - one, v6, 500) == "RA/LA"
