"""A model that reads real numbers of several channels is fine-tuned, loaded and used like any other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from physiolect import Checkpoint, Recording, finetune, load_checkpoint, open_store
from physiolect.contract import CONTRACTS
from physiolect.datasets import Row, StoreWriter, make_examples
from physiolect.datasets.examples.augmentation import Augmentation
from physiolect.datasets.examples.example_batches import ExampleBatches
from physiolect.detection import predict_windows
from physiolect.errors import CheckpointError
from physiolect.models import MODELS
from physiolect.models.model import Model, Takes

CONTRACT = replace(CONTRACTS["heartgpt-ecg"], channels=("I", "II"), min_samples=64, max_samples=64)


@dataclass(frozen=True)
class _Config:
    n_channels: int = 2
    context_length: int = 64
    n_outputs: int | None = 1

    def problems(self) -> list[str]:
        return []


class _Powers(Model):
    """Reads the product of the two channels: what one channel alone cannot tell."""

    Config = _Config
    takes: ClassVar[Takes] = "signal"

    def __init__(self, config: _Config) -> None:
        super().__init__()
        self.config = config
        self.head = nn.Linear(3, config.n_outputs or 1)

    def forward(self, x: Tensor, *, last_only: bool = False, **_: Any) -> Tensor:
        a, b = x.unbind(1)
        features = torch.stack([a * a, b * b, a * b], -1).mean(1, keepdim=True)
        return self.head(features if last_only else features.expand(-1, x.shape[2], -1))

    @property
    def head_parts(self) -> list[nn.Module]:
        return [self.head]

    def probe(self) -> Tensor:
        return torch.linspace(-1, 1, 128).view(1, 2, 64)

    def with_head(self, *, n_outputs: int, **_: Any) -> Self:
        return type(self)(replace(self.config, n_outputs=n_outputs))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Recordings of two leads that rise and fall together ("same") or against each other ("opposite")."""
    with StoreWriter(tmp_path / "store", CONTRACT) as writer:
        for k in range(12):
            one = np.random.default_rng(k).standard_normal(192).astype(np.float32)
            recording = Recording(np.stack([one, one if k % 2 else -one]), 100.0, ("I", "II"), "mV", "ecg")
            label = "same" if k % 2 else "opposite"
            writer.add(
                f"r{k}", [Row.from_recording(recording, source=f"r{k}", patient=f"p{k}", labels=(label,))]
            )
    return tmp_path / "store"


def test_two_leads_are_learned_together(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "powers", _Powers)
    torch.manual_seed(0)
    base = Checkpoint(_Powers(_Config()).eval(), None, CONTRACT, "rhythm")  # type: ignore[arg-type]
    found = finetune(
        store, base, task="classify", out=tmp_path / "run", device="cpu", threads=1, steps=60, batch_size=16,
        recipe={"learning_rate": 0.1}, augmentation={"noise": 0.0, "wander": 0.0},
    )  # fmt: skip
    assert found.measures["accuracy"]["value"] == 1
    checkpoint = load_checkpoint(tmp_path / "run")
    assert checkpoint.verify()
    assert checkpoint.contract.channels == ("I", "II")
    examples = make_examples(open_store(store), "classify", length=64, channel=("I", "II"))
    assert (predict_windows(checkpoint, examples).argmax(1) == examples.target.argmax(1)).all()
    swapped = make_examples(open_store(store), "classify", length=64, channel=("II", "I"))
    with pytest.raises(CheckpointError, match="shows II, I, but the model takes I, II"):
        predict_windows(checkpoint, swapped)
    one = make_examples(open_store(store), "classify", length=64, channel="I")
    with pytest.raises(CheckpointError, match="gives 1 channel a window, but the model takes 2"):
        predict_windows(checkpoint, one)


def test_channels_of_real_numbers_are_varied_each_in_its_own_way(store: Path) -> None:
    examples = make_examples(open_store(store), "classify", length=64, channel=("I", "II"))
    base = Checkpoint(_Powers(_Config()).eval(), None, CONTRACT, "rhythm")  # type: ignore[arg-type]

    def first_batch(**augmentation: float) -> torch.Tensor:
        batches = ExampleBatches(
            examples, base.encode, size=8, seed=3, augmentation=Augmentation(**augmentation)
        )
        batches.stage(0)
        return batches.batch(0, 0)[0]

    plain, noisy, flipped = first_batch(), first_batch(noise=0.1), first_batch(flip=1.0)
    assert torch.equal(flipped, -plain)
    added = noisy - plain
    assert (added.std(-1) > 0).all()
    unlike = torch.corrcoef(added.flatten(0, 1)).abs().fill_diagonal_(0)
    assert unlike.max() < 0.7
    assert torch.equal(noisy, first_batch(noise=0.1))
