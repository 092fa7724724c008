"""Training a new model from random weights: presets encoder and ecgformer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from physiolect import (
    Checkpoint,
    config,
    cross_validate,
    detect_beats,
    detect_rhythm,
    finetune,
    load_checkpoint,
)
from physiolect.cli import main
from physiolect.contract import CONTRACTS
from physiolect.datasets import Row, StoreWriter, open_store
from physiolect.errors import ConfigError
from physiolect.events import Event, Message, Reporter
from physiolect.learning import TUNINGS, FinetuneSettings
from physiolect.learning.new_model import new_checkpoint
from physiolect.models.encoder import ENCODER_PRESETS, Encoder
from physiolect.models.resnet import ResNet, ResNetConfig
from physiolect.recording import Annotations, Recording
from physiolect.training import RECIPES, make_optimizer

CONTRACT = replace(CONTRACTS["heartgpt-ecg"], min_samples=16, max_samples=64)
SMALL: dict[str, Any] = {
    "preset": "encoder", "device": "cpu", "threads": 1, "log_every": 1, "batch_size": 8, "steps": 4, "validation": 0.25,
    "evaluate_every": 2,
}  # fmt: skip
SHAPE: dict[str, Any] = {"width": 16, "n_layers": 2, "n_heads": 2, "mlp_width": 32}
MODEL = replace(ENCODER_PRESETS["modern"], **SHAPE, patch=4)


RESNET: dict[str, Any] = {**SMALL, "preset": "resnet", "resnet": ResNetConfig(width=4)}


def made_recording(seed: int, n_channels: int = 1) -> Recording:
    """A slow and a fast rhythm of 192 samples each, a beat at each crest."""
    rng = np.random.default_rng(seed)
    phase = np.cumsum(1 / np.where(np.arange(384) < 192, 32.0, 9.0)) + rng.random()
    crests = np.flatnonzero(np.diff(np.floor(phase)) > 0) + 1
    signal = np.cos(2 * np.pi * phase) ** 5 + 0.05 * rng.standard_normal((n_channels, 384))
    marks = Annotations(
        np.array([0, 192, *crests.tolist()]),
        ("+", "+", *("N" for _ in crests)),
        ("(N", "(AFIB", *("" for _ in crests)),
    )
    names = ("II", "V1")[:n_channels]
    return Recording(signal.astype(np.float32), 100.0, names, "mV", "ecg", marks)


def write_store(folder: Path, n_channels: int = 1) -> Path:
    contract = CONTRACT if n_channels == 1 else replace(CONTRACT, channels=("II", "V1"))
    with StoreWriter(folder, contract) as writer:
        for k in range(6):
            row = Row.from_recording(
                made_recording(k, n_channels), source=f"r{k}", patient=f"p{k}", labels=("ab"[k % 2],)
            )
            writer.add(f"r{k}", [row])
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(tmp_path_factory.mktemp("new") / "store")


def test_a_new_encoder_is_trained_and_detects_a_rhythm(store: Path, tmp_path: Path) -> None:
    result = finetune(store, task="rhythm", out=tmp_path / "run", model=MODEL, **SMALL)
    assert result.finished
    checkpoint = load_checkpoint(tmp_path / "run")
    assert isinstance(checkpoint.model, Encoder)
    assert checkpoint.tokenizer is None
    assert checkpoint.model.context_length == checkpoint.contract.max_samples == 64
    assert checkpoint.contract.normalisation == "none"
    assert "base" not in checkpoint.run
    assert checkpoint.run["trained_on"]
    checkpoint.verify()
    found = detect_rhythm(checkpoint, made_recording(9))
    assert np.isfinite(found.probability).all()


def test_beats_are_found_at_samples_though_tokens_are_patches(store: Path, tmp_path: Path) -> None:
    finetune(store, task="beats", out=tmp_path / "run", model=MODEL, **SMALL)
    checkpoint = load_checkpoint(tmp_path / "run")
    assert checkpoint.model.config.each_sample
    inputs, _ = checkpoint.encode(made_recording(9).signal[:, :64])
    assert checkpoint.predict(inputs).shape == (1, 64)
    detect_beats(checkpoint, made_recording(9))


def test_two_channels_of_a_store(tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", 2)
    finetune(store, task="classify", out=tmp_path / "run", model=MODEL, **SMALL)
    checkpoint = load_checkpoint(tmp_path / "run")
    assert checkpoint.model.config.n_channels == 2
    assert checkpoint.contract.channels == ("II", "V1")
    assert checkpoint.outputs.classes == ("a", "b")


def test_a_stopped_run_is_resumed_as_if_it_had_not_stopped(store: Path, tmp_path: Path) -> None:
    given = {"task": "rhythm", "model": MODEL, **SMALL}
    finetune(store, out=tmp_path / "whole", **given)

    def stop(event: Event) -> bool:
        return getattr(event, "step", 0) == 2

    stopped = finetune(store, out=tmp_path / "run", on_event=stop, **given)
    assert not stopped.finished
    assert finetune(store, task="rhythm", out=tmp_path / "run", resume=True).finished
    one, other = (load_checkpoint(tmp_path / name / "last").model.state_dict() for name in ("whole", "run"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_residual_network_of_two_channels_learns_several_classes(tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", 2)
    finetune(store, task="classify", several=True, out=tmp_path / "run", **RESNET)
    checkpoint = load_checkpoint(tmp_path / "run")
    assert isinstance(checkpoint.model, ResNet)
    assert (checkpoint.model.config.n_channels, checkpoint.model.context_length) == (2, 64)
    assert checkpoint.outputs.several
    assert checkpoint.model.stem.convolutions[0].norm.mean.abs().max() > 0
    checkpoint.verify()
    again = {**SMALL, "preset": "modern", "trained": "head"}
    finetune(store, tmp_path / "run", task="classify", out=tmp_path / "head", **again)
    held, now = (load_checkpoint(tmp_path / name).model for name in ("run", "head"))
    for name, value in held.named_buffers():  # a frozen trunk keeps its averages
        assert torch.equal(value, now.get_buffer(name)), name


def test_positive_windows_are_counted_in_a_cross_validation(tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", 2)
    shared = {**RESNET, "classes": ("a", "b"), "validation": 0.0}
    result = cross_validate(store, task="classify", several=True, k=2, out=tmp_path / "run", **shared)
    lines = result.measures_text.splitlines()
    assert lines[2].startswith("all: 36 windows of 6 patients, macro AUROC ")
    assert [line.split(",")[1] for line in lines[3:]] == [" 18 of 36 windows positive"] * 2
    assert lines[3].startswith("  a: AUROC ")
    assert result.to_frame()["b auroc positives"].tolist() == [12, 6, 18]


def test_a_stopped_residual_network_is_resumed_with_its_averages(store: Path, tmp_path: Path) -> None:
    finetune(store, task="rhythm", out=tmp_path / "whole", **RESNET)

    def stop(event: Event) -> bool:
        return getattr(event, "step", 0) == 2

    assert not finetune(store, task="rhythm", out=tmp_path / "run", on_event=stop, **RESNET).finished
    assert finetune(store, task="rhythm", out=tmp_path / "run", resume=True).finished
    one, other = (load_checkpoint(tmp_path / name / "last").model.state_dict() for name in ("whole", "run"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_seeds_decide_the_first_weights(store: Path) -> None:
    opened = open_store(store)
    made = [new_checkpoint(MODEL, opened, seed=seed, reporter=Reporter()).model for seed in (0, 0, 1)]
    first, again, other = (model.embedding.weight for model in made)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_folds_of_a_cross_validation_are_new_models(store: Path, tmp_path: Path) -> None:
    result = cross_validate(store, task="rhythm", out=tmp_path / "run", k=2, model=MODEL, **SMALL)
    assert result.finished
    assert result.n_folds == 2


def test_ecgformer_trains_as_its_text_does(store: Path, tmp_path: Path) -> None:
    settings = FinetuneSettings("s", "classify", str(tmp_path), preset="ecgformer")
    tuning = settings.tuning
    assert (tuning.batch_size, tuning.validation, tuning.augmentation.noise) == (64, 0.0, 0.0)
    recipe = tuning.recipe
    assert (recipe.learning_rate, recipe.weight_decay, recipe.clip_norm) == (2e-4, 0.0, None)
    assert (recipe.beta1, recipe.beta2, recipe.schedule) == (0.9, 0.999, "constant")


def test_its_recipe_is_adam() -> None:
    torch.manual_seed(0)
    ours, theirs = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    theirs.load_state_dict(ours.state_dict())
    pairs = (make_optimizer(ours, RECIPES["ecgformer"]), ours), (
        torch.optim.Adam(theirs.parameters(), lr=2e-4), theirs,
    )  # fmt: skip
    x = torch.randn(5, 3)
    for optimizer, model in pairs:
        for _ in range(3):
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours.weight, theirs.weight)


def test_the_verb_trains_ecgformer(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = replace(TUNINGS["ecgformer"], model=replace(ENCODER_PRESETS["ecgformer"], **SHAPE))
    monkeypatch.setitem(TUNINGS, "ecgformer", small)
    words = [
        "finetune",
        str(store),
        "--preset",
        "ecgformer",
        "--task",
        "classify",
        "--out",
        str(tmp_path / "run"),
    ]
    assert main([*words, "--steps", "2", "--batch-size", "4", "--device", "cpu", "--threads", "1"]) == 0
    assert "each window is scaled to [0, 1]" in capsys.readouterr().err
    model = load_checkpoint(tmp_path / "run").model.config
    assert (model.attention, model.positions_at, model.classifier) == (
        "post-scaled",
        "every-layer",
        "two-layer",
    )
    assert (model.context_length, model.scaling) == (64, "range")
    assert config.read_yaml(tmp_path / "run" / "settings.yaml")["checkpoint"] is None


def test_windows_are_no_longer_than_the_model_says(store: Path) -> None:
    said: list[str] = []
    reporter = Reporter(lambda event: said.append(event.text) if isinstance(event, Message) else None)
    made = new_checkpoint(replace(MODEL, context_length=32), open_store(store), seed=0, reporter=reporter)
    assert made.contract.max_samples == made.model.context_length == 32
    assert said == ["windows are 32 samples, of the 64 that the store allows"]
    with pytest.raises(ConfigError, match="64 samples, but a patch of the model is 80"):
        new_checkpoint(
            replace(MODEL, patch=80, context_length=80), open_store(store), seed=0, reporter=reporter
        )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "preset modern starts from a checkpoint: give checkpoint"),
        ({"preset": "ecgformer", "checkpoint": "ecg"}, "trains a new model: leave checkpoint out"),
        ({"preset": "encoder", "trained": "head"}, "leave trained out"),
        ({"preset": "encoder", "pooling": "mean"}, "leave pooling out"),
        ({"preset": "ecgformer", "model": MODEL}, "it goes with preset encoder"),
        ({"preset": "encoder", "resnet": ResNetConfig(depth=50)}, "it goes with preset resnet"),
        ({"preset": "resnet", "task": "beats"}, "16 or 32 samples one output, but beats has one a sample"),
        ({"preset": "resnet", "pooling": "mean"}, "which has resnet.pooling: leave pooling out"),
        ({"preset": "ecgformer", "recipe": {"learning_rate": 1.0}}, "preset ecgformer fixes the recipe"),
        ({"preset": "ecgformer", "augmentation": {"noise": 0.5}}, "preset ecgformer fixes the augmentation"),
    ],
)
def test_contradictions_are_refused(
    store: Path, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        finetune(store, out=tmp_path / "run", **{"task": "rhythm", **settings})
    assert not (tmp_path / "run").exists()


def test_a_trained_encoder_is_fine_tuned_like_any_checkpoint(store: Path, tmp_path: Path) -> None:
    finetune(store, task="rhythm", out=tmp_path / "base", model=MODEL, **SMALL)
    unvaried = {"augmentation": {"noise": 0.0, "wander": 0.0}}
    again = {**SMALL, "preset": "modern", "trained": "last-block", "pooling": "attention", **unvaried}
    finetune(store, tmp_path / "base", task="classify", out=tmp_path / "run", **again)
    tuned: Checkpoint = load_checkpoint(tmp_path / "run")
    base = load_checkpoint(tmp_path / "base")
    assert torch.equal(tuned.model.embedding.weight, base.model.embedding.weight)
    assert tuned.model.config.pooling == "attention"
    assert tuned.run["base"]["checkpoint"].endswith("base")


@pytest.mark.parametrize("call", [finetune, cross_validate])
def test_a_run_never_lands_in_a_store(store: Path, call: Callable[..., Any]) -> None:
    before = sorted(path.name for path in store.iterdir())
    with pytest.raises(ConfigError, match="is a store: give a folder of its own"):
        call(store, task="rhythm", out=store, preset="encoder")
    assert sorted(path.name for path in store.iterdir()) == before
