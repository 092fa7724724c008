"""`physiolect demo`: once from end to end, in seconds instead of minutes; and what stops it."""

from __future__ import annotations

import io
import re
import shlex
import signal
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from physiolect import load_checkpoint
from physiolect.cli import main
from physiolect.cli.options import Grammar
from physiolect.commands import convert, demo, generate, prepare, pretrain
from physiolect.commands import inspect as inspect_command
from physiolect.datasets import open_store
from physiolect.errors import Cancelled
from physiolect.events import Metrics
from physiolect.report import demo_findings, demonstration

VERBS = {
    "convert": convert, "generate": generate, "inspect": inspect_command, "prepare": prepare, "pretrain": pretrain,
}  # fmt: skip


class Ran(NamedTuple):
    out: Path
    told: str
    """What went to stdout."""

    @property
    def checkpoint(self) -> Path:
        best = self.out / "run" / "best"
        return best if best.is_dir() else best.with_name("last")  # of a computer too busy for one evaluation

    @property
    def page(self) -> str:
        return (self.out / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A demo of fewer patients and continuations than a user's."""
    out = tmp_path_factory.mktemp("demo") / "some demo"
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as told:
        patch.setattr(demonstration, "_LEARN_FROM", (8, 20.0))
        patch.setattr(demonstration, "_JUDGE_BY", (5, 30.0))
        patch.setattr(demonstration, "_SAMPLES", 3)
        patch.setattr(demonstration, "_EMBEDDED_SAMPLES", 2)
        patch.setattr(demo_findings, "_WINDOWS", 40)
        assert main(["demo", "--out", str(out), "--minutes", "0.1"]) == 0
    torch.set_num_threads(threads)
    return Ran(out, told.getvalue())


def test_what_it_promises_is_there(ran: Ran) -> None:
    assert {each.name for each in ran.out.iterdir()} == {*demonstration._PARTS, "demo.yaml"}
    assert len(open_store(ran.out / "store")) == 8
    assert len(open_store(ran.out / "held-out-store")) == 5
    assert {each.name for each in (ran.out / "run").iterdir()} >= {"last", "metrics.jsonl"}


def test_nobody_learned_from_is_judged_by(ran: Ran) -> None:
    learned = {path.read_bytes() for path in (ran.out / "recordings").glob("*.dat")}
    judged = {path.read_bytes() for path in (ran.out / "held-out").glob("*.dat")}
    assert len(learned) == 8
    assert len(judged) == 5
    assert not learned & judged


def test_the_checkpoint_is_the_demo_model_and_proves_itself(ran: Ran) -> None:
    checkpoint = load_checkpoint(ran.checkpoint)
    assert checkpoint.verify()
    assert checkpoint.model.config == demonstration.MODEL
    assert checkpoint.contract.max_samples == demonstration.MODEL.context_length


def scores(told: str) -> dict[str, float]:
    return {name.strip(): float(nats) for name, nats in re.findall(r"^  (\S.*?) +(\d+\.\d+)$", told, re.M)}


def test_the_model_is_scored_beside_three_baselines(ran: Ran) -> None:
    found = scores(ran.told)
    assert [name.partition("(")[0] for name in found] == ["the model", "unigram", "repeat last beat", "AR"]
    assert 0 < found["the model"] < 5  # seconds teach little; an untrained model is at ln 101 = 4.6


@pytest.mark.slow
def test_the_model_beats_the_baselines_clearly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--out", str(tmp_path / "out")]) == 0
    found = scores(capsys.readouterr().out)
    assert found.pop("the model") < min(found.values()) - 0.2
    assert "better than that baseline" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_the_report_holds_all_and_needs_nothing(ran: Ran) -> None:
    assert ran.page.count('<img src="data:image/') == ran.page.count("<img") >= 4
    assert "://" not in re.sub(r'"data:[^"]*"', "", ran.page)
    for told in ("nats per token", "made by a formula", "continuations", "unigram", "To try next"):
        assert told in ran.page
    assert "trained on real ECGs" in ran.page
    assert "nan" not in re.sub(r'"data:[^"]*"', "", ran.page).split()


def test_the_next_commands_are_ones_that_exist(ran: Ran, tmp_path: Path) -> None:
    commands = [shlex.split(line) for line in ran.told.splitlines() if line.startswith("physiolect ")]
    assert {words[1] for words in commands} == set(VERBS)
    for _, verb, *words in commands:
        options = {word for word in words if word.startswith("--")}
        assert options <= {f"--{option.name}" for option in Grammar(verb, VERBS[verb].Config).options}
    for _, verb, *words in commands:
        if str(ran.out) in words[0] and verb == "inspect":
            assert main([verb, *words]) == 0
    generates = [words for words in commands if words[1] == "generate"]
    assert any("--checkpoint" not in words for words in generates)
    _, verb, *words = generates[0]
    words[words.index("--stop") + 1] = "20"
    words[words.index("--out") + 1] = str(tmp_path / "continued")
    assert main([verb, *words]) == 0
    assert (tmp_path / "continued" / "continuation.png").is_file()


def test_other_things_are_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").write_text("ten years")
    assert main(["demo", "--out", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "holds other things than a demo" in told
    assert "hint: " in told
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("code", [130, 143])
def test_a_stopped_demo_says_so_and_starts_over(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "my demo"
    (out / "run").mkdir(parents=True)
    (out / "run" / "old").touch()
    (out / "demo.yaml").touch()
    (out / "notes.txt").touch()

    def stopped(*_: object, **__: object) -> None:
        signal.raise_signal({130: signal.SIGINT, 143: signal.SIGTERM}[code])

    monkeypatch.setattr(demonstration, "prepare", stopped)
    monkeypatch.setattr(demonstration, "_LEARN_FROM", (1, 10.0))
    monkeypatch.setattr(demonstration, "_JUDGE_BY", (1, 10.0))
    assert main(["demo", "--out", str(out), "--seed", "3"]) == code
    told = capsys.readouterr().err
    assert "stopped before its report" in told
    assert f"physiolect demo --out '{out}' --seed 3 --minutes 2.5" in told
    assert {each.name for each in out.iterdir()} == {"demo.yaml", "notes.txt", "recordings", "held-out"}


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert len(demo.Config(str(file), seed=-1, minutes=float("nan")).problems()) == 3
    assert demo.Config(str(tmp_path / "new")).problems() == []


def test_a_listener_ends_a_demo_while_it_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demonstration, "_LEARN_FROM", (8, 20.0))
    monkeypatch.setattr(demonstration, "_JUDGE_BY", (2, 30.0))
    monkeypatch.setattr(demonstration, "_pace", lambda: (1, 0.01))
    with pytest.raises(Cancelled):
        demonstration.demonstrate(
            tmp_path / "demo", minutes=5, on_event=lambda event: isinstance(event, Metrics)
        )
    run = load_checkpoint(tmp_path / "demo" / "run" / "last").run
    assert run["step"] < run["settings"]["steps"] / 2
