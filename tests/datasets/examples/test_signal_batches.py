from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from physiolect.contract import CONTRACTS
from physiolect.datasets import Row, Store, StoreWriter, open_store
from physiolect.datasets.examples.signal_batches import SignalBatches
from physiolect.errors import ConfigError
from physiolect.recording import Recording

CONTRACT = replace(
    CONTRACTS["ecg-byte"], channels=("I", "II", "V1"), min_samples=20, max_samples=60, preprocessing=None
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Seven rows of three channels, 40 to 46 samples, and one that is too short."""
    folder = tmp_path_factory.mktemp("signals") / "store"
    rng = np.random.default_rng(0)
    with StoreWriter(folder, CONTRACT) as writer:
        for k in range(8):
            signal = rng.standard_normal((3, 40 + k if k < 7 else 20)).astype(np.float32) * [[1], [10], [0.1]]
            recording = Recording(signal.astype(np.float32), 250.0, ("I", "II", "V1"), "mV", "ecg")
            writer.add(f"r{k}", [Row.from_recording(recording, source=f"r{k}", patient=f"p{k}")])
    return open_store(folder)


def made(store: Store, **settings: object) -> SignalBatches:
    texts = (torch.arange(8.0).unsqueeze(1),)
    return SignalBatches(store, range(8), length=32, texts=texts, **{"size": 4, "parts": 2, **settings})


def windows(batches: SignalBatches, steps: range) -> list[list[tuple[torch.Tensor, torch.Tensor]]]:
    found = []
    for step in steps:
        batches.stage(step)
        found.append(
            [(x.clone(), text[0].clone()) for x, text in (batches.batch(step, part) for part in range(2))]
        )
    return found


def test_windows_are_stretches_of_their_rows_with_their_texts(store: Store) -> None:
    seen = []
    for parts in windows(made(store), range(7)):
        for x, text in parts:
            assert x.shape == (4, 3, 32)
            for window, number in zip(x, text[:, 0].long().tolist(), strict=True):
                signal = store.recording(number).signal
                starts = range(signal.shape[1] - 31)
                assert any(np.allclose(signal[:, s : s + 32], window.numpy(), atol=1e-6) for s in starts)
                seen.append(number)
    assert [sorted(seen[i : i + 7]) for i in range(0, 56, 7)] == [
        list(range(7))
    ] * 8  # each row once an epoch


def test_resident_and_read_ahead_are_the_same_from_any_step(store: Store) -> None:
    ahead, resident = windows(made(store), range(5)), windows(made(store, resident=True), range(5))
    later = windows(made(store), range(3, 5))
    for one, other in [*zip(ahead, resident, strict=True), *zip(ahead[3:], later, strict=True)]:
        for (x, text), (x2, text2) in zip(one, other, strict=True):
            assert torch.equal(x, x2)
            assert torch.equal(text, text2)


def test_processes_share_the_parts_of_one(store: Store) -> None:
    alone = windows(made(store), range(3))
    two = [windows(made(store, share=(rank, 2), resident=bool(rank)), range(3)) for rank in range(2)]
    for step in range(3):
        for part in range(2):
            joined = torch.cat([each[step][part][0] for each in two])
            assert torch.equal(joined, alone[step][part][0])


def test_windows_for_validation_are_the_middle_of_rows(store: Store) -> None:
    x, (text,) = made(store).fixed(3)
    assert text[:, 0].tolist() == [0, 3, 6]
    for window, number, start in zip(x, (0, 3, 6), (4, 5, 7), strict=True):
        np.testing.assert_allclose(window, store.recording(number).signal[:, start : start + 32], atol=1e-6)


def test_rows_that_are_too_short_are_refused(store: Store) -> None:
    with pytest.raises(ConfigError, match=r"no row of .* is 60 samples long"):
        SignalBatches(store, range(8), length=60, size=2)
