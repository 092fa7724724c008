"""Attention is the published one, on the signal's time, and no more of it than is requested."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from physiolect import Checkpoint, Recording, load_checkpoint, read_recording
from physiolect.errors import CheckpointError, ConfigError
from physiolect.explanation import (
    Window,
    attend,
    attention_change,
    cut_window,
    mean_attention,
    n_layers,
    view_heads,
)
from physiolect.explanation.attention import even_attention
from physiolect.models.capture import Capture
from physiolect.models.model import Model

Make = Callable[..., Checkpoint]


@pytest.fixture(scope="module")
def published(weights: Path, examples: Path) -> tuple[Checkpoint, Window]:
    checkpoint = load_checkpoint(weights / "ECGPT_560k_iters.zip")
    recording = read_recording(examples / "example_context_ECG.csv", fs=100, modality="ecg")
    return checkpoint, cut_window(checkpoint, recording)


def test_attention_of_the_published_model(published: tuple[Checkpoint, Window], golden: Path) -> None:
    checkpoint, window = published
    expected = np.load(golden / "attention_ecg__example_context_ECG.npz")
    last = attend(checkpoint, window)
    np.testing.assert_allclose(last.weights[:, :, 0], expected["attn_lastrow_f32"], atol=1e-4, rtol=0)
    some = attend(checkpoint, window, layers=[8, 1], heads=[3], queries=[1.5, 4.99])
    rows = expected["attn_layers_1_and_8"][[1, 0]][:, [2]][:, :, [150, 499]]
    np.testing.assert_allclose(some.weights, rows, atol=1e-3, rtol=0)
    band = attend(checkpoint, window, layers=[8], queries=[1.5]).band()
    np.testing.assert_allclose(band, expected["attn_headsum_block8_f32"][150], atol=1e-4, rtol=0)
    mean = mean_attention(checkpoint, window).weights[:, :, 0]
    np.testing.assert_allclose(mean, expected["attn_colmean_f32"], atol=1e-4, rtol=0)
    np.testing.assert_allclose(
        view_heads(checkpoint, window).mean, expected["attn_colmean_f32"][7], atol=1e-4
    )


@pytest.mark.parametrize(
    ("modality", "fs", "example"), [("ecg", 100, "ECG_AFib1"), ("ecg", 100, "ECG"), ("ppg", 50, "PPG_AFib")]
)
def test_change_of_the_published_models(
    weights: Path, golden: Path, examples: Path, modality: str, fs: float, example: str
) -> None:
    name, steps = {"ecg": ("ECGPT", "560k"), "ppg": ("PPGPT", "500k")}[modality]
    tuned = load_checkpoint(weights / f"{name}_AF_1k_iters.zip")
    base = load_checkpoint(weights / f"{name}_{steps}_iters.zip")
    recording = read_recording(examples / f"example_context_{example}.csv", fs=fs, modality=modality)  # type: ignore[arg-type]
    change = attention_change(tuned, base, cut_window(tuned, recording))
    with np.load(golden / f"af_{modality}__example_context_{example}.npz") as expected:
        np.testing.assert_allclose(change, expected["attention_change"], atol=1e-4, rtol=0)
    assert change.min() < 0 < change.max()


@pytest.mark.parametrize("settings", [{}, {"band": 50}, {"positions": "rotary"}])
def test_weights_are_those_of_the_pass_and_add_up(
    make: Make, heart: Recording, settings: dict[str, object]
) -> None:
    checkpoint = make(**settings)
    window = cut_window(checkpoint, heart)
    found = attend(checkpoint, window, queries=[5.2, 7.0, None])
    whole = Capture.of(range(3))
    with torch.no_grad():
        checkpoint.model(window.tensor(checkpoint), capture=whole)
    for layer in range(3):
        expected = whole.attention[layer][0][:, [20, 200, 299]].numpy()
        np.testing.assert_allclose(found.weights[layer], expected, atol=1e-6)
    np.testing.assert_allclose(found.weights.sum(-1), 1, atol=1e-5)
    assert found.queries == (20, 200, 299)
    assert (found.weights[:, :, 0, 21:] == 0).all()  # a query sees nothing later
    np.testing.assert_allclose(found.over_heads("mean"), found.weights.mean(1))
    np.testing.assert_allclose(found.over_layers(), found.weights.sum(0))
    np.testing.assert_allclose(found.band(1, "mean"), found.weights[:, :, 1].mean((0, 1)), rtol=1e-5)


@pytest.mark.parametrize("settings", [{}, {"band": 50}, {"n_outputs": 1, "unmask_last": True}])
def test_an_even_gaze_is_what_a_model_without_keys_has(
    make: Make, heart: Recording, settings: dict[str, object]
) -> None:
    checkpoint = make(**settings)
    for block in checkpoint.model.trunk.blocks:
        nn.init.zeros_(block.attention.qkv.weight)  # type: ignore[union-attr, arg-type]
    window = cut_window(checkpoint, heart)
    mean = mean_attention(checkpoint, window, heads=[1])
    for layer in (1, 3):
        np.testing.assert_allclose(
            mean.weights[layer - 1, 0, 0], even_attention(checkpoint, layer, 300), atol=1e-6
        )
    assert not view_heads(checkpoint, window).peaks[0].size
    assert even_attention(checkpoint, 3, 300).sum() == pytest.approx(1, abs=1e-5)


def test_a_head_that_looks_at_the_top_has_its_peaks_there(top_gazer: Checkpoint, heart: Recording) -> None:
    window = cut_window(top_gazer, heart)
    found = view_heads(top_gazer, window, layer=2)
    beats = heart.annotations.sample[np.array(heart.annotations.symbol) == "N"] / heart.fs
    inside = beats[(beats > window.time[0]) & (beats < window.time[-1])]
    apart = np.abs(window.time[found.peaks[0]][:, None] - inside)  # (peaks, beats)
    assert (apart.min(0) <= 0.03).all()
    assert (apart.min(1) > 0.03).sum() <= 1  # a high T wave, at most
    assert not found.peaks[1].size
    np.testing.assert_allclose(found.relative[1], 1, atol=1e-3)


def test_memory_is_that_of_what_is_asked_for(make: Make, heart: Recording) -> None:
    """All weights of the three layers would be 2.2 MB; what one query asks for is 2.4 kB a layer."""
    checkpoint = make()
    window = cut_window(checkpoint, heart)

    def largest(ask: Callable[[], object]) -> int:
        with profile(profile_memory=True, activities=[ProfilerActivity.CPU]) as seen:
            ask()
        return max(event.self_cpu_memory_usage for event in seen.events())

    full = 2 * 300 * 300 * 4
    assert largest(lambda: attend(checkpoint, window)) < full / 4
    assert largest(lambda: mean_attention(checkpoint, window)) < full / 2
    assert largest(lambda: attend(checkpoint, window, queries=[5 + k / 100 for k in range(300)])) >= full


def test_what_does_not_exist_is_refused(make: Make, heart: Recording) -> None:
    checkpoint = make()
    window = cut_window(checkpoint, heart)
    with pytest.raises(ConfigError, match=r"there is no layer 0: the model has 3, counted from 1") as caught:
        attend(checkpoint, window, layers=[0])
    assert caught.value.hint == "choose layers from 1 to 3, or all"
    with pytest.raises(ConfigError, match="there is no head 3: the model has 2, counted from 1"):
        view_heads(checkpoint, window, heads=[1, 3])
    with pytest.raises(ConfigError, match="no layer was requested"):
        mean_attention(checkpoint, window, layers=[])
    with pytest.raises(ConfigError, match="9 s lies outside the window"):
        attend(checkpoint, window, queries=[9.0])
    with pytest.raises(ConfigError, match="0 queries were asked for"):
        attend(checkpoint, window, queries=[])
    with pytest.raises(ConfigError, match="how is 'max'"):
        attend(checkpoint, window).band(how="max")  # type: ignore[arg-type]


def test_a_base_of_another_shape_is_refused(make: Make, heart: Recording) -> None:
    checkpoint, other = make(), make(n_layers=2)
    window = cut_window(checkpoint, heart)
    with pytest.raises(CheckpointError, match=r"another shape than the checkpoint: n_layers 2 \(here 3\)"):
        attention_change(checkpoint, other, window)
    finger = replace(checkpoint, contract=replace(checkpoint.contract, modality="ppg"))
    with pytest.raises(CheckpointError, match=r"it reads ppg at 100 Hz \(here ecg at 100 Hz\)"):
        attention_change(checkpoint, finger, window)
    assert not attention_change(checkpoint, checkpoint, window).any()


def test_a_model_without_attention_is_refused(make: Make) -> None:
    checkpoint = replace(make(), model=Model())  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match="the model has no attention to show"):
        n_layers(checkpoint)
