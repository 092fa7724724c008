"""Copies of recordings whose beats are made ectopic, or whose rhythm is made fibrillating."""

from __future__ import annotations

import numpy as np
import pytest

from physiolect.signals.made_beats import (
    FUSION,
    NORMAL,
    SUPRAVENTRICULAR,
    VENTRICULAR,
    ventricular_beats,
    with_ectopy,
    with_fibrillation,
)
from physiolect.synthetic import ecg

FS = 100.0


def made(ectopic_rate: float = 0.0, seconds: float = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    recording = ecg(seconds=seconds, fs=FS, leads=("II", "V1"), ectopic_rate=ectopic_rate, noise=0.0, seed=4)
    marks = recording.annotations
    mine = np.array([symbol in "NV" for symbol in marks.symbol])
    kinds = np.array([VENTRICULAR if symbol == "V" else NORMAL for symbol in marks.symbol])
    return recording.signal, marks.sample[mine].astype(float), kinds[mine]


def test_early_beats_come_early_and_others_stay_as_they_were() -> None:
    signal, beats, kinds = made()
    copy = with_ectopy(signal, beats, kinds, [], FS, np.random.default_rng(0))
    assert len(copy.beats) == len(beats)
    assert copy.signal.shape[0] == 2
    early = copy.kinds == SUPRAVENTRICULAR
    assert early.any()
    assert set(copy.kinds) == {NORMAL, SUPRAVENTRICULAR}  # nothing to make a ventricular beat of
    shorter = np.diff(copy.beats)[early[1:]] / np.diff(beats)[early[1:]]
    assert (shorter < 0.95).mean() > 0.9
    for then, now, kind in zip(beats, copy.beats, copy.kinds, strict=True):
        a, b = round(then), round(now)
        if kind == NORMAL and a > 40 and b + 15 < copy.signal.shape[1]:  # the QRS is the same
            assert np.allclose(copy.signal[:, b - 3 : b + 4], signal[:, a - 3 : a + 4], atol=1e-6)


def test_ventricular_and_fused_beats_are_made_of_those_of_others() -> None:
    donors = ventricular_beats(*made(0.2), FS)
    assert donors
    signal, beats, kinds = made(seconds=400)
    copy = with_ectopy(signal, beats, kinds, donors, FS, np.random.default_rng(1))
    assert {VENTRICULAR, FUSION} <= set(copy.kinds)

    def mean_of(kind: int) -> np.ndarray:
        places = np.rint(copy.beats[copy.kinds == kind]).astype(int)
        places = places[(places > 30) & (places < copy.signal.shape[1] - 60)]
        return np.abs(np.stack([copy.signal[0, p - 5 : p + 40] for p in places])).mean(0)

    normal, fused, ventricular = (mean_of(kind) for kind in (NORMAL, FUSION, VENTRICULAR))
    assert np.abs(fused - normal).sum() < np.abs(ventricular - normal).sum()
    assert np.abs(fused - normal).sum() > 0.1 * np.abs(ventricular - normal).sum()


def test_fibrillation_is_irregular_and_has_no_p_waves() -> None:
    signal, beats, kinds = made()
    copy = with_fibrillation(signal, beats, kinds, [], FS, np.random.default_rng(2))
    assert (copy.kinds == kinds).all()
    assert np.diff(copy.beats).std() > 3 * np.diff(beats).std()
    assert (np.diff(copy.beats) > 0.19 * FS).all()

    def p_wave(signal: np.ndarray, beats: np.ndarray) -> float:
        places = np.rint(beats[5:-5]).astype(int)
        mean = np.mean(
            [signal[0, p - 25 : p - 5] for p in places], 0
        )  # waves of fibrillation are averaged away
        return float(np.ptp(mean))

    assert p_wave(copy.signal, copy.beats) < 0.6 * p_wave(signal, beats)


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_few_beats_stay_as_they_are(n: int) -> None:
    signal, beats, kinds = made(seconds=20)
    for copy in (
        with_ectopy(signal, beats[:n], kinds[:n], [], FS, np.random.default_rng(0)),
        with_fibrillation(signal[:, :2000], beats[:n], kinds[:n], [], FS, np.random.default_rng(0)),
    ):
        assert len(copy.beats) == len(copy.kinds) == n
        assert np.isfinite(copy.signal).all()


def test_the_same_draws_make_the_same_copy() -> None:
    given = made(0.1)
    one, other = (with_ectopy(*given, [], FS, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(one.signal, other.signal)
    assert np.array_equal(one.kinds, other.kinds)


def test_some_copies_have_wide_beats_that_stay_normal() -> None:
    donors = ventricular_beats(*made(0.2), FS)
    signal, beats, kinds = made()

    def width(signal: np.ndarray, at: np.ndarray) -> float:
        places = np.rint(at).astype(int)
        places = places[(places > 40) & (places < signal.shape[1] - 60)]
        mean = np.abs(np.mean([signal[0, p - 10 : p + 16] for p in places], 0))
        return float((mean > 0.3 * mean.max()).mean())

    plain = width(signal, beats)
    widths = []
    for seed in range(12):
        copy = with_ectopy(signal, beats, kinds, donors, FS, np.random.default_rng(seed))
        widths.append(width(copy.signal, copy.beats[copy.kinds == NORMAL]))
        assert (copy.kinds == NORMAL).mean() > 0.7
    wide = np.array(widths) > 1.3 * plain
    assert 0 < wide.sum() < 12
