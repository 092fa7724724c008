"""Training decoders of continuous signals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from physiolect import finetune, load_checkpoint
from physiolect.checkpoint import Outputs
from physiolect.datasets import make_examples, open_store, prepare
from physiolect.errors import ConfigError
from physiolect.learning import FinetuneSettings
from physiolect.learning.labelled_windows import divide
from physiolect.models.continuous_config import CONTINUOUS_PRESETS
from physiolect.models.recurrent import Recurrent
from physiolect.training import Labelled
from tests.spike_store import N_UNITS, TARGETS, write_spikes

SMALL = replace(
    CONTINUOUS_PRESETS["modern"], context_length=40, band=10, width=16, n_layers=1, n_heads=2, mlp_width=16
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("decoders")
    file = write_spikes(folder / "day0.npz", seconds=120.0)
    prepare(file, folder / "store", targets=TARGETS, blocks=(0.7, 0.15, 0.15), gap=2.0, workers=1)
    return folder / "store"


def settings(store: Path, **changed: object) -> FinetuneSettings:
    return FinetuneSettings(str(store), "decode", "out", preset="decoder", decoder=SMALL, **changed)  # type: ignore[arg-type]


def test_blocks_decide_who_trains_and_each_step_validates_once(store: Path) -> None:
    opened = open_store(store)
    examples = make_examples(opened, "decode", length=40, stride=5, channel=opened.contract.channels)
    train, validation = divide(examples, settings(store))
    assert validation is not None
    splits = opened.splits
    assert {splits[row] for row in train.rows.tolist()} == {"train"}
    assert {splits[row] for row in validation.rows.tolist()} == {"validation"}
    counted = (validation.starts[:, None] + np.arange(10, 40)).ravel()  # the first ten do not count
    assert len(set(counted.tolist())) == len(counted)


def test_random_windows_exist_by_name_with_a_warning(store: Path, tmp_path: Path) -> None:
    said: list[str] = []
    finetune(
        store, task="decode", preset="decoder", decoder=SMALL, split="overlapping-random", out=tmp_path / "run",
        steps=2, device="cpu", on_event=lambda event: said.append(str(event)),
    )  # fmt: skip
    assert any("says nothing about new data" in each for each in said)
    with pytest.raises(ConfigError, match="draws from all windows"):
        finetune(
            store,
            task="decode",
            preset="decoder",
            split="overlapping-random",
            train_on="train",
            out=tmp_path / "b",
        )


@pytest.mark.parametrize("preset", ["gru", "state-space", "tutorial"])
def test_presets_train_and_come_back(store: Path, tmp_path: Path, preset: str) -> None:
    result = finetune(
        store,
        task="decode",
        preset=preset,
        out=tmp_path / "run",
        steps=3,
        batch_size=4,
        device="cpu",
        evaluate_every=3,
    )
    checkpoint = load_checkpoint(tmp_path / "run")
    checkpoint.verify()
    assert set(result.measures) == {"r2", "r"}
    assert checkpoint.outputs.targets == TARGETS
    assert checkpoint.model.n_channels == N_UNITS
    assert checkpoint.contract.channels[0] == "unit 1"
    if preset == "gru":
        assert isinstance(checkpoint.model, Recurrent)
    if preset != "tutorial":
        roots = np.sqrt(open_store(store).recording(0).signal[:N_UNITS].clip(0))
        np.testing.assert_allclose(checkpoint.model.input.mean.numpy(), roots.mean(1), atol=0.05)
        np.testing.assert_allclose(checkpoint.model.input.sd.numpy(), roots.std(1), atol=0.05)


def test_reach_targets_are_classified(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    starts = np.arange(40) * 2.0 + 0.5
    targets = np.tile([1, 2], 20)
    counts = rng.poisson(1.0, (1700, 5))
    for start, target in zip(starts, targets, strict=True):
        counts[int(start * 20) : int(start * 20) + 30, target] += rng.poisson(4.0, 30)
    np.savez(
        tmp_path / "a.npz", spike_counts=counts, bin_s=0.05,
        trials=np.column_stack([starts, starts + 1.5, targets]),
        trial_columns=np.array(["trial start time", "trial end time", "tgt_id"]),
    )  # fmt: skip
    prepare(tmp_path / "a.npz", tmp_path / "store", trials=True, blocks=(0.6, 0.2, 0.2), gap=1.0, workers=1)
    result = finetune(
        tmp_path / "store", task="classify", preset="decoder", decoder=replace(SMALL, context_length=30), steps=40,
        out=tmp_path / "run", device="cpu", evaluate_every=40, batch_size=16,
    )  # fmt: skip
    assert result.measures["accuracy"]["value"] > 0.8
    with pytest.raises(ConfigError, match="shorter than a window of 40 steps"):
        finetune(
            tmp_path / "store", task="classify", preset="decoder", decoder=SMALL, out=tmp_path / "b", steps=1
        )


def test_the_loss_of_several_targets() -> None:
    outputs, target = torch.randn(2, 7, 3), torch.randn(2, 7, 3)

    class Fixed(torch.nn.Module):
        def forward(self, x: torch.Tensor, last_only: bool = False) -> torch.Tensor:
            return outputs

    x = torch.zeros(2, 1, 7)
    squared = Labelled("number", scope="position", skip=2)(Fixed(), (x, target))
    assert squared.item() == pytest.approx((outputs - target)[:, 2:].square().mean().item(), rel=1e-6)
    huber = Labelled("number", scope="position", huber=0.5)(Fixed(), (x, target))
    error = (outputs - target).abs()
    expected = torch.where(error < 0.5, error.square() / 2, 0.5 * (error - 0.25)).mean()
    assert huber.item() == pytest.approx(expected.item(), rel=1e-6)
    with pytest.raises(ConfigError, match="the targets are"):
        Labelled("number", scope="position")(Fixed(), (x, target[..., :1]))


def test_outputs_of_several_targets() -> None:
    outputs = Outputs("decode", targets=("a", "b"), means=(1.0, 2.0), sds=(10.0, 0.5))
    assert not outputs.problems(2)
    assert outputs.problems(3)
    read = outputs.read(torch.ones(1, 4, 2))
    assert read[0, 0].tolist() == [11.0, 2.5]
    assert Outputs("regress", targets=("a",), means=(0.0,), sds=(1.0,)).problems(1)
    assert Outputs("decode", targets=("a",), means=(0.0,), sds=(0.0,)).problems(1)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"preset": "encoder"}, "give preset decoder"),
        ({"huber": 0.0}, "huber is an error above 0"),
        ({"preset": "gru", "decoder": SMALL}, "goes with preset decoder"),
    ],
)
def test_settings_that_contradict(
    store: Path, tmp_path: Path, changed: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        finetune(store, task="decode", out=tmp_path / "x", **{"preset": "decoder", **changed})  # type: ignore[arg-type]


def test_a_store_without_targets_or_with_one_that_stands_still(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "a.npz",
        spike_counts=np.random.default_rng(0).poisson(2, (400, 4)),
        force=np.ones(400),
        bin_s=0.05,
    )
    prepare(tmp_path / "a.npz", tmp_path / "still", targets=["force"], workers=1)
    with pytest.raises(ConfigError, match="force has one value"):
        finetune(
            tmp_path / "still",
            task="decode",
            preset="decoder",
            decoder=SMALL,
            out=tmp_path / "x",
            validation=0.0,
        )
    contract = open_store(tmp_path / "still").contract
    prepare(tmp_path / "a.npz", tmp_path / "none", contract=contract, workers=1)
    with pytest.raises(ConfigError, match="keeps no targets"):
        finetune(tmp_path / "none", task="decode", preset="decoder", decoder=SMALL, out=tmp_path / "y")
