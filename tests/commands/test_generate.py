"""`physiolect generate` from the outside."""

from __future__ import annotations

import inspect
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pyedflib
import pytest
import torch

from physiolect import (
    Checkpoint,
    InputContract,
    Recording,
    adapt,
    generate,
    load_checkpoint,
    read_recording,
    synthetic,
)
from physiolect.cli import main
from physiolect.commands.generate import Config
from physiolect.formats import write_recording
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.tokenizers import LevelTokenizer
from physiolect.training import Precision

FILES = {"continuation.csv", "continuation.npz", "continuation.png", "summary.json"}

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A decoder of 32 tokens at 50 Hz that has learnt nothing."""
    torch.manual_seed(0)
    model = GPT(
        GPTConfig(context_length=32, width=16, n_layers=1, n_heads=2, mlp_width=16, positions="learned")
    )
    contract = InputContract(fs=50.0, min_samples=8, max_samples=32, modality="ecg")
    return Checkpoint(model, LevelTokenizer(), contract).save(tmp_path_factory.mktemp("checkpoints") / "tiny")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes of two leads at 250 Hz, as WFDB."""
    t = np.arange(120 * 250) / 250
    leads = np.stack((np.sin(7 * t) + 0.1 * np.sin(31 * t), np.cos(5 * t)))
    path = tmp_path_factory.mktemp("recordings") / "made"
    write_recording(Recording(leads, 250.0, ("II", "V5"), "mV", "ecg"), path)
    return path


