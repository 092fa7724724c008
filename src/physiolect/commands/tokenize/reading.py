"""What the verbs of tokens share: the tokenizer they are given, and recordings and stores that fit it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physiolect.commands.terminal import progress, say
from physiolect.errors import FormatError
from physiolect.recording import canonical_channel

if TYPE_CHECKING:
    from physiolect.datasets import Store
    from physiolect.tokenizers import EcgByteTokenizer

_MUCH = 0.1
"""Share of the samples beyond the letters' range from which something seems wrong; 0.02 by the choice of range."""


def ecg_byte(path: str) -> EcgByteTokenizer:
    """Load an ECG-Byte tokenizer.

    Raises:
        FormatError: there is none at that path.
    """
    from physiolect.tokenizers import EcgByteTokenizer, load_tokenizer

    tokenizer = load_tokenizer(path)
    if not isinstance(tokenizer, EcgByteTokenizer):
        raise FormatError(
            f"{path} is a {type(tokenizer).__name__}, but an ECG-Byte tokenizer is needed",
            hint="make one with `physiolect tokenize train STORE`",
        )
    return tokenizer


def read_for(
    tokenizer: EcgByteTokenizer,
    path: str | Path,
    *,
    fs: float | None = None,
    unit: str | None = None,
    names: Sequence[str] = (),
    derive_limb: bool = False,
) -> NDArray[np.float32]:
    """Read a recording as a tokenizer takes it, (channels, time), and tell what that took.

    Raises:
        FormatError: it cannot be read.
        ContractError: it cannot be made to fit.
    """
    from physiolect.contract import adapt, arrange_leads
    from physiolect.formats import read_recording

    recording = read_recording(path, fs=fs, unit=unit, names=names)
    if derive_limb:
        recording = arrange_leads(recording, tokenizer.channels, derive_limb=True)
    adapted, report = adapt(recording, tokenizer.contract(), window="all")
    say(f"{path}:\n{report}")
    low, high = tokenizer.range
    outside = np.count_nonzero((adapted.signal < low) | (adapted.signal > high)) / adapted.signal.size
    if outside > _MUCH:
        say(
            f"! {100 * outside:.0f} % of the samples lie beyond the letters, {low:.3g} to {high:.3g} "
            f"{tokenizer.unit or ''}: is the unit right?"
        )
    return adapted.signal


def open_for(tokenizer: EcgByteTokenizer, path: str | Path) -> Store:
    """Open a store whose rows went through what the tokenizer learned from; leads may come in any order.

    Raises:
        FormatError: there is none, or its rows are of another kind.
    """
    from physiolect.datasets import open_store

    store = open_store(path)
    ours, theirs = tokenizer.contract(), store.contract
    wrong = []
    if theirs.fs != ours.fs:
        wrong.append(f"it is at {theirs.fs:g} Hz, and the tokenizer reads {ours.fs:g} Hz")
    for name, told in (("preprocessing", _or_none), ("passband", _or_none), ("modality", str)):
        one, other = getattr(theirs, name), getattr(ours, name)
        if one != other and not (name == "modality" and None in (one, other)):
            wrong.append(f"its {name} is {told(one)}, and the tokenizer's {told(other)}")
    there = set(map(canonical_channel, store.channels(0) if len(store) else ours.channels))
    if lacking := [lead for lead in ours.channels if canonical_channel(lead) not in there]:
        wrong.append(f"it has no lead {', '.join(lacking)}")
    if theirs.normalisation == "zscore":
        wrong.append("it holds z-scores, and the tokenizer reads amplitudes")
    if ours.unit is not None and store.units - {ours.unit}:
        units = ", ".join(sorted(unit or "an unknown unit" for unit in store.units - {ours.unit}))
        wrong.append(f"it has rows in {units}, and the tokenizer reads {ours.unit}")
    if wrong:
        raise FormatError(
            f"the store {path} does not fit the tokenizer: {'; '.join(wrong)}",
            hint="prepare the recordings as those were that the tokenizer learned from",
        )
    return store


def _or_none(setting: Any) -> str:
    return "none" if setting is None else str(setting)


def rows_of(store: Store, rows: NDArray[np.int64], what: str) -> Iterator[int]:
    """Yield row numbers, telling on a terminal how many were taken."""
    with progress(what, len(rows)) as done:
        for k, row in enumerate(rows.tolist()):
            yield row
            done(k + 1)
