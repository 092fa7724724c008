"""`accelerate launch -m physiolect pretrain`: real processes, from the outside."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from physiolect import config, load_checkpoint
from physiolect.checkpoint import load_state
from physiolect.cli import main
from physiolect.commands import prepare
from physiolect.commands.pretrain import Config
from physiolect.synthetic import write_cohort
from physiolect.training import Stop

SETTINGS = {
    "steps": 20, "batch_size": 8, "accumulate": 2, "validation_windows": 13, "validation": 0.3, "device": "cpu",
    "threads": 1, "log_every": 1, "evaluate_every": 7, "save_every": 5,
    "model": {"context_length": 64, "width": 16, "n_layers": 2, "n_heads": 2, "mlp_width": 32, "band": None},
    "recipe": {"warmup_steps": 2},
}  # fmt: skip
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}
"""Of losses and weights: sums in another order."""
HANGING = 300.0
"""Seconds after which processes count as hanging; they take about 2, and would wait 600 for one that is silent."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    write_cohort(folder / "in", n_recordings=4, seconds=15, seed=0)
    assert (
        prepare.run(prepare.Config([str(folder / "in")], str(folder / "out"), channel="II", workers=1)) == 0
    )
    return folder / "out"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("settings") / "small.yaml"
    config.dump(SETTINGS, path)
    return path


@pytest.fixture(scope="module")
def alone(store: Path, small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty updates of one process."""
    out = tmp_path_factory.mktemp("alone") / "run"
    assert main(["pretrain", str(store), "--out", str(out), "--config", str(small)]) == 0
    return out


def launch(
    *words: str, how: tuple[str, ...] = ("--multi_gpu",), script: Path | None = None
) -> subprocess.Popen[str]:
    """Start two processes of a command line: `how` are the launcher's words, `script` stands for `-m physiolect`."""
    command = [sys.executable, "-m", "accelerate.commands.launch", *how, "--num_processes", "2"]
    command += ["--main_process_port", "0", *([str(script)] if script else ["-m", "physiolect"])]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*command, *words], stderr=subprocess.PIPE, text=True, env=environment)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command `physiolect` with updates that take long enough to be interrupted."""
    script = tmp_path_factory.mktemp("slow") / "slow.py"
    script.write_text(
        "import sys, time; from physiolect.training import NextToken; forward = NextToken.forward\n"
        "def slowly(*a): time.sleep(0.03); return forward(*a)\n"
        "NextToken.forward = slowly; from physiolect.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    return script


def await_updates(process: subprocess.Popen[str], run: Path, n: int) -> None:
    file = run / "metrics.jsonl"
    while process.poll() is None and (not file.exists() or file.read_bytes().count(b'"loss"') < n):
        time.sleep(0.002)
    assert process.poll() is None, process.communicate()[1]


def words_of(process: subprocess.Popen[str]) -> str:
    """Return what the processes wrote, once they have ended."""
    try:
        return process.communicate(timeout=HANGING)[1]
    finally:
        process.terminate()


def worker(launcher: subprocess.Popen[str], rank: int) -> int:
    """Return the id of the process of this rank."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = folder.joinpath("stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == launcher.pid and f"\0RANK={rank}\0" in folder.joinpath("environ").read_text():
                return int(folder.name)
        except OSError:  # ended meanwhile
            continue
    raise AssertionError(f"no process of rank {rank}")


def metrics(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{name: value for name, value in line.items() if name != "tokens_per_second"} for line in lines]


def assert_same_run(run: Path, alone: Path) -> None:
    assert [(line["step"], *line) for line in metrics(run)] == [
        (line["step"], *line) for line in metrics(alone)
    ]
    for ours, theirs in zip(metrics(run), metrics(alone), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)
    for kind in ("last", "best"):
        one, other = (load_checkpoint(each / kind) for each in (run, alone))
        assert one.verify()
        torch.testing.assert_close(one.model.state_dict(), other.model.state_dict(), **TOLERANCE)


@pytest.mark.parametrize(
    "how", [("--multi_gpu",), ("--use_fsdp", "--fsdp_version", "2")], ids=["ddp", "fsdp"]
)
def test_two_processes_are_one_with_the_same_batch(
    store: Path, small: Path, alone: Path, tmp_path: Path, how: tuple[str, ...]
) -> None:
    out = tmp_path / "run"
    process = launch("pretrain", str(store), "--out", str(out), "--config", str(small), how=how)
    told = words_of(process)
    assert process.returncode == 0, told
    assert told.count("2 processes of cpu") == told.count("best validation loss") == 1
    assert ("sharded" in told) == ("--use_fsdp" in how)
    assert_same_run(out, alone)


def test_a_signal_to_one_stops_all_after_the_same_update_and_one_goes_on(
    store: Path, small: Path, slow: Path, alone: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    process = launch("pretrain", str(store), "--out", str(out), "--config", str(small), script=slow)
    await_updates(process, out, 6)
    os.kill(worker(process, 1), signal.SIGTERM)
    told = words_of(process)
    step = int(load_state(out / "last")["step"])
    assert 6 <= step < 20
    assert told.count(f"stopped after {step} of 20 updates; to resume:") == 1
    assert "error:" not in told
    assert "exitcode  : 143" in told  # of the first process, which decides
    assert main(["pretrain", str(store), "--out", str(out), "--resume"]) == 0
    assert_same_run(out, alone)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_the_run_with_a_word_and_a_checkpoint(
    store: Path,
    small: Path,
    slow: Path,
    alone: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rank: int,
) -> None:
    out = tmp_path / "run"
    asked = iter(range(1, 100))
    with monkeypatch.context() as patched:
        patched.setattr(Stop, "asked", lambda _: next(asked) == 7)
        assert main(["pretrain", str(store), "--out", str(out), "--config", str(small)]) == 0
    assert int(load_state(out / "last")["step"]) == 7
    process = launch("pretrain", str(store), "--out", str(out), "--resume", script=slow)
    await_updates(process, out, 12)
    os.kill(worker(process, rank), signal.SIGKILL)
    told = words_of(process)
    assert process.returncode == 1
    step = int(load_state(out / "last")["step"])
    assert step in (10, 15)
    ours = re.search(
        r"^error: another of the 2 processes has ended .*\nhint: .* resume from update (\d+).*\n  (.*)$",
        told,
        re.M,
    )
    assert ours is not None, told
    assert ours.groups() == (str(step), f"physiolect pretrain {store} --out {out} --resume")
    assert "Connection closed by peer" not in told
    assert main(["pretrain", str(store), "--out", str(out), "--resume"]) == 0
    assert_same_run(out, alone)


def test_an_update_that_is_refused_is_told_once(store: Path, small: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ["--out", str(out), "--config", str(small), "--recipe.learning-rate", "1e30"]
    process = launch("pretrain", str(store), *words)
    told = words_of(process)
    assert process.returncode == 1
    assert (
        len(re.findall("^error: update .* has a loss of .* and a gradient of norm (nan|inf)$", told, re.M))
        == 1
    )
    assert told.count("error: ") == 1
    last = load_checkpoint(out / "last")
    assert all(value.isfinite().all() for value in last.model.state_dict().values())


def test_a_batch_that_processes_cannot_share_is_refused(
    store: Path,
    small: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert main(["pretrain", str(store), "--out", str(tmp_path / "run"), "--config", str(small)]) == 2
    told = capsys.readouterr().err
    assert "--batch-size is 8, which 3 processes cannot share equally: take 6 or 9, or another number" in told
    assert "take 3, or another number" in " ".join(Config("store", "out", batch_size=2).problems())
    assert not (tmp_path / "run").exists()
