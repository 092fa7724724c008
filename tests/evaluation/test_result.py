"""What an evaluation returns."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physiolect.errors import ConfigError, PhysiolectError
from physiolect.evaluation import (
    Bootstrap,
    EvaluationResult,
    Measured,
    measure_binary,
    measure_classes,
    measure_predictions,
)
from physiolect.evaluation.baselines import Predictions
from physiolect.plots import roc_figure

DRAWS = Bootstrap(["a", "b", "c", "d"], n_resamples=50)
SCORE, TARGET = [0.1, 0.9, 0.2, 0.8], [0, 1, 0, 1]


def make_result(**given: object) -> EvaluationResult:
    measures = {
        "model": Measured(measure_binary(SCORE, TARGET, DRAWS)),
        "always the same": Measured(measure_binary([0.5] * 4, TARGET, DRAWS), note="constant"),
    }
    usual = {
        "task": "rhythm", "models": {"model": "m"}, "titles": {"model": "model (m)"}, "store": "s",
        "store_sha256": "0" * 64, "measures": measures, "columns": ("auroc", "f1"), "draws": DRAWS,
        "by_patient": False, "count": 4, "counted": "windows", "data": "4 windows in s", "protocol": "none",
    }  # fmt: skip
    return EvaluationResult(**{**usual, **given})  # type: ignore[arg-type]


def test_the_summary_holds_tables_and_notes_and_the_repr_is_short() -> None:
    result = make_result(remarks=("A remark.",))
    assert repr(result) == "EvaluationResult(4 windows in s)"
    assert "| model (m) | 1.000" in result.summary
    assert "always the same: constant.\nA remark." in result.summary
    assert "| model (m) - always the same | **+0.500" in result.summary
    assert "<pre>4 windows in s" in result._repr_html_()


def test_the_frame_has_a_row_a_measure() -> None:
    found = measure_classes([[0.9, 0.1], [0.2, 0.8]] * 2, [[1, 0], [0, 1]] * 2, ("even", "odd"), DRAWS)
    result = make_result(measures={"model": Measured(found.overall, found.per_class)})
    frame = result.to_frame()
    assert list(frame.columns) == [
        "name",
        "class",
        "positives",
        "measure",
        "value",
        "low",
        "high",
        "undefined",
    ]
    assert set(frame["class"]) == {"", "even", "odd"}
    row = frame[(frame["class"] == "odd") & (frame["measure"] == "auroc")].iloc[0]
    assert (row["value"], row["low"], row["high"]) == (1.0, 1.0, 1.0)
    assert math.isclose(len(frame), len(found.overall) + sum(map(len, found.per_class.values())))


def test_the_number_of_positive_windows_stands_beside_each_class() -> None:
    target = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    found = measure_predictions(
        "several", Predictions(np.array([SCORE, SCORE]).T), target, DRAWS, classes=("MI", "HYP")
    )
    result = make_result(measures={"model": found}, columns=("auroc",))
    assert "| | positive | AUROC |" in result.summary.replace("|  |", "| |")
    assert "| MI | 2 |" in result.summary
    assert result.to_dict()["measures"]["model"]["positives"] == {"MI": 2, "HYP": 2}
    frame = result.to_frame()
    assert frame[frame["class"] == "MI"]["positives"].tolist() == [2] * len(found.per_class["MI"])


def test_a_figure_is_drawn_once_and_found_by_name() -> None:
    drawn = []

    def draw() -> dict[str, object]:
        drawn.append(1)
        return {"roc": roc_figure({"m": ([0, 1], [0, 1], [0, 1], [0, 1])})}

    result = make_result(draw=draw)
    assert not drawn
    assert result.plot() is result.plot("roc") is result.figures["roc"]
    assert len(drawn) == 1
    with pytest.raises(ConfigError, match="name is 'rock'"):
        result.plot("rock")
    with pytest.raises(PhysiolectError, match="nothing to draw"):
        make_result().plot()
