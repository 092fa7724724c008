"""`physiolect pretrain` from the outside."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from physiolect import config, load_checkpoint, pretrain
from physiolect.checkpoint import load_state
from physiolect.cli import main
from physiolect.commands import prepare
from physiolect.commands.pretrain import Config
from physiolect.contract import CONTRACTS
from physiolect.datasets import Row, StoreWriter, open_store
from physiolect.datasets.examples.splits import row_groups
from physiolect.files import lock_folder
from physiolect.models.gpt import GPT_PRESETS
from physiolect.recording import Recording
from physiolect.synthetic import write_cohort
from physiolect.training import RECIPES
from physiolect.training.optim import learning_rate_at
from physiolect.training.stopping import Stop

SMALL = {
    "context_length": 64, "width": 16, "n_layers": 2, "n_heads": 2, "mlp_width": 32, "band": None,
    "attention_dropout": 0.1, "residual_dropout": 0.1,
}  # fmt: skip
SETTINGS = {
    "steps": 20, "batch_size": 8, "accumulate": 2, "validation_windows": 8, "validation": 0.3, "device": "cpu",
    "threads": 1, "log_every": 1, "evaluate_every": 7, "save_every": 5, "model": SMALL,
}  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four recordings of 15 seconds, one lead of each."""
    folder = tmp_path_factory.mktemp("store")
    write_cohort(folder / "in", n_recordings=4, seconds=15, seed=0)
    assert (
        prepare.run(prepare.Config([str(folder / "in")], str(folder / "out"), channel="II", workers=1)) == 0
    )
    return folder / "out"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings of a small run as YAML."""
    path = tmp_path_factory.mktemp("settings") / "small.yaml"
    config.dump(SETTINGS, path)
    return path


@pytest.fixture(scope="module")
def whole(store: Path, small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of twenty updates that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert main(["pretrain", str(store), "--out", str(out), "--config", str(small)]) == 0
    return out


def metrics(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def losses(run: Path) -> list[dict[str, Any]]:
    """What each update told, without the time it took."""
    updates = [line for line in metrics(run) if "loss" in line]
    return [{name: value for name, value in line.items() if name != "tokens_per_second"} for line in updates]


def interrupt(process: subprocess.Popen[str], run: Path, number: int, after: int) -> str:
    """Send a signal once so many updates are told, and return what the process wrote."""
    file = run / "metrics.jsonl"
    while process.poll() is None and (not file.exists() or file.read_bytes().count(b'"loss"') < after):
        time.sleep(0.002)
    process.send_signal(number)
    return process.communicate(timeout=300)[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_twenty_updates_are_ten_and_a_kill_and_the_rest(
    store: Path, small: Path, whole: Path, tmp_path: Path, number: int
) -> None:
    out = tmp_path / "run"
    words = ["pretrain", str(store), "--out", str(out), "--config", str(small)]
    # slowed, so that it cannot finish before the signal
    slowed = (
        "import sys, time, importlib; pretrain = importlib.import_module('physiolect.learning.next_level')\n"
    )
    slowed += "f = pretrain.next_token_loss\n"
    slowed += "def slow(*a): time.sleep(0.02); return f(*a)\n"
    slowed += "pretrain.next_token_loss = slow; from physiolect.cli import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen([sys.executable, "-c", slowed, *words], stderr=subprocess.PIPE, text=True)
    told = interrupt(process, out, number, 10)
    if number == signal.SIGTERM:
        assert process.returncode == 143, told
        assert f"physiolect pretrain {store} --out {out} --resume" in told
        assert losses(out) == losses(whole)[: int(load_state(out / "last")["step"])]
    else:
        assert process.returncode == -signal.SIGKILL
    assert "Traceback" not in told
    step = int(load_state(out / "last")["step"])
    assert 5 <= step < 20
    assert main(["pretrain", str(store), "--out", str(out), "--resume"]) == 0
    assert losses(out) == losses(whole)
    steps = [(line["step"], "loss" in line) for line in metrics(out)]
    assert len(set(steps)) == len(steps)
    ours, theirs = (load_checkpoint(run / "last").model.state_dict() for run in (out, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    ours, theirs = (load_state(run / "last") for run in (out, whole))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs if name != "best")


def test_a_run_leaves_all_it_promises(whole: Path, store: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert [line["step"] for line in losses(whole)] == list(range(1, 21))
    validated = {
        line["step"]: line["validation_loss"] for line in metrics(whole) if "validation_loss" in line
    }
    assert list(validated) == [7, 14, 20]
    best = load_checkpoint(whole)
    assert best.verify()
    assert best.run["validation_loss"] == min(validated.values())
    assert best.contract.max_samples == SMALL["context_length"]
    trained, held = (set(best.run[name]) for name in ("trained_on", "validated_on"))
    assert trained
    assert held
    assert not trained & held
    assert trained | held == set(row_groups(open_store(store)))
    assert load_checkpoint(whole / "last").verify()
    board = EventAccumulator(str(whole / "tensorboard")).Reload()
    assert [event.step for event in board.Scalars("loss")] == list(range(1, 21))
    assert board.Scalars("loss")[4].value == pytest.approx(losses(whole)[4]["loss"])
    assert config.load(Config, whole / "settings.yaml").model.width == SMALL["width"]


def test_a_stop_at_the_last_update_leaves_the_last(
    store: Path,
    small: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = iter(range(100))
    monkeypatch.setattr(Stop, "asked", lambda self: next(asked) >= 1)
    run = tmp_path / "run"
    assert main(["pretrain", str(store), "--out", str(run), "--config", str(small), "--steps", "2"]) == 0
    assert f"2 updates: {run}/last" in capsys.readouterr().err
    assert load_checkpoint(run).run["step"] == 2


def test_options_override_the_file(store: Path, small: Path, tmp_path: Path) -> None:
    words = ["pretrain", str(store), "--out", str(tmp_path / "run"), "--config", str(small)]
    assert main([*words, "--steps", "2", "--model.width", "8", "--recipe.learning-rate", "0.01"]) == 0
    used = config.load(Config, tmp_path / "run" / "settings.yaml")
    assert (used.steps, used.model.width, used.recipe.learning_rate) == (2, 8, 0.01)
    assert (used.batch_size, used.model.n_layers) == (8, 2)
    assert len(losses(tmp_path / "run")) == 2


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_weights_before(
    store: Path, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    words = ["pretrain", str(store), "--out", str(out), "--config", str(small)]
    assert main([*words, "--recipe.learning-rate", "1e30"]) == 1
    told = capsys.readouterr().err
    assert re.search("error: update 2 has a loss of .* and a gradient of norm (nan|inf)", told)
    assert "hint: the weights of update 1 are saved" in told
    last = load_checkpoint(out / "last")
    assert last.run["step"] == 1
    assert all(value.isfinite().all() for value in last.model.state_dict().values())


def test_the_published_preset_trains_as_published(store: Path, tmp_path: Path) -> None:
    words = [
        "pretrain",
        str(store),
        "--out",
        str(tmp_path / "run"),
        "--preset",
        "heartgpt-ecg",
        "--steps",
        "3",
    ]
    words += ["--batch-size", "2", "--log-every", "1", "--validation-windows", "2", "--threads", "1"]
    assert main([*words, "--device", "cpu"]) == 0
    assert [line["learning_rate"] for line in losses(tmp_path / "run")] == [3e-4] * 3
    assert load_checkpoint(tmp_path / "run").model.config == GPT_PRESETS["heartgpt-ecg"]


def test_the_published_scale_needs_a_thousand_samples(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_cohort(tmp_path / "in", n_recordings=2, seconds=9, seed=0)
    out = tmp_path / "store"
    assert prepare.run(prepare.Config([str(tmp_path / "in")], str(out), channel="II", workers=1)) == 0
    words = ["pretrain", str(out), "--out", str(tmp_path / "run"), "--preset", "heartgpt-ecg", "--steps", "1"]
    assert main(words) == 2
    assert "is 1000 samples long" in capsys.readouterr().err
    assert not (tmp_path / "run" / "last").exists()


def test_a_resumed_run_keeps_its_settings(
    store: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (whole / "metrics.jsonl").read_bytes()
    words = ["pretrain", str(store), "--out", str(whole), "--resume", "--batch-size", "4", "--seed", "1"]
    assert main(words) == 2
    told = capsys.readouterr().err
    assert "keeps its settings, but batch_size, seed differs" in told
    assert "hint: leave these out" in told
    assert (whole / "metrics.jsonl").read_bytes() == before


def test_there_must_be_a_run_to_resume_and_none_to_start(
    store: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pretrain", str(store), "--out", str(tmp_path / "new"), "--resume"]) == 2
    assert "holds no run to resume" in capsys.readouterr().err
    assert main(["pretrain", str(store), "--out", str(whole)]) == 2
    assert "holds a run already: give --resume" in capsys.readouterr().err


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_that_another_run_writes_to_is_left_alone(
    store: Path, small: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], resume: bool
) -> None:
    out = whole if resume else tmp_path / "run"
    words = ["--resume"] if resume else ["--config", str(small)]
    before = (whole / "metrics.jsonl").read_bytes()
    with lock_folder(out):
        assert main(["pretrain", str(store), "--out", str(out), *words]) == 1
    told = capsys.readouterr().err
    assert f"another run is writing {out}" in told
    assert "hint: wait for it" in told
    assert (whole / "metrics.jsonl").read_bytes() == before
    assert resume or not out.exists()


def test_a_run_that_ended_while_this_one_started_is_kept(
    store: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Config, "problems", lambda self: [])
    before = (whole / "metrics.jsonl").read_bytes()
    assert main(["pretrain", str(store), "--out", str(whole)]) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert (whole / "metrics.jsonl").read_bytes() == before


def test_all_problems_are_told_at_once() -> None:
    settings = Config("store", "out", preset="old", steps=0, batch_size=0, validation=1.0, save_every=-1)
    assert len(settings.problems()) == 5
    wide = Config("store", "out", preset="heartgpt-ecg", model=GPT_PRESETS["heartgpt-ppg"])
    assert "go with preset modern" in wide.problems()[0]


def test_a_resumed_run_keeps_its_store(
    store: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_cohort(tmp_path / "in", n_recordings=4, seconds=15, seed=9)
    other = tmp_path / "other"
    assert prepare.run(prepare.Config([str(tmp_path / "in")], str(other), channel="II", workers=1)) == 0
    assert main(["pretrain", str(other), "--out", str(whole), "--resume"]) == 2
    assert "another store than the run was trained on" in capsys.readouterr().err


def test_a_given_default_is_a_given_setting(
    store: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    default = str(Config(store="", out="").batch_size)
    assert main(["pretrain", str(store), "--out", str(whole), "--resume", "--batch-size", default]) == 2
    assert "keeps its settings, but batch_size differs" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["--threads", "-1"],
        ["--seed", "100000000000000000000000"],
        ["--model.n-outputs", "1"],
        ["--scale-samples", "-3"],
        ["--minutes", "nan"],
        ["--minutes", "-5"],
        ["--model.vocabulary-size", "50"],
    ],
)
def test_settings_without_sense_are_refused_before_any_work(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pretrain", "no-such-store", "--out", str(tmp_path / "run"), *words]) == 2
    error = capsys.readouterr().err
    assert words[0].removeprefix("--") in error.replace("_", "-")
    assert "hint:" in error


def test_parts_of_a_published_split_are_kept_apart(
    tmp_path: Path, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng, contract = np.random.default_rng(0), CONTRACTS["heartgpt-ecg"]
    with StoreWriter(tmp_path / "store", contract) as writer:
        for k in range(6):
            signal = rng.standard_normal((1, 800)).astype(np.float32)
            recording = Recording(signal, 100.0, ("II",), "mV", "ecg")
            writer.add(f"r{k}", [Row.from_recording(recording, source=f"r{k}", split=f"fold {k // 2}")])
    words = ["pretrain", str(tmp_path / "store"), "--config", str(small), "--steps", "1"]
    assert main([*words, "--out", str(tmp_path / "no"), "--validate-on", "fold 9"]) == 2
    assert "no row of" in capsys.readouterr().err
    kept = [*words, "--out", str(tmp_path / "run"), "--validate-on", "fold 1", "--leave-out", "fold 2"]
    assert main(kept) == 0
    assert "2 rows to train on, 2 to validate" in capsys.readouterr().err


def test_a_finished_run_is_lengthened_and_its_schedule_stated_anew(
    store: Path, small: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    words = ["pretrain", str(store), "--out", str(out), "--resume"]
    for fewer in ("19", "20"):
        assert main([*words, "--steps", fewer]) == (0 if fewer == "20" else 2)
    capsys.readouterr()
    assert main([*words, "--steps", "26"]) == 0
    told = capsys.readouterr().err
    assert "after update 20, to 26 in all" in told
    assert "schedule of 26 updates" in told
    assert [line["step"] for line in losses(out)][-1] == 26
    assert losses(out)[: len(losses(whole))] == losses(whole)
    anew = [learning_rate_at(step, 26, RECIPES["modern"]) for step in range(20, 26)]
    assert [line["learning_rate"] for line in losses(out)[-6:]] == pytest.approx(anew)
    assert config.read_yaml(out / "settings.yaml")["steps"] == 26
    assert main(words) == 0  # and it is finished again


def test_a_run_that_is_not_finished_is_not_lengthened(
    store: Path, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pretrain(store, out=tmp_path / "run", on_event=lambda event: True, **config.read_yaml(small))
    words = ["pretrain", str(store), "--out", str(tmp_path / "run"), "--resume", "--steps", "30"]
    assert main(words) == 2
    assert "a finished run takes more --steps" in capsys.readouterr().err


def test_pretraining_begins_from_a_checkpoints_weights(
    store: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["pretrain", str(store), "--out", str(tmp_path / "run"), "--steps", "2", "--log-every", "1"]
    assert main([*words, "--checkpoint", str(whole / "last"), "--batch-size", "4"]) == 0
    assert f"beginning with the weights of {whole / 'last'}" in capsys.readouterr().err
    assert losses(tmp_path / "run")[0]["loss"] < losses(whole)[0]["loss"]
    begun, base = load_checkpoint(tmp_path / "run" / "last"), load_checkpoint(whole / "last")
    assert begun.model.config == base.model.config
    assert begun.run["base"]["checkpoint"] == str(whole / "last")
    assert main(["pretrain", str(store), "--out", str(tmp_path / "run"), "--resume", "--steps", "3"]) == 0
    assert load_checkpoint(tmp_path / "run" / "last").run["base"] == begun.run["base"]
    other = ["pretrain", str(store), "--out", str(tmp_path / "new"), "--checkpoint", str(whole / "last")]
    assert main([*other, "--preset", "heartgpt-ecg"]) == 2
    assert main([*other, "--model.n-layers", "3"]) == 2
    assert "leave --model out" in capsys.readouterr().err


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o007, 0o660), (0o077, 0o600)])
def test_all_files_of_a_checkpoint_follow_the_umask(
    whole: Path, tmp_path: Path, mask: int, mode: int
) -> None:
    checkpoint, before = load_checkpoint(whole / "last"), os.umask(mask)
    try:
        checkpoint.save(tmp_path / "copy", state={"step": torch.tensor(1)})
    finally:
        os.umask(before)
    assert {f.stat().st_mode & 0o777 for f in (tmp_path / "copy").rglob("*") if f.is_file()} == {mode}