@pytest.fixture
def run(recording: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `physiolect generate RECORDING --checkpoint CHECKPOINT ...` and return code, stdout and stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        code = main(["generate", str(recording), "--checkpoint", str(checkpoint), *map(str, words)])
        return code, *capsys.readouterr()

    return run


def summary(out: str) -> dict[str, Any]:
    return dict(json.loads(out))


def test_a_folder_holds_table_arrays_figure_and_summary(run: Run, tmp_path: Path) -> None:
    code, out, err = run("--stop", 90, "--tokens", 20, "--samples", 3, "--out", tmp_path / "out")
    assert (code, out) == (0, "")
    assert {file.name for file in (tmp_path / "out").iterdir()} == FILES
    assert "resampled 250 -> 50 Hz" in err
    assert "kept channel II of II, V5" in err
    table = np.genfromtxt(tmp_path / "out" / "continuation.csv", delimiter=",", names=True)
    assert table.dtype.names == (
        "time_s", *(f"{name}_mV" for name in (
            "generated_1", "generated_2", "generated_3", "median", "q05", "q25", "q75", "q95",
        )),
    )  # fmt: skip
    np.testing.assert_allclose(table["time_s"], 90 + np.arange(20) / 50)
    with np.load(tmp_path / "out" / "continuation.npz") as arrays:
        assert arrays["ids"].shape == (3, 20)
        np.testing.assert_allclose(table["generated_2_mV"], arrays["signal"][1], rtol=1e-5)
        np.testing.assert_allclose(table["median_mV"], np.median(arrays["signal"], 0), rtol=1e-5)
        assert str(arrays["unit"]) == "mV"
    assert (tmp_path / "out" / "continuation.png").read_bytes().startswith(b"\x89PNG")
    told = summary((tmp_path / "out" / "summary.json").read_text())
    assert (told["channel"], told["unit"], told["fs"], told["mode"]) == ("II", "mV", 50.0, "exact")
    assert told["context"] == {"start": pytest.approx(89.36), "stop": pytest.approx(90), "tokens": 32}


def test_the_table_is_a_recording_again(run: Run, tmp_path: Path) -> None:
    run("--tokens", 10, "--samples", 2, "--out", tmp_path)
    again = read_recording(tmp_path / "continuation.csv")
    assert (again.fs, again.n_samples, again.unit) == (50.0, 10, "mV")
    assert again.channels[:2] == ("generated_1", "generated_2")


def test_it_says_what_generate_says_of_the_whole_recording(
    run: Run, tmp_path: Path, recording: Path, checkpoint: Path
) -> None:
    """Only the stretch around --stop is read, and that changes nothing."""
    code, out, _ = run("--stop", "99.5", "--tokens", 12, "--seed", 3, "--json", "--out", tmp_path)
    whole = read_recording(recording, stop=99.5)
    expected = generate(load_checkpoint(checkpoint), whole, n_tokens=12, n_samples=5, seed=3)
    with np.load(tmp_path / "continuation.npz") as arrays:
        np.testing.assert_array_equal(arrays["ids"], expected.ids)
        np.testing.assert_allclose(arrays["signal"], expected.signal, rtol=1e-6)
    assert code == 0
    assert summary(out)["read"]["start"] == 38.0


def test_what_was_recorded_after_stop_is_laid_on_the_same_grid(
    run: Run, tmp_path: Path, recording: Path, checkpoint: Path
) -> None:
    run("--stop", 100, "--seconds", 2, "--greedy", "--channel", "V5", "--out", tmp_path)
    contract = load_checkpoint(checkpoint).contract
    whole, _ = adapt(read_recording(recording), contract, "V5", window="all")
    with np.load(tmp_path / "continuation.npz") as arrays:
        np.testing.assert_allclose(arrays["truth"][:80], whole.signal[0, 5000:5080], atol=1e-5)
        assert len(arrays["truth"]) == 100


def test_truth_ends_with_the_recording(run: Run) -> None:
    told = summary(run("--stop", 119, "--seconds", 3, "--greedy", "--json")[1])
    assert told["continuation"] == {"seconds": 3.0, "tokens": 150, "samples": 1, "recorded_tokens": 50}
    assert summary(run("--tokens", 3, "--json")[1])["continuation"]["recorded_tokens"] == 0


def test_defaults_and_seeds(run: Run, tmp_path: Path) -> None:
    code, out, err = run("--json", "--out", tmp_path / "a")
    told = summary(out)
    assert code == 0
    assert told["continuation"] == {"seconds": 5.0, "tokens": 250, "samples": 5, "recorded_tokens": 0}
    assert told["files"] == [str(tmp_path / "a" / name) for name in sorted(FILES)]
    assert "mode hop is faster" in err
    run("--out", tmp_path / "b")
    run("--out", tmp_path / "c", "--seed", 1)
    a, b, c = (np.load(tmp_path / name / "continuation.npz")["ids"] for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_where_and_how_precisely(run: Run) -> None:
    code, out, _ = run("--tokens", 3, "--device", "cpu", "--precision", "auto", "--json")
    assert code == 0
    told = summary(out)
    assert (told["device"], told["precision"], told["settings"]["precision"]) == ("cpu", "float32", "auto")
    assert get_args(get_type_hints(Config)["precision"]) == get_args(Precision)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_on_a_gpu_in_half_precision(run: Run) -> None:
    code, out, _ = run("--tokens", 40, "--device", "cuda", "--precision", "bf16", "--json")
    assert code == 0
    told = summary(out)
    assert (told["device"], told["precision"]) == ("cuda", "bfloat16")
    assert told["continuation"]["tokens"] == 40


def test_hop_is_called_approximate_only_where_it_is(run: Run) -> None:
    code, out, err = run("--mode", "hop", "--hop", 8, "--tokens", 40, "--json")
    assert code == 0
    assert summary(out)["approximate"] is True
    assert "approximate (hop)" in err
    short = summary(run("--mode", "hop", "--start", "119.8", "--tokens", 10, "--json")[1])
    assert (short["context"]["tokens"], short["approximate"]) == (10, False)


def test_no_out_writes_nothing_and_says_so(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run("--tokens", 2)
    assert (code, out, list(tmp_path.iterdir())) == (0, "", [])
    assert "--out DIR" in err


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("offline")
def test_without_a_checkpoint_it_is_our_own_decoder_wherever_one_stands(
    recording: Path,
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(checkpoint, tmp_path / "ecg")
    words = ["generate", str(recording), "--stop", "60", "--tokens", "8", "--samples", "2", "--json"]
    assert main([*words, "--out", "out"]) == 0
    out, err = capsys.readouterr()
    assert "by the ECG decoder that comes with Physiolect" in err
    told = summary(out)
    assert (told["checkpoint"], told["fs"], told["context"]["tokens"]) == (
        "ecg (with Physiolect)", 100.0, 500,
    )  # fmt: skip
    assert told["past_context"] is False  # a ring of keys goes on for ever
    assert {file.name for file in (tmp_path / "out").iterdir()} == FILES
    assert main([*words, "--checkpoint", "ecg"]) == 0  # but a name is first a folder's
    assert summary(capsys.readouterr().out)["fs"] == 50.0


def test_without_a_checkpoint_a_ppg_is_refused_with_what_to_give(
    tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_recording(synthetic.ppg(seconds=10), tmp_path / "finger.csv")
    words = ["generate", str(tmp_path / "finger.csv")]
    assert main(words) == 1
    err = capsys.readouterr().err
    assert "finger.csv is ppg, and the decoder used without --checkpoint reads ECG" in err
    assert "hint: give --checkpoint with a model for this signal" in err
    assert main([*words, "--checkpoint", str(checkpoint)]) == 1
    assert "the decoder used without" not in capsys.readouterr().err


def test_without_a_checkpoint_the_channel_that_was_named_must_be_ecg(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = np.random.default_rng(0).normal(size=(2, 600))
    write_recording(Recording(both, 100.0, ("II", "PLETH"), None, None), tmp_path / "bedside.npz")
    words = ["generate", str(tmp_path / "bedside.npz"), "--tokens", "2"]
    assert main([*words, "--channel", "PLETH"]) == 1
    assert "channel PLETH of" in capsys.readouterr().err
    assert main(words) == 0
    assert "context: II" in capsys.readouterr().err


def test_without_a_checkpoint_an_ecog_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grid = np.random.default_rng(0).normal(size=(2, 600))
    write_recording(Recording(grid, 100.0, ("G1", "G2"), "uV", "ecog"), tmp_path / "grid.npz")
    assert main(["generate", str(tmp_path / "grid.npz")]) == 1
    err = capsys.readouterr().err
    assert "grid.npz is ecog, and the decoder used without --checkpoint reads ECG" in err
    assert "hint: give --checkpoint" in err


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    config = Config(
        inputs=["x"], checkpoint="y", fs=0, start=5, stop=4, seconds=-1, tokens=0, samples=2, greedy=True,
        temperature=0.5, top_p=2, seed=-1, hop=3, out=str(tmp_path / "file"),
    )  # fmt: skip
    problems = config.problems()
    told = ("--fs is 0", "--seconds is -1", "--tokens is 0", "--top-p is 2", "--seed is -1", "--start 5")
    told += ("leave one out", "--samples is 2", "--temperature and --top-p", "--mode hop", "is a file")
    assert len(problems) == len(told)
    for words in told:
        assert any(words in problem for problem in problems), words
    assert Config(inputs=["x"], checkpoint="y").problems() == []
    assert "at most 1e+09" in Config(inputs=["x"], checkpoint="y", seconds=1e308).problems()[0]
    assert Config(inputs=["x"], checkpoint="y", start=5).problems() == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--stop", "500"), "ends at 120.00 s"),
        (("--channel", "V9"), "no channel named 'V9'"),
        (("--stop", "0.1"), "needs at least"),
        (("--mode", "hop", "--hop", "32"), "between 1 and 31"),
        (("--modality", "ecgg"), "--modality"),
        (("--device", "mps"), "float64"),
        (("--device", "abacus"), "device"),
        (("--device", "cuda:99"), "PyTorch sees no such GPU here"),
        (("--precision", "bfloat16"), "bf16"),
    ],
)
def test_what_cannot_be_done_is_a_sentence_and_a_hint(run: Run, words: tuple[str, ...], told: str) -> None:
    code, out, err = run(*words)
    assert (code in (1, 2), out) == (True, "")
    assert err.startswith("error: ")
    assert told in err
    assert "\nhint: " in err
    assert "unexpected" not in err


def test_a_gap_after_stop_costs_the_truth_alone(
    tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signal = np.sin(np.arange(5000) / 9)
    signal[2600:3000] = np.nan
    write_recording(Recording(signal, 250.0, ("II",), "mV"), tmp_path / "gap.npz")
    words = ["generate", str(tmp_path / "gap.npz"), "--checkpoint", str(checkpoint), "--json"]
    assert main([*words, "--stop", "10", "--seconds", "3"]) == 0
    out, err = capsys.readouterr()
    assert summary(out)["continuation"]["recorded_tokens"] == 0
    assert "is not shown: channel II misses" in err


def test_the_end_may_be_named_as_it_is_told(run: Run, recording: Path, tmp_path: Path) -> None:
    code, out, _ = run("--stop", "120.005", "--tokens", 3, "--greedy", "--json", "--out", tmp_path / "out")
    assert code == 0
    assert summary(out)["context"]["stop"] == pytest.approx(120)


def test_ctrl_c_keeps_what_there_is(recording: Path, checkpoint: Path, tmp_path: Path) -> None:
    script = (
        "import signal, sys, physiolect.generation.generating as c; from physiolect.cli import main\n"
        "decode = c.decode\n"
        "def told(*a, **k):\n"
        "    for n, ids in enumerate(decode(*a, **k)):\n"
        "        if n == 7: signal.raise_signal(signal.SIGINT)\n"
        "        yield ids\n"
        "c.decode = told; sys.exit(main(sys.argv[1:]))"
    )
    words = ["generate", str(recording), "--checkpoint", str(checkpoint), "--out", str(tmp_path / "out")]
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 130, done.stderr
    assert "interrupted after 7 tokens, which are kept" in done.stderr
    assert {file.name for file in (tmp_path / "out").iterdir()} == FILES
    told = summary((tmp_path / "out" / "summary.json").read_text())
    assert (told["interrupted"], told["continuation"]["tokens"]) == (True, 7)


def test_help_needs_no_torch() -> None:
    code = "import sys; from physiolect.cli import main; main(['generate', '--help']); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--top-p" in done.stdout


def test_record_100_with_the_published_model(
    data: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["generate", str(data / "mitdb" / "100"), "--checkpoint", str(weights / "ECGPT_560k_iters.zip")]
    words += ["--start", "298", "--stop", "300", "--seconds", "1", "--samples", "16", "--json"]
    assert main(words) == 0
    out, err = capsys.readouterr()
    told = summary(out)
    assert told["published_as"] == "ECGPT_560k_iters"
    assert (told["channel"], told["unit"], told["fs"]) == ("MLII", "mV", 100.0)
    assert told["continuation"]["recorded_tokens"] == 100
    assert "resampled 360 -> 100 Hz (up 5, down 18)" in err


def test_a_channel_is_read_beside_others_of_another_rate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "night.edf"
    headers = [
        {"label": name, "dimension": "mV", "sample_frequency": fs, "physical_min": -5, "physical_max": 5,
         "digital_min": -32768, "digital_max": 32767, "transducer": "", "prefilter": ""}
        for name, fs in (("ECG II", 250), ("Resp", 25))
    ]  # fmt: skip
    signals = [
        synthetic.ecg(seconds=10.0, fs=250.0, leads=("II",), seed=1).signal[0].astype(float),
        np.zeros(250),
    ]
    with pyedflib.EdfWriter(str(path), 2, file_type=pyedflib.FILETYPE_EDFPLUS) as writer:
        writer.setSignalHeaders(headers)
        writer.writeSamples(signals)
    words = ["generate", str(path), "--tokens", "5", "--samples", "1"]
    for more in ([], ["--channel", "ECG II"], ["--channel", "0"]):
        assert main([*words, *more]) == 0
        assert "channels of other rates are left out: Resp (25 Hz)" in capsys.readouterr().err
    assert main([*words, "--channel", "Resp"]) == 1
    assert "channel Resp in mV is respiration" in capsys.readouterr().err


def test_the_call_has_the_defaults_of_the_verb() -> None:
    config = Config(inputs=["x"])
    named = {"n_tokens": "tokens", "n_samples": "samples"}
    defaults = {
        name: each.default
        for name, each in inspect.signature(generate).parameters.items()
        if each.default is not each.empty and name not in ("first", "on_event", "on_token")
    }
    # one thread for a small model
    assert (defaults.pop("threads"), config.threads) == (None, 1)
    assert defaults == {name: getattr(config, named.get(name, name)) for name in defaults}
