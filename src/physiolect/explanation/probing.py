"""Which heads look at which wave of the heartbeat, against chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.errors import ContractError
from physiolect.events import Tell
from physiolect.explanation.attention import even_of_tokens, mean_attention
from physiolect.explanation.landmarks import Times
from physiolect.explanation.window import Window

TOLERANCE = 0.03
"""Seconds around a landmark that count as it."""
SHIFTS = 1000
"""Random circular shifts that stand for chance."""


class HeadScore(NamedTuple):
    """How one head responds to one landmark."""

    landmark: str
    layer: int
    """From 1."""
    head: int
    """From 1."""
    auroc: float
    """How likely a sample at the landmark gets more attention than another one of the same window."""
    lift: float
    """Attention of a sample there as a multiple of that of a sample elsewhere."""
    p: float
    """How often the best of all heads reaches this by chance."""


@dataclass(frozen=True, eq=False)
class Probing:
    """How each head responds to each landmark, over several windows."""

    landmarks: tuple[str, ...]
    """What was looked for."""
    counts: tuple[int, ...]
    """Landmarks of each kind in all windows."""
    n_windows: int
    """Windows that held any."""
    auroc: NDArray[np.float64]
    """(landmarks, layers, heads): mean over windows."""
    lift: NDArray[np.float64]
    """(landmarks, layers, heads): mean over windows."""
    best_by_chance: NDArray[np.float64]
    """(landmarks, shifts): the highest mean AUROC among all heads with the landmarks shifted round each window."""
    by_window: NDArray[np.float64]
    """(windows, landmarks, layers, heads) AUROC of each; NaN where a window holds no such landmark."""

    @property
    def chance(self) -> NDArray[np.float64]:
        """AUROC that the best of all heads stays below in 95 % of the shifts, (landmarks,)."""
        return np.quantile(self.best_by_chance, 0.95, axis=1)

    def scores(self) -> list[HeadScore]:
        """Return all heads, for each landmark the best one first."""
        found = []
        for i, name in enumerate(self.landmarks):
            layers, heads = np.unravel_index(np.argsort(-self.auroc[i], axis=None), self.auroc[i].shape)
            for layer, head in zip(layers.tolist(), heads.tolist(), strict=True):
                auroc, null = self.auroc[i, layer, head], self.best_by_chance[i]
                p = (1 + np.count_nonzero(null >= auroc)) / (1 + len(null))
                found.append(
                    HeadScore(
                        name, layer + 1, head + 1, float(auroc), float(self.lift[i, layer, head]), float(p)
                    )
                )
        return found


def probe_heads(
    checkpoint: Checkpoint,
    windows: Sequence[Window],
    landmarks: Mapping[str, Times] | Sequence[Mapping[str, Times]],
    *,
    tolerance: float = TOLERANCE,
    n_shifts: int = SHIFTS,
    seed: int = 0,
    tell: Tell | None = None,
) -> Probing:
    """Score every head of a model by how its attention, mean over queries, falls on landmarks.

    Attention is taken as a multiple of an even gaze: more queries see the early samples of a causal window. Chance is
    what the best of all heads reaches when the landmarks of every window are shifted round it by a random time, the
    same for all heads: so it contains that beats come regularly, and that many heads are tried.

    Args:
        checkpoint: a model.
        windows: from `cut_windows`.
        landmarks: landmark -> moments in seconds of the recording; or one such for each window.
        tolerance: seconds around a landmark that count as it.
        n_shifts: random shifts.
        seed: of those.
        tell: is called after each window with the number done.

    Raises:
        ContractError: no window holds any landmark.
        CheckpointError: the model has no attention.
    """
    each = [landmarks] * len(windows) if isinstance(landmarks, Mapping) else list(landmarks)
    names = tuple(dict.fromkeys(name for one in each for name in one))
    rng = np.random.default_rng(seed)
    rows, counts = [], np.zeros(len(names), np.int64)
    totals, held = np.zeros(()), np.zeros(len(names))
    for number, (window, known) in enumerate(zip(windows, each, strict=True)):
        relative = _relative(checkpoint, window)
        shifts = np.append(
            0, rng.integers(1, relative.shape[-1], n_shifts)
        )  # one for all heads and landmarks
        marks = [_at_landmarks(window, known.get(name, np.empty(0)), tolerance) for name in names]
        shifted, observed = _probe_window(relative, [at for at, _ in marks], shifts)
        found = np.isfinite(observed[:, 0, 0, 0])
        counts += np.where(found, [count for _, count in marks], 0)
        held += found
        totals = totals + shifted
        rows.append(observed)
        if tell is not None:
            tell(number + 1)
    if not held.any():
        hint = "give a longer stretch, or one with clear beats"
        raise ContractError("no landmark lies in any window", hint=hint)
    kept = np.flatnonzero(held)
    seen = np.stack(rows)[:, kept]  # (windows, landmarks, 2, layers, heads)
    means = totals[kept] / held[kept, None, None, None]
    return Probing(
        landmarks=tuple(names[i] for i in kept),
        counts=tuple(counts[kept].tolist()),
        n_windows=int(np.isfinite(seen[:, :, 0, 0, 0]).any(1).sum()),
        auroc=np.nanmean(seen[:, :, 0], 0),
        lift=np.nanmean(seen[:, :, 1], 0),
        best_by_chance=means[..., 1:].max((1, 2)),
        by_window=seen[:, :, 0],
    )


def _probe_window(
    relative: NDArray[np.float64], marks: Sequence[NDArray[np.bool_]], shifts: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Score the heads in one window.

    Args:
        relative: (layers, heads, T) from `_relative`.
        marks: (T,) which samples lie at each landmark.
        shifts: (shifts,) of the landmarks, in samples.

    Returns:
        AUROC under each shift, (landmarks, layers, heads, shifts), 0 where there is no such landmark; and AUROC and
        lift without a shift, (landmarks, 2, layers, heads), NaN there.
    """
    layers, heads, T = relative.shape
    observed = np.full((len(marks), 2, layers, heads), np.nan)
    shifted = np.zeros((len(marks), layers, heads, len(shifts)))
    for i, at in enumerate(marks):
        if 0 < at.sum() < T:
            auroc = _auroc_at_all_shifts(relative, at)  # (layers, heads, T)
            shifted[i] = auroc[..., shifts]
            observed[i] = auroc[..., 0], relative[..., at].mean(-1) / relative[..., ~at].mean(-1)
    return shifted, observed


