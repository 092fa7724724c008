"""What is explained: one number of a model's output for a window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from physiolect.checkpoint import Checkpoint
from physiolect.errors import ConfigError
from physiolect.explanation.window import BeatWindow, LevelWindow, Window
from physiolect.tasks import Kind, Scope

_TOKENS = 32_000
"""About so many tokens go through the model at once."""


@dataclass(frozen=True)
class Target:
    """One number of a model's output for a window, and the samples that it can depend on."""

    words: str
    """What the number is."""
    n_shown: int
    """Positions that the model sees, from the window's first: samples, or heartbeats."""
    n_context: int
    """Tokens of those that an explanation covers; those after them are what the model predicts."""
    query: int
    """The position at which the model outputs it: the last of the context, or the one requested."""
    of_logits: Callable[[Tensor], Tensor]
    """Logits (B, T, V) -> (B,)."""
    last_only: bool
    """Whether there is one output a window, not one at every position."""
    unit: str = "nats"
    """Of the number."""

    def of_inputs(
        self,
        checkpoint: Checkpoint,
        inputs: Tensor,
        n_tokens: int,
        *,
        tell: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """Return the number for each of several inputs, (B,), without gradients.

        Args:
            checkpoint: the model.
            inputs: (B, T), or (B, C, T).
            n_tokens: of each, which decides how many go through the model at once.
            tell: is called with the number of inputs that are done, and of all.
        """
        model, done = checkpoint.model.eval(), 0
        parts = []
        for rows in inputs[..., : self.n_shown].split(max(1, _TOKENS // n_tokens)):
            with torch.inference_mode():
                parts.append(self.of_logits(model(rows, last_only=self.last_only).float()))
            done += len(rows)
            if tell is not None:
                tell(done, len(inputs))
        return torch.cat(parts)

    def of_samples(self, checkpoint: Checkpoint, inputs: Tensor) -> Tensor:
        """Return the number for inputs (B, C, n_shown), (B,), with gradients."""
        return self.of_logits(checkpoint.model.eval()(inputs, last_only=self.last_only).float())

    def of_embeddings(self, checkpoint: Checkpoint, embeddings: Tensor) -> Tensor:
        """Return the number for embeddings (B, n_shown, E), (B,), with gradients."""
        model = checkpoint.model.eval()
        return self.of_logits(model.from_embedded(embeddings, last_only=self.last_only).float())


def choose_target(
    checkpoint: Checkpoint, window: Window, *, query: float | None = None, span: float | None = None
) -> Target:
    """Return the output of a checkpoint that is explained.

    For a decoder it is the log-probability of the level after the query: the one that followed, or the likeliest one
    after the window's last sample; with `span`, the mean over the levels of the last so many seconds. For a rhythm
    model it is the log odds of its answer (atrial fibrillation, or its absence). For a model that finds beats it is the
    log odds of a beat at the query, by default where they are highest. For a model that sorts heartbeats it is the
    log-probability of the class of the beat at the query, by default of the one that is least like the commonest class.
    For a model of classes it is the log-probability of the likeliest, or its log odds where several can hold; for a
    regression the distance of its number from the mean; for a model of vectors the vector's length along its own
    direction.

    Args:
        checkpoint: a model.
        window: from `cut_window`.
        query: a moment in seconds of the recording; default: the last sample (beats: the one of highest log odds).
        span: seconds at the window's end whose prediction is explained; only for a decoder.

    Raises:
        ConfigError: the query lies outside the window, the span leaves nothing before it or is not for this model, or
            an output for the whole window is requested at another sample than the last.
    """
    outputs = checkpoint.outputs
    if span is not None and (outputs.kind != "token" or query is not None):
        other = "a query too" if outputs.kind == "token" else f"the checkpoint is for {checkpoint.task}"
        raise ConfigError(
            f"a span of {span:g} s was given, but {other}",
            hint="give a span for a model that continues signals, and no query beside it",
        )
    if (outputs.kind, outputs.scope) not in _TARGETS:
        raise ConfigError(
            f"no explanation exists for a model that {checkpoint.task.does}",
            hint="use a checkpoint of another task",
        )
    return _TARGETS[outputs.kind, outputs.scope](checkpoint, window, query, span)


def _forecast(checkpoint: Checkpoint, window: Window, query: float | None, span: float | None) -> Target:
    assert isinstance(window, LevelWindow)
    T = window.n_positions
    n_span = 1 if span is None else round(span * window.fs)
    last = T - 1 - n_span if span is not None else window.sample(query)  # the last sample that is known
    if n_span < 1 or last < 1:
        raise ConfigError(
            f"nothing is left to explain: {f'a span of {span:g} s' if span is not None else 'the query'} "
            f"in a window of {T / window.fs:g} s",
            hint="leave the model something to see before what it predicts",
        )
    known = window.ids[last + 1 : last + 1 + n_span]
    words = "log-probability of the next level"
    if not len(known):
        with torch.inference_mode():
            logits = checkpoint.model.eval()(window.tensor(checkpoint), last_only=True)[0, -1]
        known, words = np.array([int(logits.argmax())]), "log-probability of the likeliest next level"
    levels = torch.from_numpy(known)
    if span is not None:
        words = f"mean log-probability of the levels of the last {n_span / window.fs:g} s"
    n = len(levels)

    def of_logits(logits: Tensor) -> Tensor:
        logs = logits[:, -n:].log_softmax(-1)  # (B, n, V)
        return logs.gather(-1, levels.to(logs.device).view(1, n, 1).expand(len(logs), n, 1)).mean((1, 2))

    return Target(words, last + n, last + 1, last, of_logits, n == 1)


def _window_logits(checkpoint: Checkpoint, window: Window, query: float | None) -> Tensor:
    """Return the outputs (K,) for the window as a whole.

    Raises:
        ConfigError: another moment than the window's last is asked for.
    """
    if window.sample(query) != window.n_positions - 1:
        raise ConfigError(
            f"{checkpoint.task} has one output for the whole window, not one at {query:g} s",
            hint="leave the query out, or end the window there",
        )
    with torch.inference_mode():
        return checkpoint.model.eval()(window.tensor(checkpoint), last_only=True)[0, -1].float()


def _binary(checkpoint: Checkpoint, window: Window, query: float | None, _: float | None) -> Target:
    logit, T = float(_window_logits(checkpoint, window, query)[0]), window.n_positions
    sign = 1.0 if logit >= 0 else -1.0
    words = f"log odds of {'' if sign > 0 else 'no '}{_positive(checkpoint)}"
    return Target(words, T, window.n_tokens, T - 1, lambda logits: sign * logits[:, -1, 0], True)


def _one_of(checkpoint: Checkpoint, window: Window, query: float | None, _: float | None) -> Target:
    top, T = int(_window_logits(checkpoint, window, query).argmax()), window.n_positions
    words = f"log-probability of {checkpoint.outputs.classes[top]}"
    return Target(
        words, T, window.n_tokens, T - 1, lambda logits: logits[:, -1].log_softmax(-1)[:, top], True
    )


def _several(checkpoint: Checkpoint, window: Window, query: float | None, _: float | None) -> Target:
    logits, T = _window_logits(checkpoint, window, query), window.n_positions
    top = int(logits.argmax())
    sign = 1.0 if float(logits[top]) >= 0 else -1.0
    words = f"log odds of {'' if sign > 0 else 'no '}{checkpoint.outputs.classes[top]}"
    return Target(words, T, window.n_tokens, T - 1, lambda logits: sign * logits[:, -1, top], True)


def _number(checkpoint: Checkpoint, window: Window, query: float | None, _: float | None) -> Target:
    outputs, T = checkpoint.outputs, window.n_positions
    sign = 1.0 if float(_window_logits(checkpoint, window, query)[0]) >= 0 else -1.0
    words = f"{outputs.target or 'the number'} {'above' if sign > 0 else 'below'} the mean"
    unit = outputs.unit or "unit unknown"
    return Target(
        words, T, window.n_tokens, T - 1, lambda logits: sign * outputs.sd * logits[:, -1, 0], True, unit
    )


def _vector(checkpoint: Checkpoint, window: Window, query: float | None, _: float | None) -> Target:
    found, T = _window_logits(checkpoint, window, query), window.n_positions
    direction = found / found.norm().clamp_min(torch.finfo(found.dtype).tiny)  # (K,)
    words = "length of the window's vector along its direction"

    def along(out: Tensor) -> Tensor:
        return out[:, -1].float() @ direction.to(out.device)

    return Target(words, T, window.n_tokens, T - 1, along, True, "length")


def _binary_at(checkpoint: Checkpoint, window: Window, query: float | None, _: float | None) -> Target:
    T, N = window.n_positions, window.n_tokens
    with torch.inference_mode():
        logits = checkpoint.model.eval()(window.tensor(checkpoint))[0, :, 0]
    at = int(logits.argmax()) if query is None else window.sample(query)
    sign = 1.0 if float(logits[at]) >= 0 else -1.0
    words = f"log odds of {'a' if sign > 0 else 'no'} beat at {window.time[at]:.2f} s"
    if checkpoint.model.causal:
        return Target(words, at + 1, at + 1, at, lambda logits: sign * logits[:, -1, 0], True)
    return Target(words, T, N, at, lambda logits: sign * logits[:, at, 0], False)


def _one_of_at(checkpoint: Checkpoint, window: Window, query: float | None, _: float | None) -> Target:
    """Explain the class of a beat: the one asked for, or the one that is least likely of the commonest class."""
    assert isinstance(window, BeatWindow)
    with torch.inference_mode():
        logs = checkpoint.model.eval()(window.tensor(checkpoint))[0].float().log_softmax(-1)  # (n, K)
    begin, end = window.core
    usual = int(logs[begin:end].argmax(-1).mode().values)
    at = begin + int(logs[begin:end, usual].argmin()) if query is None else window.sample(query)
    top, n = int(logs[at].argmax()), window.n_positions
    words = f"log-probability of {checkpoint.outputs.classes[top]} for the beat at {window.time[at]:.2f} s"
    return Target(words, n, n, at, lambda logits: logits[:, at].log_softmax(-1)[:, top], False)


def _positive(checkpoint: Checkpoint) -> str:
    """Return the name of what a yes means."""
    name = next(iter(checkpoint.outputs.classes), "AFIB")
    return "atrial fibrillation" if name in ("AFIB", "AF") else name


_TARGETS: dict[tuple[Kind, Scope], Callable[[Checkpoint, Window, float | None, float | None], Target]] = {
    ("token", "position"): _forecast,
    ("binary", "window"): _binary,
    ("one-of", "window"): _one_of,
    ("several", "window"): _several,
    ("number", "window"): _number,
    ("vector", "window"): _vector,
    ("binary", "position"): _binary_at,
    ("one-of", "position"): _one_of_at,
}
