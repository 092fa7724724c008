"""Heartbeats as tokens."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from physiolect.errors import ConfigError, FormatError
from physiolect.synthetic import ecg
from physiolect.tokenizers import BEAT_TOKENIZERS, BeatTokenizer, load_tokenizer, save_tokenizer

CAUSAL = BeatTokenizer(normalisation="causal")


@pytest.fixture(scope="module")
def made() -> tuple[np.ndarray, np.ndarray]:
    recording = ecg(seconds=90, fs=100, leads=("II", "V1"), ectopic_rate=0.1, seed=3)
    marks = recording.annotations
    return recording.signal, marks.sample[[symbol in "NV" for symbol in marks.symbol]]


@pytest.mark.parametrize("tokenizer", [*BEAT_TOKENIZERS.values(), CAUSAL], ids=["rhythm", "beats", "causal"])
def test_a_beat_has_as_many_numbers_as_the_groups_say(tokenizer: BeatTokenizer, made: tuple) -> None:
    signal, beats = made
    found = tokenizer.encode(signal[: tokenizer.n_leads], beats, np.full(len(beats), 0.25))
    assert found.shape == (len(beats), tokenizer.n_features)
    assert found.dtype == np.float32
    assert np.isfinite(found[1:]).all()
    covered = np.concatenate([np.arange(p.start, p.stop) for p in tokenizer.places.values()])
    assert covered.tolist() == list(range(tokenizer.n_features))
    if "rhythm" in tokenizer.places:
        assert (found[:, tokenizer.places["rhythm"]] == -0.5).all()


def test_numbers_do_not_depend_on_the_amplitude(made: tuple) -> None:
    signal, beats = made
    one, other = (BeatTokenizer().encode(factor * signal, beats) for factor in (1, 40))
    assert np.allclose(one, other, atol=0.02, equal_nan=True)


def test_an_ectopic_beat_differs_from_the_typical_one(made: tuple) -> None:
    signal, beats = made
    recording = ecg(seconds=90, fs=100, leads=("II", "V1"), ectopic_rate=0.1, seed=3)
    ectopic = np.array([symbol == "V" for symbol in recording.annotations.symbol if symbol in "NV"])
    tokenizer = BeatTokenizer()
    difference = np.abs(tokenizer.encode(signal, beats)[:, tokenizer.places["difference"]]).mean(1)
    assert difference[ectopic].min() > 2 * np.median(difference[~ectopic])


def test_numbers_do_not_depend_on_where_in_the_qrs_a_mark_is(made: tuple) -> None:
    signal, beats = made
    moved = beats + np.random.default_rng(0).integers(-1, 2, len(beats))
    at_marks, at_slopes = BeatTokenizer(place="mark"), BeatTokenizer()

    def change(tokenizer: BeatTokenizer) -> float:
        one, other = tokenizer.encode(signal, beats), tokenizer.encode(signal, moved)
        return float(np.nanmedian(np.abs(one - other)[:, tokenizer.places["intervals"]]))

    assert change(at_slopes) < change(at_marks) / 4


@pytest.mark.parametrize("at", [1, 5, 40, 90])
def test_causal_numbers_do_not_depend_on_what_comes_later(made: tuple, at: int) -> None:
    signal, beats = made
    end = int(beats[at]) + CAUSAL.n_samples - CAUSAL.n_before + round(0.1 * CAUSAL.fs)
    later = signal.copy()
    later[:, end:] = np.random.default_rng(0).standard_normal(later[:, end:].shape)
    changed = np.concatenate([beats[: at + 1], beats[at] + 60 * np.arange(1, 30)])
    changed = changed[changed < signal.shape[1]]
    whole = CAUSAL.encode(signal, beats)[: at + 1]
    assert np.array_equal(whole, CAUSAL.encode(later, changed)[: at + 1], equal_nan=True)
    assert np.array_equal(whole, CAUSAL.encode(signal[:, :end], beats[: at + 1]), equal_nan=True)
    of_recording = BeatTokenizer()
    assert not np.array_equal(
        of_recording.encode(signal, beats)[: at + 1], of_recording.encode(later, changed)[: at + 1]
    )


def test_a_lead_or_rhythm_that_is_missing_is_not_known(made: tuple) -> None:
    signal, beats = made
    tokenizer = BeatTokenizer()
    both, one = tokenizer.encode(signal, beats), tokenizer.encode(signal[:1], beats)
    second = tokenizer.lead_places(1)
    assert np.isnan(one[:, second]).all()
    assert np.isnan(both[:, tokenizer.places["rhythm"]]).all()
    fitted = tokenizer.fitted(both)
    scaled = fitted.encode(signal[:1], beats)
    assert (scaled[:, second] == 0).all()
    assert np.isfinite(scaled).all()


def test_fitted_numbers_are_standardised(made: tuple) -> None:
    signal, beats = made
    tokenizer = BEAT_TOKENIZERS["window"]
    fitted = tokenizer.fitted(tokenizer.encode(signal[:1], beats))
    found = fitted.encode(signal[:1], beats)
    assert np.abs(found.mean(0)).max() < 0.2
    assert found.std(0).max() < 1.01
    assert np.abs(found).max() <= 6


def test_a_file_holds_all_of_it(made: tuple, tmp_path: Path) -> None:
    signal, beats = made
    tokenizer = replace(CAUSAL, scale_beats=12).fitted(CAUSAL.encode(signal, beats))
    save_tokenizer(tokenizer, tmp_path / "signal_tokenizer.json")
    loaded = load_tokenizer(tmp_path)
    assert loaded == tokenizer
    assert np.array_equal(loaded.encode(signal, beats), tokenizer.encode(signal, beats))


def test_leads_are_chosen_by_name() -> None:
    tokenizer = BeatTokenizer()
    assert tokenizer.choose_leads(["V5", "MLII"]) == [1, 0]
    assert tokenizer.choose_leads(["V5", "V2"]) == [0, 1]
    assert tokenizer.choose_leads(["I", "II", "III", "V6", "V1"]) == [1, 4]
    assert tokenizer.choose_leads(["ECG 1", "ECG 2", "ECG 3"]) == [0, 1]
    assert tokenizer.choose_leads(["II"]) == [0]


def test_no_beats_and_one_beat() -> None:
    signal = np.random.default_rng(0).standard_normal((2, 400))
    for tokenizer in (BeatTokenizer(), CAUSAL):
        assert tokenizer.encode(signal, np.empty(0)).shape == (0, tokenizer.n_features)
        assert tokenizer.encode(signal, np.array([200.0])).shape == (1, tokenizer.n_features)
        assert tokenizer.encode(np.zeros((2, 400)), np.array([50.0, 399.0])).shape[0] == 2


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"features": ()}, "features are"),
        ({"features": ("waveform", "waveform")}, "features are"),
        ({"before": 0.0}, "before and after"),
        ({"passband": (0.5, 60.0)}, "passband"),
        ({"n_leads": 0}, "n_leads"),
        ({"mean": (0.0,), "sd": (1.0,)}, "mean and sd have 1 and 1"),
        ({"normalisation": "later"}, "normalisation"),
        ({"fs": float("nan")}, "fs is"),
    ],
)
def test_settings_out_of_range_are_refused(given: dict, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        BeatTokenizer(**given)


def test_what_cannot_be_described_is_refused() -> None:
    tokenizer, signal = BeatTokenizer(), np.zeros((2, 300))
    with pytest.raises(FormatError, match="1 to 2 channels"):
        tokenizer.encode(np.zeros((3, 300)), np.array([100.0]))
    with pytest.raises(FormatError, match="missing"):
        tokenizer.encode(np.full((1, 300), np.nan), np.array([100.0]))
    with pytest.raises(FormatError, match="in order"):
        tokenizer.encode(signal, np.array([100.0, 50.0]))
    with pytest.raises(FormatError, match="1 probabilities are given for 2 beats"):
        tokenizer.encode(signal, np.array([100.0, 150.0]), np.array([0.5]))


@pytest.mark.slow
@pytest.mark.parametrize("tokenizer", [BeatTokenizer(), CAUSAL], ids=["recording", "causal"])
def test_a_day_is_tokenised_in_seconds(tokenizer: BeatTokenizer) -> None:
    rng = np.random.default_rng(0)
    beats = np.cumsum(rng.uniform(60, 110, 100_000))
    signal = rng.standard_normal((2, 8_640_000), dtype=np.float32)
    began = time.process_time()
    tokenizer.encode(signal, beats[beats < 8_640_000])
    assert time.process_time() - began < 15  # 5 s on a machine of its own