def _relative(checkpoint: Checkpoint, window: Window) -> NDArray[np.float64]:
    """Return each head's attention as a multiple of an even gaze, mean over leads, (layers, heads, T)."""
    found = mean_attention(checkpoint, window)
    even = np.stack([even_of_tokens(checkpoint, layer, window) for layer in found.layers])
    relative = (found.weights[:, :, 0] / even[:, np.newaxis]).astype(np.float64)
    n_rows = len(np.unique(window.token_rows))
    return relative.reshape(*relative.shape[:2], n_rows, -1).mean(2)


def _at_landmarks(window: Window, moments: Times, tolerance: float) -> tuple[NDArray[np.bool_], int]:
    """Return which tokens of one lead lie at a landmark, (T,), and how many landmarks the window holds.

    A token that is wider than the tolerance lies at the landmarks that it holds.
    """
    n = window.n_tokens // len(np.unique(window.token_rows))
    spans = window.token_spans[:n]
    inside = moments[(moments >= window.time[0]) & (moments <= window.time[-1])]
    if not len(inside):
        return np.zeros(n, np.bool_), 0
    distance = np.abs(spans.mean(1)[:, np.newaxis] - inside)  # (T, n)
    return distance.min(1) <= max(tolerance, window.distance / 2) + 1e-9, len(inside)


def _auroc_at_all_shifts(values: NDArray[np.float64], at: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the AUROC of values (..., T) at marks (T,) shifted round by 0, 1 … T - 1 samples, (..., T)."""
    from scipy.stats import rankdata

    T, n = len(at), int(at.sum())
    ranks = rankdata(values, axis=-1)
    total = np.fft.irfft(np.fft.rfft(ranks) * np.conj(np.fft.rfft(at.astype(np.float64))), T)
    auroc: NDArray[np.float64] = (total - n * (n + 1) / 2) / (n * (T - n))
    return auroc
