"""`physiolect convert` from the outside."""

from __future__ import annotations

import errno
import inspect
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from physiolect import Checkpoint, load_checkpoint
from physiolect.checkpoint import conversion, export_published
from physiolect.cli import main
from physiolect.commands.convert import Config
from physiolect.contract import CONTRACTS
from physiolect.files import lock_folder
from physiolect.models.gpt import GPT, GPT_PRESETS, GPTConfig
from physiolect.tokenizers import EcgByteTokenizer, LevelTokenizer, load_tokenizer

SIZES = {
    "context_length": 24,
    "width": 16,
    "n_layers": 2,
    "n_heads": 2,
    "mlp_width": 32,
    "attention_scale": 0.25,
}
THEIRS = replace(GPT_PRESETS["heartgpt-ecg"], **SIZES)  # type: ignore[arg-type]

Convert = Callable[..., tuple[int, str, str]]


def made(config: GPTConfig = THEIRS) -> Checkpoint:
    torch.manual_seed(0)
    contract = replace(CONTRACTS["heartgpt-ecg"], min_samples=24, max_samples=24)
    task = "forecast" if config.n_outputs is None else "beats"
    return Checkpoint(GPT(config).eval(), LevelTokenizer(), contract, task)


@pytest.fixture
def convert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Convert:
    """Run `physiolect convert ...` in a folder with a checkpoint, a file of weights and a stranger's folder."""
    monkeypatch.chdir(tmp_path)
    made().save("checkpoint")
    export_published(made(), Path("weights.pth"))
    export_published(made(replace(THEIRS, n_outputs=1)), Path("detector.zip"))
    Path("documents").mkdir()
    Path("documents/thesis.txt").write_text("years of work")

    def run(*words: str) -> tuple[int, str, str]:
        return main(["convert", *words]), *capsys.readouterr()

    return run


def test_weights_become_a_checkpoint_with_every_key_accounted_for(convert: Convert) -> None:
    code, out, err = convert("weights.pth", "new", "--verbose")
    assert (code, out) == (0, "")
    for key in torch.load("weights.pth", weights_only=True):
        assert key.endswith(".tril") or f"  {key} -> " in err, key
    assert "4 causal masks dropped" in err
    assert "none of the authors' five" in err
    assert "forecast model of" in err
    assert "reads ecg at 100 Hz, 24 samples (0.24 s) of any one channel" in err
    assert err.splitlines()[-1].startswith("verified: weights identical")
    assert load_checkpoint("new").run["converted_from"] == "weights.pth"


def test_keys_are_counted_unless_they_are_asked_for(convert: Convert) -> None:
    code, _, err = convert("weights.pth", "new")
    assert code == 0
    n_arrays = sum(not key.endswith(".tril") for key in torch.load("weights.pth", weights_only=True))
    assert f"{n_arrays} arrays of weights, each under its new name; 4 causal masks dropped" in err
    assert len(err.splitlines()) == 4
    code, _, err = convert("new", "back.pth")
    assert len(err.splitlines()) == 4


def test_a_second_run_in_the_same_folder_is_refused(convert: Convert) -> None:
    with lock_folder(Path("new")):
        code, _, err = convert("weights.pth", "new")
    assert code == 1
    assert f"error: another run is writing {Path('new').resolve()}" in err
    assert "\nhint: wait for it" in err
    assert not Path("new").exists()
    assert convert("weights.pth", "new")[0] == 0


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (("weights.pth", "new"), "safetensors.torch.save_file"),
        (("checkpoint", "new.pth"), "pathlib.Path.write_bytes"),
        (("checkpoint", "new.zip"), "zipfile.ZipFile.writestr"),
    ],
)
def test_a_full_disk_is_a_sentence(
    convert: Convert, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], place: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(place, full)
    code, _, err = convert(*words)
    assert code == 1
    assert err.startswith("error: the disk is full: ")
    assert f"{words[1]} could not be written\nhint: free some space" in err
    assert not Path(words[1]).exists()


def test_the_verb_has_the_defaults_of_the_call() -> None:
    parameters = inspect.signature(conversion.convert).parameters
    settings = {field.name: field.default for field in fields(Config) if field.name != "verbose"}
    assert settings.keys() == parameters.keys()
    assert all(settings[name] == parameters[name].default for name in ("task", "percentiles"))


def test_the_call_returns_what_the_verb_prints(convert: Convert, capsys: pytest.CaptureFixture[str]) -> None:
    converted = conversion.convert("weights.pth", "new")
    assert capsys.readouterr() == ("", "")
    assert repr(converted).startswith("Conversion(weights.pth: weights that are none")
    assert len(converted.to_frame()) == len(converted.keys)
    assert "verified: weights identical" in converted.summary


