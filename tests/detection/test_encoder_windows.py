"""Beats by an encoder: windows overlap by their margins, and beats lie on the R peaks at the recording's own rate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from physiolect import detect_beats, synthetic
from physiolect.detection.beats import find_beats, peaks_of
from physiolect.detection.windows import Tracks
from physiolect.models.encoder import Encoder

from ..detectors import Slopes, beat_finder


class Counts(Slopes):
    """Says of each sample how far it lies from the nearer end of its window, in hundredths."""

    def forward(
        self, x: torch.Tensor, attention_mask: torch.Tensor | None = None, **_: object
    ) -> torch.Tensor:
        place = torch.arange(x.shape[-1])
        near = torch.minimum(place, x.shape[-1] - 1 - place) / 1000
        self.masks = [*getattr(self, "masks", []), attention_mask]
        return torch.logit(near.clamp(1e-4, 0.9)).expand(len(x), -1).unsqueeze(-1)


def test_each_sample_is_judged_by_the_inner_part_of_a_window() -> None:
    checkpoint = beat_finder(Counts)
    trace = detect_beats(checkpoint, synthetic.ecg(seconds=61.3, fs=100.0, leads=("II",))).trace
    inner = trace[100:-100]
    assert inner.min() >= 0.0999  # a second from either end of its window
    assert np.isfinite(trace).all()
    assert trace[0] < 0.001  # an end of the recording has no other window


def test_a_short_recording_is_padded_under_a_mask() -> None:
    checkpoint = beat_finder(Counts)
    found = detect_beats(checkpoint, synthetic.ecg(seconds=3, fs=100.0, leads=("II",)))
    (mask,) = checkpoint.model.masks
    assert mask.sum() == 300
    assert len(found.trace) == 300
    plain = beat_finder(Encoder)
    short = detect_beats(plain, synthetic.ecg(seconds=3, fs=100.0, leads=("II",))).trace
    x = torch.from_numpy(synthetic.ecg(seconds=3, fs=100.0, leads=("II",)).signal[None])
    with torch.no_grad():
        np.testing.assert_allclose(short, torch.sigmoid(plain.model(x))[0, :, 0], atol=1e-5)


def test_a_stride_of_ones_own_is_kept() -> None:
    recording = synthetic.ecg(seconds=30, fs=100.0, leads=("II",))
    usual = detect_beats(beat_finder(), recording)
    dense = detect_beats(beat_finder(), recording, stride=1.0)
    np.testing.assert_array_equal(usual.samples, dense.samples)


@pytest.mark.parametrize("fs", [250.0, 360.0])
def test_beats_lie_on_the_r_peaks_of_the_recording(fs: float) -> None:
    made = synthetic.ecg(seconds=60, fs=fs, leads=("II",), seed=3)
    found = detect_beats(beat_finder(), made)
    truth = made.annotations.sample[1:-1]
    distance = np.abs(found.samples[:, None] - truth).min(0) / fs
    assert np.median(distance) < 0.008
    assert np.abs(found.peak_times - found.samples / fs).max() <= 0.5 / fs + 1e-9


def test_a_beat_beside_a_gap_or_an_infinite_sample_keeps_the_models_time() -> None:
    made = synthetic.ecg(seconds=20, fs=250.0, leads=("II",), seed=3)
    signal = made.signal.copy()
    at = int(made.annotations.sample[5])
    signal[0, at + 3] = np.inf
    found = detect_beats(beat_finder(), replace(made, signal=signal))
    assert np.isfinite(found.peak_times).all()
    assert np.abs(found.times - at / 250).min() < 0.05


def test_an_encoder_needs_more_to_be_sure() -> None:
    trace = np.zeros(300, np.float32)
    trace[[100, 125, 250]] = 0.9, 0.8, 0.3
    kind = peaks_of(beat_finder())
    assert find_beats(trace, 100.0, kind).tolist() == [100, 125]
    assert find_beats(trace, 100.0).tolist() == [100, 250]


def test_what_models_need_alike_is_adapted_once() -> None:
    tracks = Tracks(synthetic.ecg(seconds=20, fs=250.0, leads=("II", "V1"), seed=3))
    contract = beat_finder().contract
    first = tracks.lay_out(contract, None)
    assert tracks.lay_out(replace(contract, max_samples=1000), 0) is first
    assert tracks.lay_out(contract, 1) is not first
    assert tracks.lay_out(replace(contract, passband=(0.5, 40.0)), 0) is not first
