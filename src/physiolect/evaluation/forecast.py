"""One-step-ahead forecasts in nats per token: a model's, and those of baselines it has to beat.

Everything here scores windows of level ids, (n, T), at the same positions, 1 to T - 1: the first has no past.
A prediction at a position sees only what came before it in its window.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from physiolect.errors import PhysiolectError

if TYPE_CHECKING:
    from torch.nn import Module

_FIT_LIMIT = 50_000
"""Positions a fit looks at, spread over all windows; more would not move its numbers."""
_ROUNDS = 40
"""Most rounds of reweighting; it stops once three of them gain less than `_GAIN` nats together."""
_GAIN = 1e-3
_SMALLEST = 0.3
"""Levels; smaller residuals weigh alike, being smaller than rounding."""


def nll_of_model(model: Module, ids: ArrayLike, *, batch_size: int = 64) -> NDArray[np.float64]:
    """Return the nats of every token but the first under a decoder, (n, T - 1).

    Args:
        model: `model(ids) -> logits (B, T, V)`; left in the mode it came in.
        ids: level ids, (n, T), no longer than the model's context.
        batch_size: windows at a time.

    Raises:
        PhysiolectError: `ids` is not made of windows of two tokens or more.
    """
    import torch
    from torch.nn.functional import cross_entropy

    windows = torch.from_numpy(_windows(ids))
    parameter = next(model.parameters(), None)
    device = torch.device("cpu") if parameter is None else parameter.device
    scores = []
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            for batch in windows.split(batch_size):
                tokens = batch.to(device)
                logits = model(tokens[:, :-1])  # (B, T - 1, V)
                loss = cross_entropy(logits.float().transpose(1, 2), tokens[:, 1:], reduction="none")
                scores.append(loss.double().cpu())
    finally:
        model.train(was_training)
    return torch.cat(scores).numpy()


class Unigram:
    """How often each level occurs, whatever came before; Laplace's rule counts every level once more.

    Args:
        n_levels: size of the vocabulary.
    """

    name = "unigram"

    def __init__(self, n_levels: int) -> None:
        self.n_levels = n_levels

    def fit(self, train_ids: ArrayLike) -> Self:
        """Count the levels of the training windows, (n, T)."""
        count = np.bincount(_windows(train_ids, self.n_levels).ravel(), minlength=self.n_levels) + 1
        self._nats = -np.log(count / count.sum())
        return self

    def nll(self, ids: ArrayLike) -> NDArray[np.float64]:
        """Return the nats of every token but the first, (n, T - 1)."""
        return self._nats[_windows(ids, self.n_levels)[:, 1:]]


class RepeatLastBeat:
    """What happened one heartbeat ago happens again.

    The period at a position is the lag at which the past of the window is most correlated with itself; until
    the past is long enough for that, the last level is repeated. Each of the two cases has its own noise.

    Args:
        n_levels: size of the vocabulary.
        fs: rate of the ids in Hz.
        shortest: shortest period considered, in seconds.
        longest: longest period considered, in seconds.
    """

    name = "repeat last beat"

    def __init__(self, n_levels: int, *, fs: float, shortest: float = 0.35, longest: float = 1.8) -> None:
        self.n_levels = n_levels
        self._lags = range(max(2, round(shortest * fs)), round(longest * fs) + 1)

    def fit(self, train_ids: ArrayLike) -> Self:
        """Fit the two noises on the training windows, (n, T)."""
        ids = _windows(train_ids, self.n_levels)
        location, known = self._predict(ids)
        self._before = DiscreteLaplace(self.n_levels).fit(ids[:, 1:][~known], location[~known])
        self._after = DiscreteLaplace(self.n_levels).fit(ids[:, 1:][known], location[known])
        return self

    def nll(self, ids: ArrayLike) -> NDArray[np.float64]:
        """Return the nats of every token but the first, (n, T - 1)."""
        windows = _windows(ids, self.n_levels)
        location, known = self._predict(windows)
        nats = np.empty(location.shape)
        for noise, where in ((self._before, ~known), (self._after, known)):
            nats[where] = noise.nll(windows[:, 1:][where], location[where])
        return nats

    def _predict(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the predicted level of positions 1 to T - 1 and whether a period was known, (n, T - 1)."""
        x = ids.astype(np.float64)
        location = x[:, :-1].copy()
        best = np.full(location.shape, -np.inf)
        for lag in self._lags:
            # A lag is trusted once as many pairs as it is long speak for it.
            if 2 * lag >= ids.shape[1]:
                break
            correlation = _running_correlation(x[:, lag:-1], x[:, : -lag - 1])[:, lag - 1 :]
            start = 2 * lag - 1  # column of position 2 lag, whose past holds exactly `lag` pairs
            better = correlation > best[:, start:]
            best[:, start:][better] = correlation[better]
            location[:, start:][better] = x[:, lag:-lag][better]
        return location, np.isfinite(best)


