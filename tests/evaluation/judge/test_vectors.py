"""`evaluate` with the protocols linear-probe and zero-shot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from physiolect import Checkpoint, evaluate, load_checkpoint, pretrain
from physiolect.checkpoint import Outputs
from physiolect.cli import main
from physiolect.errors import CheckpointError, ConfigError
from physiolect.evaluation.prompts import PROMPTS, prompts_for

SHARED: dict[str, Any] = {"task": "classify", "resamples": 50, "device": "cpu"}


@pytest.fixture(scope="module")
def store(signal_store: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = signal_store.write_store(tmp_path_factory.mktemp("signals"), n=60)
    return folder


@pytest.fixture(scope="module")
def prompts(store: Path) -> Path:
    file = store.parent / "prompts.yaml"
    file.write_text("slow: sinus bradycardia\nfast: [sinus tachycardia, tachycardia]\n")
    return file


@pytest.fixture(scope="module")
def run(
    store: Path, signal_store: ModuleType, tiny_text: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A model that learned from signals and texts of all but the test recordings."""
    pytest.importorskip("transformers", reason="transformers is not installed (extra lm)")
    folder = tmp_path_factory.mktemp("merl")
    bert = tiny_text.write_bert(folder / "bert")
    settings = {
        **signal_store.SETTINGS,
        "validate_on": (),
        "validation": 0.2,
        "leave_out": ("test",),
        "steps": 120,
    }
    settings |= {
        "evaluate_every": 200,
        "save_every": 200,
        "batch_size": 16,
        "pairing": {"width": 8, "dropout": 0.0},
    }
    pretrain(
        store, out=folder / "run", objective="contrastive", captions=str(store.parent / "captions.jsonl"),
        text_tower=str(bert), recipe={"learning_rate": 0.01}, **settings,
    )  # fmt: skip
    return folder / "run"


def test_classes_are_told_by_their_names(run: Path, store: Path, prompts: Path) -> None:
    result = evaluate(store, run, protocol="zero-shot", prompts=str(prompts), test_on="test", **SHARED)
    assert set(result.measures) == {"model", "always the same"}
    overall = result.measures["model"].overall
    assert set(overall) == {"macro auroc", "macro auprc"}  # nothing that needs a threshold
    assert overall["macro auroc"].value > 0.9
    assert not result.warnings
    assert "6 windows (3 fast, 3 slow)" in result.data
    assert "no threshold is chosen" in result.summary
    swapped = prompts.with_name("swapped.yaml")
    swapped.write_text("fast: sinus bradycardia\nslow: sinus tachycardia\n")
    other = evaluate(store, run, protocol="zero-shot", prompts=str(swapped), test_on="test", **SHARED)
    assert other.measures["model"].overall["macro auroc"].value < 0.1


def test_scores_are_cosines_with_the_mean_of_a_class_s_prompts(run: Path, store: Path, prompts: Path) -> None:
    from physiolect.datasets import open_store
    from physiolect.evaluation.bootstrap import Bootstrap
    from physiolect.evaluation.classification import measure_binary

    checkpoint = load_checkpoint(run)
    assert checkpoint.text is not None
    found = evaluate(store, run, protocol="zero-shot", prompts=str(prompts), **SHARED)
    assert any("leakage" in each for each in found.warnings)
    opened = open_store(store)
    x = np.stack([opened.recording(row).signal[:, :64] for row in range(60)])
    signal = torch.nn.functional.normalize(
        checkpoint.model(torch.from_numpy(x), last_only=True)[:, 0], dim=-1
    )
    fast = checkpoint.text.open().vectors(["sinus tachycardia", "tachycardia"]).mean(0)
    cosine = (signal @ fast / fast.norm()).detach().numpy()
    target = np.array(["fast" in labels for labels in opened.labels], float)
    groups = [f"p{k}" for k in range(60)]
    mine = measure_binary(cosine, target, Bootstrap(groups, n_resamples=50), probability=False)
    assert found.measures["model"].per_class["fast"]["auroc"].value == pytest.approx(mine["auroc"].value)


