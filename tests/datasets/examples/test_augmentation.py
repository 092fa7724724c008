"""Augmentation: each variation does what it says, and nothing else."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from physiolect.datasets.examples.augmentation import Augmentation
from physiolect.errors import ConfigError, PhysiolectError
from physiolect.formats import write_recording
from physiolect.recording import Recording

B, LENGTH = 400, 200
BITS = torch.arange(B) * 0x2545F4914F6CDD1D


def sines(period: float, S: int) -> Tensor:
    return (1000 * (2 * math.pi / period * torch.arange(S)).sin()).round().to(torch.int16).expand(B, -1)


def varied(augmentation: Augmentation, signal: Tensor, other: Tensor | None = None) -> Tensor:
    return augmentation.vary(signal, other, BITS, LENGTH)


def test_the_same_bits_vary_alike_and_others_otherwise() -> None:
    augmentation = Augmentation(tempo=1.2, noise=0.02, wander=0.1, flip=0.5)
    signal = sines(20, augmentation.samples_for(LENGTH))
    one = varied(augmentation, signal)
    assert torch.equal(one, varied(augmentation, signal))
    assert len({tuple(row.tolist()) for row in one}) == B
    assert torch.equal(one[5:9], augmentation.vary(signal[5:9], None, BITS[5:9], LENGTH))


def test_tempo_plays_a_window_up_to_so_much_faster_or_slower() -> None:
    augmentation = Augmentation(tempo=1.25)
    x = varied(augmentation, sines(20, augmentation.samples_for(LENGTH)))
    crossings = (x[:, 1:].sign() != x[:, :-1].sign()).sum(1)  # one every 10 samples at the tempo it has
    assert crossings.min() >= math.floor(LENGTH / 10 / 1.25) - 1
    assert crossings.max() <= math.ceil(LENGTH / 10 * 1.25) + 1
    assert crossings.float().std() > 1
    assert x.abs().max() < 1010  # cubic convolution neither overshoots nor dulls a smooth wave
    assert x.abs().amax(1).min() > 990


def test_a_tempo_of_one_reads_the_samples_as_they_are() -> None:
    signal = torch.randint(-1000, 1000, (B, LENGTH), dtype=torch.int16)
    assert torch.equal(varied(Augmentation(), signal), signal.float())


def test_noise_has_at_most_the_share_of_the_range_that_was_asked_for() -> None:
    signal = sines(50, LENGTH)
    noise = (varied(Augmentation(noise=0.05), signal) - signal.float()) / 2000
    spread = noise.std(1)
    assert spread.max() == pytest.approx(0.05, rel=0.2)
    assert spread.min() < 0.005
    whitened = noise / spread.unsqueeze(1)
    assert whitened.mean().abs() < 5 / (B * LENGTH) ** 0.5
    assert (whitened[:, 1:] * whitened[:, :-1]).mean().abs() < 5 / (B * LENGTH) ** 0.5
    assert (whitened.abs() < 1).float().mean() == pytest.approx(0.683, abs=0.01)


def test_wander_is_slow_and_at_most_as_large_as_asked_for() -> None:
    signal = sines(50, LENGTH)
    wander = (varied(Augmentation(wander=0.1), signal) - signal.float()) / 2000
    assert 0.09 < wander.abs().max() <= 0.1 + 1e-6
    assert (wander[:, 1:] - wander[:, :-1]).abs().max() < 0.1 * 2 * math.pi * 1.6 / LENGTH


def test_a_share_of_windows_is_turned_upside_down() -> None:
    signal = sines(50, LENGTH)
    x = varied(Augmentation(flip=0.3), signal)
    flipped = (x == -signal.float()).all(1)
    assert ((x == signal.float()).all(1) | flipped).all()
    assert flipped.float().mean() == pytest.approx(0.3, abs=5 * (0.21 / B) ** 0.5)


def test_a_share_of_windows_is_a_sum_of_two_leads() -> None:
    lead, other = sines(50, LENGTH), sines(12.5, LENGTH) * 2
    x = varied(Augmentation(mix=0.5), lead, other)
    basis = torch.stack([lead[0], other[0]]).float()
    basis = basis / basis.square().mean(1, keepdim=True).sqrt()
    parts = x @ basis.T / LENGTH  # (B, 2)
    torch.testing.assert_close(parts @ basis, x, atol=0.05, rtol=0)  # nothing but the two
    assert parts.square().sum(1).sub(1).abs().max() < 0.01  # of one size together
    mixed = parts[:, 1].abs() > 1e-3
    assert mixed.float().mean() == pytest.approx(0.5, abs=5 * 0.5 / B**0.5)
    assert parts[:, 0].min() >= 0.5 - 0.01  # at most 60 degrees away
    assert parts[mixed, 1].min() < -0.5
    assert parts[mixed, 1].max() > 0.5


def test_a_lead_without_another_is_not_turned_over_or_shrunk() -> None:
    lead = sines(50, LENGTH)
    x = varied(Augmentation(mix=1.0), lead, lead)
    torch.testing.assert_close(x, (lead.float() / lead.float().square().mean(1, keepdim=True).sqrt()))


def test_a_flat_window_stays_flat_where_leads_are_mixed() -> None:
    flat = torch.full((B, LENGTH), 7, dtype=torch.int16)
    assert torch.isfinite(varied(Augmentation(mix=1.0), flat, flat)).all()


@pytest.mark.parametrize(
    "wrong", [{"tempo": 0.5}, {"noise": -1}, {"wander": math.inf}, {"flip": 2}, {"mix": math.nan}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))) as refused:
        Augmentation(**wrong)
    assert refused.value.hint


def write_noise(path: Path) -> Path:
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((2, 7200)).astype(np.float32) * [[3.0], [0.1]] + 5
    write_recording(Recording(signal.astype(np.float32), 360.0, ("a", "b"), "mV"), path)
    return path


def test_recorded_noise_is_added_at_the_windows_rate_and_height(tmp_path: Path) -> None:
    vary = Augmentation(recording=str(write_noise(tmp_path / "bw.hea")), recording_channel="b", recorded=0.3)
    noise = vary.recorded_noise(100.0)
    assert noise is not None
    assert noise.shape == (1, 2000)
    assert noise.std().item() == pytest.approx(1, abs=0.01)
    windows = torch.sin(torch.arange(600.0) / 9).expand(64, -1) * 4
    bits = torch.arange(64) * 7919
    varied = vary.vary(windows, None, bits, 600, noise)
    added = (varied - windows).std(1)
    assert 0.01 < added.min() < added.max() < 0.3 * 8 * 1.2
    assert torch.equal(varied, vary.vary(windows, None, bits, 600, noise))
    assert torch.equal(vary.vary(windows, None, bits, 600), windows)


def test_noise_that_cannot_be_added_is_refused(tmp_path: Path) -> None:
    path = write_noise(tmp_path / "bw.hea")
    with pytest.raises(ConfigError, match="recording_channel is a channel of recording"):
        Augmentation(recording_channel="0")
    flat = Recording(np.ones((1, 500), np.float32), 100.0, ("a",), "mV")
    write_recording(flat, tmp_path / "flat.npz")
    with pytest.raises(ConfigError, match="does not vary"):
        Augmentation(recording=str(tmp_path / "flat.npz")).recorded_noise(100.0)
    with pytest.raises(PhysiolectError, match="none"):
        Augmentation(recording=str(path.with_name("none.hea"))).recorded_noise(100.0)
