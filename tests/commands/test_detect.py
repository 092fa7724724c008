"""`physiolect detect` from the outside."""

from __future__ import annotations

import inspect
import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import wfdb

from physiolect import (
    Checkpoint,
    InputContract,
    Recording,
    detect_beats,
    detect_rhythm,
    load_checkpoint,
    read_recording,
    synthetic,
)
from physiolect.cli import main
from physiolect.commands.detect import Config
from physiolect.detection import detect, open_stream
from physiolect.formats import write_recording
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.tokenizers import LevelTokenizer

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three models of two seconds at 50 Hz that have learnt nothing: rhythm, beats and forecast."""
    folder = tmp_path_factory.mktemp("checkpoints")
    contract = InputContract(fs=50.0, min_samples=100, max_samples=100, modality="ppg")
    for task, n_outputs in (("rhythm", 1), ("beats", 1), ("forecast", None)):
        torch.manual_seed(4)
        model = GPT(
            GPTConfig(
                context_length=100,
                width=16,
                n_layers=1,
                n_heads=2,
                mlp_width=16,
                positions="learned",
                n_outputs=n_outputs,
            )
        )
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
        Checkpoint(model, LevelTokenizer(), contract, task).save(folder / task)  # type: ignore[arg-type]
    return folder


@pytest.fixture(scope="module")
def finger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a minute of PPG at 125 Hz beside another signal, a second of it missing."""
    recording = synthetic.ppg(seconds=31, fs=125.0, seed=2)
    both = np.stack((recording.signal[0] * 0 + np.arange(3875) % 7, recording.signal[0]))
    both[1, 1250:1375] = np.nan
    path = tmp_path_factory.mktemp("recordings") / "finger"
    write_recording(Recording(both, 125.0, ("RESP", "PLETH"), ("au", "au")), path)
    return path


