"""A decoder's forecasts: of the next level, window by window, and of a second or so that it continues."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.datasets import Examples
from physiolect.detection.windows import OnWindow
from physiolect.evaluation.bootstrap import Bootstrap, Estimate
from physiolect.evaluation.continuations import coverage_of_samples, crps_of_levels, crps_of_samples
from physiolect.evaluation.forecast import Autoregressive, RepeatLastBeat, Unigram
from physiolect.evaluation.protocol import Fold

BAND = 0.9
"""Share of the probability, or of the samples, that a band holds."""


def score_next_level(
    checkpoint: Checkpoint, ids: NDArray[np.int64], *, batch_size: int = 32, on_window: OnWindow | None = None
) -> dict[str, NDArray[np.float64]]:
    """Score a decoder's forecasts of every level but the first.

    Args:
        checkpoint: a decoder.
        ids: (n, T).
        batch_size: windows at a time.
        on_window: called with the windows scored so far and the number of all.

    Returns:
        means over each window, (n,): "nats" per token; "crps" in levels; "coverage", whether the level lies in the
        smallest central band of at least `BAND`, which discrete levels make cover more; and its "width" in levels.
    """
    import torch

    model = checkpoint.model.eval()
    device = model.device
    found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in ("nats", "crps", "coverage", "width")}
    for first in range(0, len(ids), batch_size):
        batch = ids[first : first + batch_size]
        with torch.inference_mode():
            logits = model(torch.from_numpy(batch[:, :-1]).to(device)).float()  # (B, T - 1, V)
            log_p = torch.log_softmax(logits, -1).double().cpu().numpy()
        truth = batch[:, 1:]
        p = np.exp(log_p)
        reached = np.cumsum(p, -1)
        low, high = ((reached >= tail).argmax(-1) for tail in ((1 - BAND) / 2, (1 + BAND) / 2))
        found["nats"].append(-np.take_along_axis(log_p, truth[..., None], -1)[..., 0].mean(1))
        found["crps"].append(crps_of_levels(p, truth).mean(1))
        found["coverage"].append(((low <= truth) & (truth <= high)).mean(1))
        found["width"].append((high - low + 1.0).mean(1))
        if on_window is not None:
            on_window(min(first + batch_size, len(ids)), len(ids))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def nats_of_baselines(
    ids: NDArray[np.int64], folds: Sequence[Fold], *, n_levels: int, fs: float
) -> dict[str, NDArray[np.float64]]:
    """Return nats per token of each window (n,) under unigram, repeated beat and linear prediction, fitted out of fold.

    Args:
        ids: (n, T).
        folds: who trains and who tests.
        n_levels: size of the vocabulary.
        fs: rate of the ids in Hz.
    """
    makers: dict[str, Callable[[], Unigram | RepeatLastBeat | Autoregressive]] = {
        "unigram": lambda: Unigram(n_levels),
        "repeat last beat": lambda: RepeatLastBeat(n_levels, fs=fs),
        "linear prediction": lambda: Autoregressive(n_levels, orders=(16,)),
    }
    found = {name: np.full(len(ids), np.nan) for name in makers}
    for fold in folds:
        for name, make in makers.items():
            found[name][fold.test] = make().fit(ids[fold.train]).nll(ids[fold.test]).mean(1)
    return found


def score_continuations(
    checkpoint: Checkpoint,
    windows: Examples,
    *,
    n_tokens: int,
    n_samples: int = 20,
    seed: int = 0,
    on_window: OnWindow | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Continue the beginning of each window and compare with its end.

    Args:
        checkpoint: a decoder.
        windows: the last `n_tokens` samples of each are compared with continuations.
        n_tokens: samples to continue.
        n_samples: continuations of each.
        seed: of the draw.
        on_window: called with the windows done so far and the number of all.

    Returns:
        means over each window, (n,), in shares of its context's range: "crps", "width" of the band that holds `BAND` of
        the samples; and "coverage", how often the truth lies in it.
    """
    from physiolect.generation import generate
    from physiolect.recording import Recording

    store = windows.store
    found: dict[str, list[float]] = {name: [] for name in ("crps", "coverage", "width")}
    for number in range(len(windows)):
        signal = windows.windows([number])[0]
        row, channel = int(windows.rows[number]), int(windows.channels[number])
        whole = store.recording(row)
        context = Recording(
            signal[None, :-n_tokens],
            whole.fs,
            (whole.channels[channel],),
            whole.units[channel],
            whole.modality,
        )
        span = float(np.ptp(context.signal)) or 1.0
        continued = generate(checkpoint, context, n_tokens=n_tokens, n_samples=n_samples, seed=seed + number)
        samples = np.asarray(continued.signal, np.float64).reshape(1, n_samples, n_tokens) / span
        truth = signal[None, -n_tokens:] / span
        inside, width = coverage_of_samples(samples, truth, share=BAND)
        for name, value in (
            ("crps", crps_of_samples(samples, truth)),
            ("coverage", inside),
            ("width", width),
        ):
            found[name].append(float(value.mean()))
        if on_window is not None:
            on_window(number + 1, len(windows))
    return {name: np.array(values) for name, values in found.items()}


def estimates(scores: dict[str, NDArray[np.float64]], draws: Bootstrap) -> dict[str, Estimate]:
    """Return the means over windows with intervals by group."""
    return {name: _mean(values, draws) for name, values in scores.items()}


def _mean(values: ArrayLike, draws: Bootstrap) -> Estimate:
    rows = np.asarray(values, np.float64)
    total, count = draws.sums(np.stack([rows, np.ones_like(rows)], axis=1)).T
    return draws.estimate(total / count)
