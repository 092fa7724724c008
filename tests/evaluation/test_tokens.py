"""What is measured of tokens can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from physiolect.errors import FormatError
from physiolect.evaluation import measure_tokens
from physiolect.tokenizers import EcgByteTokenizer


def test_counts_by_hand() -> None:
    tokenizer = EcgByteTokenizer(
        percentiles=(-0.5, 0.5),
        alphabet="ab",
        channels=("II",),
        fs=10,
        first_merge=2,
        merges=((0, 0), (2, 1)),
    )
    # a reaches from -1 to 0, b from 0 to 1: aaab|aab|ab and a sample beyond
    signals = [np.array([[-0.5, -0.5, -0.5, 0.5]]), np.array([[-0.5, -0.5, 0.5]]), np.array([[-3.0, 0.75]])]
    use = measure_tokens(tokenizer, signals, fs=10)
    assert use.per_signal.tolist() == [3, 1, 2]  # aa a b, aab, a b
    assert use.counts.tolist() == [2, 2, 1, 1]
    assert (use.n_samples, use.compression, use.used) == (9, 1.5, 1.0)
    assert use.outside == pytest.approx(1 / 9)
    assert use.max_error == pytest.approx(2.5, abs=1e-5)
    assert use.mean_error == pytest.approx(2.75 / 9, abs=1e-5)


def test_no_signals() -> None:
    with pytest.raises(FormatError, match="no signals to measure"):
        measure_tokens(EcgByteTokenizer(percentiles=(0.0, 1.0)), [], fs=250)
