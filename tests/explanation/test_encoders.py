"""Explanations of encoders: maps of patches of one or several leads, and of single heartbeats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from physiolect import Checkpoint, Recording, synthetic
from physiolect.errors import CheckpointError, ConfigError
from physiolect.explanation import METHODS, attend, choose_target, cut_window, explain, mean_attention
from physiolect.models.capture import Capture
from tests.explanation.encoders import ecgformer, leads, one_lead, output

THREE = ("I", "II", "V1")
MODELS: dict[str, Callable[[], Checkpoint]] = {
    "one lead": one_lead,
    "leads": lambda: leads(*THREE),
    "leads at once": lambda: leads(*THREE, per_lead=False, class_token=True, pooling="class"),
    "single beats": ecgformer,
}
N_TOKENS = {"one lead": 30, "leads": 45, "leads at once": 15, "single beats": 186}


@pytest.fixture(scope="module")
def heart() -> Recording:
    return synthetic.ecg(seconds=8, fs=250.0, leads=THREE, seed=3)


@pytest.mark.parametrize("view", ["attention", "heads", "change", "faithfulness", "probing"])
@pytest.mark.parametrize("name", MODELS)
def test_every_view_that_works_has_words_numbers_a_table_and_a_figure(
    heart: Recording, name: str, view: Any
) -> None:
    model = MODELS[name]()
    base = MODELS[name]() if view == "change" else None
    channel = "II" if len(model.contract.channels) == 1 else None
    found = explain(model, heart, view=view, base=base, channel=channel)
    names = "II" if channel else ", ".join(THREE)
    assert found.summary.startswith(f"{view} of synthetic ECG, seed 3, {names}, ")
    held = found.to_dict()["window"]
    assert (held["token"], held["tokens"]) == ("patch", N_TOKENS[name])
    if view not in ("faithfulness", "probing"):
        assert len(found.to_frame()) == N_TOKENS[name]
        assert found.facts["faithfulness"] is not None
    assert isinstance(found.plot(), Figure)
    if len(model.contract.channels) > 1 and view in (
        "attention",
        "change",
    ):  # the map lies on the sheet of leads
        assert found.plot().get_size_inches()[0] * 25.4 == pytest.approx(297)


def test_attention_of_a_patch_is_that_of_the_pass(heart: Recording) -> None:
    model = leads(*THREE)
    window = cut_window(model, heart)
    found = attend(model, window, layers=[1], queries=[6.31])
    capture = Capture.of([0])
    with torch.inference_mode():
        model.model(window.tensor(model), capture=capture)
    patch = int((6.31 - window.start) * 100) // 20
    rows = [1 + lead * 15 + patch for lead in range(3)]  # after the class token, of each lead
    expected = capture.attention[0][0][:, rows].mean(1).numpy()
    np.testing.assert_allclose(found.weights[0, :, 0], expected[:, 1:], atol=1e-6)
    assert found.on_extra is not None
    np.testing.assert_allclose(found.on_extra[0, :, 0], expected[:, 0], atol=1e-6)
    np.testing.assert_allclose(found.weights.sum(-1) + found.on_extra, 1, atol=1e-5)


def test_without_a_query_the_map_is_of_what_speaks_for_the_window(heart: Recording) -> None:
    mean = explain(leads(*THREE), heart, view="attention", score=False)
    expected = mean_attention(leads(*THREE), mean.window, layers=[2]).band()
    np.testing.assert_allclose(mean.numbers["band"], expected, atol=1e-6)
    assert mean.facts["query"] is None
    assert "query       mean over queries" in mean.summary
    assert sum(mean.facts["by_channel"].values()) == pytest.approx(1)
    model = MODELS["leads at once"]()
    token = explain(model, heart, view="attention", score=False)
    assert "query       the class token" in token.summary
    with pytest.raises(ConfigError, match="one output for the whole window, not one at 6"):
        explain(leads(*THREE), heart, view="faithfulness", query=6.0)


def test_a_model_of_positions_is_explained_at_its_likeliest_beat(heart: Recording) -> None:
    model = one_lead(each_sample=True)
    found = explain(model, heart, view="attention", channel="II", score=False)
    likely = output(model, found.window.inputs)[:, 0]
    assert found.facts["query"] == pytest.approx(found.window.time[int(likely.argmax())])


def test_a_deleted_patch_is_the_line_between_its_neighbours_in_its_own_lead(heart: Recording) -> None:
    window = cut_window(leads(*THREE), heart)
    changed = window.without(np.array([15 + 2]))  # the third patch of the second lead
    x = window.inputs[1]
    np.testing.assert_allclose(
        changed[1, 40:60], np.interp(np.arange(40, 60), [39, 60], x[[39, 60]]), rtol=1e-5
    )
    np.testing.assert_array_equal(
        np.delete(changed, np.s_[40:60], 1), np.delete(window.inputs, np.s_[40:60], 1)
    )
    np.testing.assert_array_equal(changed[[0, 2]], window.inputs[[0, 2]])
    flat = window.without(np.arange(window.n_tokens))
    np.testing.assert_allclose(flat, np.repeat(np.median(window.inputs, 1, keepdims=True), 300, 1))
    together = cut_window(MODELS["leads at once"](), heart).without(np.array([2]), replacement="median")
    assert (np.ptp(together[:, 40:60], axis=1) == 0).all()


@pytest.mark.parametrize("name", MODELS)
def test_integrated_gradients_add_up_to_the_difference_of_the_outputs(heart: Recording, name: str) -> None:
    pytest.importorskip("captum")
    model = MODELS[name]()
    window = cut_window(model, heart, channel="II" if len(model.contract.channels) == 1 else None)
    target = choose_target(model, window)
    from physiolect.explanation.maps import integrated_map

    counts = integrated_map(model, window, target, steps=200)
    assert counts.shape == METHODS["attention"](model, window, target).shape == (N_TOKENS[name],)
    flat = window.without(np.arange(window.n_tokens), replacement="median")
    both = target.of_inputs(model, torch.from_numpy(np.stack([window.inputs, flat])), window.n_tokens)
    assert counts.sum() == pytest.approx(
        float(both[0] - both[1]), abs=0.05 * abs(float(both[0] - both[1])) + 0.01
    )


def test_views_that_cannot_work_name_one_that_does(heart: Recording) -> None:
    with pytest.raises(CheckpointError, match="reads the signal itself, without levels") as caught:
        explain(one_lead(), heart, view="similarity", channel="II")
    assert "probing" in str(caught.value.hint)
    with pytest.raises(CheckpointError, match="view beat is of models that read heartbeats") as caught:
        explain(one_lead(), heart, view="beat", channel="II")
    assert "attention" in str(caught.value.hint)
    with pytest.raises(ConfigError, match="the checkpoint reads the signal itself"):
        explain(one_lead(), heart, view="attention", channel="II", beats=np.array([100]))
    with pytest.raises(CheckpointError, match=r"another shape.*patch 20"):
        explain(one_lead(), heart, view="change", base=leads("II"), channel="II")


def test_figures_show_an_ecg_at_its_own_rate_on_paper(heart: Recording) -> None:
    found = explain(one_lead(), heart, view="attention", channel="II", score=False)
    drawn = found.plot().axes[0]
    time, values = drawn.lines[0].get_data()
    assert len(time) == pytest.approx(3 * 250, abs=1)  # the model sees 300 samples
    np.testing.assert_allclose(values, heart.signal[1, -len(values) :], rtol=1e-6)
    assert len(drawn.collections) == 2  # large squares, upright and across
    ppg = synthetic.ppg(seconds=8, fs=250.0, seed=1)
    model = one_lead()
    from dataclasses import replace

    model = replace(model, contract=replace(model.contract, modality="ppg"))
    plain = explain(model, ppg, view="attention", score=False).plot().axes[0]
    assert len(plain.lines[0].get_xdata()) == 300
    assert not plain.collections
