"""Which models are evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from physiolect import load_checkpoint
from physiolect.errors import CheckpointError
from physiolect.evaluation import models as module
from physiolect.evaluation.models import left_in_place, load_models, titles_of


def test_models_are_called_by_the_ends_of_their_paths_unless_these_are_alike() -> None:
    assert titles_of({"model": "runs/folds/", "compared": "ECGPT_AF.zip"}) == {
        "model": "model (folds)",
        "compared": "compared (ECGPT_AF.zip)",
    }
    assert titles_of({"model": "a/best", "compared": "b/best"}) == {
        "model": "model (a/best)",
        "compared": "compared (b/best)",
    }


def test_opened_checkpoints_are_taken_as_they_are(tiny: Any) -> None:
    opened = load_checkpoint(tiny.base)
    model, other = load_models(opened, tiny.base)
    assert model.checkpoint is opened
    assert (model.title, model.path) == ("model", "the model in memory")
    assert (other.title, other.path) == ("compared (base)", str(tiny.base))


def test_an_error_names_the_model_it_is_about(tiny: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"^compare: there is no checkpoint") as refused:
        load_models(tiny.base, tmp_path / "nowhere")
    assert refused.value.hint
    model, _ = load_models(tiny.base, tiny.base)
    with pytest.raises(CheckpointError, match=rf"^checkpoint {tiny.base}: wrong$"), model.named_in_errors():
        raise CheckpointError("wrong")


def test_models_are_left_where_and_as_they_were(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = load_checkpoint(tiny.base)
    opened.model.train()
    moved: list[object] = []
    plain = opened.model.to

    def noted(device: object) -> Any:
        moved.append(device)
        return plain(device)

    monkeypatch.setattr(opened.model, "to", noted)
    with left_in_place(load_models(opened, None)):
        opened.model.eval()
    assert opened.model.training
    assert moved == [torch.device("cpu")]


def test_a_fold_is_loaded_once(tiny: Any, tiny_module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folds = tiny.run(*tiny_module.FOLDS)
    loaded: list[str] = []
    from physiolect.evaluation import cross_validated

    def counted(path: Path) -> Any:
        loaded.append(Path(path).name)
        return load_checkpoint(path)

    monkeypatch.setattr(cross_validated, "load_checkpoint", counted)
    monkeypatch.setattr(module, "load_checkpoint", counted)
    (model,) = load_models(folds, None)
    assert model.is_cross_validated
    groups = [f"patient p{max(1, k)}" for k in range(8)]
    assert len(set(map(id, model.models_of_rows(groups, range(8)).values()))) == 3
    assert all(fold.run.records_patients for fold in model.source.folds)
    assert sorted(loaded) == ["fold-1", "fold-2", "fold-3"]
    with pytest.raises(CheckpointError, match=r"no fold of .* was tested on patient x"):
        model.models_of_rows(["patient x"], [0])
