"""Token after token: which positions are computed anew, and which are remembered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Literal, get_args

import torch
from torch import Tensor

from physiolect.errors import CheckpointError, ConfigError, check_option
from physiolect.generation.sampling import Sampling
from physiolect.generation.steps import is_captured, make_steps
from physiolect.models.gpt import GPT
from physiolect.training import capturing

Mode = Literal["exact", "hop"]


def decode(
    model: GPT,
    context: Tensor,
    *,
    n_samples: int = 1,
    sampling: Sampling | None = None,
    generator: torch.Generator | None = None,
    mode: Mode = "exact",
    hop: int | None = None,
) -> Iterator[Tensor]:
    """Yield the next ids (n_samples, 1) without end, the samples going their own ways after one shared prefill.

    With learned positions a key-value cache is exact up to the context length; past it every position shifts,
    so "exact" runs the whole context anew for each token, and "hop" drops the oldest `hop` ids, fills the
    cache again and goes on: fewer passes, another function (the model then sees a shorter context).
    With rotary positions the cache is a ring of the model's band and never ends; without a band, old ids
    slide out of the context as with learned positions.

    On a GPU the passes are replayed as graphs. They are kept for the next call on the same model and shapes, also when
    its weights change in place, and captured anew when the weights have moved; `release_graphs` frees them.

    Args:
        model: a decoder in eval mode.
        context: ids (T,), at least one.
        n_samples: continuations.
        sampling: how a token is drawn.
        generator: source of randomness; None means torch's own.
        mode: "exact", or "hop" past the context.
        hop: ids dropped at once in mode "hop"; a fifth of the context if None.

    Raises:
        ConfigError: the mode is unknown, or the hop is out of range.
        CheckpointError: an output is not a number; on a GPU only those for the first token are checked.
    """
    sampling = sampling or Sampling()
    check_option("mode", mode, get_args(Mode))
    limit = model.config.context_length
    hop = max(1, limit // 5) if hop is None else hop
    if mode == "hop" and not 1 <= hop < limit:
        raise ConfigError(
            f"hop is {hop}, but must be between 1 and {limit - 1}", hint="a fifth of the context is usual"
        )
    endless = _is_endless(model)
    ids = (context if endless else context[-limit:]).unsqueeze(0)  # (1, T)
    steps = make_steps(model)
    captured = is_captured(model)
    turn = capturing if captured else nullcontext()  # a capture borrows the generator that draws
    try:
        with turn:
            cache = model.new_cache()
            logits = model(ids, cache=cache, last_only=True)[:, -1].expand(n_samples, -1)  # (S, V)
            _check_finite(logits)
            for layer in cache:
                layer.repeat(n_samples)
            steps.start(cache)
        ids = ids.expand(n_samples, -1)
        while True:
            with turn:
                if not captured:  # on a GPU the look would wait for the device at every token
                    _check_finite(logits)
                new = sampling.draw(logits, generator)  # (S, 1)
            yield new
            with turn:
                ids = ids if endless else torch.cat((ids, new), 1)
                if endless or ids.shape[1] <= limit:
                    logits = steps.step(new)
                elif mode == "exact":
                    ids = ids[:, -limit:]
                    logits = steps.whole(ids)
                else:
                    ids = ids[:, ids.shape[1] - limit - 1 + hop :]
                    cache = model.new_cache()
                    logits = model(ids, cache=cache, last_only=True)[:, -1]
                    steps.start(cache)
    finally:
        steps.close()


def _check_finite(logits: Tensor) -> None:
    if not torch.isfinite(logits).all():
        raise CheckpointError(
            "the model's outputs are not numbers, so it cannot continue the signal",
            hint="use another checkpoint: the training of this one diverged",
        )


def outgrows_cache(model: GPT, n_context: int, n_tokens: int) -> bool:
    """Tell whether generation goes on past what a cache remembers exactly, which is where the modes differ."""
    return not _is_endless(model) and n_context + n_tokens - 1 > model.config.context_length


def _is_endless(model: GPT) -> bool:
    return model.config.positions == "rotary" and model.config.band is not None
