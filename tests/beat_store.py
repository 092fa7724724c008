"""A store of made recordings of two leads whose heartbeats and rhythms are known, and settings of small models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from physiolect.contract import CONTRACTS
from physiolect.datasets import Row, StoreWriter
from physiolect.recording import Recording
from physiolect.synthetic import ecg

CONTRACT = replace(CONTRACTS["heartgpt-ecg"], min_samples=16, max_samples=500)
SMALL: dict[str, Any] = {
    "preset": "beat-tokens", "device": "cpu", "threads": 1, "log_every": 5, "batch_size": 16, "steps": 30,
}  # fmt: skip


def make_recording(k: int, seconds: float = 90.0) -> Recording:
    """Of four recordings one fibrillates, and the others have ectopic beats."""
    return ecg(
        seconds=seconds, fs=100.0, leads=("II", "V1"), rhythm="af" if k % 4 == 0 else "sinus",
        ectopic_rate=0.0 if k % 4 == 0 else 0.12, heart_rate=60 + 4 * k, seed=k,
    )  # fmt: skip


def write_beat_store(folder: Path, n: int = 8) -> Path:
    """Write a row for each channel of n recordings, as `prepare --every-channel` does."""
    with StoreWriter(folder, CONTRACT) as writer:
        for k in range(n):
            recording = make_recording(k)
            rows = [
                Row.from_recording(
                    recording.select([lead]),
                    source=f"r{k}",
                    patient=f"p{k}",
                    split="DS1" if k < n // 2 else "DS2",
                )
                for lead in (0, 1)
            ]
            writer.add(f"r{k}", rows)
    return folder
