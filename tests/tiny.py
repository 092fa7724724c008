"""A store of tiny recordings, and models that learned little from them: what evaluations are tested with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from physiolect import Checkpoint
from physiolect.cli import main
from physiolect.contract import CONTRACTS
from physiolect.datasets import Row, StoreWriter
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.recording import Annotations, Recording
from physiolect.tokenizers import LevelTokenizer

CONTRACT = replace(CONTRACTS["heartgpt-ecg"], min_samples=16, max_samples=64)
TUNE = ("--device", "cpu", "--threads", "1", "--steps", "3", "--batch-size", "8")
AF = ("af", "rhythm", "--train-on", "r2", "r3", "--validate-on", "r4")
FOLDS = ("folds", "rhythm", "--protocol", "k-fold", "--k", "3")


def make_recording(seed: int) -> Recording:
    """Sinus rhythm, then fibrillation, 384 samples each, with a sharp wave at each beat."""
    rng = np.random.default_rng(seed)
    beats = np.cumsum(np.where(np.arange(30) < 6, 64, rng.integers(30, 60, 30)))
    beats = beats[beats < 760]
    signal = 0.02 * rng.standard_normal(768)
    for beat in beats:
        signal += np.exp(-0.5 * ((np.arange(768) - beat) / 2.0) ** 2)
    marks = Annotations(
        np.array([0, 384, *beats.tolist()]),
        ("+", "+", *("N" for _ in beats)),
        ("(N", "(AFIB", *("" for _ in beats)),
    )
    return Recording(signal[None].astype(np.float32), 100.0, ("II",), "mV", "ecg", marks)


class Tiny:
    """A folder with a store of eight recordings of seven patients, a table of them, and models.

    Args:
        folder: where it is made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, folder / "store"
        self.table, self.base = folder / "table.csv", folder / "base"
        with StoreWriter(self.store, CONTRACT) as writer:
            for k in range(8):
                row = Row.from_recording(
                    make_recording(k),
                    source=f"r{k}",
                    patient=f"p{max(1, k)}",
                    labels=("odd" if k % 2 else "even",),
                )
                writer.add(f"r{k}", [row])
        self.table.write_text("recording,age\n" + "".join(f"r{k},{20 + 5 * k}\n" for k in range(8)))
        torch.manual_seed(0)
        model = GPT(GPTConfig(context_length=64, width=16, n_layers=2, n_heads=2, mlp_width=32))
        Checkpoint(model.eval(), LevelTokenizer(), CONTRACT).save(self.base)

    def run(self, name: str, task: str, *words: str) -> Path:
        """Fine-tune a model once, and return its folder."""
        out = self.folder / name
        if not out.exists():
            begin = ["finetune", str(self.store), "--checkpoint", str(self.base), "--task", task]
            assert main([*begin, "--out", str(out), *TUNE, *words]) == 0
        return out

    def age(self) -> Path:
        """Fine-tune a model of the table's numbers."""
        return self.run("age", "regress", "--labels", str(self.table), "--column", "age", "--unit", "years")
