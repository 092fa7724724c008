"""What is explained: one number that a model says of a window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from physiolect.checkpoint import Checkpoint
from physiolect.errors import ConfigError
from physiolect.explanation.attention import trunk_attentions
from physiolect.explanation.window import Window

_ROWS = 64
"""Windows that go through the model at once."""


@dataclass(frozen=True)
class Target:
    """One number that a model says of a window, and what of the window it may have come from."""

    words: str
    """What the number is."""
    n_shown: int
    """Samples that the model is shown, from the window's first on."""
    n_context: int
    """Samples of those that an explanation may name; what follows them is what is foretold."""
    query: int
    """The sample at which the model says it: the last of the context, or the one that was asked for."""
    of_logits: Callable[[Tensor], Tensor]
    """Logits (B, T, V) -> (B,)."""
    last_only: bool
    """Whether it is told once a window, not at every position."""
    unit: str = "nats"
    """Of the number."""

    def of_ids(self, checkpoint: Checkpoint, ids: Tensor) -> Tensor:
        """Return the number for each of several windows of ids (B, T), (B,), without gradients."""
        model = checkpoint.model.eval()
        with torch.inference_mode():
            parts = [
                self.of_logits(model(rows, last_only=self.last_only).float())
                for rows in ids[:, : self.n_shown].split(_ROWS)
            ]
        return torch.cat(parts)

    def of_embeddings(self, checkpoint: Checkpoint, embeddings: Tensor) -> Tensor:
        """Return the number for embeddings (B, n_shown, E) in place of the token table's, (B,), with gradients."""
        model = checkpoint.model.eval()
        hook = model.tokens.register_forward_hook(lambda *_: embeddings)
        try:
            ids = torch.zeros(embeddings.shape[:2], dtype=torch.int64, device=embeddings.device)
            return self.of_logits(model(ids, last_only=self.last_only).float())
        finally:
            hook.remove()


def choose_target(
    checkpoint: Checkpoint, window: Window, *, query: float | None = None, span: float | None = None
) -> Target:
    """Return what a checkpoint says of a window.

    A decoder says the log-probability of the level after the query: the one that followed, or after the window's last
    sample the likeliest; with `span`, the mean over the levels of the last so many seconds, given what came before.
    A rhythm model says the log odds of what it holds for true (atrial fibrillation, or its absence), a beat model those
    of a beat at the query, by default where it is surest of one. A model of classes says the log-probability of the
    likeliest, or its log odds where several may hold; a regression its number, as far as it lies from the mean.

    Args:
        checkpoint: a model.
        window: from `cut_window`.
        query: a moment in seconds of the recording; None is the last sample (beats: where it is surest).
        span: seconds at the window's end to foretell; a decoder's alone.

    Raises:
        ConfigError: the query lies outside the window, the span leaves nothing before it or is not for this model, or
            what is said of a whole window is asked for at another sample than the last.
    """
    if span is not None and (checkpoint.task != "forecast" or query is not None):
        raise ConfigError(
            f"a span of {span:g} s was given, but "
            + (
                "a query too" if checkpoint.task == "forecast" else f"the checkpoint is for {checkpoint.task}"
            ),
            hint="give a span for a model that continues signals, and no query beside it",
        )
    if checkpoint.task == "forecast":
        return _forecast(checkpoint, window, query, span)
    return (_beats if checkpoint.task == "beats" else _whole)(checkpoint, window, query)


def _forecast(checkpoint: Checkpoint, window: Window, query: float | None, span: float | None) -> Target:
    T = len(window.ids)
    n_span = 1 if span is None else round(span * window.fs)
    last = T - 1 - n_span if span is not None else window.sample(query)  # the last sample that is known
    if n_span < 1 or last < 1:
        raise ConfigError(
            f"nothing is left to explain: {f'a span of {span:g} s' if span is not None else 'the query'} "
            f"in a window of {T / window.fs:g} s",
            hint="leave the model something to see before what it foretells",
        )
    known = window.ids[last + 1 : last + 1 + n_span]
    words = "log-probability of the next level"
    if not len(known):
        with torch.inference_mode():
            said = checkpoint.model.eval()(window.tensor(checkpoint), last_only=True)[0, -1]
        known, words = np.array([int(said.argmax())]), "log-probability of the likeliest next level"
    levels = torch.from_numpy(known)
    if span is not None:
        words = f"mean log-probability of the levels of the last {n_span / window.fs:g} s"
    n = len(levels)

    def of_logits(logits: Tensor) -> Tensor:
        said = logits[:, -n:].log_softmax(-1)  # (B, n, V)
        return said.gather(-1, levels.to(said.device).view(1, n, 1).expand(len(said), n, 1)).mean((1, 2))

    return Target(words, last + n, last + 1, last, of_logits, n == 1)


def _whole(checkpoint: Checkpoint, window: Window, query: float | None) -> Target:
    """Return what is told once a window: a rhythm, classes or a number."""
    T = len(window.ids)
    if window.sample(query) != T - 1:
        raise ConfigError(
            f"{checkpoint.task} is told of the whole window, not at {query:g} s",
            hint="leave the query out, or end the window there",
        )
    with torch.inference_mode():
        said = checkpoint.model.eval()(window.tensor(checkpoint), last_only=True)[0, -1].float()
    top = int(said.argmax()) if checkpoint.task == "classify" else 0
    if checkpoint.task == "classify" and not checkpoint.several:
        words = f"log-probability of {checkpoint.classes[top]}"
        return Target(words, T, T, T - 1, lambda logits: logits[:, -1].log_softmax(-1)[:, top], True)
    sign = 1.0 if float(said[top]) >= 0 else -1.0
    if checkpoint.task == "regress":
        sd = checkpoint.target_sd
        words = f"{checkpoint.target or 'the number'} {'above' if sign > 0 else 'below'} the mean"
        unit = checkpoint.target_unit or "unit unknown"
        return Target(words, T, T, T - 1, lambda logits: sign * sd * logits[:, -1, 0], True, unit)
    what = checkpoint.classes[top] if checkpoint.task == "classify" else "atrial fibrillation"
    words = f"log odds of {'' if sign > 0 else 'no '}{what}"
    return Target(words, T, T, T - 1, lambda logits: sign * logits[:, -1, top], True)


def _beats(checkpoint: Checkpoint, window: Window, query: float | None) -> Target:
    T = len(window.ids)
    with torch.inference_mode():
        logits = checkpoint.model.eval()(window.tensor(checkpoint))[0, :, 0]
    at = int(logits.argmax()) if query is None else window.sample(query)
    sign = 1.0 if float(logits[at]) >= 0 else -1.0
    words = f"log odds of {'a' if sign > 0 else 'no'} beat at {window.time[at]:.2f} s"
    if all(attention.causal for attention in trunk_attentions(checkpoint)):
        return Target(words, at + 1, at + 1, at, lambda logits: sign * logits[:, -1, 0], True)
    return Target(words, T, T, at, lambda logits: sign * logits[:, at, 0], False)