def test_a_linear_probe_is_trained_on_what_is_not_tested(run: Path, store: Path) -> None:
    result = evaluate(store, run, protocol="linear-probe", test_on="test", **SHARED)
    assert set(result.measures) == {"model", "random weights + linear", "always the same"}
    assert result.measures["model"].overall["macro auroc"].value > 0.9
    assert result.count == 6
    assert "54 windows that are not tested" in result.protocol
    folds = evaluate(store, run, protocol="linear-probe", baselines="none", **SHARED)
    assert folds.count == 60
    assert set(folds.measures) == {"model"}
    assert "5 folds" in folds.protocol


def test_a_model_without_texts_is_probed_but_not_asked(run: Path, store: Path, prompts: Path) -> None:
    plain = replace(load_checkpoint(run), text=None)
    with pytest.raises(CheckpointError, match="did not learn from texts"):
        evaluate(store, plain, protocol="zero-shot", prompts=str(prompts), **SHARED)
    classifier = Checkpoint(
        plain.model.with_head(n_outputs=2), None, plain.contract, Outputs("classify", ("a", "b"))
    )
    result = evaluate(store, classifier, protocol="linear-probe", test_on="test", baselines="none", **SHARED)
    assert result.count == 6


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"protocol": "zero-shot"}, "there are no prompts for fast, slow"),
        ({"protocol": "zero-shot", "task": "regress"}, "not for the task regress"),
        ({"protocol": "linear-probe", "task": "embed"}, "by the classes that they tell apart"),
        ({"protocol": "k-fold", "prompts": "x.yaml"}, "prompts is for protocol zero-shot"),
        ({"protocol": "k-fold", "several": True}, "several is for protocol linear-probe or zero-shot"),
        ({"protocol": "linear-probe", "text_tower": "x"}, "text_tower is for protocol zero-shot"),
        ({"protocol": "linear-probe", "test_on": "nobody"}, "'nobody'"),
    ],
)
def test_contradictions_are_refused(settings: dict[str, Any], told: str, run: Path, store: Path) -> None:
    with pytest.raises(ConfigError, match=told):
        evaluate(store, run, **{**SHARED, **settings})


def test_vectors_need_a_protocol_of_theirs(run: Path, store: Path) -> None:
    with pytest.raises(CheckpointError, match="it gives vectors, and no answers to a task") as refused:
        evaluate(store, run, **SHARED)
    assert "linear-probe" in refused.value.hint


def test_a_store_of_another_rate_is_refused_before_its_labels_are_read(
    run: Path, signal_store: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = replace(signal_store.CONTRACT, fs=100.0, min_samples=8, max_samples=16)
    monkeypatch.setattr(signal_store, "CONTRACT", contract)
    with pytest.raises(CheckpointError, match="is at 100 Hz, but the model takes 250 Hz"):
        evaluate(signal_store.write_store(tmp_path), run, protocol="linear-probe", **SHARED)


def test_prompts_come_from_a_file_before_ours(tmp_path: Path) -> None:
    assert prompts_for(["NORM"]) == {"NORM": PROMPTS["NORM"]}
    file = tmp_path / "prompts.yaml"
    file.write_text("NORM: healthy\n")
    assert prompts_for(["NORM", "MI"], file) == {"NORM": ("healthy",), "MI": PROMPTS["MI"]}
    file.write_text("NORM: 3\n")
    with pytest.raises(ConfigError, match="the prompt of NORM is no text"):
        prompts_for(["NORM"], file)


def test_the_command_says_the_same(
    run: Path, store: Path, prompts: Path, tmp_path: Path, capsys: Any
) -> None:
    words = [
        "evaluate",
        str(store),
        "--checkpoint",
        str(run),
        "--task",
        "classify",
        "--protocol",
        "zero-shot",
    ]
    words += [
        "--prompts",
        str(prompts),
        "--test-on",
        "test",
        "--out",
        str(tmp_path / "out"),
        "--resamples",
        "50",
    ]
    assert main(words) == 0
    assert "macro AUROC" in capsys.readouterr().out
    assert (tmp_path / "out" / "table.md").is_file()
