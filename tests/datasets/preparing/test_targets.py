"""Targets beside the signals of a store: their clock and lag, blocks of time, and trials."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from physiolect import Recording
from physiolect.datasets import make_examples, open_store, prepare
from physiolect.datasets.preparing.targets import Beside, cut_in_pieces, with_targets
from physiolect.errors import ConfigError, FormatError
from physiolect.formats.npy import write
from physiolect.recording import Annotations


def counts(n: int = 400, fs: float = 20.0) -> Recording:
    rng = np.random.default_rng(0)
    ramp = np.arange(n) / fs
    marks = Annotations(
        np.array([20, 60, 100, 130]), ("trial", "trial end") * 2, ("target 1", "", "target 2", "")
    )
    return Recording(
        np.concatenate([rng.poisson(3, (4, n)), ramp[None], np.sin(ramp)[None]]).astype(np.float32), fs,
        ("unit 1", "unit 2", "unit 3", "unit 4", "time ramp", "sine"), ("count",) * 4 + (None, None), "spikes", marks,
        beside=("time ramp", "sine"),
    )  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write(counts(), tmp_path / "a.npz")
    return tmp_path / "a.npz"


def test_targets_lie_beside_signals_in_one_row(file: Path, tmp_path: Path) -> None:
    prepare(file, tmp_path / "store", targets=["sine"], workers=1)
    store = open_store(tmp_path / "store", verify=True)
    assert store.targets == ("sine",)
    assert store.contract.channels == ("unit 1", "unit 2", "unit 3", "unit 4")
    assert store.contract.unit == "count"
    held = store.recording(0)
    assert held.channels == (*store.contract.channels, "sine")
    np.testing.assert_allclose(held.signal, counts().select([0, 1, 2, 3, 5]).signal, atol=1e-3)
    examples = make_examples(store, "decode", length=50, stride=25, channel=store.contract.channels)
    assert examples.windows([3]).shape == (1, 4, 50)
    np.testing.assert_allclose(examples.targets([3])[0, :, 0], counts().signal[5, 75:125], atol=1e-4)


def test_a_lag_moves_targets_and_cuts_the_end(file: Path, tmp_path: Path) -> None:
    prepare(file, tmp_path / "store", targets=["time ramp"], lag=0.1, workers=1)
    held = open_store(tmp_path / "store").recording(0)
    assert held.n_samples == 398
    np.testing.assert_allclose(held.signal[4], np.arange(398) / 20 + 0.1, atol=1e-3)
    prepare(file, tmp_path / "early", targets=["time ramp"], lag=-0.1, workers=1)
    early = open_store(tmp_path / "early").recording(0)
    np.testing.assert_allclose(early.signal[4], np.arange(398) / 20, atol=1e-3)
    np.testing.assert_allclose(early.signal[0], counts().signal[0, 2:], atol=1e-3)


def test_targets_of_another_rate_come_to_the_signals_clock() -> None:
    wide = counts(40, 10.0)
    fast = counts(80, 20.0)
    found = with_targets(wide.select([0, 1]), fast, Beside(targets=("time ramp",)), 0.0)
    np.testing.assert_allclose(
        found.signal[2], np.arange(40) / 10 + 0.025, atol=1e-6
    )  # the middle of two narrow bins


def test_counts_of_narrow_bins_are_added_up(file: Path, tmp_path: Path) -> None:
    prepare(file, tmp_path / "store", targets=["sine"], workers=1)
    contract = replace(open_store(tmp_path / "store").contract, fs=10.0)
    prepare(file, tmp_path / "wide", contract=contract, targets=["sine"], workers=1)
    held = open_store(tmp_path / "wide").recording(0)
    np.testing.assert_allclose(
        held.signal[0, :199], counts().signal[0, :398].reshape(-1, 2).sum(1), atol=1e-3
    )


def test_blocks_with_gaps(file: Path, tmp_path: Path) -> None:
    prepare(file, tmp_path / "store", targets=["sine"], blocks=(0.6, 0.2, 0.2), gap=1.0, workers=1)
    store = open_store(tmp_path / "store")
    assert store.splits == ["train", "validation", "test"]
    assert store.lengths.tolist() == [240, 40, 80]
    assert store.starts.tolist() == [0, 13, 16]
    two = cut_in_pieces(counts(), Beside(blocks=(0.5, 0.5), gap=1.0))
    assert [(piece.first, piece.end) for piece in two] == [(0, 200), (220, 400)]
    with pytest.raises(FormatError, match="no longer than the gaps"):
        cut_in_pieces(counts(), Beside(blocks=(0.8, 0.1, 0.1), gap=2.0))


def test_trials_are_rows_with_their_targets(file: Path, tmp_path: Path) -> None:
    prepare(file, tmp_path / "store", trials=True, workers=1)
    store = open_store(tmp_path / "store")
    assert store.labels == [("target 1",), ("target 2",)]
    assert store.lengths.tolist() == [40, 30]
    examples = make_examples(store, "classify", length=30, channel=store.contract.channels)
    assert len(examples) == 2
    with pytest.raises(ConfigError, match="shorter than a window of 31 steps; the shortest has 30"):
        make_examples(store, "classify", length=31, channel=store.contract.channels)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"blocks": (0.5, 0.6)}, "add up to 1"),
        ({"blocks": (1.0,)}, "add up to 1"),
        ({"targets": ["sine"], "lag": 11.0}, "within 10 s"),
        ({"lag": 0.1, "trials": True}, "--lag|lag moves targets"),
        ({"targets": ["sine", "sine"]}, "twice"),
        ({"targets": ["sine"], "segment": 10, "blocks": (0.5, 0.5)}, "segment"),
    ],
)
def test_settings_that_contradict(
    file: Path, tmp_path: Path, settings: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        prepare(file, tmp_path / "store", workers=1, **settings)  # type: ignore[arg-type]


def test_targets_that_are_missing_or_not_finite(file: Path, tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(FormatError):
        prepare(
            file, tmp_path / "a", targets=["speed"], workers=1, on_event=lambda event: said.append(str(event))
        )
    assert any("has no target 'speed'" in each for each in said)
    holed = counts()
    holed.signal[5, 200] = np.nan
    write(holed, file)
    with pytest.raises(FormatError):
        prepare(
            file, tmp_path / "b", targets=["sine"], workers=1, on_event=lambda event: said.append(str(event))
        )
    assert any("target sine is nan at 10.000 s" in each for each in said)


def test_units_without_spikes_are_remarked(file: Path, tmp_path: Path) -> None:
    silent = counts()
    silent.signal[2] = 0
    write(silent, file)
    prepare(file, tmp_path / "store", targets=["sine"], workers=1)
    store = open_store(tmp_path / "store")
    assert [str(remark) for remark in store.remarks] == ["a.npz: no spikes in unit 3"]
