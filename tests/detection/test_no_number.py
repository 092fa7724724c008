"""A model whose outputs are no numbers decides nothing: neither a class nor "flat"."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from physiolect import Checkpoint, Recording, detect_beats, detect_rhythm
from physiolect.detection import BeatStream, RhythmStream
from physiolect.models.gpt import GPT


class Nothing(GPT):
    """A detector whose every output is NaN."""

    def forward(self, x: torch.Tensor, *, last_only: bool = False, **_: object) -> torch.Tensor:  # type: ignore[override]
        return torch.full((len(x), 1 if last_only else x.shape[1], 1), torch.nan)


def wave(seconds: int = 10) -> Recording:
    time = np.arange(50 * seconds) / 50
    return Recording(np.sin(2 * np.pi * time), 50.0, ("pleth",), modality="ppg")


def test_a_rhythm_is_not_judged(make: Callable[..., Checkpoint]) -> None:
    found = detect_rhythm(make("rhythm", kind=Nothing), wave())
    assert np.isnan(found.probability).all()
    assert set(found.reasons) == {"no number"}
    assert {each.rhythm for each in found.episodes()} == {None}
    assert set(found.annotations().note) == {"not judged: no number"}


def test_beats_are_not_judged(make: Callable[..., Checkpoint]) -> None:
    found = detect_beats(make("beats", kind=Nothing), wave())
    assert len(found.samples) == 0
    assert [each.reason for each in found.unjudged] == ["no number"]


def test_nothing_is_decided_of_a_stream(make: Callable[..., Checkpoint]) -> None:
    for stream in (
        RhythmStream(make("rhythm", kind=Nothing), fs=50.0),
        BeatStream(make("beats", kind=Nothing), fs=50.0),
    ):
        decided = [each for sample in wave().signal[0] for each in stream.push(sample)]
        decided += list(stream.finish()) if hasattr(stream, "finish") else []
        assert decided
        assert {each.reason for each in decided} == {"no number"}  # type: ignore[union-attr]
