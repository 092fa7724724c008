"""Laws at the edges, where a slip of one sample or of one power of ten would pass every other test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from physiolect.contract import CONTRACTS, adapt
from physiolect.contract.units import conversion_factor
from physiolect.errors import FormatError
from physiolect.formats import read_recording
from physiolect.formats.request import Request
from physiolect.generation.sampling import Sampling
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.recording import Recording
from physiolect.recording.time_column import rate_of_vector
from physiolect.training import RECIPES, Step, TrainingError, next_token_loss

RNG = np.random.default_rng(0)
RATES = (50.0, 100.0, 128.0, 257.3, 360.0, 500.0, 999.99)


@pytest.mark.parametrize("fs", RATES)
def test_a_moment_is_the_nearest_sample(fs: float) -> None:
    n, path = 5000, Path("x")
    for k in (0, 1, 2, 7, 29, 57, 58, 113, 1000, 4567, n - 1):
        for off in (-0.4, 0.0, 0.4):
            if k + off < 0:
                continue
            assert Request(start=(k + off) / fs).span(n, fs, path) == (k, n)
            if k:
                assert Request(stop=(k + off) / fs).span(n, fs, path) == (0, k)
    assert Request(start=0.0, stop=n / fs).span(n, fs, path) == (0, n)
    for start, stop in ((-0.6, n), (n, n + 1), (0, n + 0.6), (5, 5)):
        with pytest.raises(FormatError, match="does not lie in"):
            Request(start=start / fs, stop=stop / fs).span(n, fs, path)


@pytest.mark.parametrize("fs", RATES)
def test_a_stretch_of_a_file_is_that_of_the_whole(tmp_path: Path, fs: float) -> None:
    np.save(tmp_path / "x.npy", RNG.standard_normal(3000).astype("f4"))
    whole = read_recording(tmp_path / "x.npy", fs=fs)
    for first, last in ((1, 3000), (29, 58), (1113, 1114), (2999, 3000)):
        part = read_recording(tmp_path / "x.npy", fs=fs, start=first / fs, stop=last / fs)
        np.testing.assert_array_equal(part.signal, whole.signal[:, first:last])
        np.testing.assert_array_equal(whole.slice(first / fs, last / fs).signal, part.signal)


@pytest.mark.parametrize("step", [1e-3, 0.002, 0.01, 1.0])
def test_times_may_be_off_by_less_than_half_a_step(step: float) -> None:
    even = np.arange(200) * step
    for off in (0.2, -0.2, 0.24):
        times = even.copy()
        times[77] += off * step
        assert rate_of_vector(times, "time (s)", "x", None) == pytest.approx(1 / step)
    for off in (0.55, -0.55, 1.0):
        times = even.copy()
        times[77] += off * step
        with pytest.raises(FormatError, match="not uniform"):
            rate_of_vector(times, "time (s)", "x", None)
    for times in (np.delete(even, 77), np.insert(even, 77, even[77]), even[::-1]):
        with pytest.raises(FormatError, match="not uniform"):
            rate_of_vector(times, "time (s)", "x", None)


@pytest.mark.parametrize("bdf", [False, True])
@pytest.mark.parametrize("rate", [101, 250])
def test_an_edf_file_has_all_its_samples(tmp_path: Path, bdf: bool, rate: int) -> None:
    import pyedflib

    path = tmp_path / ("x.bdf" if bdf else "x.edf")
    kind = pyedflib.FILETYPE_BDFPLUS if bdf else pyedflib.FILETYPE_EDFPLUS
    wave = np.round(RNG.uniform(-900, 900, 7 * rate))
    with pyedflib.EdfWriter(str(path), 1, file_type=kind) as writer:
        limits = {
            "physical_max": 3000.0,
            "physical_min": -3000.0,
            "digital_max": 30000,
            "digital_min": -30000,
        }
        writer.setSignalHeaders(
            [
                {
                    "label": "ECG II",
                    "dimension": "uV",
                    "sample_frequency": rate,
                    "transducer": "",
                    "prefilter": "",
                    **limits,
                }
            ]
        )
        writer.writeSamples([wave])
    whole = read_recording(path)
    np.testing.assert_allclose(whole.signal, wave[np.newaxis], atol=0.06)
    last = read_recording(path, start=(7 * rate - 1) / rate)
    np.testing.assert_array_equal(last.signal, whole.signal[:, -1:])
    with pytest.raises(FormatError, match="does not lie in"):
        read_recording(path, stop=(7 * rate + 1) / rate)


@pytest.mark.parametrize("fs", [128.0, 250.0, 257.3, 360.0, 500.0])
@pytest.mark.parametrize("band", [None, (0.5, 40.0)])
def test_a_window_is_that_of_the_whole_at_every_length(fs: float, band: tuple[float, float] | None) -> None:
    contract = replace(CONTRACTS["heartgpt-ecg"], passband=band, max_gap=0.0)
    noise = RNG.standard_normal(round(60 * fs)).astype("f4")  # what is left out of the margin shows at once
    for extra in range(40):
        recording = Recording(noise[: round(55 * fs) + extra][np.newaxis], fs, ("II",), "mV", "ecg")
        last, _ = adapt(recording, contract)
        whole, _ = adapt(recording, contract, window="all")
        np.testing.assert_allclose(last.signal, whole.signal[:, -500:], rtol=0, atol=1e-7)


@pytest.mark.parametrize("fs", [250.0, 360.0])
def test_a_gap_before_a_window_is_bridged_as_in_the_whole(fs: float) -> None:
    contract = replace(CONTRACTS["heartgpt-ecg"], max_gap=0.1)
    noise = RNG.standard_normal((1, round(20 * fs))).astype("f4")
    opening, length = round(15 * fs), round(0.1 * fs)
    for last_missing in range(opening - 4 * length, opening + 10, 3):
        signal = noise.copy()
        signal[:, last_missing - length + 1 : last_missing + 1] = np.nan
        recording = Recording(signal, fs, ("II",), "mV", "ecg")
        last, _ = adapt(recording, contract)
        whole, _ = adapt(recording, contract, window="all")
        np.testing.assert_allclose(last.signal, whole.signal[:, -500:], rtol=0, atol=1e-7)


def test_units_of_voltage_are_powers_of_ten_apart() -> None:
    power = {"V": 0, "mV": -3, "uV": -6, "µV": -6, "μV": -6, "nV": -9}
    for have, a in power.items():
        for want, b in power.items():
            assert conversion_factor(have, want) == pytest.approx(10.0 ** (a - b), rel=1e-12)
    assert conversion_factor("mmHg", "mV") is None
    recording = Recording(
        np.full((1, 500), 2e6, "f4") * RNG.uniform(0.5, 1, 500).astype("f4"), 100, ("II",), "nV", "ecg"
    )
    adapted, _ = adapt(recording, replace(CONTRACTS["heartgpt-ecg"], unit="mV"))
    np.testing.assert_allclose(adapted.signal, recording.signal * 1e-6, rtol=1e-6)


@pytest.mark.parametrize("n", [2, 4, 8, 64])
def test_top_p_ends_where_the_probability_is_reached(n: int) -> None:
    logits = torch.zeros(4000, n)  # each 1/n, exactly
    for kept in range(1, n, max(1, n // 5)):
        # of equals, which are kept is free, but it is the same ones in every row
        drawn = Sampling(top_p=kept / n).draw(logits, torch.Generator().manual_seed(0))
        assert len(drawn.unique()) == kept
    above = Sampling(top_p=1 / n + 1e-4).draw(logits, torch.Generator().manual_seed(0))
    assert len(above.unique()) == 2


@pytest.mark.parametrize(("first", "then"), [(torch.inf, torch.nan), (torch.nan, torch.inf)])
def test_the_first_bad_update_is_named(first: float, then: float) -> None:
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocabulary_size=11, context_length=8, width=8, n_layers=1, n_heads=2, mlp_width=8))
    batch = torch.randint(0, 11, (4, 9))
    bad = {2: first, 3: then, 5: then}

    def loss_of(model: torch.nn.Module, at: int) -> Tensor:
        return next_token_loss(model, batch) * bad.get(at, 1.0)

    batches: Callable[..., int] = lambda at, _: int(at)  # noqa: E731
    step = Step(model, loss_of, batches, RECIPES["modern"], 10)
    for _ in range(7):
        step()
    with pytest.raises(
        TrainingError, match=f"update 3 has a loss of {'inf' if first == torch.inf else 'nan'}"
    ):
        step.read()
