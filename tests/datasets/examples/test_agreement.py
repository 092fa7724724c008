"""Two recordings whose columns changed places are noticed by what they show for each reach target."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from physiolect.datasets import Store, open_store, prepare
from physiolect.datasets.examples.agreement import disagreements

TUNING = np.random.default_rng(0).uniform(0, 2 * np.pi, 12)


def store(folder: Path, *, seed: int = 0, swap: bool = False, flip: bool = False, shift: int = 0) -> Store:
    rng = np.random.default_rng(seed)
    starts, goals = np.arange(64) * 2.0, np.tile(np.arange(8), 8)
    angle = 2 * np.pi * goals / 8
    counts, force = rng.poisson(1.0, (64 * 40 + 10, 12)), 0.1 * rng.standard_normal((64 * 40 + 10, 2))
    for start, a in zip((starts * 20).astype(int), angle, strict=True):
        counts[start : start + 30] += rng.poisson(3 * np.maximum(np.cos(a - TUNING), 0), (30, 12))
        force[start : start + 30] += np.array([np.cos(a), np.sin(a)])
    force = (force[:, ::-1] if swap else force) * ([1, -1] if flip else 1)
    folder.mkdir()
    np.savez(
        folder / "a.npz", spike_counts=np.roll(counts, shift, 1), force=force, force_names=np.array(["x", "y"]),
        bin_s=0.05, trials=np.column_stack([starts, starts + 1.5, goals]),
        trial_columns=np.array(["trial start time", "trial end time", "tgt_id"]),
    )  # fmt: skip
    prepare(folder / "a.npz", folder / "store", targets=["force x", "force y"], workers=1)
    return open_store(folder / "store")


@pytest.fixture(scope="module")
def day0(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return store(tmp_path_factory.mktemp("days") / "day0")


def test_two_days_agree(day0: Store, tmp_path: Path) -> None:
    assert disagreements((day0, [0]), (store(tmp_path / "b", seed=1), [0])) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"swap": True}, "force x here is force y there, force y here is force x there"),
        ({"flip": True}, "force y here is minus force y there"),
        ({"shift": 1}, "with the channels shifted"),
    ],
)
def test_columns_that_changed_places(
    day0: Store, tmp_path: Path, changed: dict[str, int], words: str
) -> None:
    found = disagreements((day0, [0]), (store(tmp_path / "b", seed=1, **changed), [0]))  # type: ignore[arg-type]
    assert len(found) == 1
    assert words in found[0]