@pytest.fixture
def run(finger: Path, models: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `physiolect detect FINGER --checkpoint MODEL ...` and return code, stdout and stderr."""

    def run(model: str, *words: object) -> tuple[int, str, str]:
        code = main(["detect", str(finger), "--checkpoint", str(models / model), *map(str, words)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def stream(models: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `physiolect detect --stream` on lines of text and return code, stdout and stderr."""

    def run(model: str, text: str, *words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        given = ["--checkpoint", str(models / model), "--fs", "125", *map(str, words)]
        return main(["detect", "--stream", *given]), *capsys.readouterr()

    return run


def table(path: Path) -> list[list[str]]:
    return [line.split(",") for line in path.read_text().splitlines()]


def test_rhythm_is_a_table_marks_a_figure_and_a_summary(
    run: Run, tmp_path: Path, finger: Path, models: Path
) -> None:
    code, out, err = run("rhythm", "--out", tmp_path, "--start", 2)
    assert code == 0
    assert {file.name for file in tmp_path.iterdir()} == {
        "rhythm.csv", "rhythm.atr", "rhythm.png", "summary.json",
    }  # fmt: skip
    assert out.startswith(
        f"rhythm of {finger}, PLETH, 2 to 31 s\n  windows     14 of 2 s, 2 s apart; 1 not judged (gap)"
    )
    assert "kept channel PLETH of RESP, PLETH" in err
    recording = read_recording(finger, start=2)
    expected = detect_rhythm(load_checkpoint(models / "rhythm"), recording)
    header, *rows = table(tmp_path / "rhythm.csv")
    assert header == ["start_s", "time_s", "probability", "rhythm", "not_judged"]
    np.testing.assert_allclose([float(row[1]) for row in rows], expected.time + 2)
    said = [float(row[2]) if row[2] else np.nan for row in rows]
    np.testing.assert_allclose(said, expected.probability, atol=1e-6)
    assert [row[4] for row in rows] == list(expected.reasons)
    marks = wfdb.rdann(str(tmp_path / "rhythm"), "atr")
    assert marks.fs == 125
    episodes = expected.episodes()
    np.testing.assert_array_equal(marks.sample, [round((each.start + 2) * 125) for each in episodes])
    notes = [note.rstrip("\x00") for note in marks.aux_note]
    assert notes == [f"({each.rhythm}" if each.rhythm else "not judged: gap" for each in episodes]
    assert [symbol for symbol, note in zip(marks.symbol, notes, strict=True) if note.startswith("(")] == [
        "+"
    ] * (len(notes) - 1)


def test_beats_are_a_table_marks_a_trace_a_figure_and_a_summary(
    run: Run, tmp_path: Path, finger: Path, models: Path
) -> None:
    code, out, _ = run("beats", "--out", tmp_path, "--start", 2, "--json")
    assert code == 0
    assert {file.name for file in tmp_path.iterdir()} == {
        "beats.csv", "beats.qrs", "beats.npz", "beats.png", "summary.json",
    }  # fmt: skip
    expected = detect_beats(load_checkpoint(models / "beats"), read_recording(finger, start=2))
    assert expected.found
    header, *rows = table(tmp_path / "beats.csv")
    assert header == ["time_s", "sample", "confidence", "category"]
    np.testing.assert_array_equal([int(row[1]) for row in rows], expected.samples + 250)
    np.testing.assert_allclose([float(row[0]) for row in rows], expected.times + 2, atol=1e-6)
    marks = wfdb.rdann(str(tmp_path / "beats"), "qrs")
    np.testing.assert_array_equal(marks.sample, expected.samples + 250)
    assert set(marks.symbol) == {"N"}
    assert [note.rstrip("\x00") for note in marks.aux_note] == list(expected.categories)
    with np.load(tmp_path / "beats.npz") as arrays:
        np.testing.assert_array_equal(arrays["trace"], expected.trace)
        assert arrays["trace_time_s"][0] == 2
    told = json.loads(out)
    assert told == json.loads((tmp_path / "summary.json").read_text())
    assert (told["task"], told["channel"], told["beats"]) == ("beats", "PLETH", len(rows))
    assert told["intervals"] == expected.intervals.to_dict()
    assert [each["reason"] for each in told["unjudged"]] == ["gap"]
    assert told["unjudged"][0]["start"] == pytest.approx(10, abs=0.02)


def test_no_beats_are_said_and_leave_no_stale_marks(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("beats", "--out", tmp_path)
    monkeypatch.setattr("physiolect.detection.beats.find_beats", lambda *_: np.empty(0, np.int64))
    code, out, _ = run("beats", "--out", tmp_path)
    assert code == 0
    assert "beats       none found" in out
    assert "rate" not in out
    assert not (tmp_path / "beats.qrs").exists()
    assert (tmp_path / "beats.csv").read_text() == "time_s,sample,confidence,category\n"
    told = json.loads((tmp_path / "summary.json").read_text())
    assert (told["found"], told["confidence"]["category"], told["intervals"]["rate_bpm"]) == (
        False,
        None,
        None,
    )


def test_in_words(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("beats")
    assert code == 0
    assert {line.split()[0] for line in out.splitlines()} == {
        "beats", "confidence", "rate", "intervals", "not",
    }  # fmt: skip
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("model", "words", "told"),
    [
        ("forecast", (), "continues signals, and detects nothing"),
        ("forecast", ("--task", "beats"), "one that finds beats is needed"),
        ("rhythm", ("--task", "beats"), "detects a rhythm, but one that finds beats is needed"),
        ("beats", ("--task", "rhythm"), "one that detects a rhythm is needed"),
        ("rhythm", ("--channel", "II"), "no channel named 'II'"),
        (
            "rhythm",
            ("--modality", "ecg", "--channel", "0"),
            "RESP in au is respiration, but the model reads ppg",
        ),
        ("rhythm", ("--stop", "1"), "needs at least 2 s"),
        ("rhythm", ("--stop", "99"), "does not lie in"),
        ("rhythm", ("--stride", "0.001"), "at least one sample"),
        ("beats", ("--stride", "3"), "beats between two would be missed"),
        ("beats", ("--latency", "3"), "--latency is for --stream"),
        ("beats", ("--stream", "--fs", "125"), "leave one out"),
    ],
)
def test_what_cannot_be_done_is_a_sentence_and_a_hint(
    run: Run, model: str, words: tuple[str, ...], told: str
) -> None:
    code, out, err = run(model, *words)
    assert (code in (1, 2), out) == (True, "")
    assert told in err
    assert "error: " in err
    assert "\nhint: " in err
    assert "unexpected" not in err


def test_who_only_continues_signals_is_told_who_detects_in_them(run: Run) -> None:
    hint = "use PPGPT_AF_1k_iters.zip or PPGPT_beat_5k_iters.zip or a run of finetune --task rhythm or beats"
    assert f"hint: {hint} or heartbeats\n" in run("forecast")[2]


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    file = str(tmp_path / "file")
    problems = Config(
        checkpoint="c", fs=0, stride=-1, batch_size=0, threads=0, start=5, stop=4, out=file, latency=1
    ).problems()
    told = ("--fs is 0", "--stride is -1", "--batch-size is 0", "--threads is 0", "--start 5", "is a file")
    told += ("INPUTS is missing", "--latency is for")
    assert len(problems) == len(told)
    for words in told:
        assert any(words in problem for problem in problems), words
    streamed = Config(checkpoint="c", inputs=["x"], stream=True, channel="II", stop=3).problems()
    assert len(streamed) == 3
    assert "--channel and --stop cannot be used with --stream" in streamed
    assert Config(checkpoint="c", inputs=["x"]).problems() == []
    assert Config(checkpoint="c", inputs=["-"], stream=True, fs=1).problems() == []


def test_a_stream_tells_beats_line_by_line(stream: Run, finger: Path, models: Path) -> None:
    recording = read_recording(finger, channels=["PLETH"])
    text = "\n".join(map(str, recording.signal[0].tolist()))
    code, out, err = stream("beats", text)
    assert code == 0
    lines = [json.loads(line) for line in out.splitlines()]
    beats = [line for line in lines if "sample" in line]
    expected = detect_beats(load_checkpoint(models / "beats"), recording)
    assert len(beats) == pytest.approx(len(expected.samples), abs=3)
    assert set(beats[0]) == {"time_s", "sample", "confidence", "category", "after_s", "compute_ms"}
    (gap,) = (line for line in lines if "sample" not in line)
    assert gap == {"start_s": pytest.approx(10), "stop_s": pytest.approx(11, abs=0.02), "not_judged": "gap"}
    assert "a decision comes at most 2.82 s after a beat, plus the time of computing" in err
    assert "read 3,875 samples (31 s)" in err
    assert "ms of computing" in err


def test_a_stream_tells_rhythm_as_the_recording_has_it(stream: Run, finger: Path, models: Path) -> None:
    recording = read_recording(finger, channels=["PLETH"], stop=30)
    code, out, err = stream("rhythm", "\n".join(map(str, recording.signal[0].tolist())) + "\n\n")
    assert code == 0
    lines = [json.loads(line) for line in out.splitlines()]
    expected = detect_rhythm(load_checkpoint(models / "rhythm"), recording)
    assert [line["time_s"] for line in lines] == pytest.approx(expected.time.tolist())
    said = [np.nan if line["probability"] is None else line["probability"] for line in lines]
    np.testing.assert_allclose(said, expected.probability, atol=1e-5)
    assert [line["not_judged"] or "" for line in lines] == list(expected.reasons)
    late = [line["time_s"] for line in lines if line["after_s"] > 0.32]
    assert late == [10]  # it ends where the gap begins
    assert "made 15 decisions" in err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the signal ended after 0 s"),
        (
            "1\n2\n3\n",
            "the signal ended after 0.024 s (3 samples at 125 Hz), but the model needs at least 2 s",
        ),
        ("nan\n" * 600, "every sample of the signal was missing"),
        ("1\n2\n\nbeat\n", "line 4 of stdin is 'beat', which is no number"),
        ("1_000\n", "line 1 of stdin is '1_000', which is no number"),
        ("1,2,3\n", "line 1 of stdin is '1,2,3', which is no number"),
    ],
)
def test_a_stream_that_is_none_is_a_sentence_and_a_hint(stream: Run, text: str, told: str) -> None:
    code, out, err = stream("beats", text)
    assert (code, out) == (1, "")
    assert told in err
    assert "\nhint: " in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--latency", "1"), "latency is for beats, but the checkpoint detects a rhythm"),
        (("--modality", "ecg"), "the numbers are ecg, but the model reads ppg"),
        (("--task", "beats"), "one that finds beats is needed"),
    ],
)
def test_a_stream_that_the_model_cannot_serve(stream: Run, words: tuple[str, ...], told: str) -> None:
    code, out, err = stream("rhythm", "1\n" * 400, *words)
    assert (code in (1, 2), out) == (True, "")
    assert told in err
    assert "\nhint: " in err


