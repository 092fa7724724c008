"""Which rows train and which validate: never the same patient, never the same recording, on both sides."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from physiolect.datasets.store.store import Store
from physiolect.errors import ConfigError, did_you_mean


def split_rows(store: Store, fraction: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows that train and the rows that validate, each in order.

    Rows are grouped by patient, or by source recording where the patient is unknown. A group validates if a hash of
    the seed and its name falls below `fraction`, so the rows of other groups do not matter to it; only where
    that leaves a side empty does the group with the smallest (or largest) hash fill it. Rows of a public dataset that
    does not tell its patients are warned of.

    Args:
        store: The store.
        fraction: Share of the groups that validate, on average and never more than twice as many (but one at
            least); above 0 and below 1.
        seed: Another seed makes another split.

    Raises:
        ConfigError: the fraction is out of range, or the store holds fewer than two groups.
    """
    if not 0 < fraction < 1:
        raise ConfigError(
            f"the share of rows for validation is {fraction}, but it must lie between 0 and 1",
            hint="0.1 keeps a tenth for validation",
        )
    return _draw(store, np.arange(len(store)), fraction, seed)


def published_split(
    store: Store, train: Collection[str], validate: Collection[str], *, leave_out: Collection[str] = ()
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows that train and the rows that validate by a split that their dataset published, each in order.

    Args:
        store: The store, prepared with `--dataset`.
        train: Parts that train ("fold 1", "fold 2" …).
        validate: Parts that validate ("fold 9").
        leave_out: Sources whose rows are on neither side ("mitbih/202").

    Raises:
        ConfigError: the store has no such part, or a patient or recording would stand on both sides.
    """
    parts = store.splits
    there = sorted({part for part in parts if part is not None})
    for part in (*train, *validate):
        if part not in there:
            raise ConfigError(
                f"no row of {store.path} is of '{part}'",
                hint=f"there are: {', '.join(there)}"
                if there
                else "prepare it as a public dataset that has a split",
            )
    kept = [source not in leave_out for source in store.sources]
    sides = [
        np.array([keep and part in side for keep, part in zip(kept, parts, strict=True)], bool)
        for side in (train, validate)
    ]
    train_rows, validation_rows = (np.flatnonzero(side) for side in sides)
    _refuse_shared(row_groups(store), train_rows, validation_rows)
    return train_rows, validation_rows


def named_split(
    store: Store, train: Collection[str], validate: Collection[str], *, leave_out: Collection[str] = ()
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows that train and the rows that validate, by name, each in order.

    Args:
        store: The store.
        train: Parts of a published split, recordings, or patients, that train.
        validate: The same that validate; may be empty.
        leave_out: The same that are on neither side, whatever else names them.

    Raises:
        ConfigError: a name is not there, or a patient or recording would stand on both sides.
    """
    out = rows_named(store, leave_out)
    sides = (np.setdiff1d(rows_named(store, side), out) for side in (train, validate))
    train_rows, validation_rows = sides
    _refuse_shared(row_groups(store), train_rows, validation_rows)
    return train_rows, validation_rows


def rows_named(store: Store, names: Collection[str]) -> NDArray[np.int64]:
    """Return the rows of some parts of a published split, recordings or patients, in order.

    Raises:
        ConfigError: a name is not there.
    """
    columns = (store.splits, store.sources, store.patients)
    chosen = np.zeros(len(store), bool)
    for name in names:
        found = next((column for column in columns if name in column), None)
        if found is None:
            known = {each for column in columns for each in column if each is not None}
            raise ConfigError(
                f"no row of {store.path} is of a part, recording or patient '{name}'",
                hint=did_you_mean(name, known)
                if len(known) <= 12
                else f"such as {', '.join(sorted(known)[:3])}",
            )
        chosen |= np.array([each == name for each in found], bool)
    return np.flatnonzero(chosen)


def choose_rows(
    store: Store,
    fraction: float,
    seed: int,
    *,
    validate_on: Collection[str] = (),
    leave_out: Collection[str] = (),
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows that train and the rows that validate: drawn, or by the split that a dataset published.

    Where parts of a published split are named, rows of no part are on neither side, and so are patients with rows in
    a part that is left out; a warning counts them. It also warns where the store has such a split and no part is
    named.

    Args:
        store: The store.
        fraction: Share of the patients that validate where `validate_on` is empty; with 0 all rows train.
        seed: Another seed chooses other patients.
        validate_on: Parts that validate ("fold 9"); the other parts train.
        leave_out: Parts ("fold 10") and sources ("mitbih/202") that neither train nor validate.

    Raises:
        ConfigError: as for `split_rows` and `published_split`; a part is named twice; a side has no rows.
    """
    if not (validate_on or leave_out):
        _warn_of_parts(store)
        return (
            split_rows(store, fraction, seed) if fraction else (np.arange(len(store)), np.empty(0, np.int64))
        )
    groups = row_groups(store)
    rows = _rows_kept(store, groups, validate_on, leave_out)
    if validate_on:
        parts = store.splits
        validates = np.array([parts[row] in validate_on for row in rows.tolist()], bool)
        train, validation = rows[~validates], rows[validates]
        _refuse_shared(groups, train, validation)
    elif fraction and len(rows):
        train, validation = _draw(store, rows, fraction, seed)
    else:
        train, validation = rows, rows[:0]
    for side, what in ((train, "train"), (validation, "validate")):
        if not len(side) and (what == "train" or validate_on or fraction):
            raise ConfigError(
                f"no rows of {store.path} are left to {what} on", hint="name fewer or other parts"
            )
    return train, validation


def _warn_of_parts(store: Store) -> None:
    """Warn where a store has a published split that the caller does not use."""
    there = {part for part in store.splits if part is not None}
    if there:
        warnings.warn(
            f"{store.path} has a published split ({', '.join(sorted(there)[:3])} …), and all its parts train here: "
            "validate_on and leave_out keep parts apart",
            stacklevel=3,
        )


def _rows_kept(
    store: Store, groups: list[str], validate_on: Collection[str], leave_out: Collection[str]
) -> NDArray[np.int64]:
    """Return the rows of the parts that train or validate, without the patients of parts that are left out."""
    parts, sources = store.splits, store.sources
    there = {part for part in parts if part is not None}
    out, alone = there.intersection(leave_out), set(leave_out) - there
    for name, known in [(part, there) for part in validate_on] + [(name, set(sources)) for name in alone]:
        if name not in known:
            listed = ", ".join(sorted(there)) or "none: only public datasets have them"
            raise ConfigError(f"no row of {store.path} is of '{name}'", hint=f"its parts are {listed}")
    if twice := out.intersection(validate_on):
        raise ConfigError(
            f"'{min(twice)}' is to validate and to be left out", hint="name it once, or name another part"
        )
    held = {group for group, part in zip(groups, parts, strict=True) if part in out}
    rows = np.array(
        [
            row
            for row, (group, part, source) in enumerate(zip(groups, parts, sources, strict=True))
            if (part is not None or not there) and group not in held and source not in alone
        ],
        np.int64,
    )
    named = sum(part in out or source in alone for part, source in zip(parts, sources, strict=True))
    unasked = len(store) - len(rows) - named
    if unasked:
        warnings.warn(
            f"{unasked} rows of {store.path} are on neither side: they are in no part, or of a patient who is left out",
            stacklevel=3,
        )
    return rows


def row_groups(store: Store) -> list[str]:
    """Return one name a row such that rows which share a patient or a source share the name.

    A source whose rows name several patients, or some none, joins them all into one group. Where recordings were cut
    into blocks of time, a row is a group of its own: it is the block, or a trial within it, that is on one side.
    """
    if store.is_cut_in_blocks:
        about = zip(store.sources, store.splits, store.starts.tolist(), strict=True)
        return [f"{source}, {split} from {start:g} s" for source, split, start in about]
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = name = parent[parent[name]]
        return name

    # the smaller name leads, so that a group's name does not depend on the order of rows
    for source, patient in zip(store.sources, store.patients, strict=True):
        names = [f"source {source}", *([f"patient {patient}"] if patient is not None else [])]
        leader = min(map(root, names))
        for name in names:
            parent[root(name)] = leader
    return [root(f"source {source}") for source in store.sources]


def _without_patients(store: Store) -> str:
    """Name the public datasets in a store of which some rows have no patient."""
    if None not in store.patients:
        return ""
    named = {manifest.header.provenance.get("dataset") for manifest in store.manifests}
    return ", ".join(sorted(str(name) for name in named if name))


def _draw(
    store: Store, rows: NDArray[np.int64], fraction: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Part rows by chance, group by group."""
    if of := _without_patients(store):
        warnings.warn(
            f"{of} does not tell whose its recordings are: rows of one patient may stand on both sides of this split",
            stacklevel=3,
        )
    every = row_groups(store)
    groups = [every[row] for row in rows.tolist()]
    names = sorted(set(groups))
    if len(names) < 2:
        raise ConfigError(
            f"the store {store.path} holds {len(names)} patients or recordings, and a split needs two",
            hint="prepare more recordings; one recording is never split between training and validation",
        )
    draws = {name: _uniform(seed, name) for name in names}
    drawn = sorted((name for name in names if draws[name] < fraction), key=draws.__getitem__)
    most = max(1, round(2 * fraction * len(names)))  # of a few groups, chance may draw far too many
    validating = set(drawn[: min(most, len(names) - 1)] or [min(names, key=draws.__getitem__)])
    validates = np.array([group in validating for group in groups])
    return rows[~validates], rows[validates]


def _refuse_shared(groups: list[str], train: NDArray[np.int64], validation: NDArray[np.int64]) -> None:
    """Raise ConfigError if a patient or a source has rows on both sides."""
    shared = {groups[row] for row in train.tolist()} & {groups[row] for row in validation.tolist()}
    if shared:
        names = ", ".join(sorted(shared)[:3]) + (" and more" if len(shared) > 3 else "")
        raise ConfigError(
            f"on both sides of the split would stand {names}",
            hint="leave sources of one side out (leave_out), or choose other parts",
        )


def _uniform(seed: int, name: str) -> float:
    digest = hashlib.blake2b(f"{seed} {name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
