"""A contract of several channels: all of them reach the model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, cast

import numpy as np
import pytest
import torch
from torch import nn

from physiolect import Checkpoint, InputContract, Recording, detect_beats, detect_rhythm
from physiolect.detection import BeatStream, RhythmStream
from physiolect.errors import CheckpointError, ConfigError
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.models.model import Model
from physiolect.tokenizers import LevelTokenizer

CONTRACT = InputContract(
    fs=50.0, min_samples=100, max_samples=100, modality="ecg", channels=("I", "V1"), unit="mV",
    normalisation="none",
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    context_length: int = 100
    n_outputs: int = 1
    n_channels: int = 2


class Difference(Model):
    """A detector by hand: a sample's logit is its first channel minus its second."""

    Config: ClassVar[type] = Settings
    takes = "signal"

    def __init__(self) -> None:
        super().__init__()
        self.config = Settings()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: torch.Tensor, *, last_only: bool = False, capture: object = None) -> torch.Tensor:
        difference = self.scale * (x[:, :1] - x[:, 1:]).transpose(1, 2)  # (B, T, 1)
        return difference[:, -1:] if last_only else difference


def checkpoint(task: str) -> Checkpoint:
    return Checkpoint(Difference(), None, CONTRACT, task)  # type: ignore[arg-type]


@pytest.fixture
def leads() -> Recording:
    """Three leads, of which the model takes the last and the first."""
    noise = np.random.default_rng(0).normal(size=(3, 1000)).astype(np.float32)
    return Recording(noise, 50.0, ("V1", "II", "I"), "mV", "ecg")


def test_rhythm_reads_every_channel_in_the_models_order(leads: Recording) -> None:
    found = detect_rhythm(checkpoint("rhythm"), leads)
    difference = (leads.signal[2] - leads.signal[0])[99::100]
    np.testing.assert_allclose(found.probability, 1 / (1 + np.exp(-difference)), rtol=1e-5)
    assert found.channel == "I, V1"
    assert "rhythm of the recording, I, V1, 0 to 20 s" in found.summary


def test_beats_read_every_channel_also_in_the_short_last_windows(leads: Recording) -> None:
    found = detect_beats(checkpoint("beats"), leads.slice(0, 190, by="samples"))
    difference = (leads.signal[2] - leads.signal[0])[:190]
    np.testing.assert_allclose(found.trace, 1 / (1 + np.exp(-difference)), rtol=1e-5)


def test_a_gap_in_any_channel_is_a_gap(leads: Recording) -> None:
    signal = leads.signal.copy()
    signal[0, 250:280] = np.nan
    signal[2, 270:320] = np.inf
    signal[1, 700:800] = np.nan  # of no interest to the model
    found = detect_beats(checkpoint("beats"), replace(leads, signal=signal))
    assert [(each.start, each.stop, each.reason) for each in found.unjudged] == [(5.0, 6.4, "gap")]
    rhythm = detect_rhythm(checkpoint("rhythm"), replace(leads, signal=signal))
    assert [i for i, reason in enumerate(rhythm.reasons) if reason] == [2, 3]


def test_a_stream_of_one_channel_is_refused() -> None:
    for stream, task in ((RhythmStream, "rhythm"), (BeatStream, "beats")):
        with pytest.raises(CheckpointError, match="takes 2 channels, but a stream is of one") as told:
            stream(checkpoint(task), fs=50.0)
        assert "record first" in cast(str, told.value.hint)


def test_a_contract_of_more_channels_than_the_model_takes(leads: Recording) -> None:
    config = GPTConfig(context_length=100, width=16, n_layers=1, n_heads=2, mlp_width=16, n_outputs=1)
    wrong = Checkpoint(GPT(config), LevelTokenizer(), CONTRACT, "rhythm")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="windows have 2 channels, but the model takes 1"):
        detect_rhythm(wrong, leads)
