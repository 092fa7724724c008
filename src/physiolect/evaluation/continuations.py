"""How good continuations are: their CRPS, and how often their bands cover the truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.errors import PhysiolectError


def crps_of_samples(samples: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Return the continuous ranked probability score of sampled continuations, in their unit; lower is better.

    The fair version: its expectation does not depend on how many samples there are. Of a single value it would be the
    absolute error.

    Args:
        samples: (n, samples, T), two or more.
        truth: (n, T).

    Returns:
        (n, T).

    Raises:
        PhysiolectError: shapes do not match, or there is one sample.

    Source: Gneiting and Raftery, J. Am. Stat. Assoc. 102:359, 2007; the fair version: Ferro, Q. J. R. Meteorol. Soc.
        140:1917, 2014.
    """
    x, y = _checked(samples, truth)
    m = x.shape[1]
    ranked = np.sort(x, axis=1)
    # the mean distance of two samples, from ranks: sum over pairs is sum of (2 i - m + 1) x_i
    weight = 2 * np.arange(m) - m + 1
    apart = np.einsum("nmt,m->nt", ranked, weight) * 2 / (m * (m - 1))
    return np.abs(x - y[:, None]).mean(1) - apart / 2


def crps_of_levels(probabilities: ArrayLike, levels: ArrayLike) -> NDArray[np.float64]:
    """Return the ranked probability score of the next level's distribution, in levels; lower is better.

    Args:
        probabilities: (..., V), one in all.
        levels: what came, (...), from 0 to V - 1.

    Returns:
        (...): the sum over levels of the squared distance of distribution function and step.

    Raises:
        PhysiolectError: shapes do not match.
    """
    p, y = np.asarray(probabilities, np.float64), np.asarray(levels)
    if p.shape[:-1] != y.shape:
        raise PhysiolectError(
            f"probabilities {p.shape} do not fit levels {y.shape}", hint="give one distribution a level"
        )
    reached = np.arange(p.shape[-1]) >= y[..., None]
    return ((np.cumsum(p, -1) - reached) ** 2).sum(-1)


def coverage_of_samples(
    samples: ArrayLike, truth: ArrayLike, *, share: float = 0.9
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return whether the truth lies in the central band of the samples, and how wide that is, each (n, T).

    Args:
        samples: (n, samples, T), two or more.
        truth: (n, T).
        share: of the samples that the band holds. Few samples make bands too narrow: a band of share s from m
            exchangeable samples covers about s (m - 1) / (m + 1), see `expected_coverage`.

    Raises:
        PhysiolectError: shapes do not match, or the share is not between 0 and 1.
    """
    x, y = _checked(samples, truth)
    if not 0 < share < 1:
        raise PhysiolectError(f"share is {share:g}, but must be between 0 and 1", hint="0.9 is usual")
    low, high = np.quantile(x, [(1 - share) / 2, (1 + share) / 2], axis=1)
    return (low <= y) & (y <= high), high - low


def expected_coverage(n_samples: int, share: float) -> float:
    """Return how often a perfect forecaster's band of `n_samples` covers the truth.

    The k-th smallest of m samples, k counted with fractions, lies below a further draw with probability k / (m + 1).
    """
    return share * (n_samples - 1) / (n_samples + 1)


def _checked(samples: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.asarray(samples, np.float64), np.asarray(truth, np.float64)
    if x.ndim != 3 or (x.shape[0], x.shape[2]) != y.shape or x.shape[1] < 2:
        raise PhysiolectError(
            f"samples {x.shape} do not fit truths {y.shape}",
            hint="give (n, samples, T) with two samples or more, and (n, T)",
        )
    return x, y
