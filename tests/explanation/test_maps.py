"""Maps are what their definitions say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from physiolect import Checkpoint, Recording
from physiolect.errors import PhysiolectError
from physiolect.explanation import METHODS, attend, choose_target, cut_window, mean_attention
from physiolect.explanation.maps import integrated_map
from physiolect.explanation.target import Target

Make = Callable[..., Checkpoint]


@pytest.mark.parametrize(("task", "span"), [("rhythm", None), ("forecast", None), ("forecast", 1.0)])
def test_integrated_gradients_add_up_to_the_difference_from_the_baseline(
    make: Make, heart: Recording, task: str, span: float | None
) -> None:
    checkpoint = make(task)
    window = cut_window(checkpoint, heart)
    target = choose_target(checkpoint, window, span=span)
    flat = window.tensor(checkpoint).clone()
    flat[:, : target.n_context] = int(
        np.median(window.ids[: target.n_context])
    )  # what is foretold stays as it is
    difference = float(
        target.of_inputs(checkpoint, window.tensor(checkpoint), window.n_tokens)
        - target.of_inputs(checkpoint, flat, window.n_tokens)
    )
    counts = integrated_map(checkpoint, window, target, steps=300)
    assert counts.shape == (300 if span is None else 200,)
    assert counts.sum() == pytest.approx(difference, abs=0.05 * abs(difference) + 0.02)


def test_the_baseline_of_a_span_leaves_what_is_foretold_as_it_is(
    make: Make, heart: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = make()
    window = cut_window(checkpoint, heart)
    target = choose_target(checkpoint, window, span=1.0)
    seen, say = [], Target.of_embeddings

    def of_embeddings(self: Target, model: Checkpoint, x: torch.Tensor) -> torch.Tensor:
        seen.append(x.detach())
        return say(self, model, x)

    monkeypatch.setattr(Target, "of_embeddings", of_embeddings)
    integrated_map(checkpoint, window, target, steps=4)
    tokens = checkpoint.model.tokens.weight.detach()
    shown = tokens[torch.from_numpy(window.ids[: target.n_shown])]
    for x in seen:
        assert torch.allclose(x[:, 200:], shown[200:].expand(len(x), -1, -1), atol=1e-6)
    assert any(not torch.allclose(x[:, :200], shown[:200].expand(len(x), -1, -1)) for x in seen)


def test_gradient_x_input_is_the_change_when_a_sample_grows(make: Make, heart: Recording) -> None:
    checkpoint = make("rhythm")
    window = cut_window(checkpoint, heart)
    target = choose_target(checkpoint, window)
    counts = METHODS["gradient x input"](checkpoint, window, target)
    model = checkpoint.model.double()
    rows = model.tokens.weight[window.tensor(checkpoint)].detach()
    said = target.of_logits
    target = target.__class__(**{**target.__dict__, "of_logits": lambda logits: said(logits)})
    for sample in (10, 150, 299):
        grown = rows.clone()
        grown[0, sample] *= 1 + 1e-3
        change = target.of_embeddings(checkpoint, grown) - target.of_embeddings(checkpoint, rows)
        assert counts[sample] == pytest.approx(float(change.detach()) * 1e3, rel=0.05, abs=2e-2)
    model.float()


def test_attention_is_that_of_the_last_block_at_the_query(make: Make, heart: Recording) -> None:
    rhythm, pooled = make("rhythm"), make("rhythm", pooling="mean")
    window = cut_window(rhythm, heart)
    found = METHODS["attention"](rhythm, window, choose_target(rhythm, window))
    np.testing.assert_allclose(found, attend(rhythm, window, layers=[3]).band(), rtol=1e-6)
    found = METHODS["attention"](pooled, window, choose_target(pooled, window))
    np.testing.assert_allclose(found, mean_attention(pooled, window, layers=[3]).band(), rtol=1e-6)


def test_without_captum_there_is_a_hint(
    make: Make, heart: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = make("rhythm")
    window = cut_window(checkpoint, heart)
    target = choose_target(checkpoint, window)
    monkeypatch.setitem(__import__("sys").modules, "captum.attr", None)
    with pytest.raises(PhysiolectError, match=r"needs the package captum,") as caught:
        integrated_map(checkpoint, window, target)
    assert caught.value.hint == "pip install 'physiolect[explain]'"
