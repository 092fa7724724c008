"""Training from Python: one call does what the verb does, with the same defaults."""

from __future__ import annotations

import dataclasses
import inspect
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import physiolect
from physiolect import Checkpoint, Recording, config, load_checkpoint, open_store
from physiolect.cli import main
from physiolect.commands import finetune as finetune_command
from physiolect.commands import pretrain as pretrain_command
from physiolect.contract import CONTRACTS
from physiolect.datasets import Row, StoreWriter
from physiolect.errors import ConfigError
from physiolect.events import Event, Message, Metrics
from physiolect.learning import (
    CrossValidation,
    FinetuneSettings,
    TrainingResult,
    cross_validate,
    finetune,
    pretrain,
)
from physiolect.learning.settings import read_settings
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.recording import Annotations
from physiolect.tokenizers import LevelTokenizer

CONTRACT = replace(CONTRACTS["heartgpt-ecg"], min_samples=16, max_samples=64)
MODEL = GPTConfig(context_length=64, width=16, n_layers=2, n_heads=2, mlp_width=32, band=None)
SMALL: dict[str, Any] = {
    "device": "cpu",
    "threads": 1,
    "log_every": 1,
    "batch_size": 8,
    "steps": 4,
    "evaluate_every": 2,
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six recordings of six patients, two seconds of a slow and two of a fast rhythm each."""
    folder = tmp_path_factory.mktemp("calls") / "store"
    with StoreWriter(folder, CONTRACT) as writer:
        for k in range(6):
            rng = np.random.default_rng(k)
            phase = np.cumsum(1 / np.where(np.arange(384) < 192, 32.0, 9.0)) + rng.random()
            signal = np.cos(2 * np.pi * phase) ** 5 + 0.05 * rng.standard_normal(384)
            marks = Annotations(np.array([0, 192]), ("+", "+"), ("(N", "(AFIB"))
            recording = Recording(signal[None].astype(np.float32), 100.0, ("II",), "mV", "ecg", marks)
            writer.add(f"r{k}", [Row.from_recording(recording, source=f"r{k}", patient=f"p{k}")])
    return folder


@pytest.fixture(scope="module")
def base() -> Checkpoint:
    torch.manual_seed(0)
    return Checkpoint(GPT(MODEL).eval(), LevelTokenizer(), CONTRACT)


@pytest.fixture(scope="module")
def trained(store: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    return pretrain(
        store, out=tmp_path_factory.mktemp("trained") / "run", model=MODEL, validation_windows=4, **SMALL
    )


@pytest.mark.parametrize(
    ("call", "verb"),
    [
        (pretrain, pretrain_command.Config),
        (finetune, finetune_command.Config),
        (cross_validate, finetune_command.Config),
    ],
)
def test_a_call_has_the_settings_of_its_verb_with_the_same_defaults(call: Any, verb: type) -> None:
    parameters = inspect.signature(call).parameters
    own = {"protocol"} if call is cross_validate else {"protocol", "k"} if call is finetune else set()
    for field in dataclasses.fields(verb):
        if field.name in own:
            continue
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        given = parameters[field.name].default
        assert given == (inspect.Parameter.empty if default is dataclasses.MISSING else default), field.name
    assert set(parameters) - {field.name for field in dataclasses.fields(verb)} == {"on_event"}


def test_a_call_trains_what_the_verb_trains(store: Path, trained: TrainingResult, tmp_path: Path) -> None:
    config.dump({**SMALL, "model": MODEL, "validation_windows": 4}, tmp_path / "small.yaml")
    words = ["pretrain", str(store), "--out", str(tmp_path / "run"), "--config", str(tmp_path / "small.yaml")]
    assert main(words) == 0
    ours, theirs = trained.checkpoint.model.state_dict(), load_checkpoint(tmp_path / "run").model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_result_reads_as_what_happened(trained: TrainingResult) -> None:
    assert trained.finished
    assert trained.step == 4
    assert f"after 4 updates: {trained.out}/best" in trained.summary
    assert repr(trained) == f"TrainingResult({trained.summary})"
    frame = trained.to_frame()
    assert frame["step"].tolist() == [1, 2, 2, 3, 4, 4]
    assert frame["validation_loss"].notna().sum() == 2
    assert len(trained.plot().axes) == 1


def test_events_are_messages_and_metrics_and_nothing_is_printed(
    store: Path, base: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[Event] = []
    found = finetune(
        open_store(store), base, task="rhythm", out=tmp_path / "run", on_event=heard.append, **SMALL
    )
    assert capsys.readouterr() == ("", "")
    assert next(event.text for event in heard if isinstance(event, Message)).startswith(
        "6,017 of 6,017 parameters"
    )
    assert [event.step for event in heard if isinstance(event, Metrics)] == [1, 2, 2, 3, 4, 4]
    assert found.checkpoint.task.name == "rhythm"
    assert found.checkpoint.run["base"]["checkpoint"] == "a checkpoint in memory"
    assert "auroc" in found.measures
    assert "validation windows, which chose the checkpoint: AUROC" in found.summary


def test_a_listener_stops_a_run_and_a_second_call_resumes_it(
    store: Path, trained: TrainingResult, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    stopped = pretrain(
        store, out=out, model=MODEL, validation_windows=4, **SMALL,
        on_event=lambda event: isinstance(event, Metrics) and event.step == 1,
    )  # fmt: skip
    assert not stopped.finished
    assert stopped.summary == f"stopped after {stopped.step} of 4 updates"
    assert stopped.step < 4
    done = pretrain(store, out=out, resume=True)
    assert done.finished
    ours, theirs = done.checkpoint.model.state_dict(), trained.checkpoint.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_threads_are_as_before_after_a_call(store: Path, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        pretrain(store, out=tmp_path / "run", model=MODEL, validation_windows=4, **{**SMALL, "steps": 1})
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_folds_of_a_call_are_a_table(store: Path, base: Checkpoint, tmp_path: Path) -> None:
    found = cross_validate(store, base, task="rhythm", out=tmp_path / "run", k=3, **SMALL)
    assert isinstance(found, CrossValidation)
    assert found.finished
    assert found.summary.splitlines()[0] == f"3 folds: {tmp_path / 'run'}"
    assert found.summary.splitlines()[-1].startswith("all: 36 windows of 6 patients, AUROC")
    frame = found.to_frame()
    assert frame["fold"].tolist() == ["1", "2", "3", "all"]
    assert frame["windows"].tolist() == [12, 12, 12, 36]
    assert frame["auroc"].iloc[-1] == found.measures["auroc"]["value"]
    assert set(found.predictions()["fold"].tolist()) == {"1", "2", "3"}
    assert json.loads((tmp_path / "run" / "folds.json").read_text())["protocol"] == "k-fold"


def test_a_finished_cross_validation_is_lengthened(store: Path, base: Checkpoint, tmp_path: Path) -> None:
    out, told = tmp_path / "run", list[str]()
    cross_validate(store, base, task="rhythm", out=out, k=2, **SMALL)
    short = np.load(out / "predictions.npz")["score"]
    again = {"task": "rhythm", "out": out, "resume": True}
    with pytest.raises(ConfigError, match="steps differs from"):
        cross_validate(store, base, steps=3, **again)  # fewer than it had
    first = cross_validate(store, base, steps=9, minutes=1e-9, **again)  # stopped at once
    assert not first.finished
    assert not (out / "folds.json").exists()
    found = cross_validate(
        store, base, **again, on_event=lambda e: told.append(getattr(e, "text", "")) and None
    )
    assert found.finished
    assert [load_checkpoint(out / f"fold-{k}" / "last").run["step"] for k in (1, 2)] == [9, 9]
    assert not np.array_equal(found.predictions()["score"], short)
    assert config.read_yaml(out / "settings.yaml")["steps"] == 9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stepz": 3}, "there is no setting 'stepz' (did you mean 'steps'?)"),
        ({"batch_size": 0}, "batch_size is 0, but must be from 1"),
        ({"steps": "many"}, "steps is 'many', but must be a whole number"),
        ({"resume": True}, "holds no run to resume"),
    ],
)
def test_wrong_settings_are_refused_in_the_words_of_a_call(
    store: Path, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        pretrain(store, out=tmp_path / "run", **settings)
    assert message in str(refused.value)
    assert "--" not in str(refused.value) + str(refused.value.hint)
    assert not (tmp_path / "run").exists()


def test_settings_may_be_written_as_python_users_write_them(tmp_path: Path) -> None:
    given = {"store": "s", "checkpoint": "c", "task": "rhythm", "out": tmp_path / "run"}
    short = {"positive": "AFIB", "leave_out": "fold 10", "channel": 1, "class_weights": (1, 2.5)}
    settings = read_settings(FinetuneSettings, "finetune", {**given, **short})
    assert (settings.positive, settings.leave_out) == (("AFIB",), ("fold 10",))
    assert (settings.channel, settings.class_weights) == ("1", "1,2.5")
    assert settings.tuning.class_weights == (1.0, 2.5)


def test_finetune_refuses_a_protocol(store: Path, base: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="protocol is for cross-validation") as refused:
        finetune(store, base, task="rhythm", out=tmp_path / "run", protocol="k-fold")
    assert refused.value.hint == "call cross_validate instead"


def test_the_calls_are_public() -> None:
    assert (physiolect.pretrain, physiolect.finetune, physiolect.cross_validate) == (
        pretrain,
        finetune,
        cross_validate,
    )


def test_a_detector_of_another_rhythm_writes_the_names_it_was_trained_with(
    store: Path, base: Checkpoint, tmp_path: Path
) -> None:
    settings = {**SMALL, "steps": 1, "positive": ("N",), "negative": ("AFIB",)}
    trained = finetune(store, base, task="rhythm", out=tmp_path / "run", **settings)
    checkpoint = trained.checkpoint
    assert checkpoint.outputs.answers == ("AFIB", "N")
    found = physiolect.detect(checkpoint, open_store(store).recording(0))
    assert (found.positive, found.negative) == ("N", "AFIB")
    expected = ["N" if each >= 0.5 else "AFIB" for each in found.probability.tolist()]
    assert list(found.rhythms) == expected
    assert found.to_dict()["windows"]["rhythm"] == "N"
    assert set(found.annotations().note) <= {"(N", "(AFIB"}
