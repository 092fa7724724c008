"""R peaks: found in any rhythm and polarity, not found where nothing is recorded, finer than a sample."""

from __future__ import annotations

import numpy as np
import pytest

from physiolect.errors import ContractError
from physiolect.signals.r_peaks import detect_r_peaks, refine_peaks
from physiolect.synthetic import ecg


def missed_and_false(truth: np.ndarray, found: np.ndarray, fs: float, n_samples: int) -> tuple[int, int]:
    far = np.abs(truth[:, np.newaxis] - found) / fs
    inner = (truth > 0.15 * fs) & (truth < n_samples - 0.15 * fs)
    return int((far.min(axis=1)[inner] > 0.08).sum()), int((far.min(axis=0) > 0.08).sum())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rhythm", ["sinus", "af"])
@pytest.mark.parametrize("fs", [100.0, 250.0, 500.0])
@pytest.mark.parametrize("leads", [("II",), ("I", "II", "V1", "V5")])
def test_every_beat_of_a_made_ecg_is_found(seed: int, rhythm: str, fs: float, leads: tuple[str, ...]) -> None:
    made = ecg(seconds=60, fs=fs, rhythm=rhythm, leads=leads, ectopic_rate=0.05, seed=seed)
    truth = made.annotations.sample[1:]
    missed, false = missed_and_false(truth, detect_r_peaks(made.signal, fs), fs, made.n_samples)
    assert missed <= 1
    assert false <= 1


def test_scale_offset_order_and_sign_of_leads_do_not_matter() -> None:
    made = ecg(seconds=30, fs=250, seed=1)
    found = detect_r_peaks(made.signal, 250)
    assert len(found) > 20
    for other in (made.signal * 1000 + 5, made.signal[::-1], -made.signal):
        assert np.abs(detect_r_peaks(other, 250) - found).max() <= 1


def test_a_missing_a_flat_and_a_noisy_lead_do_no_harm() -> None:
    made = ecg(seconds=60, fs=250, leads=("II", "V5"), seed=2)
    rng = np.random.default_rng(0)
    others = np.stack(
        [np.full(made.n_samples, np.nan), np.ones(made.n_samples), rng.normal(size=made.n_samples)]
    )
    truth = made.annotations.sample[1:]
    found = detect_r_peaks(np.concatenate([made.signal, others]), 250)
    assert missed_and_false(truth, found, 250, made.n_samples) == (0, 0)


def test_no_beat_lies_in_a_gap_of_all_leads() -> None:
    made = ecg(seconds=60, fs=250, leads=("II",), seed=3)
    signal = made.signal.copy()
    signal[:, 5000:8000] = np.nan
    found = detect_r_peaks(signal, 250)
    assert not ((found >= 5000) & (found < 8000)).any()
    kept = made.annotations.sample[1:]
    kept = kept[(kept < 4900) | (kept > 8100)]
    assert np.abs(kept[1:-1, np.newaxis] - found).min(axis=1).max() < 20


@pytest.mark.parametrize("signal", [np.zeros((2, 5000)), np.full((1, 5000), np.nan), np.zeros((1, 3))])
def test_nothing_recorded_has_no_beats(signal: np.ndarray) -> None:
    assert len(detect_r_peaks(signal, 250)) == 0


@pytest.mark.parametrize(
    ("shape", "fs", "what"),
    [
        ((500,), 250, "got shape"),
        ((1, 0), 250, "got shape"),
        ((1, 500), 20, "too few"),
        ((1, 500), np.nan, "too few"),
    ],
)
def test_what_is_no_ecg_is_refused(shape: tuple[int, ...], fs: float, what: str) -> None:
    with pytest.raises(ContractError, match=what) as refused:
        detect_r_peaks(np.zeros(shape), fs)
    assert refused.value.hint


@pytest.mark.parametrize("fs", [125.0, 250.0, 500.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_refined_peaks_are_much_finer_than_a_sample(fs: float, sign: int) -> None:
    truth = np.arange(1, 40) * 0.8137 + 0.31
    time = np.arange(round(34 * fs)) / fs
    lead = sign * np.exp(-0.5 * ((time[:, np.newaxis] - truth) / 0.02) ** 2).sum(axis=1)
    coarse = np.rint(truth * fs).astype(int)
    error = refine_peaks(lead, coarse, fs) / fs - truth
    assert np.std(coarse / fs - truth) > 4 * np.std(error)
    assert np.abs(error).max() < 0.06 / fs


def test_refined_peaks_are_missing_beside_gaps() -> None:
    time = np.arange(2500) / 250
    lead = np.exp(-0.5 * ((time % 1 - 0.5) / 0.02) ** 2)
    lead[370:372] = np.nan
    refined = refine_peaks(lead, np.array([125, 375, 625]), 250)
    assert np.isnan(refined).tolist() == [False, True, False]
    assert np.isnan(refine_peaks(np.full(500, np.nan), np.array([100]), 250)).all()
    assert len(refine_peaks(lead, np.array([], int), 250)) == 0


def test_peaks_of_a_long_recording_are_refined_in_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ecg(seconds=70, fs=250.0, leads=("II",), seed=2)
    coarse = made.annotations.sample
    whole = refine_peaks(made.signal[0], coarse, 250.0)
    monkeypatch.setattr("physiolect.signals.r_peaks._STRETCH", 20.0)
    np.testing.assert_allclose(refine_peaks(made.signal[0], coarse, 250.0), whole, atol=0.02)
