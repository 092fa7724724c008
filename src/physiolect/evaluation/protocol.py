"""Who trains and who tests: folds that never have one patient, or one recording, on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.errors import ConfigError, check_option

Protocol = Literal["k-fold", "leave-one-out", "given"]


@dataclass(frozen=True, eq=False)
class Fold:
    """One division of windows."""

    name: str
    """ "1" … of k folds, the group that is left out, or the fold's given name."""
    train: NDArray[np.int64]
    """Windows that train, in order."""
    test: NDArray[np.int64]
    """Windows that test, in order."""


def make_folds(
    groups: Sequence[str],
    protocol: Protocol,
    *,
    k: int = 5,
    seed: int = 0,
    given: Sequence[str | None] | None = None,
    stratify_by: ArrayLike | None = None,
) -> list[Fold]:
    """Divide windows so that each is tested once, by a model that saw nothing of its group.

    Args:
        groups: whose each window is (n names): patients, or recordings.
        protocol: k folds of about equal size; one fold a group; or the folds that are given.
        k: number of folds, for "k-fold".
        seed: another seed makes other folds, for "k-fold".
        given: fold that tests each window (n names), for "given"; windows of None are on neither side.
        stratify_by: classes (n,) whose shares are kept alike in all folds as far as groups allow, for "k-fold".

    Raises:
        ConfigError: there are too few groups, or a group would stand on both sides.
    """
    check_option("protocol", protocol, get_args(Protocol))
    names = np.asarray(groups, dtype=object)
    n_groups = len(set(groups))
    if protocol == "given":
        return _given(names, given)
    if n_groups < 2:
        raise ConfigError(
            f"there are windows of {n_groups} patient or recording, and a fold needs two",
            hint="prepare more recordings",
        )
    if protocol == "leave-one-out":
        return [_fold(name, names == name) for name in sorted(set(groups))]
    if not 2 <= k <= n_groups:
        raise ConfigError(
            f"k is {k}, but {n_groups} patients or recordings can be divided into 2 to {n_groups} folds",
            hint="choose another k, or leave-one-out",
        )
    return [_fold(str(i + 1), mask) for i, mask in enumerate(_balanced(names, k, seed, stratify_by))]


def _given(names: NDArray[np.object_], given: Sequence[str | None] | None) -> list[Fold]:
    if given is None or len(given) != len(names):
        raise ConfigError(
            f"{len(given or ())} folds are given for {len(names)} windows",
            hint="name the fold of each window, or take k-fold or leave-one-out",
        )
    folds = np.asarray(given, dtype=object)
    there = sorted({fold for fold in given if fold is not None})
    if len(there) < 2:
        raise ConfigError(
            f"the windows are of {len(there)} given fold{'s' * (len(there) != 1)}, and two are needed",
            hint="prepare the store with a dataset and its split, or take k-fold or leave-one-out",
        )
    where: dict[str, str] = {}
    for name, fold in zip(names.tolist(), given, strict=True):
        if fold is not None and where.setdefault(name, fold) != fold:
            raise ConfigError(
                f"{name} is in fold {where[name]} and in fold {fold}",
                hint="leave one of its recordings out, or take k-fold or leave-one-out",
            )
    inside = folds != None  # noqa: E711 - element by element
    return [_fold(name, folds == name, inside) for name in there]


def _balanced(
    names: NDArray[np.object_], k: int, seed: int, stratify_by: ArrayLike | None
) -> list[NDArray[np.bool_]]:
    """Give each group, the larger ones first, to the fold after which all are most alike in size and classes.

    No fold is left empty. The order of groups of one size is the seed's.
    """
    classes = np.zeros(len(names), np.int64)
    if stratify_by is not None:
        classes = np.unique(np.asarray(stratify_by), return_inverse=True)[1]
    unique, group = np.unique(names.astype(str), return_inverse=True)
    counts = np.zeros((len(unique), int(classes.max()) + 1))
    np.add.at(counts, (group, classes), 1)  # (groups, classes)
    share = counts / counts.sum(0)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(unique))
    order = order[np.argsort(-counts[order].sum(1), kind="stable")]
    held = np.zeros((k, share.shape[1]))
    fold_of = np.zeros(len(unique), np.int64)
    for place, each in enumerate(order.tolist()):
        empty = np.flatnonzero(held.sum(1) == 0)
        left = len(order) - place
        candidates = empty if len(empty) >= left else np.arange(k)
        cost = [((held + share[each] * (np.arange(k) == fold)[:, None]) ** 2).sum() for fold in candidates]
        fold_of[each] = candidates[int(np.argmin(cost))]
        held[fold_of[each]] += share[each]
    return [fold_of[group] == fold for fold in range(k)]


def _fold(name: str, tests: NDArray[np.bool_], inside: NDArray[np.bool_] | None = None) -> Fold:
    trains = ~tests if inside is None else ~tests & inside
    return Fold(name, np.flatnonzero(trains), np.flatnonzero(tests))
