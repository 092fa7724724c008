"""The checkpoints that come with the package: there, whole, offline, and behind what is the user's own."""

from __future__ import annotations

import re
import socket
import zipfile
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import torch

from physiolect import Checkpoint, detect, generate, load_checkpoint, synthetic
from physiolect.checkpoint import EMBEDDED
from physiolect.checkpoint.hub import FILES
from physiolect.contract import CONTRACTS
from physiolect.datasets.examples.labels import beat_samples
from physiolect.datasets.public.catalogue import DATASETS
from physiolect.detection import HolterResult
from physiolect.errors import CheckpointError
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.tokenizers import LevelTokenizer

ROOT = Path(__file__).parents[2]
DETECTORS = ("ecg-beats", "ecg-rhythm", "ecg-heartbeats")


def card_of(name: str) -> str:
    return re.sub(r"\s+", " ", (EMBEDDED[name] / "README.md").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in, and no way to the network."""

    def refuse(*args: object, **_: object) -> NoReturn:
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def own(path: Path) -> Path:
    model = GPT(GPTConfig(context_length=8, width=8, n_layers=1, n_heads=2, mlp_width=8))
    return Checkpoint(model, LevelTokenizer(), CONTRACTS["heartgpt-ecg"]).save(path)


def test_it_loads_offline_in_float32_and_proves_itself() -> None:
    checkpoint = load_checkpoint("ecg")
    assert checkpoint.verify().deviation < 1e-3
    assert {p.dtype for p in checkpoint.model.parameters()} == {torch.float32}
    assert checkpoint.model.n_parameters() == 1_596_901
    assert (checkpoint.task.name, checkpoint.contract.modality, checkpoint.contract.fs) == (
        "forecast",
        "ecg",
        100.0,
    )


def test_it_continues_any_lead_past_its_context() -> None:
    recording = synthetic.ecg(seconds=6, leads=("II",), seed=3)
    continuation = generate(load_checkpoint("ecg"), recording, n_tokens=20, n_samples=2, seed=0)
    assert continuation.signal.shape == (2, 20)
    assert continuation.unit == "mV"
    assert np.abs(continuation.signal).max() < 5


def test_a_checkpoint_of_that_name_here_comes_first(here: Path) -> None:
    own(here / "ecg")
    assert load_checkpoint("ecg").model.config.width == 8
    (here / "ecg" / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="missing"):  # what is broken is told, not passed over
        load_checkpoint("ecg")


def test_so_does_a_run_of_that_name(here: Path) -> None:
    own(here / "ecg" / "best")
    assert load_checkpoint("ecg").model.config.width == 8


def test_anything_else_of_that_name_does_not(here: Path) -> None:
    (here / "ecg").mkdir()
    (here / "ecg" / "100.hea").touch()
    assert load_checkpoint("ecg").model.config.width == 128
    with pytest.raises(CheckpointError, match="no checkpoint") as caught:
        load_checkpoint("./ecg")
    assert caught.value.hint == "pass a folder made by pretrain, finetune or convert"


def test_a_cross_validated_run_names_its_folds(here: Path) -> None:
    for fold in ("fold-1", "fold-2"):
        own(here / "folds" / fold / "best")
    with pytest.raises(CheckpointError, match="folds is no checkpoint, but a cross-validated run") as caught:
        load_checkpoint("folds")
    assert "pass folds/fold-1;" in (caught.value.hint or "")
    assert load_checkpoint("folds/fold-1").model.config.width == 8


def test_other_plain_names_stay_unknown() -> None:
    with pytest.raises(CheckpointError, match="no checkpoint 'ppg'") as caught:
        load_checkpoint("ppg")
    assert "or one that comes with Physiolect: ecg, ecg-beats, ecg-heartbeats, ecg-rhythm" in (
        caught.value.hint or ""
    )


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_proves_itself_and_names_its_patients(name: str) -> None:
    checkpoint = load_checkpoint(name)
    assert checkpoint.verify().deviation < 1e-3
    assert checkpoint.contract.modality == "ecg"
    assert checkpoint.run["trained_on"]
    text = (EMBEDDED[name] / "run.yaml").read_text(encoding="utf-8")
    assert not re.search(r": (/|\.\.)", text)  # no path of the machine that trained it


def test_the_detectors_find_what_was_made() -> None:
    steady, fibrillating = (
        detect(
            synthetic.ecg(seconds=120, fs=250, leads=("II", "V1"), rhythm=rhythm, ectopic_rate=rate, seed=5)
        )
        for rhythm, rate in (("sinus", 0.1), ("af", 0.0))
    )
    marks = synthetic.ecg(seconds=120, fs=250, leads=("II", "V1"), ectopic_rate=0.1, seed=5).annotations
    true = beat_samples(marks) / 250
    assert isinstance(steady, HolterResult)
    assert isinstance(fibrillating, HolterResult)
    away = np.abs(steady.times[:, None] - true).min(0)
    assert (away > 0.05).sum() <= 1  # one at an end
    assert abs(len(steady.times) - len(true)) <= 1
    counts, ectopic = steady.heartbeats.counts, marks.symbol.count("V")
    assert 0.7 * ectopic <= counts["V"] + counts["F"] <= 1.3 * ectopic
    assert np.nanmean(steady.rhythm.probability) < 0.2
    assert np.nanmean(fibrillating.rhythm.probability) > 0.8


def test_all_are_small() -> None:
    size = sum(file.stat().st_size for name in DETECTORS for file in EMBEDDED[name].iterdir())
    assert size < 15_000_000


def test_it_is_small_and_holds_no_more_than_a_checkpoint_and_its_card() -> None:
    files = {file.name: file.stat().st_size for file in EMBEDDED["ecg"].iterdir()}
    assert set(files) == {*FILES, "README.md"}
    assert sum(files.values()) < 3_300_000


@pytest.mark.parametrize("name", sorted(EMBEDDED))
@pytest.mark.parametrize(
    "says", ["## Training data", "## Limits", "## Results", "no diagnosis", "ODC-By 1.0"]
)
def test_a_card_says_what_users_need(name: str, says: str) -> None:
    assert says in card_of(name)
    assert f"{load_checkpoint(name).model.n_parameters():,}" in card_of(name)


def test_the_wheel_holds_it(here: Path) -> None:
    from hatchling.builders.wheel import WheelBuilder

    wheel = next(WheelBuilder(str(ROOT)).build(directory=str(here), versions=["standard"]))
    with zipfile.ZipFile(wheel) as archive:
        held = {Path(name).name for name in archive.namelist() if "/embedded/ecg/" in name}
        weights = [name for name in archive.namelist() if name.endswith(".safetensors")]
        assert len(weights) == len(EMBEDDED)
        for name in weights:
            assert archive.read(name) == (EMBEDDED[Path(name).parent.name] / "model.safetensors").read_bytes()
    assert held == {*FILES, "README.md"}


@pytest.mark.parametrize("name", DETECTORS)
def test_patients_that_trained_a_detector_are_named_as_prepare_names_them(name: str) -> None:
    used = load_checkpoint(name).run["trained_on"]
    assert len(used) > 40
    datasets = {each.removeprefix("patient ").split("/")[0] for each in used}
    assert datasets <= set(DATASETS)  # else `evaluate` could not warn of them
    assert "mitbih" in datasets
