"""How much each token contributes to a model's output, by up to three methods."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from physiolect.checkpoint import Checkpoint
from physiolect.errors import require
from physiolect.explanation.attention import attend, has_attention, n_layers, pooled_attention
from physiolect.explanation.target import Target
from physiolect.explanation.window import SignalWindow, Window

Map = NDArray[np.float64]
"""How much each token of a target's context contributes, (n_context,): higher is more."""

STEPS = 32
"""Points between the baseline and the window at which integrated gradients are taken."""


def attention_map(checkpoint: Checkpoint, window: Window, target: Target) -> Map:
    """Return the attention of the last block at the target's query, summed over heads: the published view.

    Where a model pools over all positions, it is the mean over all queries; or the class token's.
    """
    last = [n_layers(checkpoint)]
    if checkpoint.outputs.scope == "window" and getattr(checkpoint.model.config, "pooling", "last") != "last":
        found = pooled_attention(checkpoint, window, layers=last)
    else:
        found = attend(checkpoint, window, layers=last, queries=[float(window.time[target.query])])
    return found.band()[: target.n_context].astype(np.float64)


def gradient_map(checkpoint: Checkpoint, window: Window, target: Target) -> Map:
    """Return gradient x input on the token embeddings, summed over their features (Shrikumar et al. 2017).

    Of a residual network, whose first features mix the leads, it is taken on the samples.
    """
    x = _first_features(checkpoint, window.tensor(checkpoint)[..., : target.n_shown]).requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(_followed(checkpoint, target)(x).sum(), x)
    return _of_tokens(checkpoint, gradient * x, window, target)


def integrated_map(checkpoint: Checkpoint, window: Window, target: Target, *, steps: int = STEPS) -> Map:
    """Return integrated gradients on the token embeddings, summed over their features.

    Of a residual network they are taken on the samples, as in `gradient_map`. The baseline is a window whose context is
    at its median; the samples that the model predicts keep theirs. Of heartbeats, it is the average beat of training
    throughout. With fine enough steps, the contributions add up to the difference between the model's outputs for the
    two.

    Args:
        checkpoint: a model.
        window: from `cut_window`.
        target: from `choose_target`.
        steps: points between the baseline and the window.

    Raises:
        PhysiolectError: Captum is not installed.

    Source: Sundararajan et al. 2017, arXiv:1703.01365, by Captum.
    """
    attribution = require("captum.attr", extra="explain")
    x = _first_features(checkpoint, window.tensor(checkpoint)[..., : target.n_shown])
    flat = window.without(np.arange(target.n_context), replacement="median", n_context=target.n_context)
    baseline = _first_features(checkpoint, torch.from_numpy(flat[..., : target.n_shown])[None])
    method = attribution.IntegratedGradients(_followed(checkpoint, target))
    with torch.enable_grad():
        counts: Tensor = method.attribute(x, baseline, n_steps=steps, internal_batch_size=16)
    return _of_tokens(checkpoint, counts, window, target)


METHODS: dict[str, Callable[[Checkpoint, Window, Target], Map]] = {
    "attention": attention_map,
    "gradient x input": gradient_map,
    "integrated gradients": integrated_map,
}


def methods_for(checkpoint: Checkpoint) -> dict[str, Callable[[Checkpoint, Window, Target], Map]]:
    """Return the methods that a model allows: attention only where it has any."""
    return {name: each for name, each in METHODS.items() if name != "attention" or has_attention(checkpoint)}


def _first_features(checkpoint: Checkpoint, inputs: Tensor) -> Tensor:
    """Return what gradients are taken on: embeddings (1, N, E), or the samples (1, C, T) of a residual network."""
    inputs = inputs.to(checkpoint.model.device)
    return (checkpoint.model.embed(inputs) if has_attention(checkpoint) else inputs.float()).detach()


def _followed(checkpoint: Checkpoint, target: Target) -> Callable[[Tensor], Tensor]:
    """Return what maps these features to the number that is explained."""
    of = target.of_embeddings if has_attention(checkpoint) else target.of_samples
    return lambda features: of(checkpoint, features)


def _of_tokens(checkpoint: Checkpoint, counts: Tensor, window: Window, target: Target) -> Map:
    held = counts.detach()[0].double().cpu().numpy()
    if not has_attention(checkpoint):
        assert isinstance(window, SignalWindow)
        return np.asarray(window.of_samples(held), np.float64)
    return np.asarray(window.of_model(held.sum(-1))[: target.n_context], np.float64)
