"""The library call."""

from __future__ import annotations

import inspect
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from physiolect import load_checkpoint
from physiolect.commands.evaluate import Config
from physiolect.datasets import open_store
from physiolect.errors import Cancelled, ConfigError, PhysiolectError
from physiolect.evaluation import evaluate
from physiolect.evaluation import models as loading
from physiolect.evaluation.judge import JUDGES, beats, forecast, windows
from physiolect.events import Progress
from physiolect.tasks import TASKS


def test_defaults_are_those_of_the_verb() -> None:
    call = {
        name: each.default
        for name, each in inspect.signature(evaluate).parameters.items()
        if name != "on_event"
    }
    verb = {each.name: each.default for each in fields(Config)}
    assert set(verb) - set(call) == {"out", "json"}
    required = ("store", "checkpoint", "task")
    assert {name: each for name, each in call.items() if name not in required} == {
        name: verb[name] for name in call if name not in required
    }


def test_every_task_has_a_judge() -> None:
    # vectors are judged by the classes that they tell apart (test_vectors.py); sequences have no judge yet
    judged = {(task.kind, task.scope) for task in TASKS.values() if task.kind not in ("vector", "sequence")}
    assert judged == set(JUDGES)


def test_opened_stores_and_checkpoints_are_left_as_they_were(tiny: Any, tiny_module: Any) -> None:
    run = tiny.run(*tiny_module.AF)
    how: Any = {"task": "rhythm", "baselines": "light", "resamples": 20}
    by_path = evaluate(tiny.store, run, **how)
    opened = load_checkpoint(run)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        result = evaluate(open_store(tiny.store), opened, **how)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert opened.model.device == torch.device("cpu")
    assert result.to_dict()["measures"] == by_path.to_dict()["measures"]
    assert "| model | 0." in result.summary
    assert result.warnings[0].startswith("leakage: the model in memory was trained on 2")


def test_each_checkpoint_is_loaded_once(tiny: Any, tiny_module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    def counted(path: str) -> Any:
        loaded.append(Path(path).name)
        return load_checkpoint(path)

    monkeypatch.setattr(loading, "load_checkpoint", counted)
    for task, run in (("rhythm", tiny.run(*tiny_module.AF)), ("beats", tiny.run("beats-one", "beats"))):
        loaded.clear()
        evaluate(tiny.store, run, task=task, baselines="light", resamples=20)
        assert loaded == [run.name]


def test_a_listener_can_stop_it(tiny: Any, tiny_module: Any) -> None:
    events: list[Any] = []

    def listen(event: Any) -> bool:
        events.append(event)
        return True

    with pytest.raises(Cancelled):
        evaluate(tiny.store, tiny.run(*tiny_module.AF), task="rhythm", on_event=listen)
    assert isinstance(events[0], Progress)


def test_nothing_is_printed(tiny: Any, tiny_module: Any, capfd: pytest.CaptureFixture[str]) -> None:
    run = tiny.run(*tiny_module.AF)
    capfd.readouterr()
    evaluate(tiny.store, run, task="rhythm", resamples=20)
    assert capfd.readouterr() == ("", "")


def test_all_wrong_settings_are_named_at_once(tiny: Any) -> None:
    with pytest.raises(ConfigError) as refused:
        evaluate(
            tiny.store, tiny.base, task="rhythm", k=0, threshold=2, labels="x.csv", continuations=1, skip=3
        )
    for message in (
        "k is 0, but must be at least 1",
        "threshold is 2",
        "labels and column go together",
        "continuations is for task forecast",
        "skip is for task beats",
    ):
        assert message in str(refused.value)
    wrong: list[dict[str, Any]] = [
        {"task": "rythm"},
        {"baselines": "many"},
        {"protocol": "fold"},
        {"seed": -1},
    ]
    for each in wrong:
        (name, value) = next(iter(each.items()))
        with pytest.raises(ConfigError, match=f"{name} is '?{value}"):
            evaluate(tiny.store, tiny.base, **{"task": "forecast", **each})


def test_a_channel_may_be_a_number(tiny: Any) -> None:
    how: Any = {"task": "forecast", "baselines": "none", "resamples": 20}
    assert evaluate(tiny.store, tiny.base, channel=0, **how).count == 96


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("rhythm", "the checkpoint is for forecast"),
        ("classify", "the checkpoint is for forecast"),
        ("beats", "the checkpoint continues signals"),
    ],
)
def test_a_model_of_another_task_is_refused(tiny: Any, task: str, message: str) -> None:
    with pytest.raises(PhysiolectError, match=message) as refused:
        evaluate(tiny.store, tiny.base, task=task)
    assert refused.value.hint


def test_a_text_alone_is_one_name(tiny: Any, tiny_module: Any) -> None:
    with pytest.raises(ConfigError, match=r"is labelled VFL\b"):
        evaluate(tiny.store, tiny.run(*tiny_module.AF), task="rhythm", positive="VFL", baselines="none")


@pytest.mark.parametrize(
    ("task", "other", "message"),
    [
        ("rhythm", "nowhere", "there is no checkpoint"),
        ("rhythm", "base", "the checkpoint is for forecast"),
        ("rhythm", "fast", "is at 100 Hz, but the model takes 250 Hz"),
        ("beats", "nowhere", "there is no checkpoint"),
        ("beats", "base", "the checkpoint continues signals"),
        ("forecast", "nowhere", "there is no checkpoint"),
        ("forecast", "af", "the checkpoint is for rhythm"),
    ],
)
def test_what_is_compared_is_refused_by_name_before_any_model_computes(
    tiny: Any,
    tiny_module: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    task: str,
    other: str,
    message: str,
) -> None:
    af = tiny.run(*tiny_module.AF)
    first = {"rhythm": af, "beats": tiny.run("beats-one", "beats"), "forecast": tiny.base}[task]
    fast = load_checkpoint(af)
    fast.contract = replace(fast.contract, fs=250.0)
    fast.save(tmp_path / "fast")

    def computed(*_: Any, **__: Any) -> Any:
        raise AssertionError("a model computed")

    monkeypatch.setattr(windows, "predict_windows", computed)
    monkeypatch.setattr(beats, "detect_beats", computed)
    monkeypatch.setattr(forecast, "score_next_level", computed)
    path = tmp_path / other if other in ("fast", "nowhere") else tiny.folder / other
    with pytest.raises(PhysiolectError, match=message) as refused:
        evaluate(tiny.store, first, task=task, compare=path)
    assert str(refused.value).startswith("compare")
    assert str(path) in str(refused.value)
    assert refused.value.hint
