"""Preset beat-tokens: models that read heartbeats are trained, detect, and are evaluated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from physiolect import cross_validate, detect, detect_rhythm, evaluate, finetune, load_checkpoint
from physiolect.checkpoint import Checkpoint
from physiolect.cli import main
from physiolect.datasets import open_store
from physiolect.datasets.examples.labels import beat_samples
from physiolect.detection import HeartbeatResult, RhythmResult, detect_heartbeats, open_stream
from physiolect.errors import CheckpointError, ConfigError
from physiolect.evaluation.baselines.heartbeats import HEARTBEAT_BASELINES
from physiolect.evaluation.beat_context import rhythm_finder
from physiolect.learning import FinetuneSettings
from physiolect.recording import Recording
from tests.beat_store import SMALL, make_recording, write_beat_store

SEEN = ("DS1",)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store, a rhythm model, and a model of heartbeats that is given its probability."""
    folder = tmp_path_factory.mktemp("beat-tokens")
    write_beat_store(folder / "store")
    finetune(folder / "store", task="rhythm", out=folder / "rhythm", train_on=SEEN, **SMALL)
    finetune(
        folder / "store", task="heartbeats", out=folder / "heartbeats", train_on=SEEN,
        rhythm=str(folder / "rhythm"), **SMALL | {"steps": 160},
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def rhythm(folder: Path) -> Checkpoint:
    return load_checkpoint(folder / "rhythm")


@pytest.fixture(scope="module")
def heartbeats(folder: Path) -> Checkpoint:
    return load_checkpoint(folder / "heartbeats")


def beats_of(recording: Recording) -> np.ndarray:
    return np.sort(beat_samples(recording.annotations))


def test_a_checkpoint_is_whole(heartbeats: Checkpoint, rhythm: Checkpoint) -> None:
    for checkpoint in (heartbeats, rhythm):
        checkpoint.verify()
        assert checkpoint.reads_beats
        assert checkpoint.beats.mean
        assert checkpoint.run["trained_on"]
        assert checkpoint.contract.channels == ("*",)
    assert heartbeats.outputs.classes == ("N", "V")
    assert heartbeats.task.name == "heartbeats"
    assert rhythm.outputs.answers == ("N", "AFIB")
    assert "rhythm" in heartbeats.beats.places


def test_heartbeats_of_another_recording_are_sorted(heartbeats: Checkpoint, rhythm: Checkpoint) -> None:
    recording = make_recording(6)  # not trained on
    found = detect_heartbeats(heartbeats, recording, beats=beats_of(recording), rhythm=rhythm)
    truth = [symbol for symbol in recording.annotations.symbol if symbol in "NV"]
    assert isinstance(found, HeartbeatResult)
    assert found.samples.tolist() == beats_of(recording).tolist()
    assert np.mean([a == b for a, b in zip(found.names, truth, strict=True)]) > 0.95
    assert found.counts["V"] >= 5
    assert sum(found.counts.values()) == len(truth)
    assert {name: int(each.sum()) for name, each in found.hours().items()} == found.counts
    assert found.annotations().symbol == found.names
    assert set(found.columns()) == {"time_s", "sample", "class", "p_N", "p_V", "p_rhythm"}
    assert "beats" in found.summary
    assert found.to_dict()["classes"] == found.counts
    found.plot()
    assert heartbeats.encode_beats(recording.signal, beats_of(recording)).shape == (len(truth), 320)


def test_a_rhythm_is_detected_by_its_beats(rhythm: Checkpoint) -> None:
    for k, yes in ((8, True), (9, False)):
        recording = make_recording(k)
        found = detect_rhythm(rhythm, recording, beats=beats_of(recording), stride=10)
        assert isinstance(found, RhythmResult)
        assert (np.mean(found.probability) > 0.5) == yes
        at = found.at(np.array([0.0, 45.0, 89.9]))
        assert np.isfinite(at).all()
        assert np.isclose(at[2], found.probability[-1], atol=0.3)
    few = detect_rhythm(rhythm, recording, beats=beats_of(recording)[:3])
    assert set(few.reasons) == {"few beats"}
    assert not few.anything_judged


def test_a_gap_is_not_described(heartbeats: Checkpoint, rhythm: Checkpoint) -> None:
    recording = make_recording(9)
    signal = recording.signal.copy()
    signal[:, 3000:3600] = np.nan
    marks = beats_of(recording)
    found = detect_heartbeats(
        heartbeats, Recording(signal, 100.0, ("II", "V1"), "mV", "ecg"), beats=marks, rhythm=rhythm
    )
    inside = (marks >= 3000) & (marks < 3600)
    assert np.array_equal(found.judged, ~inside)
    assert found.names[int(np.flatnonzero(inside)[0])] == ""


def test_one_lead_is_enough(heartbeats: Checkpoint) -> None:
    recording = make_recording(9).select([0])
    found = detect(heartbeats, recording, beats=beats_of(recording))
    assert found.anything_judged
    assert any("not known" in notice for notice in found.report.notices)


def test_what_does_not_fit_is_refused_in_one_sentence(heartbeats: Checkpoint, rhythm: Checkpoint) -> None:
    recording = make_recording(9)
    with pytest.raises(ConfigError, match="nothing says where they are"):
        detect(heartbeats, recording)
    with pytest.raises(ConfigError, match="stride cannot be used"):
        detect(heartbeats, recording, beats=beats_of(recording), stride=1.0)
    with pytest.raises(CheckpointError, match="sorts heartbeats into classes is needed"):
        detect_heartbeats(rhythm, recording, beats=beats_of(recording))
    with pytest.raises(CheckpointError, match="as it comes in"):
        open_stream(rhythm, fs=100)


def test_heartbeats_are_evaluated_by_class_part_and_record(folder: Path) -> None:
    result = evaluate(
        folder / "store", folder / "heartbeats", task="heartbeats", leave_out="DS1", without="r5",
        rhythm=str(folder / "rhythm"), resamples=50,
    )  # fmt: skip
    assert not result.warnings
    assert set(result.measures) == {"model", *HEARTBEAT_BASELINES}
    assert result.protocol.startswith("given: baselines are trained on the model's training patients")
    assert result.measures["boosting on RR and waveform"].overall["macro f1"].value > 0.9
    n_beats = sum(len(beats_of(make_recording(k))) for k in range(4, 8))
    assert result.count == n_beats
    model = result.measures["model"]
    assert model.overall["accuracy"].value > 0.9
    assert set(model.per_class) == {"N", "V"}
    assert {"sensitivity", "ppv", "f1"} == set(model.per_class["V"])
    assert set(result.parts) == {"without r5", "in atrial fibrillation or flutter", "in other rhythms"}
    counted = {record["record"]: np.sum(record["confusion"]) for record in result.each["model"]}
    assert counted["r5"] == len(beats_of(make_recording(5)))
    assert "Without r5:" in result.summary
    assert result.to_dict()["parts"]
    result.plot()
    leaking = evaluate(
        folder / "store",
        folder / "heartbeats",
        task="heartbeats",
        rhythm=str(folder / "rhythm"),
        resamples=10,
        baselines="light",
        k=2,
    )
    assert leaking.warnings
    assert set(leaking.measures) == {"model", "random forest on RR"}
    assert leaking.protocol.startswith("k-fold, 2 folds by patient")
    with pytest.raises(ConfigError, match="nothing gives it"):
        evaluate(folder / "store", folder / "heartbeats", task="heartbeats")


def test_a_rhythm_is_evaluated_by_its_beats(folder: Path) -> None:
    result = evaluate(
        folder / "store", folder / "rhythm", task="rhythm", leave_out="DS1", resamples=50, baselines="none"
    )
    assert result.count == 4 * 2 * 3
    assert result.measures["model"].overall["auroc"].value > 0.9


def test_cross_validation_by_patient_and_its_rhythms(folder: Path, tmp_path: Path) -> None:
    cross_validate(folder / "store", task="rhythm", out=tmp_path / "half", k=2, leave_out=("r6",), **SMALL)
    find = rhythm_finder(tmp_path / "half", open_store(folder / "store"))
    recording = make_recording(6).select([0])  # which no fold knows
    assert np.isfinite(find(12, recording, beats_of(recording))).all()
    folds = cross_validate(folder / "store", task="rhythm", out=tmp_path / "folds", k=2, **SMALL)
    assert folds.finished
    result = cross_validate(
        folder / "store",
        task="heartbeats",
        out=tmp_path / "run",
        k=2,
        rhythm=str(tmp_path / "folds"),
        **SMALL,
    )
    assert result.finished
    assert result.measures is not None
    assert {"macro f1", "accuracy", "V sensitivity", "V ppv"} <= set(result.measures)
    judged = evaluate(
        folder / "store", tmp_path / "run", task="heartbeats", rhythm=str(tmp_path / "folds"), resamples=20
    )
    assert np.isclose(
        judged.measures["model"].overall["accuracy"].value, result.measures["accuracy"]["value"]
    )


def test_the_commands(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from physiolect.formats import write_recording

    write_recording(make_recording(9), tmp_path / "day.hea")
    words = [
        "finetune", str(folder / "store"), "--task", "beats", "--preset", "encoder", "--out", str(tmp_path / "b"),
        "--device", "cpu", "--threads", "1", "--steps", "2", "--batch-size", "4", "--validation", "0",
        "--model.width", "16", "--model.n-layers", "1", "--model.n-heads", "2", "--model.mlp-width", "16",
    ]  # fmt: skip
    assert main([*words, "--train-on", "DS1"]) == 0
    given = [
        "--checkpoint",
        str(folder / "heartbeats"),
        "--task",
        "heartbeats",
        "--out",
        str(tmp_path / "out"),
    ]
    found = main(
        [
            "detect",
            str(tmp_path / "day.hea"),
            *given,
            "--beats",
            str(tmp_path / "b"),
            "--rhythm",
            str(folder / "rhythm"),
        ]
    )
    assert found == 0, capsys.readouterr().err
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"heartbeats.csv", "heartbeats.png", "summary.json"} <= names


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"task": "beats", "preset": "beat-tokens"}, "beat-tokens is for rhythm and heartbeats"),
        ({"task": "heartbeats", "preset": "encoder"}, "give --preset beat-tokens"),
        ({"task": "rhythm", "preset": "beat-tokens", "rhythm": "x"}, "--rhythm describes heartbeats"),
        ({"task": "rhythm", "preset": "encoder", "beats": "x"}, "--beats goes with preset beat-tokens"),
        ({"task": "heartbeats", "preset": "beat-tokens", "draws": "epochs"}, "leave --draws out"),
        ({"task": "heartbeats", "preset": "beat-tokens", "checkpoint": "x"}, "leave --checkpoint out"),
    ],
)
def test_settings_that_contradict_one_another(given: dict, says: str, tmp_path: Path) -> None:
    problems = FinetuneSettings(**{"store": "s", "out": str(tmp_path / "out"), **given}).problems()
    assert any(says in problem for problem in problems), problems


def test_a_stopped_run_is_resumed(folder: Path, tmp_path: Path) -> None:
    given = {
        "store": folder / "store",
        "task": "heartbeats",
        "train_on": SEEN,
        **SMALL | {"steps": 6, "log_every": 1},
    }
    finetune(out=tmp_path / "whole", **given)
    stopped = finetune(out=tmp_path / "run", on_event=lambda event: getattr(event, "step", 0) == 3, **given)
    assert not stopped.finished
    assert finetune(folder / "store", task="heartbeats", out=tmp_path / "run", resume=True).finished
    one, other = (load_checkpoint(tmp_path / name / "last") for name in ("whole", "run"))
    assert one.tokenizer == other.tokenizer
    assert one.fingerprint == other.fingerprint