@pytest.mark.parametrize("name", ["out.pth", "deep/out.zip"])
def test_there_and_back_again(convert: Convert, name: str) -> None:
    code, out, err = convert("checkpoint", name)
    assert (code, out) == (0, "")
    assert "tokenizer and contract stay behind" in err
    assert err.splitlines()[-1].startswith("verified: ")
    assert convert(name, "back")[0] == 0
    before, after = (
        load_checkpoint("checkpoint").model.state_dict(),
        load_checkpoint("back").model.state_dict(),
    )
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_a_detector_is_what_it_is_said_to_be(convert: Convert) -> None:
    code, _, err = convert("detector.zip", "new")
    assert (code, "name the task: rhythm or beats" in err) == (1, True)
    assert convert("detector.zip", "new", "--task", "beats")[0] == 0
    assert load_checkpoint("new").task.name == "beats"
    assert convert("new", "again.pth")[0] == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("weights.pth", "documents"), "holds other things than a checkpoint"),
        (("weights.pth", "checkpoint"), "holds a checkpoint already"),
        (("weights.pth", "documents/thesis.txt"), "is a file"),
        (("weights.pth", "other.zip"), "both files of weights"),
        (("checkpoint", "other"), "is a checkpoint already"),
        (("checkpoint", "weights.pth"), "exists already"),
        (("documents", "other.pth"), "is no checkpoint"),
        (("documents/thesis.txt", "new"), "no readable weights"),
        (("nothing", "new"), "there is no file or checkpoint 'nothing'"),
        (("nothing", "new.pth"), "there is no checkpoint 'nothing'"),
        (("nothing.zip", "new"), "there is no nothing.zip"),
        (("weights.pth", "new", "--task", "beats"), "is a forecast model"),
        (("checkpoint", "new.pth", "--task", "beats"), "--task is for .zip and .pth files"),
        (("weights.pth", "new", "--task", "forecast"), "--task"),
        (("weights.pth",), "DST is missing"),
    ],
)
def test_nonsense_is_a_sentence_and_a_hint_and_changes_nothing(
    convert: Convert, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    code, out, err = convert(*words)
    assert (code in (1, 2), out) == (True, "")
    assert err.startswith("error: ")
    assert told in err
    assert "\nhint: " in err
    assert "unexpected" not in err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_an_altered_checkpoint_is_not_exported(convert: Convert) -> None:
    config = Path("checkpoint/config.yaml")
    config.write_text(config.read_text().replace("activation: relu", "activation: gelu"))
    code, _, err = convert("checkpoint", "new.pth")
    assert (code, Path("new.pth").exists()) == (1, False)
    assert "differ from the fingerprint" in err


def test_the_authors_beat_detector(convert: Convert, weights: Path) -> None:
    code, _, err = convert(str(weights / "PPGPT_beat_5k_iters.zip"), "beats")
    assert code == 0
    assert "the authors' PPGPT_beat_5k_iters" in err
    assert "beats model of 437,057 parameters; reads ppg at 50 Hz, 500 samples (10 s)" in err


def test_our_own_decoder_is_a_checkpoint_already_and_no_heartgpt(convert: Convert) -> None:
    code, out, err = convert("ecg", "copy")
    assert (code, out) == (2, "")
    assert "ecg is a checkpoint already" in err
    code, out, err = convert("ecg", "copy.pth")
    assert (code, out) == (1, "")
    assert "hint: " in err
    assert not Path("copy.pth").exists()


def test_a_published_tokenizer_becomes_ours(convert: Convert, data: Path) -> None:
    source = str(data / "ecg_byte" / "ecg_byte_tokenizer_1000_25.pkl")
    code, out, err = convert(source, "tokenizer", "--percentiles", "-0.45", "0.75")
    assert (code, out) == (0, "")
    assert "1000 merges of ECG-Byte's" in err
    assert load_tokenizer("tokenizer") == EcgByteTokenizer.from_published(source, percentiles=(-0.45, 0.75))
    assert "holds something already" in convert(source, "tokenizer", "--percentiles", "-0.45", "0.75")[2]
    assert "--percentiles P1 P99 are missing" in convert(source, "other")[2]
    assert "two numbers, but 1" in convert(source, "other", "--percentiles", "1")[2]
    assert "are for an ECG-Byte tokenizer" in convert("weights.pth", "other", "--percentiles", "0", "1")[2]
