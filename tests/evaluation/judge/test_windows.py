"""Rhythms, classes and numbers of whole windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physiolect import load_checkpoint
from physiolect.datasets import make_examples, open_store
from physiolect.detection import predict_windows
from physiolect.errors import CheckpointError
from physiolect.evaluation import Bootstrap, evaluate, measure_binary
from physiolect.evaluation.judge import number
from physiolect.events import Message
from physiolect.plots import agreement_figure


def test_a_rhythm_beside_all_baselines(tiny: Any, tiny_module: Any) -> None:
    run = tiny.run(*tiny_module.AF)
    result = evaluate(tiny.store, run, task="rhythm", resamples=60)
    examples = make_examples(open_store(tiny.store), "rhythm", length=64)
    score = predict_windows(load_checkpoint(run), examples)
    expected = measure_binary(score, examples.target, Bootstrap(examples.groups, n_resamples=60))
    for name, each in expected.items():
        assert result.measures["model"].overall[name].to_dict() == pytest.approx(each.to_dict())
    baselines = ("its features + linear", "random weights + linear", "RR regression (xqrs)", "RR rule (xqrs)")
    assert set(result.measures) == {"model", *baselines, "always the same"}
    assert result.measures["always the same"].overall["auroc"].value == 0.5
    results = result.to_dict()
    assert results["intervals"] == {"level": 0.95, "resamples": 60, "by": "patients"}
    assert results["groups"] == {"unit": "patients", "count": 7}
    difference = results["differences"]["model - random weights + linear"]["auroc"]
    assert difference["low"] <= difference["value"] <= difference["high"]
    assert "| model (af) | 0." in result.summary
    assert "constant that knows the mean of the targets" in result.summary
    assert list(result.figures) == ["roc", "precision", "reliability", "patients"]
    assert len(result.warnings) == 2


def test_a_threshold_decides(tiny: Any, tiny_module: Any) -> None:
    run = tiny.run(*tiny_module.AF)
    how: Any = {"task": "rhythm", "baselines": "none", "resamples": 20}
    low, high = (evaluate(tiny.store, run, threshold=each, **how) for each in (0.01, 0.99))
    assert low.measures["model"].overall["sensitivity"].value == 1
    assert high.measures["model"].overall["sensitivity"].value == 0


def test_a_cross_validated_run_is_evaluated_out_of_fold(tiny: Any, tiny_module: Any) -> None:
    folds, single = tiny.run(*tiny_module.FOLDS), tiny.run(*tiny_module.AF)
    how: Any = {"task": "rhythm", "resamples": 60}
    result = evaluate(tiny.store, folds, compare=single, baselines="none", **how)
    with np.load(folds / "predictions.npz") as held:
        area = measure_binary(held["score"], held["target"], Bootstrap(held["group"].tolist()))["auroc"].value
    assert result.measures["model"].overall["auroc"].value == pytest.approx(area)
    assert "model - compared" in result.differences
    assert all(
        str(single) in warning for warning in result.warnings
    )  # no fold was trained on its test patients
    beside = evaluate(tiny.store, folds, **how).measures
    assert "random weights + linear" in beside
    assert "its features + linear" not in beside  # a fold's features were trained on patients of other folds
    with pytest.raises(CheckpointError, match="was cross-validated on other windows") as refused:
        evaluate(tiny.store, folds, stride=7, **how)
    assert "give the store, labels, stride" in str(refused.value.hint)


def test_classes(tiny: Any) -> None:
    run = tiny.run("classes", "classify")
    result = evaluate(tiny.store, run, task="classify", resamples=40)
    assert set(result.measures["model"].per_class) == {"even", "odd"}
    assert set(result.measures) == {
        "model", "its features + linear", "random weights + linear", "always the same"
    }  # fmt: skip
    assert "Baselines' folds are pooled." in result.notes
    assert list(result.figures) == ["roc"]
    light = evaluate(tiny.store, run, task="classify", baselines="light", resamples=40)
    assert list(light.measures) == ["model", "always the same"]
    assert "Baselines' folds are pooled." not in light.notes
    assert light.protocol.startswith("'always the same' alone")


def test_numbers(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []

    def drawn(*given: Any, name: str, **more: Any) -> Any:
        names.append(name)
        return agreement_figure(*given, name=name, **more)

    monkeypatch.setattr(number, "agreement_figure", drawn)
    run = tiny.age()
    result = evaluate(
        tiny.store, run, task="regress", labels=str(tiny.table), column="age", compare=run, resamples=40
    )
    assert list(result.figures) == ["agreement", "agreement-compared"]
    assert names == ["age (years)"] * 2
    assert result.measures["model"].overall["mae"].value > 0


def test_recordings_that_a_table_leaves_out_are_counted(tiny: Any, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("recording,age\n" + "".join(f"r{k},{k}\n" for k in range(6)))
    events: list[Any] = []
    evaluate(
        tiny.store, tiny.age(), task="regress", labels=str(tmp_path / "t.csv"), column="age", baselines="none",
        resamples=20, on_event=events.append,
    )  # fmt: skip
    (message,) = (event.text for event in events if isinstance(event, Message))
    assert message.startswith("skipped of the store's 8 recordings: 2 without a label in")
