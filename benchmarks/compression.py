"""Samples a token on patients that training did not see, against the number of merges: leads apart and in a row.

    python benchmarks/compression.py

PTB-XL: folds 1 to 8 train, fold 9 tests. MIT-BIH: DS1 (without 201) trains, DS2 tests, both leads, in stretches of ten
seconds. A tokenizer of 5000 merges holds those of fewer, so that one training gives a column.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from cohorts import DS1, DS2, data_folder
from letters import signals
from numpy.typing import NDArray

from physiolect import read_recording
from physiolect.evaluation import bootstrap_interval
from physiolect.signals import resample
from physiolect.tokenizers import EcgByteTokenizer

MERGES = (0, 500, 1000, 2000, 3500, 5000)
T = 2500


@dataclass(frozen=True)
class Corpus:
    """Signals (n, channels, 2500) at 250 Hz of both sides, and whose each test signal is (n,)."""

    title: str
    channels: tuple[str, ...]
    train: NDArray[np.float32]
    test: NDArray[np.float32]
    owners: NDArray[np.int64]


def ptbxl() -> Corpus:
    test = signals("test")
    leads = tuple(f"lead {k + 1}" for k in range(12))
    return Corpus("PTB-XL, twelve leads", leads, signals("train"), test, np.arange(len(test)))


def mitbih() -> Corpus:
    def read(records: Iterable[str]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        stretches, owners = [], []
        for record in records:
            signal = resample(read_recording(data_folder() / "mitdb" / record).signal, 360, 250)
            n = signal.shape[1] // T
            stretches.append(signal[:, : n * T].reshape(2, n, T).swapaxes(0, 1))
            owners += [int(record)] * n
        return np.concatenate(stretches), np.array(owners)

    test, owners = read(DS2)
    return Corpus("MIT-BIH, both leads", ("first", "second"), read(DS1)[0], test, owners)


def rows(corpus: Corpus) -> list[str]:
    low, high = np.percentile(corpus.train, [1, 99])
    cells: dict[str, list[str]] = {}
    seconds: dict[str, float] = {}
    for boundary in ("lead", "record", "concat"):
        begun = time.process_time()
        tokenizer = EcgByteTokenizer.train(
            corpus.train, percentiles=(float(low), float(high)), n_merges=max(MERGES), channels=corpus.channels,
            unit=None, boundary=boundary,
        )  # fmt: skip
        seconds[boundary] = time.process_time() - begun
        for method in ("greedy", "bpe"):
            cells[f"{boundary}, {method}"] = [
                measured(corpus, replace(tokenizer, merges=tokenizer.merges[:n], method=method))
                for n in MERGES
            ]
    table = [f"| {corpus.title} | " + " | ".join(cells) + " |", "|---" * (1 + len(cells)) + "|"]
    table += [
        f"| {n} merges | " + " | ".join(column[k] for column in cells.values()) + " |"
        for k, n in enumerate(MERGES)
    ]
    times = ", ".join(f"{boundary} {taken:.1f} s" for boundary, taken in seconds.items())
    note = f"{corpus.train.size:,} samples to train on, {corpus.test.size:,} to test; training took {times}."
    return [*table, "", note, ""]


def measured(corpus: Corpus, tokenizer: EcgByteTokenizer) -> str:
    """Return samples a token with a 95 % interval over patients."""
    tokens = np.array([len(ids) for ids in tokenizer.encode_batch(list(corpus.test), fs=250)])
    size = corpus.test[0].size
    most, fewest = bootstrap_interval(tokens, corpus.owners)
    return f"{size / tokens.mean():.2f} [{size / fewest:.2f}, {size / most:.2f}]"


if __name__ == "__main__":
    corpora: list[Callable[[], Corpus]] = [ptbxl, *([mitbih] if "PHYSIOLECT_DATA" in os.environ else [])]
    for corpus in corpora:
        print("\n".join(rows(corpus())), flush=True)
