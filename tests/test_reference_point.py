"""The published decoder's known figure, on the windows it is known for."""

from __future__ import annotations

from pathlib import Path

import pytest

from physiolect import load_checkpoint
from physiolect.evaluation import nll_of_model
from physiolect.tokenizers import LevelTokenizer


@pytest.mark.slow
def test_published_ecgpt_needs_1_607_nats_on_ds2(
    data: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    from cohorts import DS2, mitbih_windows

    signal, owners = mitbih_windows(DS2)
    assert len(signal) == len(owners) == 880
    ids, _ = LevelTokenizer().encode(signal)
    nll = nll_of_model(load_checkpoint(weights / "ECGPT_560k_iters.zip").model, ids)
    assert nll.mean() == pytest.approx(1.607, abs=5e-4)
