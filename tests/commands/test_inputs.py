"""Several inputs of detect and generate: files, folders and standard input; and how they are ended."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from physiolect import Checkpoint, InputContract, Recording
from physiolect.cli import main
from physiolect.commands.inputs import _new_label, input_problems
from physiolect.formats import write_recording
from physiolect.formats.outputs import is_output
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.tokenizers import LevelTokenizer

Run = Callable[..., tuple[int, str, str]]
CONTINUED = {"continuation.csv", "continuation.npz", "continuation.png", "summary.json"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A decoder and a rhythm model of one second at 50 Hz that have learnt nothing."""
    folder = tmp_path_factory.mktemp("checkpoints")
    contract = InputContract(fs=50.0, min_samples=50, max_samples=50, modality="ecg")
    for task, n_outputs in (("forecast", None), ("rhythm", 1)):
        torch.manual_seed(0)
        config = GPTConfig(
            context_length=50, width=16, n_layers=1, n_heads=2, mlp_width=16, n_outputs=n_outputs
        )
        Checkpoint(GPT(config), LevelTokenizer(), contract, task).save(folder / task)  # type: ignore[arg-type]
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three recordings, one of them in a folder below, and one file that is too short."""
    (tmp_path / "in" / "more").mkdir(parents=True)
    for number, name in enumerate(("a.csv", "b.npz", "more/a.npz")):
        wave = np.sin(np.arange(250) / (5 + number))
        write_recording(Recording(wave, 50.0, ("II",), "mV", "ecg"), tmp_path / "in" / name)
    write_recording(Recording(np.arange(10.0), 50.0, ("II",), "mV"), tmp_path / "in" / "short.csv")
    return tmp_path / "in"


@pytest.fixture
def run(models: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(verb: str, *words: object) -> tuple[int, str, str]:
        model = models / ("forecast" if verb == "generate" else "rhythm")
        more = ["--tokens", "4", "--samples", "2"] if verb == "generate" else []
        return main([verb, *map(str, words), "--checkpoint", str(model), *more]), *capsys.readouterr()

    return run


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("verb", ["detect", "generate"])
def test_a_folder_gives_a_folder_each_and_one_table(
    run: Run, folder: Path, tmp_path: Path, verb: str
) -> None:
    out = tmp_path / "out"
    code, _, err = run(verb, folder, "--out", out)
    assert code == 1  # one is too short
    assert f"error: {folder / 'short.csv'}: " in err
    assert "needs at least 1 s" in err
    assert "\nhint: " in err
    assert "3 of 4 recordings done, 1 failed" in err
    assert {each.name for each in out.iterdir()} == {"a", "b", "a-2", "summary.csv"}
    rows = table(out / "summary.csv")
    assert [Path(row["input"]).relative_to(folder).as_posix() for row in rows] == [
        "a.csv", "b.npz", "more/a.npz", "short.csv",
    ]  # fmt: skip
    assert [row["results"] for row in rows] == [str(out / "a"), str(out / "b"), str(out / "a-2"), ""]
    assert [bool(row["error"]) for row in rows] == [False, False, False, True]
    assert [row["channel"] for row in rows] == ["II"] * 3 + [""]
    assert rows[0]["windows" if verb == "detect" else "seconds"] == ("5" if verb == "detect" else "0.08")
    told = json.loads((out / "a-2" / "summary.json").read_text())
    assert told["input"] == str(folder / "more" / "a.npz")


def test_each_result_is_that_of_the_recording_alone(run: Run, folder: Path, tmp_path: Path) -> None:
    assert run("generate", folder / "a.csv", folder / "b.npz", "--out", tmp_path / "both")[0] == 0
    assert run("generate", folder / "b.npz", "--out", tmp_path / "alone")[0] == 0
    assert {each.name for each in (tmp_path / "alone").iterdir()} == CONTINUED  # one file: no folder below
    both, alone = ((tmp_path / name / "continuation.csv").read_bytes() for name in ("both/b", "alone"))
    assert both == alone


@pytest.mark.parametrize("verb", ["detect", "generate"])
def test_a_folder_tells_which_files_it_skipped(run: Run, folder: Path, tmp_path: Path, verb: str) -> None:
    (folder / "short.csv").unlink()
    (folder / "letter.docx").write_bytes(b"PK")
    (folder / "more" / "words.txt").write_text("no numbers at all")
    code, _, err = run(verb, folder, "--out", tmp_path / "out")
    assert code == 0, err
    assert f"skipped 2 files in {folder}: 1 .docx, 1 .txt" in err


def test_a_folder_of_earlier_results_gives_no_recordings(run: Run, folder: Path) -> None:
    (folder / "short.csv").unlink()
    assert run("generate", folder, "--out", folder / "out")[0] == 0
    for verb in ("detect", "generate"):
        code, _, err = run(verb, folder, "--out", folder / "again")
        assert code == 0, err
        assert "3 of 3 recordings done" in err
        assert f"skipped 7 files in {folder} that a model wrote" in err
        for file in (folder / "again").rglob("*"):
            assert is_output(file) or file.suffix not in (".csv", ".npz"), file
        for file in sorted((folder / "again").rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
    code, _, err = run("detect", folder / "out")
    assert code == 1
    assert "holds no recording: a model wrote its 7 files" in err
    code, _, _ = run("generate", folder / "out" / "a" / "continuation.csv", "--channel", "generated_1")
    assert code == 1  # 4 samples are too short, but the file is read


@pytest.mark.parametrize("verb", ["detect", "generate"])
@pytest.mark.parametrize("table", [True, False])
def test_standard_input_is_a_table_or_numbers(
    run: Run, verb: str, table: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wave = np.sin(np.arange(250) / 5).tolist()
    lines = ["time (s),II (mV)", *(f"{i / 50},{x}" for i, x in enumerate(wave))] if table else map(str, wave)
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    code, out, err = run(
        verb, "-", "--json", "--stop", 4, "--out", tmp_path, *([] if table else ["--fs", 50])
    )
    assert code == 0, err
    told = json.loads(out)
    assert (told["input"], told["channel"]) == ("standard input", "II" if table else "ch1")
    assert (tmp_path / "summary.json").exists()
    if verb == "generate":
        assert told["continuation"]["recorded_tokens"] == 4


def test_what_standard_input_lacks_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, words, told in (
        ("", ["--fs", 50], "standard input holds no numbers"),
        ("1\n2\n", [], "standard input states no sampling rate"),
        ("1\nbeat\n2\n", ["--fs", 50], "standard input holds text, 'beat', in line 2"),
    ):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        code, out, err = run("detect", "-", *words)
        assert (code, out) == (1, "")
        assert told in err
    assert input_problems(["-", "a", "-"]) == ["INPUTS has '-' twice, but standard input can be read once"]


def test_json_of_several_is_a_list(run: Run, folder: Path) -> None:
    code, out, _ = run("detect", folder / "a.csv", folder / "missing.csv", folder / "b.npz", "--json")
    assert code == 1
    first, missing, last = json.loads(out)
    assert (first["task"], last["task"]) == ("rhythm", "rhythm")
    assert "there is no file" in missing["error"]
    assert missing["hint"]


def test_a_folder_without_recordings_is_an_input_that_fails(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, _, err = run("detect", tmp_path / "empty", folder / "a.csv", "--out", tmp_path / "out")
    assert code == 1
    assert f"error: the folder {tmp_path / 'empty'} holds no recording" in err
    assert "1 of 2 recordings done, 1 failed" in err
    assert {each.name for each in (tmp_path / "out").iterdir()} == {"a", "summary.csv"}
    assert run("detect", tmp_path / "empty")[0] == 1


def test_what_cannot_be_written_ends_the_run(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("a file in the way")
    code, _, err = run("detect", folder, "--out", tmp_path / "out")
    assert code == 1
    assert err.count("error: ") == 1
    assert "unexpected" not in err


def test_ctrl_c_keeps_the_recordings_before_it(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from physiolect.detection import windows

    judge, calls = windows.probabilities, iter(range(99))

    def stop(*args: object, **keywords: object) -> object:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return judge(*args, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(windows, "probabilities", stop)
    code, _, err = run("detect", folder, "--out", tmp_path / "out")
    assert code == 130
    assert "1 of 4 recordings done" in err
    assert [row["input"] for row in table(tmp_path / "out" / "summary.csv")] == [str(folder / "a.csv")]


STOPPED = """
import os, signal, sys, physiolect.generation.generating as generating
from physiolect.cli import main
decode = generating.decode
def stopped(*a, **k):
    for n, ids in enumerate(decode(*a, **k)):
        if n == {n}:
            os.kill(os.getpid(), signal.SIGTERM)
        yield ids
