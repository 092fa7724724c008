"""Checkpoints and stores that an earlier version wrote still open, verify and give the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from physiolect import load_checkpoint
from physiolect.checkpoint import Outputs
from physiolect.datasets import make_examples, open_store
from physiolect.detection import predict_windows

OLD = Path(__file__).parents[1] / "written_by_0_1"
MEANT = {
    "forecast": Outputs("forecast"),
    "rhythm": Outputs("rhythm", ("AFIB",)),
    "classify": Outputs("classify", ("a", "b"), several=True),
    "regress": Outputs("regress", target="age", unit="years", mean=50.0, sd=12.5),
}


@pytest.mark.parametrize("name", MEANT)
def test_an_older_checkpoint_opens_and_verifies(name: str, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(OLD / name)
    assert checkpoint.outputs == MEANT[name]
    assert checkpoint.verify().deviation < 1e-5
    expected = np.load(OLD / "expected.npz")[name]
    with torch.inference_mode():
        found = checkpoint.model(torch.arange(20)[None] * 5)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)
    again = load_checkpoint(checkpoint.save(tmp_path / name))
    assert again.outputs == checkpoint.outputs
    assert "kind: gpt" in (tmp_path / name / "config.yaml").read_text()


def test_an_older_store_opens() -> None:
    store = open_store(OLD / "store", verify=True)
    assert (len(store), list(store.sources), list(store.patients)) == (2, ["r0", "r1"], ["p0", "p1"])
    t = np.arange(60) / 100
    for row in (0, 1):
        signal = store.recording(row).signal[0]
        np.testing.assert_allclose(signal, np.sin(2 * np.pi * (row + 1) * t), atol=1e-4)
    examples = make_examples(store, "rhythm", length=20)
    assert examples.target.tolist() == [0, 0, 0, 1, 1, 1]
    assert predict_windows(load_checkpoint(OLD / "rhythm"), examples).shape == (6,)
