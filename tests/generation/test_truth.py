"""What was recorded after the context, on the continuation's grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from physiolect import Checkpoint, InputContract, Recording, generate
from physiolect.generation import recorded_truth
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.tokenizers import LevelTokenizer

CONTRACT = InputContract(fs=100.0, min_samples=8, max_samples=32)


def made(fs: float, **changes: str) -> tuple[Checkpoint, Recording]:
    torch.manual_seed(0)
    model = GPT(GPTConfig(context_length=32, width=8, n_layers=1, n_heads=2, mlp_width=8)).eval()
    contract = replace(CONTRACT, **changes)  # type: ignore[arg-type]
    t = np.arange(int(10 * fs)) / fs
    return Checkpoint(model, LevelTokenizer(), contract), Recording(3 + 2 * np.sin(5 * t), fs, ("II",), "mV")


@pytest.mark.parametrize("fs", [100.0, 360.0, 62.5, 40.0])
@pytest.mark.parametrize("stop", [4.0, 5.33])
def test_it_is_the_signal_at_the_times_of_the_tokens(fs: float, stop: float) -> None:
    checkpoint, recording = made(fs)
    seen = recording.slice(0, stop)
    continuation = generate(checkpoint, seen, n_tokens=50, greedy=True)
    truth = recorded_truth(recording, continuation, checkpoint.contract)
    first = continuation.report.start + continuation.context.duration
    assert first == pytest.approx(stop, abs=0.011)
    expected = 3 + 2 * np.sin(5 * (first + np.arange(50) / 100))
    np.testing.assert_allclose(truth[:35], expected[:35], atol=5e-3)
    assert len(truth) == 50


def test_it_ends_with_the_recording() -> None:
    checkpoint, recording = made(100.0)
    continuation = generate(checkpoint, recording.slice(0, 9.8), n_tokens=50, greedy=True)
    truth = recorded_truth(recording, continuation, checkpoint.contract)
    np.testing.assert_array_equal(truth, recording.signal[0, 980:])


@pytest.mark.parametrize("changes", [{"normalisation": "zscore"}, {"unit": "uV"}])
def test_it_stays_as_recorded_whatever_the_model_works_in(changes: dict[str, str]) -> None:
    checkpoint, recording = made(100.0, **changes)
    continuation = generate(checkpoint, recording.slice(0, 5), n_tokens=20, greedy=True)
    truth = recorded_truth(recording, continuation, checkpoint.contract)
    np.testing.assert_array_equal(truth, recording.signal[0, 500:520])
