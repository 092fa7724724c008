"""Continuations: caches, modes, sampling, and the way from a recording to its unit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from physiolect import Checkpoint, InputContract, Recording, generate, synthetic
from physiolect.checkpoint import Outputs
from physiolect.errors import Cancelled, CheckpointError, ConfigError, ContractError
from physiolect.events import Event, Message, Progress
from physiolect.formats import write_recording
from physiolect.generation import Sampling, decode
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.tokenizers import LevelTokenizer

CONFIG = GPTConfig(context_length=32, width=16, n_layers=2, n_heads=2, mlp_width=32)
CONTRACT = InputContract(fs=100.0, min_samples=8, max_samples=32, modality="ecg")


def checkpoint(**changes: object) -> Checkpoint:
    torch.manual_seed(0)
    model = GPT(replace(CONFIG, **changes)).eval()  # type: ignore[arg-type]
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return Checkpoint(model, LevelTokenizer(), CONTRACT)


def recording(fs: float = 100.0, n: int = 400) -> Recording:
    t = np.arange(n) / fs
    return Recording(np.sin(2 * np.pi * 1.3 * t) + 0.2 * np.sin(40 * t), fs, ("II",), "mV", "ecg")


@torch.inference_mode()
def plain_greedy(model: GPT, context: torch.Tensor, n: int) -> list[int]:
    ids = context[None]
    for _ in range(n):
        ids = torch.cat(
            (ids, model(ids[:, -model.config.context_length :])[:, -1].argmax(-1, keepdim=True)), 1
        )
    return ids[0, len(context) :].tolist()


@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_exact_equals_reforwarding_within_and_past_the_context(positions: str) -> None:
    model = checkpoint(positions=positions).model
    context = torch.randint(0, 101, (20,), generator=torch.Generator().manual_seed(2))
    steps = decode(model, context, sampling=Sampling(greedy=True))
    with torch.inference_mode():
        ours = [next(steps).item() for _ in range(40)]
    assert ours == plain_greedy(model, context, 40)


def test_banded_rotary_goes_on_for_ever_as_under_the_full_mask() -> None:
    model = checkpoint(band=9).model
    context = torch.randint(0, 101, (50,), generator=torch.Generator().manual_seed(2))
    steps = decode(model, context, sampling=Sampling(greedy=True))
    ids = context[None]
    with torch.inference_mode():
        for _ in range(100):
            ids = torch.cat((ids, next(steps)), 1)
        expected = model(ids[:, :-1])[0, 49:].argmax(-1)  # one pass over everything, banded mask
    assert ids[0, 50:].tolist() == expected.tolist()


def test_hop_agrees_inside_the_context_and_needs_fewer_passes() -> None:
    model = checkpoint(positions="learned").model
    context = torch.randint(0, 101, (20,), generator=torch.Generator().manual_seed(2))
    lengths: list[int] = []
    hook = model.register_forward_pre_hook(lambda _, args: lengths.append(args[0].shape[1]))
    with torch.inference_mode():
        steps = decode(model, context, sampling=Sampling(greedy=True), mode="hop", hop=8)
        ours = [next(steps).item() for _ in range(40)]
    hook.remove()
    assert ours[:13] == plain_greedy(model, context, 13)
    assert [n for n in lengths if n > 1] == [20, 25, 25, 25, 25]


def test_signal_comes_back_in_the_recordings_unit_and_rate() -> None:
    c = checkpoint()
    source = recording(fs=360.0, n=4000)
    continuation = generate(c, source, n_tokens=25, n_samples=3, seed=1)
    assert continuation.fs == 100.0
    assert continuation.unit == "mV"
    assert continuation.signal.shape == continuation.ids.shape == (3, 25)
    low, high = continuation.context.signal.min(), continuation.context.signal.max()
    np.testing.assert_allclose(continuation.signal, low + continuation.ids / 100 * (high - low), atol=1e-5)
    assert "360" in str(continuation.report)
    assert continuation.quantiles().shape == (5, 25)


@pytest.mark.parametrize("changes", [{"unit": "uV"}, {"normalisation": "zscore"}])
def test_the_unit_is_the_recordings_whatever_the_model_works_in(changes: dict[str, str]) -> None:
    plain, other = checkpoint(), checkpoint()
    other.contract = replace(CONTRACT, **changes)  # type: ignore[arg-type]
    expected, ours = (generate(c, recording(), n_tokens=10, n_samples=2, seed=1) for c in (plain, other))
    assert ours.unit == expected.unit == "mV"
    assert ours.context.unit == changes.get("unit", "sd")
    np.testing.assert_array_equal(ours.ids, expected.ids)
    np.testing.assert_allclose(ours.signal, expected.signal, atol=1e-5)
    np.testing.assert_allclose(ours.quantiles(), expected.quantiles(), atol=1e-5)
    np.testing.assert_allclose(ours.seen, recording().signal[0, -32:], atol=1e-5)


def test_seed_repeats_and_samples_differ() -> None:
    c = checkpoint()
    first, second, other = (generate(c, recording(), n_tokens=20, n_samples=2, seed=s).ids for s in (5, 5, 6))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first[0], first[1])


def test_samples_share_the_prefill_and_the_stream_sees_every_token() -> None:
    c = checkpoint()
    sizes: list[tuple[int, ...]] = []
    hook = c.model.register_forward_pre_hook(lambda _, args: sizes.append(tuple(args[0].shape)))
    seen: list[np.ndarray] = []
    result = generate(c, recording().slice(0, 0.2), n_tokens=6, n_samples=4, seed=0, on_token=seen.append)
    hook.remove()
    assert sizes == [(1, 20)] + [(4, 1)] * 5
    np.testing.assert_array_equal(np.stack(seen, 1), result.ids)


def test_interrupt_returns_what_there_is() -> None:
    def stop_at_third(_: np.ndarray) -> None:
        stop_at_third.count = getattr(stop_at_third, "count", 0) + 1  # type: ignore[attr-defined]
        if stop_at_third.count == 3:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    result = generate(checkpoint(), recording(), n_tokens=50, seed=0, n_samples=1, on_token=stop_at_third)
    assert result.interrupted
    assert result.ids.shape == (1, 3)


def test_top_k_and_top_p_keep_the_likeliest() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]])).repeat(2000, 1)
    generator = torch.Generator().manual_seed(0)
    assert set(Sampling(top_k=2).draw(logits, generator).unique().tolist()) == {0, 1}
    assert set(Sampling(top_p=0.7).draw(logits, generator).unique().tolist()) == {0, 1}
    assert set(Sampling(top_p=0.81).draw(logits, generator).unique().tolist()) == {0, 1, 2}
    share = (Sampling(temperature=0.5).draw(logits, generator) == 0).float().mean().item()
    assert share == pytest.approx(0.25 / (0.25 + 0.09 + 0.0225 + 0.0025), abs=0.03)


def test_top_k_keeps_no_more_than_k_of_equals() -> None:
    logits = torch.zeros(500, 6)
    assert len(Sampling(top_k=2).draw(logits, torch.Generator().manual_seed(0)).unique()) == 2


@pytest.mark.parametrize("temperature", [1e-300, 1e-45, 1e-39, 1e-6])
def test_the_coldest_draw_is_greedy(temperature: float) -> None:
    logits = torch.randn(50, 101, generator=torch.Generator().manual_seed(0)) * 30
    drawn = Sampling(temperature=temperature).draw(logits, torch.Generator().manual_seed(0))
    assert torch.equal(drawn, Sampling(greedy=True).draw(logits, None))


def test_half_precision_is_drawn_from_as_single() -> None:
    logits = torch.randn(4096, 101, generator=torch.Generator().manual_seed(0)).bfloat16()
    drawn = [Sampling(top_p=0.95).draw(x, torch.Generator().manual_seed(1)) for x in (logits, logits.float())]
    assert torch.equal(*drawn)


def test_a_model_in_half_precision_goes_on() -> None:
    half = checkpoint()
    half.model.to(torch.bfloat16)
    continued = generate(half, recording(), n_tokens=40, n_samples=2, seed=0)
    assert continued.ids.shape == (2, 40)
    assert np.isfinite(continued.signal).all()


def test_refusals() -> None:
    with pytest.raises(ContractError):
        generate(checkpoint(), replace(recording(), modality="ppg", channels=("PPG",)), n_tokens=1)
    with pytest.raises(ConfigError, match=r"temperature.*top_k.*top_p"):
        generate(checkpoint(), recording(), n_tokens=1, temperature=0, top_k=0, top_p=2)
    with pytest.raises(ConfigError, match="n_tokens is 0"):
        generate(checkpoint(), recording(), n_tokens=0)
    with pytest.raises(ConfigError, match="mode is 'hops', which is not one of exact, hop"):
        generate(checkpoint(), recording(), n_tokens=1, mode="hops")  # type: ignore[arg-type]
    for seed in (-1, 2**64):
        with pytest.raises(ConfigError, match=f"seed is {seed}, but must be from 0"):
            generate(checkpoint(), recording(), n_tokens=1, seed=seed)
    several = checkpoint()
    several.contract = replace(CONTRACT, channels=("II", "V1"))
    with pytest.raises(CheckpointError, match="takes 2 channels"):
        generate(several, replace(recording(), channels=("II",)), n_tokens=1)
    detector = checkpoint(n_outputs=1)
    detector.outputs = Outputs("rhythm")
    with pytest.raises(CheckpointError, match="detects a rhythm and cannot"):
        generate(detector, recording(), n_tokens=1)


def test_a_checkpoint_and_a_recording_may_be_paths(tmp_path: Path) -> None:
    model, heard = checkpoint(), recording()
    write_recording(heard, tmp_path / "heard.npz")
    found = generate(model.save(tmp_path / "model"), str(tmp_path / "heard.npz"), n_tokens=3)
    assert np.array_equal(found.ids, generate(model, heard, n_tokens=3).ids)
    assert found.context.source == str(tmp_path / "heard.npz")


def test_the_length_is_given_in_seconds_or_in_tokens() -> None:
    assert generate(checkpoint(), recording(), seconds=0.21, n_samples=1).ids.shape == (1, 21)
    assert generate(checkpoint(), recording(), n_samples=1).ids.shape == (1, 500)  # 5 s at 100 Hz
    with pytest.raises(ConfigError, match="seconds and n_tokens both give the length") as told:
        generate(checkpoint(), recording(), seconds=1, n_tokens=100)
    assert told.value.hint == "leave one out"
    for seconds in (0, -1, float("nan"), 1e300):
        with pytest.raises(ConfigError, match="seconds is"):
            generate(checkpoint(), recording(), seconds=seconds)


def test_several_are_drawn_alike_unless_told_otherwise() -> None:
    first, second = (generate(checkpoint(), recording(), n_tokens=6) for _ in range(2))
    assert first.ids.shape == (5, 6)
    np.testing.assert_array_equal(first.ids, second.ids)
    assert generate(checkpoint(), recording(), n_tokens=6, greedy=True).ids.shape == (1, 6)


def test_from_a_moment_on_it_is_compared_with_what_was_recorded() -> None:
    c, whole = checkpoint(), recording()
    end = whole.duration - 0.5
    found = generate(c, whole, seconds=1, stop=end, first=100.0)
    before = generate(c, whole.slice(0, end), seconds=1)
    np.testing.assert_array_equal(found.ids, before.ids)
    assert before.truth is None
    assert found.truth is not None
    assert len(found.truth) == 50
    assert found.start == pytest.approx(100 + end)
    assert found.to_dict()["continuation"]["recorded_tokens"] == 50
    for stop in (-1.0, whole.duration + 1):
        with pytest.raises(ConfigError, match="begins at 0 s and ends at"):
            generate(c, whole, seconds=1, stop=stop)


def test_a_continuation_has_words_a_table_and_a_figure() -> None:
    found = generate(
        checkpoint(), replace(recording(), source="x/100"), n_tokens=10, n_samples=3, first=100.0
    )
    head, context, *_ = found.summary.splitlines()
    assert head.startswith(
        f"continuation of x/100, {found.context.channels[0]}, from {found.start:g} s: 3 x 0.1 s"
    )
    assert "exact" in head
    assert "tokens, of the stretch that was read, 100 to" in context
    assert repr(found).startswith("Continuation(continuation of x/100")
    frame = found.to_frame()
    assert list(frame.columns) == [
        "time_s", "generated_1", "generated_2", "generated_3", "median", "q05", "q25", "q75", "q95",
    ]  # fmt: skip
    np.testing.assert_allclose(frame["median"], np.median(found.signal, axis=0), rtol=1e-6)
    np.testing.assert_allclose(np.diff(frame["time_s"]), 0.01)
    assert frame.attrs["unit"] == found.unit
    one = generate(checkpoint(), recording(), n_tokens=10, greedy=True)
    assert list(one.to_frame().columns) == ["time_s", "generated_1"]
    assert len(found.plot().axes) == 2
    assert len(one.plot().axes) == 1


def test_progress_is_reported_and_a_listener_ends_it() -> None:
    heard: list[Event] = []
    c = checkpoint()
    generate(c, recording(), n_tokens=3, n_samples=1, on_event=heard.append)
    assert [(e.done, e.total) for e in heard if isinstance(e, Progress)] == [(1, 3), (2, 3), (3, 3)]
    with pytest.raises(Cancelled, match="stopped by the caller"):
        generate(
            c,
            recording(),
            n_tokens=50,
            on_event=lambda event: isinstance(event, Progress) and event.done == 3,
        )


def test_the_slow_way_is_said_once() -> None:
    heard: list[Event] = []
    long = checkpoint().contract.max_samples + 5
    generate(checkpoint(), recording(), n_tokens=long, n_samples=1, on_event=heard.append)
    assert len([e for e in heard if isinstance(e, Message) and "mode hop is faster" in e.text]) == 1


def test_a_small_model_uses_one_thread_and_the_setting_comes_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    used: list[int] = []
    try:
        c, given = checkpoint(), {"n_tokens": 2, "n_samples": 1}
        generate(c, recording(), **given, on_token=lambda _: used.append(torch.get_num_threads()))
        generate(c, recording(), **given, threads=3, on_token=lambda _: used.append(torch.get_num_threads()))
        assert used == [1, 1, 3, 3]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_an_ecg_is_drawn_at_its_own_rate_on_paper() -> None:
    heart = synthetic.ecg(seconds=8, fs=500.0, leads=("II",), seed=1)
    c = checkpoint()
    found = generate(c, heart, seconds=1, n_samples=1, stop=6.0)
    assert found.recorded is not None
    (axes,) = found.plot().axes
    _, context, _, truth = axes.lines  # the first is the seam
    time, values = context.get_data()
    assert len(time) == pytest.approx(found.context.n_samples / c.contract.fs * 500, abs=10)
    np.testing.assert_allclose(np.diff(time), 1 / 500)
    begin = round((found.report.start) * 500)
    recorded = heart.signal[0, begin : begin + len(values)]
    np.testing.assert_allclose(np.diff(values), np.diff(recorded), atol=1e-5)
    assert np.median(values) == pytest.approx(np.median(found.seen), abs=1e-5)
    assert len(truth.get_xdata()) == pytest.approx(500, abs=10)
    assert axes.collections  # the squares of ECG paper
    pulse = synthetic.ppg(seconds=8, fs=500.0, seed=1)
    plain = generate(
        replace(c, contract=replace(c.contract, modality="ppg")), pulse, seconds=1, n_samples=1, stop=6.0
    )
    assert len(plain.plot().axes[0].lines[1].get_xdata()) == plain.context.n_samples
