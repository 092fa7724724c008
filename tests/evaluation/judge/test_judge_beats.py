"""Beats, record by record."""

from __future__ import annotations

from typing import Any

import pytest

from physiolect.detection import beats as detection
from physiolect.detection import windows as layout
from physiolect.errors import ConfigError
from physiolect.evaluation import evaluate


@pytest.mark.parametrize("run", ["one", "folds"])
def test_beats_record_by_record(tiny: Any, run: str) -> None:
    words = ("--protocol", "k-fold", "--k", "2") if run == "folds" else ()
    checkpoint = tiny.run(f"beats-{run}", "beats", *words)
    result = evaluate(tiny.store, checkpoint, task="beats", resamples=60)
    assert set(result.measures) == {"model", "xqrs"}
    each = result.each["xqrs"]
    assert [record["record"] for record in each] == [f"r{k}" for k in range(8)]
    right, missed = (sum(record[name] for record in each) for name in ("right", "missed"))
    found = result.measures["xqrs"].overall["sensitivity"].value
    assert found == pytest.approx(right / (right + missed))
    assert found > 0.5
    assert list(result.figures) == ["records", "timing"]


def test_every_row_is_adapted_once(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    adapted = []
    plain = layout.adapt

    def counted(*given: Any, **more: Any) -> Any:
        adapted.append(1)
        return plain(*given, **more)

    monkeypatch.setattr(layout, "adapt", counted)
    evaluate(tiny.store, tiny.run("beats-one", "beats"), task="beats", baselines="none", resamples=20)
    assert len(adapted) == 8


def test_a_row_that_is_refused_is_refused_before_the_first_is_searched(
    tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def searched(*_: Any, **__: Any) -> Any:
        raise AssertionError("a row was searched")

    monkeypatch.setattr(detection, "judged_windows", searched)
    with pytest.raises(Exception, match="V9"):
        evaluate(tiny.store, tiny.run("beats-one", "beats"), task="beats", channel="V9")


def test_a_detector_for_another_signal_is_refused(tiny: Any) -> None:
    with pytest.raises(ConfigError, match="elgendi finds beats in ppg, but the model reads ecg"):
        evaluate(tiny.store, tiny.run("beats-one", "beats"), task="beats", detector="elgendi")


def test_an_interrupted_row_ends_the_evaluation(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(detection, "judged_windows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluate(tiny.store, tiny.run("beats-one", "beats"), task="beats", baselines="none")
