"""Explanations of models that read heartbeats: from a beat to those around it, and of one beat's waveform."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from physiolect import Recording, synthetic
from physiolect.detection import detect_heartbeats
from physiolect.errors import CheckpointError, ConfigError, ContractError
from physiolect.events import Event, Message
from physiolect.explanation import choose_target, cut_window, cut_windows, explain
from physiolect.explanation.beat_windows import BeatSource
from physiolect.explanation.views.beat import beat_contributions, on_waveform
from physiolect.explanation.window import BeatWindow
from tests.explanation.encoders import beat_model

pytest.importorskip("captum")


@pytest.fixture(scope="module")
def heart() -> Recording:
    return synthetic.ecg(seconds=25, fs=250.0, leads=("II", "V1"), seed=3, ectopic_rate=0.1)


def marks(recording: Recording) -> np.ndarray:
    return np.sort(recording.annotations.sample[[each in "NV" for each in recording.annotations.symbol]])


@pytest.mark.parametrize("view", ["attention", "heads", "change", "faithfulness", "beat"])
@pytest.mark.parametrize("task", ["heartbeats", "rhythm"])
def test_every_view_that_works_has_words_numbers_a_table_and_a_figure(
    heart: Recording, task: str, view: Any
) -> None:
    model = beat_model(task)
    found = explain(model, heart, view=view, base=model if view == "change" else None)
    assert found.summary.startswith(f"{view} of synthetic ECG, seed 3, II")
    held = found.to_dict()["window"]
    assert held["token"] == "beat"
    assert isinstance(found.plot(), Figure)
    rows = {"faithfulness": 3, "beat": model.beats.n_features}
    assert len(found.to_frame()) == rows.get(view, held["tokens"])
    if view == "attention":
        assert found.plot().get_size_inches()[0] * 25.4 == pytest.approx(297)  # on ECG paper


def test_a_beat_is_explained_in_the_window_in_which_it_is_judged(heart: Recording) -> None:
    model, beats = beat_model(), marks(heart)
    judged = detect_heartbeats(model, heart, beats=beats)
    for beat in (0, 5, len(beats) - 1):
        window = cut_window(model, heart, query=beats[beat] / heart.fs + 0.1, source=BeatSource(beats))
        assert isinstance(window, BeatWindow)
        at = window.sample(beats[beat] / heart.fs)
        assert window.beats[at] == pytest.approx(beats[beat] / heart.fs)
        likely = model.predict(window.tensor(model))[0, at]
        np.testing.assert_allclose(likely, judged.probability[beat], atol=1e-5)


def test_the_most_unusual_beat_is_explained_or_the_one_asked_for(heart: Recording) -> None:
    model, beats = beat_model(), marks(heart)
    found = explain(model, heart, view="attention", score=False)
    window = found.window
    assert isinstance(window, BeatWindow)
    logs = np.log(model.predict(window.tensor(model))[0][slice(*window.core)])
    usual = np.bincount(logs.argmax(1)).argmax()
    assert found.facts["query"] == pytest.approx(window.beats[window.core[0] + logs[:, usual].argmin()])
    asked = explain(model, heart, view="attention", score=False, query=float(beats[3] / heart.fs), first=0.0)
    assert asked.facts["query"] == pytest.approx(beats[3] / heart.fs)
    assert asked.facts["class"] in ("N", "S", "V")
    assert asked.numbers["attention"].shape == (1, 2, len(asked.window.time))
    np.testing.assert_allclose(asked.numbers["attention"].sum(-1), 1, atol=1e-5)
    with pytest.raises(ConfigError, match=r"no heartbeat is judged near 900 s"):
        explain(model, heart, view="attention", query=900.0)


def test_contributions_add_up_and_lie_on_the_waveform(heart: Recording) -> None:
    model = beat_model()
    window = cut_window(model, heart)
    assert isinstance(window, BeatWindow)
    target = choose_target(model, window)
    counts = beat_contributions(model, window, target, steps=300)
    empty = window.without(np.arange(window.n_tokens))
    both = target.of_inputs(model, torch.from_numpy(np.stack([window.inputs, empty])), window.n_tokens)
    assert counts.sum() == pytest.approx(float(both[0] - both[1]), rel=0.02, abs=0.02)
    tokenizer = model.beats
    own = np.zeros(tokenizer.n_features)
    own[tokenizer.places["waveform"].start + tokenizer.n_samples + 4] = 1.0  # fifth sample of the second lead
    own[tokenizer.places["difference"].start + tokenizer.n_samples + 4] = 0.5
    own[tokenizer.places["intervals"]] = 7.0
    lying = on_waveform(tokenizer, own)
    assert lying[1, 4] == 1.5
    assert lying.sum() == 1.5
    found = explain(model, heart, view="beat")
    assert sum(found.facts["groups"].values()) == pytest.approx(found.numbers["contributions"].sum())
    assert set(found.facts["groups"]) == {*tokenizer.places, "other beats"}


def test_beats_are_those_given_or_marked_or_found(heart: Recording) -> None:
    from dataclasses import replace

    from physiolect import Annotations

    told: list[Event] = []
    explain(beat_model(), heart, view="attention", score=False, on_event=told.append)
    assert any("those that the recording marks" in each.text for each in told if isinstance(each, Message))
    told.clear()
    unmarked = replace(heart, annotations=Annotations())
    found = explain(beat_model(), unmarked, view="attention", score=False, on_event=told.append)
    assert any("were found by their slope" in each.text for each in told if isinstance(each, Message))
    marked = marks(heart) / heart.fs
    assert all(np.abs(marked - each).min() < 0.05 for each in found.window.time)
    told.clear()
    explain(beat_model(), heart.select(["V1"]), view="attention", score=False, on_event=told.append)
    assert any(
        "described by V1; the model takes 2 leads" in each.text for each in told if isinstance(each, Message)
    )
    few = explain(beat_model(), heart, view="attention", score=False, beats=marks(heart)[:5])
    assert len(few.window.time) == 5


def test_windows_and_what_cannot_be_explained(heart: Recording) -> None:
    model = beat_model("rhythm")
    windows = cut_windows(model, heart)
    assert [each.n_tokens for each in windows] == [
        int(((marks(heart) / 250 >= a) & (marks(heart) / 250 < a + 10)).sum()) for a in (5.0, 15.0)
    ]
    with pytest.raises(ContractError, match="too few heartbeats"):
        explain(model, heart, view="attention", beats=marks(heart)[:2])
    with pytest.raises(CheckpointError, match="a whole heartbeat is one token"):
        explain(model, heart, view="probing")
    with pytest.raises(CheckpointError, match="this model reads heartbeats"):
        explain(model, heart, view="similarity")
    with pytest.raises(ConfigError, match="replaced by the average one of training"):
        explain(model, heart, view="faithfulness", replace="median")
