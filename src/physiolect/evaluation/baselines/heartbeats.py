"""Baselines of heartbeats: forests and boosting on intervals and waveform, and a network that reads one beat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physiolect.evaluation.baselines.beat_cnn import decide_by_cnn, fit_beat_cnn
from physiolect.evaluation.protocol import Fold
from physiolect.tokenizers import BeatTokenizer

INTERVALS = ("intervals", "pace")
MORPHOLOGY = (*INTERVALS, "waveform", "shape")
"""Groups of features that baselines read."""
RR_FOREST, FOREST = "random forest on RR", "random forest on RR and waveform"
BOOSTING, CNN = "boosting on RR and waveform", "CNN on single beats"
_SHARE = 0.3
"""Of the beats, for each tree: more takes longer and is no better."""
HEARTBEAT_BASELINES = (RR_FOREST, FOREST, BOOSTING, CNN)


def missing_groups(tokenizer: BeatTokenizer) -> list[str]:
    """Return the groups of features that baselines need and a tokenizer does not make."""
    return [group for group in MORPHOLOGY if group not in tokenizer.places]


def heartbeat_baselines(
    features: NDArray[np.float32],
    value: NDArray[np.integer],
    folds: Sequence[Fold],
    tokenizer: BeatTokenizer,
    n_classes: int,
    *,
    names: Sequence[str] = HEARTBEAT_BASELINES,
    seed: int = 0,
    threads: int = 1,
    device: Any = "cpu",
    on_baseline: Callable[[int, int], None] | None = None,
) -> dict[str, NDArray[np.int64]]:
    """Return the class that each baseline decides on for the test beats of each fold; -1 for beats of no fold.

    Args:
        features: (n, F) before they are standardised.
        value: (n,) number of the class of each beat.
        folds: training and test beats.
        tokenizer: which made the features; `missing_groups` of it must be none.
        n_classes: how many classes there are.
        names: which of `HEARTBEAT_BASELINES`.
        seed: of forests and network.
        threads: of forests.
        device: where the network computes.
        on_baseline: called with the fits done and the number of all.
    """
    found = {name: np.full(len(value), -1, np.int64) for name in names}
    columns = {
        RR_FOREST: _columns(tokenizer, INTERVALS),
        FOREST: _columns(tokenizer, MORPHOLOGY),
        BOOSTING: _columns(tokenizer, MORPHOLOGY),
    }
    done = 0
    for fold in folds:
        for name in names:
            truth = np.asarray(value)[fold.train]
            if len(np.unique(truth)) < 2:
                found[name][fold.test] = truth[0] if len(truth) else 0
            elif name == CNN:
                train, test = (_waveforms(features[side], tokenizer) for side in (fold.train, fold.test))
                network = fit_beat_cnn(train, truth, n_classes, seed=seed, device=device)
                found[name][fold.test] = decide_by_cnn(network, test)
            else:
                model = _model(name, seed, threads)
                model.fit(np.nan_to_num(features[np.ix_(fold.train, columns[name])]), truth)
                found[name][fold.test] = model.predict(
                    np.nan_to_num(features[np.ix_(fold.test, columns[name])])
                )
            done += 1
            if on_baseline is not None:
                on_baseline(done, len(folds) * len(names))
    return found


def _model(name: str, seed: int, threads: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

    if name == BOOSTING:
        return HistGradientBoostingClassifier(max_iter=150, early_stopping=False, random_state=seed)
    return RandomForestClassifier(
        100, min_samples_leaf=2, max_samples=_SHARE, n_jobs=threads, random_state=seed
    )


def _columns(tokenizer: BeatTokenizer, groups: Sequence[str]) -> NDArray[np.int64]:
    places = [place for group, place in tokenizer.places.items() if group in groups]
    return np.concatenate([np.arange(place.start, place.stop) for place in places])


def _waveforms(features: NDArray[np.float32], tokenizer: BeatTokenizer) -> NDArray[np.float32]:
    """Return the waveforms of beats, (n, leads, samples)."""
    return features[:, tokenizer.places["waveform"]].reshape(len(features), tokenizer.n_leads, -1)
