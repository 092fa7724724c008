"""Ten-second twelve-lead records as ECG-Byte's letters, for benchmarks of its tokenizer.

Real ones where PHYSIOLECT_DATA is set: PTB-XL as it lies there (100 Hz, band-passed and z-scored by whoever shared it),
resampled to 250 Hz, cut by the 1st and 99th percentile of folds 1 to 8. Made ones elsewhere.
"""

from __future__ import annotations

import csv
import os
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from physiolect.synthetic import ecg
from physiolect.tokenizers import EcgByteTokenizer

Side = Literal["train", "test"]


@cache
def signals(side: Side = "train") -> NDArray[np.float32]:
    """Return records of one side of PTB-XL's split, (records, 12, 2500) at 250 Hz in standard deviations."""
    if "PHYSIOLECT_DATA" not in os.environ:
        seeds = range(300) if side == "train" else range(1000, 1050)
        return np.stack([ecg(seconds=10, fs=250, seed=seed).signal for seed in seeds])
    folder = Path(os.environ["PHYSIOLECT_DATA"]) / "ptbxl"
    samples = np.load(folder / "signals_100hz_int16.npz")["signals"]  # (records, 12, 1000)
    with open(folder / "index.csv", newline="", encoding="utf-8") as file:
        wanted = [
            row["repo_split"] == {"train": "train", "test": "val"}[side] for row in csv.DictReader(file)
        ]
    return resample_poly(samples[wanted].astype(np.float32) * np.float32(1e-3), 5, 2, axis=-1)


def percentiles() -> tuple[float, float]:
    """Return the 1st and 99th percentile of the training side."""
    low, high = np.percentile(signals()[:, :, ::5], [1, 99])  # every fifth sample of a smooth signal
    return float(low), float(high)


@cache
def letters(n_records: int, side: Side = "train") -> NDArray[np.uint8]:
    """Return records as numbers of letters, (records, 12, 2500)."""
    return EcgByteTokenizer(percentiles(), unit=None).quantise(signals(side)[:n_records])


def source() -> str:
    """Say in a word or two what the records are."""
    return "PTB-XL" if "PHYSIOLECT_DATA" in os.environ else "made ECG"
