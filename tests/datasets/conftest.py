"""Small stores made by code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from physiolect.contract import InputContract
from physiolect.datasets import Row, Store, StoreWriter, open_store
from physiolect.recording import Annotations, Recording


@pytest.fixture(scope="session")
def contract() -> InputContract:
    return InputContract(fs=100.0, min_samples=10, max_samples=50, modality="ecg")


@pytest.fixture(scope="session")
def make_row() -> Callable[..., Row]:
    """A function that makes a row out of its source's name."""
    return _row


def _row(
    source: str,
    *,
    length: int = 40,
    channels: Sequence[str] = ("II",),
    patient: str | None = None,
    split: str | None = None,
) -> Row:
    rng = np.random.default_rng(list(source.encode()))
    signal = rng.standard_normal((len(channels), length)).astype(np.float32)
    marks = Annotations(np.array([0, 7]), ("+", "V"), ("(N", source))
    recording = Recording(signal, 100.0, tuple(channels), unit="mV", modality="ecg", annotations=marks)
    return Row.from_recording(recording, source=source, patient=patient, start=1.5, split=split)


@pytest.fixture
def make_store(tmp_path: Path, contract: InputContract) -> Callable[..., Store]:
    """A function that writes rows, one file each, and opens the store."""

    def make(rows: Sequence[Row], *, shard_bytes: int = 2**20) -> Store:
        folder = tmp_path / "store"
        with StoreWriter(folder, contract, shard_bytes=shard_bytes) as writer:
            for k, row in enumerate(rows):
                writer.add(f"file {k}", [row])
        return open_store(folder)

    return make
