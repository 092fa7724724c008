"""A model that reads several channels is evaluated like any other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from physiolect import Checkpoint, Recording
from physiolect.contract import CONTRACTS
from physiolect.datasets import Row, StoreWriter, make_examples, open_store
from physiolect.evaluation import evaluate
from physiolect.models.model import Model, Takes
from physiolect.recording import Annotations

CONTRACT = replace(CONTRACTS["heartgpt-ecg"], channels=("I", "II"), min_samples=64, max_samples=64)


@dataclass(frozen=True)
class _Config:
    n_channels: int = 2
    context_length: int = 64
    n_outputs: int | None = 1


class _Product(Model):
    """Answers yes where the two channels rise and fall together."""

    Config = _Config
    takes: ClassVar[Takes] = "signal"

    def __init__(self, config: _Config) -> None:
        super().__init__()
        self.config = config
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor, *, last_only: bool = False, **_: Any) -> Tensor:
        a, b = x.unbind(1)
        return (self.scale * (a * b).mean(1)).view(-1, 1, 1)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Recordings of two leads that rise and fall together ("AFIB") or against each other ("N")."""
    with StoreWriter(tmp_path / "store", CONTRACT) as writer:
        for k in range(8):
            one = np.random.default_rng(k).standard_normal(256).astype(np.float32)
            signal, name = (np.stack([one, one]), "(AFIB") if k % 2 else (np.stack([one, -one]), "(N")
            marks = Annotations(np.array([0]), ("+",), (name,))
            recording = Recording(signal, 100.0, ("I", "II"), "mV", "ecg", marks)
            writer.add(f"r{k}", [Row.from_recording(recording, source=f"r{k}", patient=f"p{k}")])
    return tmp_path / "store"


def test_all_channels_of_the_contract_are_read(store: Path) -> None:
    model = Checkpoint(_Product(_Config()).eval(), None, CONTRACT, "rhythm")  # type: ignore[arg-type]
    result = evaluate(store, model, task="rhythm", baselines="light", resamples=20)
    assert result.measures["model"].overall["auroc"].value == 1
    assert set(result.measures) == {"model", "RR regression (xqrs)", "RR rule (xqrs)", "always the same"}


def test_predictions_of_a_cross_validated_run_are_found(store: Path, tmp_path: Path) -> None:
    from physiolect.evaluation.cross_validated import PREDICTIONS_FILE, CrossValidatedRun

    examples = make_examples(open_store(store), "rhythm", length=64, channel=("I", "II"))
    order = np.random.default_rng(0).permutation(len(examples))
    held = examples.take(order)
    np.savez(
        tmp_path / PREDICTIONS_FILE, score=np.arange(len(held)), target=held.target, source=np.array(held.sources),
        row=held.rows, channel=held.channels, start=held.starts,
    )  # fmt: skip
    found = CrossValidatedRun(str(tmp_path)).predictions(examples)
    assert np.array_equal(order[found], np.arange(len(examples)))
