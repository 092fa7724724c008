"""Detection in a recording: rhythm in a minute of ECG, beats in half a minute of PPG.

The plain side takes window after window as the authors' programs do: it cuts one into levels, runs the plain model over
it and, for beats, averages what all windows say of a sample. Ours does the same work in batches, and for rhythm spares
the last block all positions but the last; the recording's adaptation and the search for gaps are within its time.

A day of made PPG at 125 Hz in one call (`python benchmarks/detect_day.py`, the published weights): 1056 s of processor
time, 82 times as fast as the signal, and 115 MB beyond the recording's own 43; 102,527 beats were found where 100,801
were made.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from interleave import Contest, Run, main
from plain import PlainGPT
from torch import Tensor, nn

from physiolect import Checkpoint, Recording, detect_beats, detect_rhythm, load_checkpoint, synthetic
from physiolect.contract import CONTRACTS
from physiolect.models.gpt import GPT, GPT_PRESETS
from physiolect.models.published.heartgpt import to_heartgpt
from physiolect.tokenizers import LevelTokenizer

LENGTH, STRIDE = 500, 100
ECG = synthetic.ecg(seconds=60, fs=100.0, leads=("II",))
PPG = synthetic.ppg(seconds=30, fs=50.0)


def detector(file: str, task: str) -> Checkpoint:
    """Return a published detector where PHYSIOLECT_DATA has it, else one of its shape with seeded weights."""
    folder = os.environ.get("PHYSIOLECT_DATA")
    if folder:
        return load_checkpoint(Path(folder) / "heartgpt" / "Model_files" / file)
    torch.manual_seed(0)
    modality = "ecg" if file.startswith("ECG") else "ppg"
    config = replace(GPT_PRESETS[f"heartgpt-{modality}"], n_outputs=1)
    contract = replace(CONTRACTS[f"heartgpt-{modality}"], min_samples=LENGTH)
    tokenizer = LevelTokenizer(vocabulary_size=config.vocabulary_size)
    return Checkpoint(GPT(config).eval(), tokenizer, contract, task)  # type: ignore[arg-type]


def rhythm() -> Checkpoint:
    return detector("ECGPT_AF_1k_iters.zip", "rhythm")


def beats() -> Checkpoint:
    return detector("PPGPT_beat_5k_iters.zip", "beats")


def plain_like(model: GPT) -> PlainGPT:
    """Return the plain model with one output a position and the same weights."""
    plain = PlainGPT(model.config)
    plain.lm_head = nn.Linear(model.config.width, 1)
    state = to_heartgpt(model.state_dict(), model.config)
    plain.load_state_dict(
        {name.replace("lm_head.linear1.0", "lm_head"): value for name, value in state.items()}
    )
    return plain.eval()


def levels(window: np.ndarray) -> Tensor:
    low, high = window.min(), window.max()
    scaled = np.round((window - low) / (high - low if high > low else 1) * 100)
    return torch.from_numpy(np.pad(scaled, (0, LENGTH - len(window))).astype(np.int64))[None]


def plain_rhythm() -> Run:
    model, signal = plain_like(rhythm().model), ECG.signal[0].astype(np.float64)
    starts = range(len(signal) % LENGTH, len(signal), LENGTH)

    @torch.no_grad()
    def run() -> Tensor:
        return torch.stack([model(levels(signal[i : i + LENGTH]))[0, -1, 0].sigmoid() for i in starts])

    return run


def plain_beats() -> Run:
    model, signal = plain_like(beats().model), PPG.signal[0].astype(np.float64)

    @torch.no_grad()
    def run() -> Tensor:
        total, count = torch.zeros(len(signal)), torch.zeros(len(signal))
        for i in range(0, len(signal), STRIDE):
            n = len(signal[i : i + LENGTH])
            total[i : i + n] += model(levels(signal[i : i + LENGTH]))[0, :n, 0].sigmoid()
            count[i : i + n] += 1
        return total / count

    return run


def our_rhythm() -> Run:
    checkpoint = rhythm()
    return lambda: torch.from_numpy(detect_rhythm(checkpoint, ECG).probability)


def our_beats(recording: Recording = PPG) -> Run:
    checkpoint = beats()
    return lambda: torch.from_numpy(detect_beats(checkpoint, recording).trace)


if __name__ == "__main__":
    main(
        [
            Contest(
                "rhythm, 60 s of ECG: 12 windows",
                {"plain": plain_rhythm, "ours": our_rhythm},
                1e-3,
                bound=3.5,
            ),
            Contest(
                "beats, 30 s of PPG: 15 windows", {"plain": plain_beats, "ours": our_beats}, 1e-3, bound=3.5
            ),
        ]
    )
