"""Waves and measurements: right where they are known by construction, and close to LUDB's experts."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from physiolect.errors import ContractError
from physiolect.signals.delineation import VOLTAGES, delineate, measure
from physiolect.synthetic import ecg

FS = 500.0
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF")


def beat_train(
    *, pr: float = 0.16, rr: float = 0.85, p: float = 0.12, t: float = 0.3, s: float = -0.3, seconds: float = 12,
    axis: float = 40.0, fs: float = FS, noise: float = 0.0,
) -> np.ndarray:  # fmt: skip
    """Return six limb leads of Gaussian waves: P, R of 1 mV along the axis, S and T.

    The onset of P lies `pr` before that of QRS.
    """
    time = np.arange(round(seconds * fs)) / fs
    one = np.zeros(len(time))
    beats = np.arange(0.7, seconds - 0.3, rr)
    for centre, width, height in (
        (0.0, 0.012, 1.0),
        (0.035, 0.012, s),
        (0.28, 0.04, t),
        (0.02 - pr, 0.022, p),
    ):
        one += height * np.exp(-0.5 * ((time[:, np.newaxis] - beats - centre) / width) ** 2).sum(axis=1)
    angle = np.radians(axis)
    first, foot = np.cos(angle) * one, np.sin(angle) * one * np.sqrt(3) / 2
    second = first / 2 + foot
    limb = np.stack([first, second, second - first, -(first + second) / 2, first - second / 2, foot])
    return limb + np.random.default_rng(0).normal(0, noise, limb.shape) if noise else limb


@pytest.mark.parametrize("fs", [100.0, 250.0, 500.0, 1000.0])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_intervals_follow_what_was_made(fs: float, noise: float) -> None:
    short, long = (measure(beat_train(pr=pr, fs=fs, noise=noise), fs, LEADS) for pr in (0.14, 0.20))
    assert short.rate == pytest.approx(60 / 0.85, abs=0.2)
    grain = 1000 / fs
    assert long.pr - short.pr == pytest.approx(60, abs=max(6, grain))
    assert long.qrs == pytest.approx(short.qrs, abs=max(4, grain))
    assert 95 < short.qrs < 112 + 3 * grain  # R and S end 3 deviations from their middles: 107 ms
    assert 400 < short.qt < 430 + grain  # from -36 to about 390 ms
    assert short.qtc_bazett == pytest.approx(short.qt / np.sqrt(0.85), rel=0.01)
    assert short.qtc_fridericia == pytest.approx(short.qt / np.cbrt(0.85), rel=0.01)
    assert short.p_share == 1.0


@pytest.mark.parametrize("axis", [-145.0, -55.0, 5.0, 40.0, 85.0, 130.0])
def test_the_axis_is_that_of_the_vector(axis: float) -> None:
    signal = beat_train(axis=axis, s=0.0)
    pairs = ((0, 5), (0, 1), (0, 2), (1, 2), (1, 5), (2, 5))
    for rows in ((0, 1, 2, 3, 4, 5), *pairs):
        found = measure(signal[list(rows)], FS, [LEADS[row] for row in rows]).axis
        assert (found - axis + 180) % 360 - 180 == pytest.approx(0, abs=1.5)
    assert np.isnan(measure(signal[:1], FS, LEADS[:1]).axis)


def test_voltages_are_those_that_were_made() -> None:
    found = measure(beat_train(axis=0, s=-0.3), FS, LEADS, unit="mV")
    lead_one = dict(zip(VOLTAGES, found.voltages[0], strict=True))
    assert lead_one["R"] == pytest.approx(1.0, abs=0.02)
    assert lead_one["S"] == pytest.approx(-0.3, abs=0.03)
    assert lead_one["P"] == pytest.approx(0.12, abs=0.02)
    assert lead_one["T"] == pytest.approx(0.3, abs=0.02)
    assert lead_one["Q"] == pytest.approx(0, abs=0.02)
    turned = dict(zip(VOLTAGES, measure(-beat_train(axis=0, s=0), FS, LEADS).voltages[0], strict=True))
    assert turned["S"] + turned["Q"] == pytest.approx(-1.0, abs=0.05)
    assert turned["R"] < 0.05


def test_noise_does_not_decide_whether_the_depth_of_a_complex_is_q_or_s() -> None:
    for seed in range(3):
        noisy = -beat_train(axis=0, s=0) + 0.005 * np.random.default_rng(seed).standard_normal(
            beat_train().shape
        )
        q, s = measure(noisy, FS, LEADS).voltages[0, [VOLTAGES.index("Q"), VOLTAGES.index("S")]]
        assert s == pytest.approx(-1.0, abs=0.05)
        assert q == 0


def test_a_signal_in_microvolts_has_the_same_marks() -> None:
    signal = beat_train(noise=0.01)
    one, thousand = delineate(signal, FS), delineate(1000 * signal, FS)
    for wave in ("p", "qrs", "t"):
        np.testing.assert_allclose(getattr(thousand, wave).end, getattr(one, wave).end)


def test_marks_are_in_order_and_within_the_signal() -> None:
    made = ecg(seconds=20, fs=250, seed=4)
    found = delineate(made.signal, 250)
    for wave in (found.p, found.qrs, found.t):
        assert wave.onset.shape == (len(found), 12)
        assert wave.over_leads.shape == (len(found), 3)
        known = np.isfinite(wave.onset)
        assert known.mean() > 0.8
        assert (wave.onset[known] <= wave.end[known]).all()
        assert (wave.onset[known] >= 0).all()
        assert (wave.end[known] < made.n_samples).all()
    both = np.isfinite(found.p.over_leads[:, 2]) & np.isfinite(found.t.over_leads[:, 0])
    assert (found.p.over_leads[both, 2] <= found.qrs.over_leads[both, 0]).all()
    assert (found.qrs.over_leads[both, 2] <= found.t.over_leads[both, 1]).all()


@pytest.mark.parametrize("leads", [("II",), ("I", "II", "V1", "V2", "V5")])
def test_atrial_fibrillation_has_few_p_waves(leads: tuple[str, ...]) -> None:
    shares = {
        rhythm: np.mean(
            [
                measure(ecg(seconds=20, rhythm=rhythm, leads=leads, seed=seed).signal, FS, leads).p_share
                for seed in range(6)
            ]
        )
        for rhythm in ("sinus", "af")
    }
    assert shares["sinus"] > 0.8
    assert shares["af"] < 0.35


def test_a_gap_takes_the_marks_of_its_lead_alone() -> None:
    signal = beat_train()
    whole = delineate(signal, FS)
    beat = 5
    middle = int(whole.qrs.over_leads[beat, 1])
    holed = signal.copy()
    holed[2, middle - 10 : middle + 10] = np.nan
    found = delineate(holed, FS, whole.r_peaks.round().astype(int))
    assert np.isnan(found.qrs.onset[beat]).tolist() == [False, False, True, False, False, False]
    assert not np.isnan(found.qrs.onset[beat + 1]).any()
    assert found.qrs.over_leads[beat, 0] == pytest.approx(whole.qrs.over_leads[beat, 0], abs=3)


def test_missing_and_flat_leads_have_no_marks() -> None:
    signal = beat_train()
    signal[1], signal[3] = np.nan, 0.7
    found = delineate(signal, FS)
    assert len(found) > 10
    for wave in (found.p, found.qrs, found.t):
        assert np.isnan(wave.onset[:, [1, 3]]).all()
        assert np.isfinite(wave.over_leads[1:-1]).all()
    measured = measure(signal, FS, LEADS)
    assert np.isnan(measured.voltages[[1, 3]]).all()
    assert measured.axis == pytest.approx(40, abs=2)


def test_a_long_recording_is_delineated_as_its_parts_are() -> None:
    made = ecg(seconds=600, fs=100, leads=("II", "V5"), heart_rate=75, seed=5)
    whole = delineate(made.signal, 100.0)
    assert len(whole) > 700  # three chunks
    first = 30_000
    part = delineate(made.signal[:, first:], 100.0)
    later = whole.r_peaks > first + 1000
    offset = int(later.argmax()) - int((part.r_peaks > 1000).argmax())
    ends = whole.t.over_leads[offset:, 2] - first - part.t.over_leads[: len(whole) - offset, 2]
    inner = ends[20:-20]
    inner = inner[np.isfinite(inner)]
    assert len(inner) > 250
    assert np.mean(np.abs(inner) <= 2) > 0.97


def test_r_peaks_of_others_are_used() -> None:
    signal = beat_train()
    peaks = delineate(signal, FS).r_peaks.round().astype(int)
    assert len(delineate(signal, FS, peaks[::2])) == len(peaks[::2])
    assert len(delineate(signal, FS, peaks[:0])) == 0


@pytest.mark.parametrize("peaks", [[500, 400], [-1, 400], [100, 100], [100, 10_000_000], [[1, 2]], [np.nan]])
def test_r_peaks_out_of_order_are_refused(peaks: list) -> None:
    with pytest.raises(ContractError) as refused:
        delineate(beat_train(), FS, np.array(peaks))
    assert refused.value.hint


@pytest.mark.parametrize(
    ("signal", "leads", "what"),
    [(np.zeros((1, 100)), ["I"], "too short"), (np.zeros((2, 5000)), ["I"], "1 names for 2 leads")],
)
def test_what_cannot_be_measured_is_refused(signal: np.ndarray, leads: list[str], what: str) -> None:
    with pytest.raises(ContractError, match=what) as refused:
        measure(signal, FS, leads)
    assert refused.value.hint


@pytest.mark.parametrize("kind", ["noise", "flat", "missing", "spikes", "huge", "holes", "ramp"])
@pytest.mark.parametrize("n_leads", [1, 6])
def test_anything_is_measured_without_an_exception(kind: str, n_leads: int) -> None:
    rng = np.random.default_rng(1)
    for fs, n in ((50, 60), (250, 260), (500, 5000), (1000, 3000)):
        signal = rng.normal(size=(n_leads, n))
        if kind == "flat":
            signal[:] = 3
        elif kind == "missing":
            signal[:] = np.nan
        elif kind == "spikes":
            signal = np.where(rng.random(signal.shape) < 0.002, 10.0, 0.0)
        elif kind == "huge":
            signal *= 1e12
        elif kind == "holes":
            signal[rng.random(signal.shape) < 0.3] = np.nan
        elif kind == "ramp":
            signal[:] = np.arange(n)
        found = measure(signal.astype(np.float32), fs, LEADS[:n_leads])
        assert found.summary
        assert found.to_dict()["n_beats"] == found.n_beats


def test_a_result_is_readable_and_ready_for_json() -> None:
    found = measure(beat_train(), FS, LEADS, unit="mV")
    assert "QTc" in found.summary
    assert "axis 40 degrees" in found.summary
    table = found.to_frame()
    assert list(table.columns) == ["lead", *VOLTAGES]
    assert found.to_dict()["voltages"]["I"]["R"] == pytest.approx(found.voltages[0, 2])
    silent = measure(np.zeros((1, 5000)), FS, ["II"])
    assert silent.to_dict()["pr_ms"] is None
    assert "not measured" in silent.summary


@pytest.mark.skipif(
    "PHYSIOLECT_DATA" not in os.environ, reason="PHYSIOLECT_DATA names no folder of real data"
)
def test_intervals_of_real_ecgs_are_near_the_experts() -> None:
    """Twenty records of LUDB that no constant was chosen on; the whole table is benchmarks/delineation.py."""
    from wfdb import rdann, rdrecord

    folder = Path(os.environ["PHYSIOLECT_DATA"]) / "ludb" / "data"
    errors = []
    for record in range(81, 101):
        header = rdrecord(str(folder / str(record)))
        found = delineate(header.p_signal.T, header.fs)
        notes = rdann(str(folder / str(record)), "ii")
        row = [name.lower() for name in header.sig_name].index("ii")
        symbol, sample = np.array(notes.symbol), notes.sample
        peaks = np.flatnonzero(symbol == "N")
        expert = np.median([sample[k + 1] - sample[k - 1] for k in peaks if symbol[k - 1] == "("])
        errors.append(
            (np.nanmedian(found.qrs.end[:, row] - found.qrs.onset[:, row]) - expert) / header.fs * 1000
        )
    assert np.median(np.abs(errors)) <= 14