def test_a_flat_stream_is_not_judged(stream: Run) -> None:
    code, out, _ = stream("rhythm", "0.5\n" * 600)
    assert code == 0
    assert [json.loads(line)["not_judged"] for line in out.splitlines()] == ["flat", "flat"]


def test_a_stream_speaks_while_it_listens_and_ends_with_ctrl_c(models: Path) -> None:
    words = [sys.executable, "-m", "physiolect", "detect", "--stream", "--fs", "50", "--checkpoint"]
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([*words, str(models / "rhythm")], text=True, **pipes) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write("".join(f"{np.sin(i / 8)}\n" for i in range(150)))
        process.stdin.flush()
        first = json.loads(process.stdout.readline())  # while stdin is still open
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    assert first["time_s"] == 2.0
    assert (process.returncode, out) == (130, "")
    assert "made 1 decision\n" in err  # of as many samples as it had read by then
    assert "Traceback" not in err


def test_of_one_window_the_probability_is_told(run: Run) -> None:
    _, out, _ = run("rhythm", "--stop", 2)
    assert "windows     1 of 2 s" in out
    assert "AF          probability 0." in out


def test_ctrl_c_keeps_what_was_judged(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from physiolect.detection import windows

    judge, calls = windows.probabilities, iter(range(99))

    def stop(*args: Any, **keywords: Any) -> Any:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return judge(*args, **keywords)

    monkeypatch.setattr(windows, "probabilities", stop)
    code, out, err = run("rhythm", "--batch-size", 4, "--out", tmp_path)
    assert code == 130
    assert "interrupted: what was judged by then is kept" in err
    assert "15 of 2 s, 2 s apart; 7 not judged (gap, interrupted)" in out
    assert (tmp_path / "rhythm.csv").exists()


def test_ctrl_c_before_anything_was_judged_leaves_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("physiolect.detection.windows.probabilities", stop)
    for model in ("rhythm", "beats"):
        code, out, err = run(model, "--out", tmp_path / "out")
        assert (code, out) == (130, "")
        assert "error: interrupted by Ctrl-C" in err
    assert not (tmp_path / "out").exists()


def test_help_needs_no_torch() -> None:
    code = "import sys; from physiolect.cli import main; main(['detect', '--help']); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--stream" in done.stdout


def test_the_published_model_on_a_record_of_atrial_fibrillation(
    data: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["detect", str(data / "mitdb" / "201"), "--checkpoint", str(weights / "ECGPT_AF_1k_iters.zip")]
    assert main([*words, "--stop", "60", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["windows"] == {
        "count": 12, "judged": 12, "seconds": 5.0, "stride": 5.0, "rhythm": "AFIB", "positive": 12,
        "positive_share": 1.0,
        "median_probability": pytest.approx(0.99, abs=0.02),
    }  # fmt: skip


def test_the_calls_have_the_defaults_of_the_verb() -> None:
    config, inside = Config(checkpoint="c"), {"first", "on_event"}
    for call in (detect, detect_rhythm, detect_beats, open_stream):
        defaults = {
            name: each.default
            for name, each in inspect.signature(call).parameters.items()
            if each.default is not each.empty and name not in inside
        }
        # one thread for a small model
        assert defaults.pop("threads") is None
        assert defaults == {name: getattr(config, name) for name in defaults}, call
    assert config.threads == 1
