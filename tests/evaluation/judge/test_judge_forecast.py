"""Forecasts of the next level, and continuations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physiolect import Checkpoint
from physiolect.errors import PhysiolectError
from physiolect.evaluation import evaluate
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.tokenizers import LevelTokenizer


def test_forecasts_and_continuations(tiny: Any) -> None:
    result = evaluate(tiny.store, tiny.base, task="forecast", continuations=2, resamples=60)
    model = result.measures["model"].overall
    assert model["nats"].value == pytest.approx(np.log(101), abs=0.3)
    assert result.measures["unigram"].overall["nats"].value < np.log(101)
    assert model["width"].value == pytest.approx(91, abs=2)  # it knows nothing yet
    assert result.each["continuations"]["windows"] == 2
    assert list(result.figures) == ["forecast"]
    assert result.warnings == ()
    note = f"{tiny.base} does not record which patients it was trained on: leakage cannot be checked."
    assert note in result.notes
    assert note in result.summary


def test_models_that_cannot_forecast_these_windows_are_refused(
    tiny: Any, tiny_module: Any, tmp_path: Path
) -> None:
    base, beats = tiny.base, tiny.run("beats-one", "beats")
    for name, contract, levels in (
        ("pulse", replace(tiny_module.CONTRACT, modality="ppg", channels=("PPG",)), 101),
        ("coarse", tiny_module.CONTRACT, 50),
    ):
        model = GPT(GPTConfig(context_length=64, width=16, n_layers=1, n_heads=2, mlp_width=32))
        Checkpoint(model.eval(), LevelTokenizer(n_levels=levels), contract).save(tmp_path / name)
    cases: list[tuple[Path, dict[str, Any], str]] = [
        (beats, {}, "the checkpoint is for beats, and forecasts nothing"),
        (base, {"compare": beats}, "the checkpoint is for beats, and forecasts nothing"),
        (base, {"compare": tmp_path / "pulse"}, "holds ecg, but the model takes ppg"),
        (base, {"compare": tmp_path / "coarse"}, "cuts signals into 50 levels"),
        (base, {"channel": "V9"}, "has no channel 'V9'"),
        (base, {"channel": "3"}, "there is no channel 3"),
    ]
    for checkpoint, more, message in cases:
        with pytest.raises(PhysiolectError, match=message) as refused:
            evaluate(tiny.store, checkpoint, task="forecast", baselines="none", **more)
        assert refused.value.hint
