"""Rhythm: the windows, what cannot be judged, and the published outputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from physiolect import Recording, adapt, detect_rhythm, load_checkpoint, read_recording, synthetic
from physiolect.detection import RhythmResult
from physiolect.errors import CheckpointError, ConfigError, ContractError
from physiolect.events import Event, Progress

from .conftest import Make


def pulse(seconds: float, fs: float = 125.0, seed: int = 1) -> Recording:
    return synthetic.ppg(seconds=seconds, fs=fs, seed=seed)


@pytest.mark.parametrize(
    ("model", "modality", "fs", "example"),
    [
        ("ECGPT_AF_1k_iters", "ecg", 100.0, "ECG"),
        ("ECGPT_AF_1k_iters", "ecg", 100.0, "ECG_AFib1"),
        ("PPGPT_AF_1k_iters", "ppg", 50.0, "PPG"),
        ("PPGPT_AF_1k_iters", "ppg", 50.0, "PPG_AFib"),
    ],
)
def test_a_recording_of_one_window_gives_the_published_probability(
    golden: Path, weights: Path, examples: Path, model: str, modality: str, fs: float, example: str
) -> None:
    recording = read_recording(examples / f"example_context_{example}.csv", fs=fs, modality=modality)  # type: ignore[arg-type]
    found = detect_rhythm(load_checkpoint(weights / f"{model}.zip"), recording)
    with np.load(golden / f"af_{modality}__example_context_{example}.npz") as expected:
        np.testing.assert_allclose(found.probability, [expected["prob"]], atol=1e-4)
    assert found.time.tolist() == [500 / fs]
    assert found.reasons == ("",)


def test_windows_are_laid_back_from_the_end(make: Make) -> None:
    checkpoint, recording = make("rhythm"), pulse(11.3)
    found = detect_rhythm(checkpoint, recording)
    np.testing.assert_allclose(found.time, [3.3, 5.3, 7.3, 9.3, 11.3])
    np.testing.assert_allclose(found.start, found.time - found.window)
    whole, _ = adapt(recording, checkpoint.contract, window="all")
    ids, _ = checkpoint.tokenizer.encode(whole.signal[0, -100:])
    with torch.inference_mode():
        last = checkpoint.model(torch.from_numpy(ids)[None])[0, -1, 0].sigmoid()
    assert found.probability[-1] == pytest.approx(float(last), abs=1e-6)
    dense = detect_rhythm(checkpoint, recording, stride=0.5, batch_size=3)
    assert len(dense.time) == 19
    np.testing.assert_allclose(dense.probability[::-1][::4], found.probability[::-1], atol=1e-6)


def test_what_cannot_be_judged_costs_its_own_windows_alone(make: Make) -> None:
    recording = pulse(20)
    signal = recording.signal.copy()
    signal[0, 600:640] = np.nan  # 4.8 to 5.12 s
    signal[0, 1000:1005] = np.nan  # short enough to bridge
    signal[0, 1440:1810] = 0.25  # 12 to 14 s, and what resampling sees around them
    signal[0, 2100] = np.inf
    found = detect_rhythm(make("rhythm"), replace(recording, signal=signal))
    assert found.reasons == ("", "", "gap", "", "", "", "flat", "", "", "")
    np.testing.assert_array_equal(np.isnan(found.probability), [bool(reason) for reason in found.reasons])
    told = " ".join(found.report.notices)
    assert "1 gap longer than 0.1 s" in told
    assert "1 infinite samples are taken as missing" in told
    clean = detect_rhythm(make("rhythm"), recording)
    np.testing.assert_array_equal(found.probability[:2], clean.probability[:2])


def test_a_gap_at_the_very_beginning_at_a_lower_rate(make: Make) -> None:
    recording = pulse(10, fs=25.0)
    signal = recording.signal.copy()
    signal[0, :20] = np.nan
    found = detect_rhythm(make("rhythm"), replace(recording, signal=signal))
    assert found.reasons == ("gap", "", "", "", "")


def result(probability: list[float], stride: float = 2.0) -> RhythmResult:
    start = np.arange(len(probability)) * stride
    said = np.array(probability, np.float32)
    reasons = tuple("gap" if np.isnan(each) else "" for each in probability)
    return RhythmResult(
        recording=pulse(20), fs=50.0, report=None,  # type: ignore[arg-type]
        probability=said, start=start, time=start + 2.0, reasons=reasons, window=2.0, stride=stride,
    )  # fmt: skip


def test_episodes_are_runs_of_one_rhythm_marked_at_the_recordings_rate() -> None:
    found = result([0.1, 0.2, 0.5, 0.9, np.nan, 0.8, 0.1])
    assert [(e.start, e.stop, e.rhythm) for e in found.episodes()] == [
        (0, 4, "N"), (4, 8, "AFIB"), (8, 10, None), (10, 12, "AFIB"), (12, 14, "N"),
    ]  # fmt: skip
    assert list(found.annotations()) == [
        (0, "+", "(N"), (500, "+", "(AFIB"), (1000, '"', "not judged: gap"), (1250, "+", "(AFIB"), (1500, "+", "(N"),
    ]  # fmt: skip
    assert found.is_positive.tolist() == [False, False, True, True, False, True, False]


def test_of_overlapping_windows_each_speaks_for_what_it_adds() -> None:
    episodes = result([0.1, 0.9, 0.9], stride=0.5).episodes()
    assert [(e.start, e.stop) for e in episodes] == [(0, 2), (2, 3)]


def test_ctrl_c_keeps_what_was_judged(make: Make) -> None:
    seen: list[tuple[int, int | None]] = []

    def stop(event: Event) -> None:
        assert isinstance(event, Progress)
        seen.append((event.done, event.total))
        if event.done == 4:
            raise KeyboardInterrupt

    found = detect_rhythm(make("rhythm"), pulse(20), batch_size=2, on_event=stop)
    assert seen == [(2, 10), (4, 10)]
    assert found.interrupted
    assert found.judged.tolist() == [True] * 4 + [False] * 6
    assert set(found.reasons[4:]) == {"interrupted"}


def test_refusals(make: Make) -> None:
    checkpoint, recording = make("rhythm"), pulse(5)
    with pytest.raises(ContractError, match=r"lasts 1.6 s .* needs at least 2 s"):
        detect_rhythm(checkpoint, recording.slice(0, 1.6))
    with pytest.raises(ContractError, match="flat"):
        detect_rhythm(checkpoint, replace(recording, signal=np.ones_like(recording.signal)))
    with pytest.raises(ContractError, match="no samples"):
        detect_rhythm(checkpoint, replace(recording, signal=np.full_like(recording.signal, np.nan)))
    with pytest.raises(ContractError, match="reads ppg"):
        detect_rhythm(checkpoint, synthetic.ecg(seconds=5, leads=("II",)))
    with pytest.raises(ConfigError, match="stride is 0 s"):
        detect_rhythm(checkpoint, recording, stride=0)
    with pytest.raises(ConfigError, match="batch_size is 0"):
        detect_rhythm(checkpoint, recording, batch_size=0)
    with pytest.raises(
        CheckpointError, match=r"continues signals, but one that detects a rhythm is needed"
    ) as told:
        detect_rhythm(make("forecast", None), recording)
    assert "PPGPT_AF_1k_iters.zip" in told.value.hint
    with pytest.raises(CheckpointError, match="finds beats"):
        detect_rhythm(make("beats"), recording)
    with pytest.raises(CheckpointError, match="more than one output"):
        detect_rhythm(make("rhythm", 3), recording)
