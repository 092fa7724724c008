"""Leakage: patients that a model was trained on, and is tested on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from physiolect.cli import main
from physiolect.datasets import open_store
from physiolect.evaluation import evaluate
from physiolect.evaluation.leakage import find_leaks, unrecorded_training
from physiolect.evaluation.models import load_models

PATIENTS = [f"patient p{k}" for k in range(1, 8)]


def test_patients_that_trained_or_chose_a_model_are_named(
    tiny: Any, tiny_module: Any, tmp_path: Path
) -> None:
    digest = open_store(tiny.store).digest
    (model,) = load_models(tiny.run(*tiny_module.AF), None)
    trained, chosen = find_leaks(model, PATIENTS, digest)
    assert "trained on 2 of the 7 patients or recordings it is tested on (patient p2, patient p3)" in trained
    assert "chosen by 1 of the 7" in chosen
    assert "another store" in find_leaks(model, PATIENTS, "other")[0]
    assert find_leaks(model, ["patient p5"], digest) == []
    again = ["finetune", str(tiny.store), "--checkpoint", model.path, "--task", "rhythm", *tiny_module.TUNE]
    assert main([*again, "--train-on", "r5", "--out", str(tmp_path / "again")]) == 0
    (second,) = load_models(tmp_path / "again", None)
    trained, before = find_leaks(second, PATIENTS, digest)
    assert "trained on 1 of the 7" in trained
    assert "fine-tuned from a checkpoint that was trained on 3 of the 7" in before


def test_a_model_that_records_no_patients_is_noted(tiny: Any, tiny_module: Any) -> None:
    (base,) = load_models(tiny.base, None)
    assert unrecorded_training(base) == [
        f"{tiny.base} does not record which patients it was trained on: leakage cannot be checked."
    ]
    (model,) = load_models(tiny.run(*tiny_module.AF), None)
    assert unrecorded_training(model) == []


def test_folds_that_were_trained_on_their_test_patients_are_named(
    tiny: Any, tiny_module: Any, tmp_path: Path
) -> None:
    folds = tiny.run(*tiny_module.FOLDS)
    (sound,) = load_models(folds, None)
    assert find_leaks(sound, PATIENTS, "") == []
    document = json.loads((folds / "folds.json").read_text(encoding="utf-8"))
    first, second = document["folds"][:2]
    first["checkpoint"], second["checkpoint"] = second["checkpoint"], first["checkpoint"]
    for each in document["folds"]:
        (tmp_path / each["checkpoint"]).symlink_to(folds / each["checkpoint"])
    (tmp_path / "predictions.npz").write_bytes((folds / "predictions.npz").read_bytes())
    (tmp_path / "folds.json").write_text(json.dumps(document), encoding="utf-8")
    result = evaluate(tiny.store, tmp_path, task="rhythm", baselines="none", resamples=20)
    assert len(result.warnings) == 2
    assert "was trained on patients or recordings it is tested on: patient" in result.warnings[0]
