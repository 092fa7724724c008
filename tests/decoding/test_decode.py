"""Decoding recordings, whole and line by line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from physiolect import Recording, evaluate
from physiolect.decoding import DecoderStream, decode, decode_lines, match_targets
from physiolect.errors import CheckpointError, ConfigError, ContractError, FormatError
from tests.spike_store import FS, N_UNITS, TARGETS, Made, write_spikes


def test_it_decodes_what_it_learned(made: Made, recording: Recording) -> None:
    found = decode(recording.slice(102.0, None), made.checkpoint)
    assert found.names == TARGETS
    assert found.values.shape == (int(18 * FS), 2)
    assert min(r2 for r2, _ in found.scores().values()) > 0.5
    assert not found.warnings
    assert "mean R²" in found.summary


def test_step_by_step_it_is_the_whole(made: Made, recording: Recording) -> None:
    signal = recording.signal.copy()
    signal[:N_UNITS, 30:40] = np.nan
    signal[3, 60:70] = np.nan
    recording = replace(recording, signal=signal).slice(0.0, 20.0)
    for adapting in ("none", "running"):
        whole = decode(recording, made.checkpoint, adapting=adapting)
        stream = DecoderStream(made.checkpoint, adapting=adapting == "running")
        steps = np.stack([stream.push(step) for step in recording.signal[:N_UNITS].T])
        np.testing.assert_allclose(steps, whole.values, rtol=1e-4, atol=1e-4)
        assert whole.gaps == ((1.5, 2.0),)
        assert np.isnan(steps[30:40]).all()


def test_adapting_repairs_another_gain(made: Made, tmp_path: Path) -> None:
    file = write_spikes(tmp_path / "day1.npz", seed=5, gain=0.5, silent=2)
    as_trained, adapted = (decode(file, made.run, adapting=how) for how in ("none", "running"))
    mean = [np.mean([r2 for r2, _ in each.scores(skip=20.0).values()]) for each in (as_trained, adapted)]
    assert mean[1] > mean[0] + 0.05
    assert any("have no spikes" in notice for notice in adapted.notices)
    held = made.checkpoint.model.input
    assert not held.adapting  # and the model is as it was


def test_exchanged_targets_are_noticed_and_can_be_named(made: Made, tmp_path: Path) -> None:
    file = write_spikes(tmp_path / "day1.npz", seed=5, exchanged=True)
    found = decode(file, made.run)
    (warning,) = found.warnings
    assert "look exchanged" in warning
    assert "decoded force x goes with force y" in warning
    assert "in the other order" in found.summary
    assert not decode(file, made.run, targets=TARGETS[::-1]).warnings


def test_a_flipped_target_is_noticed() -> None:
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((200, 3))
    decoded = truth[:, [1, 0, 2]] * [1, -1, 1] + 0.1 * rng.standard_normal((200, 3))
    match = match_targets(decoded, truth, ("a", "b", "c"))
    assert match is not None
    assert not match.is_by_name
    assert (match.order, match.signs) == ((1, 0, 2), (1, -1, 1))
    np.testing.assert_allclose(match.apply(truth), decoded, atol=0.6)
    fair = match_targets(truth + 0.5 * rng.standard_normal((200, 3)), truth, ("a", "b", "c"))
    assert fair is not None
    assert fair.is_by_name


def test_files_of_a_decoding(made: Made, recording: Recording, tmp_path: Path) -> None:
    found = decode(recording.slice(0.0, 10.0), made.checkpoint)
    files = found.write(tmp_path / "out")
    assert [file.name for file in files] == ["decoded.csv", "decoded.npz", "decoded.png"]
    table = np.genfromtxt(files[0], delimiter=",", names=True)
    assert len(table) == 200
    with np.load(files[1]) as held:
        np.testing.assert_array_equal(held["decoded"], found.values)
        assert held["truth"].shape == (200, 2)


def test_what_cannot_be_decoded(made: Made, recording: Recording) -> None:
    with pytest.raises(ContractError, match="no unit 1"):
        decode(recording.select(range(1, len(recording.channels))), made.checkpoint)
    with pytest.raises(CheckpointError, match="decodes no targets"):
        decode(recording, "ecg")
    with pytest.raises(ConfigError, match="1 targets are named"):
        decode(recording, made.checkpoint, targets=["force x"])
    with pytest.raises(FormatError, match="no channel named 'speed'"):
        decode(recording, made.checkpoint, targets=["speed", "force x"])
    with pytest.raises(ContractError, match="no multiple"):
        decode(replace(recording, fs=25.0), made.checkpoint)


def test_lines_in_and_answers_out(made: Made) -> None:
    channels = made.checkpoint.contract.channels
    good = ",".join(["2"] * N_UNITS)
    lines = [
        good,
        "[" + good + "]",
        " ".join(["nan"] * N_UNITS),
        "hello, world",
        "1,2,3",
        "",
        "[1, ",
        "[1e999]",
        good,
    ]
    answers = list(decode_lines(DecoderStream(made.checkpoint), [line + "\n" for line in lines]))
    assert [each["step"] for each in answers] == list(range(8))
    assert [each.get("missing_channels", 0) for each in answers] == [0, 0, *[N_UNITS] * 5, 0]
    assert ["error" in each for each in answers] == [False, False, False, True, True, True, True, False]
    assert answers[3]["force x"] is None
    assert answers[-1]["force x"] is not None
    assert all(json.loads(json.dumps(each)) == each for each in answers)

    named = [f"time_s,{','.join(reversed(channels))}"]
    rows = [f"{t:.2f},{','.join(map(str, range(N_UNITS)))}" for t in (0.0, 0.05, 0.3, 50.0)]
    answers = list(decode_lines(DecoderStream(made.checkpoint), named + rows))
    assert [each.get("gap_steps", 0) for each in answers] == [0, 0, 4, 993]
    backwards = ",".join(map(str, reversed(range(N_UNITS))))
    plain = list(decode_lines(DecoderStream(made.checkpoint), [backwards] * 2))
    assert answers[1]["force x"] == plain[1]["force x"]
    with pytest.raises(FormatError, match="the model needs unit 2"):
        list(decode_lines(DecoderStream(made.checkpoint), ["unit 1,b,c", good]))


def test_ten_minutes_of_lines_with_gaps(made: Made) -> None:
    rng = np.random.default_rng(0)

    def lines() -> list[str]:
        found = []
        for _ in range(int(600 * FS)):
            kind = rng.random()
            row = rng.poisson(2, N_UNITS).astype(float)
            row[rng.random(N_UNITS) < 0.02] = np.nan
            found.append("nan" if kind < 0.01 else "x" if kind < 0.02 else ",".join(map(str, row)))
        return found

    bad = 0
    for answer in decode_lines(DecoderStream(made.checkpoint, adapting=True), lines()):
        whole = answer.get("missing_channels") == N_UNITS
        bad += whole
        assert whole == (answer["force x"] is None)
        assert whole == ("error" in answer)
    assert bad > 100


def test_evaluation_beside_baselines(made: Made, tmp_path: Path) -> None:
    result = evaluate(made.store, made.run, task="decode", device="cpu", resamples=100)
    assert list(result.measures) == [
        "model", "last value", "ridge, 1 bin", "ridge, 10 bins", "ridge, 20 bins", "Kalman",
    ]  # fmt: skip
    model, best = result.measures["model"].overall["r2"], result.measures["ridge, 20 bins"].overall["r2"]
    assert model.value > 0.5
    assert best.value > 0.3
    assert result.count == 18 * FS  # each step of the test block once
    assert not result.warnings
    assert "force x" in result.summary
    assert "target by target" in result.summary


def test_evaluation_of_another_day(made: Made, tmp_path: Path) -> None:
    from physiolect.datasets import prepare

    file = write_spikes(tmp_path / "day1.npz", seed=5, exchanged=True)
    prepare(file, tmp_path / "store", contract=made.run, targets=TARGETS, workers=1)
    result = evaluate(
        tmp_path / "store", made.run, task="decode", adapt="running", skip=20.0, device="cpu", resamples=100
    )
    assert result.count == 100 * FS
    assert any("look exchanged" in warning for warning in result.warnings)
    (part,) = result.parts.values()
    assert part["model"].overall["r2"].value > 0.5 > result.measures["model"].overall["r2"].value
    assert part["ridge, 10 bins"].overall["r2"].value > 0  # trained on the rows that trained the model


def test_exchanged_names_can_be_told(made: Made, tmp_path: Path) -> None:
    from physiolect.datasets import prepare

    file = write_spikes(tmp_path / "day1.npz", seed=5, exchanged=True, seconds=40.0)
    prepare(file, tmp_path / "store", contract=made.run, targets=TARGETS, workers=1)
    result = evaluate(
        tmp_path / "store",
        made.run,
        task="decode",
        targets=TARGETS[::-1],
        device="cpu",
        resamples=50,
        baselines="none",
    )
    assert result.measures["model"].overall["r2"].value > 0.5
    assert not result.warnings
    with pytest.raises(ConfigError, match="but the store has force x, force y"):
        evaluate(tmp_path / "store", made.run, task="decode", targets=["speed", "x"], device="cpu")


def test_evaluation_refuses_what_does_not_fit(made: Made, tmp_path: Path) -> None:
    from physiolect.datasets import prepare

    file = write_spikes(tmp_path / "day1.npz", seed=5)
    prepare(file, tmp_path / "one", contract=made.run, targets=TARGETS[:1], workers=1)
    with pytest.raises(ConfigError, match="the store's targets are force x"):
        evaluate(tmp_path / "one", made.run, task="decode", device="cpu")
    with pytest.raises(ConfigError, match="adapt is for task decode"):
        evaluate(made.store, made.run, task="rhythm", adapt="running")
