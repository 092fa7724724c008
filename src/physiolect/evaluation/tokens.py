"""How well a tokenizer's tokens serve signals: how many are needed, which are used, and what is lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.tokenizers import EcgByteTokenizer


@dataclass(frozen=True, eq=False)
class TokenUse:
    """What a tokenizer made of signals."""

    counts: NDArray[np.int64]
    """How often each id came up, (vocabulary_size,)."""
    per_signal: NDArray[np.int64]
    """Tokens of each signal, (signals,)."""
    n_samples: int
    """Samples over all leads."""
    vocabulary: int
    """Ids that stand for samples."""
    mean_error: float
    """Mean distance of what is decoded from what was encoded, in the signals' unit."""
    max_error: float
    """The largest such distance, outside the letters' range too."""
    outside: float
    """Share of the samples that lie outside the letters' range."""

    @property
    def compression(self) -> float:
        """Samples to a token."""
        return self.n_samples / int(self.per_signal.sum())

    @property
    def used(self) -> float:
        """Share of the vocabulary that came up."""
        return np.count_nonzero(self.counts) / self.vocabulary


def measure_tokens(tokenizer: EcgByteTokenizer, signals: Iterable[NDArray[Any]], *, fs: float) -> TokenUse:
    """Encode signals and decode them again.

    Args:
        tokenizer: what encodes.
        signals: (channels, time) each, as the tokenizer takes them; gone through once.
        fs: their sampling rate in Hz.

    Raises:
        FormatError: a signal does not fit the tokenizer, or there is none.
    """
    counts = np.zeros(tokenizer.vocabulary_size, np.int64)
    per_signal, n_samples, outside = [], 0, 0
    total, largest = 0.0, 0.0
    low, high = tokenizer.range
    for signal in signals:
        ids = tokenizer.encode(signal, fs=fs)
        error = np.abs(tokenizer.decode(ids) - signal)
        counts += np.bincount(ids, minlength=len(counts))
        per_signal.append(len(ids))
        n_samples += signal.size
        outside += int(np.count_nonzero((signal < low) | (signal > high)))
        total += float(error.sum(dtype=np.float64))
        largest = max(largest, float(error.max()))
    if not n_samples:
        raise FormatError("there are no signals to measure tokens on", hint="name a store that holds rows")
    return TokenUse(
        counts=counts,
        per_signal=np.array(per_signal, np.int64),
        n_samples=n_samples,
        vocabulary=len(tokenizer.ids),
        mean_error=total / n_samples,
        max_error=largest,
        outside=outside / n_samples,
    )