class Autoregressive:
    """A linear prediction from the last p levels with an intercept, fitted for the noise it is scored with.

    The order is the best of `orders` on a held-out fifth of the training windows; the fit is then repeated on
    all of them. Positions with fewer than p levels before them use the largest power of two that fits.

    Args:
        n_levels: size of the vocabulary.
        orders: those tried; one alone is taken as it is.
    """

    def __init__(self, n_levels: int, *, orders: Sequence[int] = (1, 2, 4, 8, 16, 32, 64)) -> None:
        self.n_levels = n_levels
        self._orders = sorted(orders)
        self.order = self._orders[-1]

    @property
    def name(self) -> str:
        """The order in use, as in "AR(16)"."""
        return f"AR({self.order})"

    def fit(self, train_ids: ArrayLike) -> Self:
        """Choose the order and fit coefficients and noise on the training windows, (n, T)."""
        ids = _windows(train_ids, self.n_levels)
        usable = [order for order in self._orders if order < ids.shape[1]] or [1]
        self.order = usable[0]
        if len(usable) > 1 and len(ids) > 1:
            # The last windows, not random ones: neighbours of a training window would flatter long orders.
            n_kept = len(ids) - max(1, len(ids) // 5)
            fits = _fit_ladder(ids[:n_kept], usable, self.n_levels)
            held_out = {p: self._score(ids[n_kept:], fits, p).mean() for p in usable}
            self.order = min(held_out, key=held_out.__getitem__)
        self._fits = _fit_ladder(ids, [self.order], self.n_levels)
        return self

    def nll(self, ids: ArrayLike) -> NDArray[np.float64]:
        """Return the nats of every token but the first, (n, T - 1)."""
        return self._score(_windows(ids, self.n_levels), self._fits, self.order)

    @staticmethod
    def _score(ids: NDArray[np.int64], fits: dict[int, _LinearFit], order: int) -> NDArray[np.float64]:
        steps = [p for p in _ladder([order]) if p < ids.shape[1]]
        stops = [*steps[1:], ids.shape[1]]
        parts = [fits[p].nll(ids, p, stop) for p, stop in zip(steps, stops, strict=True)]
        return np.concatenate(parts, axis=1)


class DiscreteLaplace:
    """Laplace noise on levels 0 to n_levels - 1, with a small uniform share so that no level is impossible.

    A level has the mass of the half level on either side; the end levels have the tails, as clipping does.

    Args:
        n_levels: size of the vocabulary.
        scale: mean absolute deviation, in levels.
        uniform: share of the uniform distribution.
    """

    def __init__(self, n_levels: int, *, scale: float = 1.0, uniform: float = 1e-3) -> None:
        self.n_levels = n_levels
        self.scale = scale
        self.uniform = uniform

    def fit(self, ids: NDArray[np.int64], location: NDArray[np.float64]) -> Self:
        """Choose scale and uniform share by maximum likelihood, given a prediction for each id."""
        from scipy.optimize import minimize

        ids, location = ids.ravel(), location.ravel()
        if ids.size == 0:
            return self
        step = -(-ids.size // _FIT_LIMIT)
        ids, location = ids[::step], location[::step]

        def nats(free: NDArray[np.float64]) -> float:
            self._set(free)
            return float(self.nll(ids, location).mean())

        start = [np.log(np.abs(ids - location).mean() + 0.05), -5.0]
        self._set(minimize(nats, start, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-6}).x)
        return self

    def nll(self, ids: NDArray[np.int64], location: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the nats of each id given the predicted level, of the ids' shape."""
        low = np.where(ids == 0, -np.inf, ids - 0.5 - location)
        high = np.where(ids == self.n_levels - 1, np.inf, ids + 0.5 - location)
        # Differences of a distribution function are exact only in its left tail: mirror what lies right.
        right = low + high > 0
        low, high = np.where(right, -high, low), np.where(right, -low, high)
        mass = self._cumulative(high) - self._cumulative(low)
        return -np.log((1 - self.uniform) * mass + self.uniform / self.n_levels)

    def _cumulative(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        tail = 0.5 * np.exp(-np.abs(x) / self.scale)
        return np.where(x < 0, tail, 1 - tail)

    def _set(self, free: NDArray[np.float64]) -> None:
        log_scale, logit = np.clip(free, [-4, -16], [8, 16])
        self.scale = float(np.exp(log_scale))
        self.uniform = float(1 / (1 + np.exp(-logit)))


class _LinearFit:
    """Coefficients and noise of one order, from positions that have that many levels before them.

    Plain least squares would obey the few steep samples of a heartbeat and cost more than repeating the last level.
    Each round weighs a residual by its chance to be no outlier over its size (EM for the mixture,
    Schlossmacher's reweighting for the absolute value: J. Am. Stat. Assoc. 68:857, 1973).
    """

    def __init__(self, ids: NDArray[np.int64], order: int, n_levels: int, start: NDArray[np.float64]) -> None:
        self._order = order
        self._centre = (n_levels - 1) / 2
        step = -(-ids[:, order:].size // _FIT_LIMIT)
        past, levels = self._design(ids, order, ids.shape[1], step)
        past, levels = past.reshape(-1, order + 1), levels.ravel()
        self.weights = np.concatenate([np.zeros(order + 1 - len(start)), start])
        residual = np.abs(levels - past @ self.weights - self._centre)
        self._noise = DiscreteLaplace(n_levels, scale=max(0.02, float(residual.mean())), uniform=0.01)
        costs: list[float] = []
        for _ in range(_ROUNDS):
            location = past @ self.weights + self._centre
            nats = self._noise.nll(levels, location)
            costs.append(float(nats.mean()))
            if len(costs) > 3 and costs[-4] - costs[-1] < _GAIN:
                break
            size = np.abs(levels - location)
            sound = 1 - self._noise.uniform / n_levels * np.exp(nats)
            weighted = past * (sound / np.maximum(size, _SMALLEST))[:, None]
            moment = weighted.T @ (levels - self._centre)
            self.weights = np.linalg.lstsq(weighted.T @ past, moment, rcond=1e-13)[0]
            self._noise.uniform = max(1e-7, float(1 - sound.mean()))
            self._noise.scale = max(0.02, float((sound * size).sum() / sound.sum()))
        self._noise.fit(levels, past @ self.weights + self._centre)

    def nll(self, ids: NDArray[np.int64], start: int, stop: int) -> NDArray[np.float64]:
        """Return the nats of positions `start` to `stop` - 1, (n, stop - start)."""
        return self._noise.nll(ids[:, start:stop], self._predict(ids, start, stop))

    def _predict(self, ids: NDArray[np.int64], start: int, stop: int) -> NDArray[np.float64]:
        blocks = np.array_split(ids, -(-ids.size // _FIT_LIMIT))
        parts = [self._design(block, start, stop)[0] @ self.weights for block in blocks]
        return np.concatenate(parts) + self._centre

    def _design(
        self, ids: NDArray[np.int64], start: int, stop: int, step: int = 1
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the centred levels before with a one, (n, positions, order + 1), and those to predict."""
        x = ids - self._centre
        past = sliding_window_view(x[:, start - self._order : stop - 1], self._order, axis=1)[:, ::step]
        ones = np.ones((*past.shape[:2], 1))
        return np.concatenate([past, ones], axis=2), ids[:, start:stop:step]


def _fit_ladder(ids: NDArray[np.int64], orders: Sequence[int], n_levels: int) -> dict[int, _LinearFit]:
    """Return a fit of each order and each power of two below, every one starting from the one before it."""
    fits: dict[int, _LinearFit] = {}
    weights = np.array([1.0, 0.0])  # the last level again
    for order in _ladder(orders):
        fits[order] = _LinearFit(ids, order, n_levels, weights)
        weights = fits[order].weights
    return fits


def _ladder(orders: Sequence[int]) -> list[int]:
    """Return the orders and the powers of two below them, ascending: every position finds one that fits."""
    powers = {2**k for k in range(max(orders).bit_length())}
    return sorted({p for p in powers if p < max(orders)} | set(orders))


def _running_correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the correlation over the first 1, 2, … columns, (n, columns); 0 where one is flat."""
    count = np.arange(1, a.shape[1] + 1)
    sum_a, sum_b = a.cumsum(axis=1), b.cumsum(axis=1)
    covariance = (a * b).cumsum(axis=1) - sum_a * sum_b / count
    power = ((a * a).cumsum(axis=1) - sum_a**2 / count) * ((b * b).cumsum(axis=1) - sum_b**2 / count)
    return np.divide(covariance, np.sqrt(np.maximum(power, 0)), out=np.zeros_like(power), where=power > 1e-6)


def _windows(ids: ArrayLike, n_levels: int | None = None) -> NDArray[np.int64]:
    """Return ids as (n, T) int64, or raise an error that says what is wrong."""
    windows = np.asarray(ids)
    if windows.ndim != 2 or windows.shape[0] == 0 or windows.shape[1] < 2:
        raise PhysiolectError(
            f"forecasts are scored on windows of ids (n, T) with T of 2 or more, got shape {windows.shape}",
            hint="one row a window",
        )
    if not np.issubdtype(windows.dtype, np.integer):
        raise PhysiolectError(f"ids are whole numbers, got {windows.dtype}", hint="tokenize the signal first")
    if n_levels is not None and (windows.min() < 0 or windows.max() >= n_levels):
        raise PhysiolectError(
            f"ids lie from {windows.min()} to {windows.max()}, outside 0 to {n_levels - 1}",
            hint="give the baseline the tokenizer's vocabulary size",
        )
    return windows.astype(np.int64)
