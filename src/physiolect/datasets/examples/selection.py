"""A few recordings that are unlike one another, out of many."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.datasets.store.store import Store
from physiolect.errors import ConfigError
from physiolect.signals.features import ecg_features

_VARIANCE = 0.95  # share that the principal components keep
_CLUSTERS = range(3, 16)
_SUBSAMPLE = 2000  # recordings that choosing the number of clusters looks at; its cost is the square of this
_FAR = 10.0  # standard deviations beyond which a feature is an outlier like any other


def select_rows(
    store: Store,
    rows: ArrayLike,
    n: int,
    *,
    seed: int = 0,
    on_row: Callable[[], None] | None = None,
) -> NDArray[np.int64]:
    """Choose rows of a store that are unlike one another, for training a tokenizer.

    Args:
        store: where the signals are.
        rows: the rows that train, and no others.
        n: how many to choose; all of them where there are no more.
        seed: another seed chooses others.
        on_row: called after each row that was looked at.

    Returns:
        (n,) in ascending order.

    Raises:
        ConfigError: n is below 1.
        ContractError: a row is shorter than two seconds.
    """
    rows = np.asarray(rows, np.int64)
    if n < 1:
        raise ConfigError(f"{n} rows are no selection", hint="choose 1 or more")
    if n >= len(rows):
        return np.sort(rows)
    features = []
    for row in rows.tolist():
        recording = store.recording(row)
        features.append(ecg_features(recording.signal, recording.fs))
        if on_row:
            on_row()
    return np.sort(rows[select_diverse(np.stack(features), n, seed=seed)])


def select_diverse(features: NDArray[np.floating], n: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Choose n of many by equal draw from each of their clusters; a cluster that runs out leaves its share to the rest.

    Features are standardised, turned into the principal components that keep 95 % of their variance, standardised
    again and clustered by k-means; k is the smaller of what the elbow and the silhouette say, as the authors choose it,
    and 3 at least, where they change to another method. Time and memory grow with the number, not with its square:
    k is chosen on at most 2,000.

    Args:
        features: (recordings, features), finite.
        n: how many to choose, no more than there are.
        seed: decides everything that is left to chance.

    Returns:
        (n,) places, in ascending order.

    Source:
        Han et al. 2024, ECG-Byte (arXiv 2412.14373).
    """
    rng = np.random.default_rng(seed)
    clusters = _clusters(features, rng)
    members = [rng.permutation(np.flatnonzero(clusters == k)) for k in np.unique(clusters)]
    shares = _equal_shares(np.array([len(each) for each in members]), n, rng)
    return np.sort(np.concatenate([each[:share] for each, share in zip(members, shares, strict=True)]))


def _clusters(features: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the cluster of each recording, (recordings,)."""
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    seed = int(rng.integers(2**31))
    spread = features.std(axis=0)
    kept = features[:, spread > 1e-9 * (1 + np.abs(features).max(axis=0))]
    sample = rng.permutation(len(kept))[:_SUBSAMPLE]
    if len(np.unique(kept[sample], axis=0)) <= max(_CLUSTERS):
        return np.zeros(len(features), np.int64)  # too few that differ: one cluster, and a draw by lot
    components = PCA(_VARIANCE, svd_solver="full").fit_transform(_standard(kept))
    points = _standard(components).astype(np.float32)
    k = _number_of_clusters(points[sample], seed)
    fitted = KMeans(k, n_init=5, random_state=seed).fit(points)
    return np.asarray(fitted.labels_, np.int64)


def _number_of_clusters(points: NDArray[np.float32], seed: int) -> int:
    """Return the smaller of two numbers: where inertia bends most, and where clusters stand farthest apart."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    inertia, silhouette = [], []
    for k in _CLUSTERS:
        fitted = KMeans(k, n_init=3, random_state=seed).fit(points)
        inertia.append(fitted.inertia_)
        silhouette.append(silhouette_score(points, fitted.labels_))
    bend = np.diff(inertia, 2)  # (numbers - 2,): the inner ones
    elbow = _CLUSTERS[1 + int(bend.argmax())]
    return min(elbow, _CLUSTERS[int(np.argmax(silhouette))])


def _standard(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return columns about 0 with a deviation of 1; one wild value must not make a cluster of its own."""
    scaled = (values - values.mean(axis=0)) / values.std(axis=0)
    return np.clip(scaled, -_FAR, _FAR)


def _equal_shares(sizes: NDArray[np.int64], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return how many to draw from each cluster: as equal as sizes allow, the odd ones by lot."""
    shares = np.zeros_like(sizes)
    while (left := n - int(shares.sum())) > 0:
        open_ones = rng.permutation(np.flatnonzero(shares < sizes))
        each, odd = divmod(left, len(open_ones))
        more = np.full(len(open_ones), each)
        more[:odd] += 1
        shares[open_ones] = np.minimum(shares[open_ones] + more, sizes[open_ones])
    return shares
