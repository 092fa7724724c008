from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from physiolect import InputContract, synthetic
from physiolect.datasets import Row, StoreWriter, make_examples, open_store
from physiolect.evaluation.baselines import FEATURES, cosen, rr_features, window_beats


def test_the_entropy_is_what_its_definition_says() -> None:
    x = np.array([0.80, 0.82, 0.79, 0.81, 0.80, 0.82])
    # all templates match within 30 ms, so the entropy is that of tolerance and mean alone
    assert cosen(x) == pytest.approx(np.log(0.06) - np.log(x.mean()))
    y = np.array([0.5, 0.9, 0.5, 1.0, 0.6, 0.8, 0.5])
    pairs = [(i, j) for i in range(6) for j in range(i + 1, 6)]
    r = max(0.03, sorted(max(abs(y[i] - y[j]), abs(y[i + 1] - y[j + 1])) for i, j in pairs)[4])
    a = sum(max(abs(y[i] - y[j]), abs(y[i + 1] - y[j + 1])) <= r for i, j in pairs)
    b = sum(abs(y[i] - y[j]) <= r for i, j in pairs)
    assert cosen(y) == pytest.approx(np.log(2 * r) - np.log(a / b) - np.log(y.mean()))


def test_irregular_is_higher_than_regular_and_few_beats_say_nothing() -> None:
    rng = np.random.default_rng(0)
    regular, irregular = 0.8 + 0.01 * rng.standard_normal(12), 0.8 + 0.2 * rng.standard_normal(12)
    assert cosen(irregular) > cosen(regular) + 1
    assert np.isnan(cosen([0.8, 0.9]))
    few = rr_features([0.0, 0.8])
    assert np.isnan(few[:-1]).all()
    assert few[-1] == 1


def test_features_of_known_intervals() -> None:
    found = dict(zip(FEATURES, rr_features(np.cumsum([0.0, 0.8, 0.9, 0.8, 1.0])), strict=True))
    assert found["mean"] == pytest.approx(0.875)
    assert found["rmssd"] == pytest.approx(np.sqrt((0.1**2 + 0.1**2 + 0.2**2) / 3))
    assert found["pnn50"] == 1
    assert found["range"] == pytest.approx(0.2)
    assert found["turning"] == 1
    assert found["count"] == 4


def test_a_window_gets_the_beats_that_lie_in_it_and_no_marks_are_looked_at(tmp_path: Path) -> None:
    contract = InputContract(fs=100.0, min_samples=500, max_samples=500, modality="ecg")
    made = synthetic.ecg(seconds=25, fs=100.0, leads=("II",), seed=3)
    with StoreWriter(tmp_path / "store", contract) as writer:
        writer.add("a", [Row.from_recording(made, source="a", labels=("sinus",))])
        other = synthetic.ecg(seconds=25, fs=100.0, leads=("II",), rhythm="af", seed=4)
        writer.add("b", [Row.from_recording(other, source="b", labels=("AF",))])
    every = make_examples(open_store(tmp_path / "store"), "rhythm", length=500)
    examples = every.take(every.rows == 0)
    told: list[tuple[int, int]] = []
    beats = window_beats(examples, "xqrs", on_row=lambda *at: told.append(at))
    truth = made.annotations.sample[[s == "N" for s in made.annotations.symbol]] / 100
    assert told == [(1, 1)]
    assert len(beats) == len(examples)
    for start, found in zip(examples.starts / 100, beats, strict=True):
        assert ((found >= 0) & (found < 5)).all()
        assert np.abs(found + start - truth[:, None]).min(0).max() < 0.05
