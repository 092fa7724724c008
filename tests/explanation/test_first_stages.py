"""Explanations of first stages: vectors, encoders with separators, encoders of images, and residual networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from physiolect import Recording, synthetic
from physiolect.checkpoint import Checkpoint, Outputs
from physiolect.contract import CONTRACTS
from physiolect.errors import Cancelled, CheckpointError
from physiolect.events import Progress
from physiolect.explanation import SignalWindow, attend, choose_target, cut_window, explain, mean_attention
from physiolect.explanation.attention import even_of_tokens
from physiolect.explanation.maps import gradient_map, integrated_map, methods_for
from physiolect.models.capture import Capture
from physiolect.models.continuous import CONTINUOUS_PRESETS, Continuous
from physiolect.models.encoder import Encoder, EncoderConfig
from physiolect.models.resnet import ResNet, ResNetConfig
from physiolect.recording import LEADS

T = 64
CONFIG = EncoderConfig(
    n_channels=12,
    context_length=T,
    patch=8,
    per_lead=True,
    width=16,
    n_layers=2,
    n_heads=2,
    mlp_width=16,
    n_outputs=4,
)
CONTRACT = replace(CONTRACTS["ecg-byte"], min_samples=T, max_samples=T, preprocessing=None)


def encoder(**changed: Any) -> Checkpoint:
    torch.manual_seed(0)
    model = Encoder(replace(CONFIG, **changed)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return Checkpoint(model, None, CONTRACT, Outputs("embed"))


def residual(**changed: Any) -> Checkpoint:
    torch.manual_seed(0)
    config = ResNetConfig(n_channels=12, context_length=T, n_outputs=4, width=4, scaling="joint-range")
    model = ResNet(replace(config, **changed)).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("norm.weight"):
            torch.nn.init.uniform_(parameter, 0.5, 1)
    return Checkpoint(model, None, CONTRACT, Outputs("embed"))


def images(**changed: Any) -> Checkpoint:
    settings = {
        "image_patch": 4,
        "positions": "each",
        "scaling": "joint-range",
        "pooling": "class",
        **changed,
    }
    return encoder(**settings)


MODELS: dict[str, Callable[[], Checkpoint]] = {
    "separators": lambda: encoder(separators=True, class_token=False),
    "image": images,
    "cross": lambda: encoder(pattern="cross", class_token=False),
    "resnet": residual,
    "attention pooling": lambda: residual(pooling="attention"),
}
N_TOKENS = {"separators": 96, "image": 96, "cross": 96, "resnet": 12 * 3, "attention pooling": 12 * 3}


@pytest.fixture(scope="module")
def heart() -> Recording:
    return synthetic.ecg(seconds=2, fs=250.0, leads=LEADS, seed=0)


def test_a_vector_is_explained_along_its_direction(heart: Recording) -> None:
    model = encoder()
    window = cut_window(model, heart)
    target = choose_target(model, window)
    with torch.no_grad():
        out = model.model(window.tensor(model), last_only=True)
    torch.testing.assert_close(target.of_logits(out), out[:, -1].norm(dim=-1))


@pytest.mark.parametrize("view", ["gradients", "faithfulness", "attention", "heads", "change", "probing"])
@pytest.mark.parametrize("name", MODELS)
def test_every_first_stage_is_explained(heart: Recording, name: str, view: Any) -> None:
    model = MODELS[name]()
    base = MODELS[name]() if view == "change" else None
    if isinstance(model.model, ResNet) and view not in ("gradients", "faithfulness"):
        with pytest.raises(CheckpointError, match="no attention") as refused:
            explain(model, heart, view=view, base=base)
        assert "gradients" in refused.value.hint
        return
    found = explain(model, heart, view=view, base=base)
    window = found.to_dict()["window"]
    assert (window["token"], window["tokens"]) == ("patch", N_TOKENS[name])
    assert isinstance(found.plot(), Figure)
    if view in ("gradients", "attention", "change"):
        assert len(found.to_frame()) == N_TOKENS[name]
        assert found.facts["faithfulness"] is not None
        assert found.plot().get_size_inches()[0] * 25.4 == pytest.approx(297)  # the sheet of leads
    if view == "faithfulness":
        methods = [each["method"] for each in found.facts["methods"]]
        assert ("attention" in methods) == (not isinstance(model.model, ResNet))
        assert methods[-2:] == ["gradient x input", "integrated gradients"]


def test_separators_get_attention_that_no_lead_gets(heart: Recording) -> None:
    model = MODELS["separators"]()
    window = cut_window(model, heart)
    capture = Capture.of([1])
    with torch.no_grad():
        model.model(window.tensor(model), capture=capture)
    held = capture.attention[1][0].numpy()  # (H, 96 + 24, 96 + 24)
    found = mean_attention(model, window, layers=[2])
    assert found.on_extra is not None
    np.testing.assert_allclose(found.weights[0, :, 0], held[:, :96, :96].mean(1), atol=1e-6)
    np.testing.assert_allclose(found.weights.sum(-1) + found.on_extra, 1, atol=1e-5)
    np.testing.assert_allclose(even_of_tokens(model, 2, window), 1 / 120, rtol=1e-5)
    assert window.extra_tokens == "separators"
    assert "  separators " in explain(model, heart, view="attention", score=False).summary


def test_what_a_patch_of_an_image_has_is_divided_among_the_leads_that_it_shows(heart: Recording) -> None:
    model = images()
    window = cut_window(model, heart)
    assert isinstance(window, SignalWindow)
    assert window.n_tokens == 12 * 8
    rows = np.zeros((8, 8))
    rows[0, 3], rows[7, 5] = 3, 5
    leads = window.of_model(rows.ravel()).reshape(12, 8)
    # a row of 8 shows 1.5 leads of 12
    np.testing.assert_allclose(leads[:2, 3], [2, 1])
    np.testing.assert_allclose(leads[10:, 5], [5 / 3, 10 / 3])
    assert leads.sum() == pytest.approx(8)


def test_attention_of_a_moment_is_that_of_its_column_of_an_image(heart: Recording) -> None:
    model = images()
    window = cut_window(model, heart)
    found = attend(model, window, layers=[1], queries=[None])
    capture = Capture.of([0])
    with torch.no_grad():
        model.model(window.tensor(model), capture=capture)
    places = [1 + 8 * row + 7 for row in range(8)]  # the last column, which holds the last sample
    expected = capture.attention[0][0][:, places].mean(1).numpy()[:, 1:].reshape(2, 8, 8)
    np.testing.assert_allclose(
        found.weights[0, :, 0].reshape(2, 12, 8).sum(1), expected.sum(1), atol=1e-6
    )  # of each column, over leads and over rows


@pytest.mark.parametrize("name", ["resnet", "attention pooling"])
def test_gradients_of_a_residual_network_are_those_of_its_samples(heart: Recording, name: str) -> None:
    model = MODELS[name]()
    window = cut_window(model, heart)
    target = choose_target(model, window)
    x = window.tensor(model).float().requires_grad_()
    (gradient,) = torch.autograd.grad(target.of_logits(model.model(x, last_only=True)).sum(), x)
    product = (gradient * x).detach()[0].double().numpy()  # (12, 64)
    expected = np.stack([part.sum(1) for part in (product[:, :25], product[:, 25:50], product[:, 50:])], 1)
    np.testing.assert_allclose(gradient_map(model, window, target), expected.ravel(), atol=1e-5)


@pytest.mark.parametrize("name", ["separators", "image", "resnet"])
def test_integrated_gradients_add_up_to_the_difference_from_the_baseline(heart: Recording, name: str) -> None:
    model = MODELS[name]()
    window = cut_window(model, heart)
    target = choose_target(model, window)
    flat = window.without(np.arange(window.n_tokens), replacement="median")
    ends = torch.from_numpy(np.stack([window.inputs, flat]))
    with torch.no_grad():
        whole, empty = target.of_logits(model.model(ends.float(), last_only=True)).tolist()
    counts = integrated_map(model, window, target, steps=400)
    assert counts.sum() == pytest.approx(whole - empty, rel=0.03)


def test_attention_is_a_method_of_transformers_alone(heart: Recording) -> None:
    assert list(methods_for(encoder())) == ["attention", "gradient x input", "integrated gradients"]
    assert list(methods_for(residual())) == ["gradient x input", "integrated gradients"]


def test_a_score_that_takes_long_tells_its_progress_and_can_be_stopped(heart: Recording) -> None:
    seen: list[Any] = []
    explain(encoder(), heart, view="gradients", on_event=lambda event: seen.append(event) and None)
    told = [each for each in seen if isinstance(each, Progress)]
    assert told
    assert told[-1].done == told[-1].total
    with pytest.raises(Cancelled):
        explain(encoder(), heart, view="gradients", on_event=lambda event: isinstance(event, Progress))


def test_models_of_other_families_are_refused(heart: Recording) -> None:
    model = replace(
        CONTINUOUS_PRESETS["modern"], n_channels=12, context_length=T, width=16, n_heads=2, n_layers=1
    )
    streams = Checkpoint(Continuous(model).eval(), None, CONTRACT, Outputs("embed"))
    with pytest.raises(CheckpointError, match="models of the family Continuous cannot be explained yet"):
        explain(streams, heart, view="gradients")


def test_a_base_with_other_tokens_is_refused(heart: Recording) -> None:
    model, base = encoder(separators=True), encoder()
    with pytest.raises(CheckpointError, match="separators False"):
        explain(model, heart, view="change", base=base)