generating.decode = stopped
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("n", [7, 0])
def test_sigterm_writes_what_there_is(models: Path, folder: Path, tmp_path: Path, n: int) -> None:
    words = [
        "generate",
        str(folder / "a.csv"),
        "--checkpoint",
        str(models / "forecast"),
        "--out",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(
        [sys.executable, "-c", STOPPED.format(n=n), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 128 + signal.SIGTERM, done.stderr
    assert "Traceback" not in done.stderr
    if n:
        assert "interrupted after 7 tokens, which are kept" in done.stderr
        assert {file.name for file in (tmp_path / "out").iterdir()} == CONTINUED
    else:
        assert "ended by SIGTERM before there was anything to keep" in done.stderr
        assert not (tmp_path / "out").exists()


def test_results_of_two_recordings_are_never_mixed_in_one_folder(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert run("detect", folder / "a.csv", "--out", out)[0] == 0
    assert run("detect", folder / "a.csv", "--out", out)[0] == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    code, _, told = run("detect", folder / "b.npz", "--out", out)
    assert code == 1
    assert f"error: {out} holds the results of {folder / 'a.csv'}\nhint: name another folder" in told
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    several = tmp_path / "several"
    assert run("detect", folder / "a.csv", folder / "b.npz", "--out", several)[0] == 0
    code, _, told = run("detect", folder / "a.csv", "--out", several)
    assert code == 1
    assert f"error: {several} holds the results of several recordings" in told


def test_every_recording_has_a_folder_of_its_own() -> None:
    taken: dict[str, int] = {}
    named = [_new_label(stem, taken) for stem in ("a", "a-2", "a", "a", "b", "a-2")]
    assert named == ["a", "a-2", "a-3", "a-4", "b", "a-2-2"]
