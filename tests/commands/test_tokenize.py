"""From a folder of recordings to tokens and pictures of them, by the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from physiolect import cli
from physiolect.config import dump
from physiolect.contract import InputContract, adapt
from physiolect.datasets import TokenStore, open_store, split_rows
from physiolect.files import lock_folder
from physiolect.formats import read_recording, write_recording
from physiolect.synthetic import ecg, ppg
from physiolect.tokenizers import EcgByteTokenizer, LevelTokenizer, load_tokenizer, save_tokenizer

LEADS = ("I", "II", "V1")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of recordings, their store and a tokenizer trained on it."""
    home = tmp_path_factory.mktemp("made")
    (home / "recordings").mkdir()
    for seed in range(8):
        write_recording(ecg(seconds=6, fs=200, seed=seed), home / "recordings" / f"{seed}.npz")
    contract = InputContract(
        fs=250,
        min_samples=250,
        max_samples=1500,
        modality="ecg",
        channels=LEADS,
        unit="mV",
        normalisation="none",
    )
    dump(contract, home / "contract.yaml")
    words = ["prepare", home / "recordings", "--out", home / "store", "--contract", home / "contract.yaml"]
    assert cli.main([*map(str, words), "--workers", "1"]) == 0
    words = ["tokenize", "train", home / "store", "--out", home / "tokenizer", "--merges", "150"]
    assert cli.main([*map(str, words), "--validation", "0.3"]) == 0
    return home


def run(*words: object) -> int:
    return cli.main(["tokenize", *map(str, words)])


def test_train_takes_nothing_from_patients_it_leaves_out(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokenizer = load_tokenizer(made / "tokenizer")
    assert isinstance(tokenizer, EcgByteTokenizer)
    store = open_store(made / "store")
    train, held_out = split_rows(store, 0.3, 0)
    assert len(held_out)
    signals = [store.recording(row).signal for row in train.tolist()]
    low, high = np.percentile(np.concatenate([s.ravel() for s in signals]).astype(np.float64), [1, 99])
    assert tokenizer.percentiles == pytest.approx((low, high), rel=1e-9)
    assert (tokenizer.channels, tokenizer.fs, tokenizer.unit) == (LEADS, 250, "mV")
    expected = EcgByteTokenizer.train(
        signals, percentiles=tokenizer.percentiles, n_merges=150, channels=LEADS
    )
    assert tokenizer == expected
    words = ("train", made / "store", "--out", tmp_path, "--merges", 150, "--validation", 0.3)
    assert run(*words, "--memory", "16MB") == 0
    assert load_tokenizer(tmp_path) == tokenizer
    assert f"{len(held_out)} rows left out" in capsys.readouterr().err


def test_encode_a_store(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("encode", made / "store", "--tokenizer", made / "tokenizer", "--out", tmp_path / "tokens") == 0
    tokens, store = TokenStore(tmp_path / "tokens"), open_store(made / "store")
    assert len(tokens) == len(store) == 8
    for k in range(8):
        back = tokens.tokenizer.decode(tokens.row(k).ids)
        inside = np.clip(store.recording(k).signal, *tokens.tokenizer.range)
        assert np.abs(back - inside).max() <= tokens.tokenizer.step / 2 * 1.001
        assert tokens.row(k).source == store.sources[k]
    told = capsys.readouterr().err
    assert f"{tokens.n_tokens:,} tokens for {8 * 3 * 1500:,} samples" in told
    assert tokens.n_tokens == sum(len(tokens.row(k).ids) for k in range(8))
    assert run("encode", made / "store", "--tokenizer", made / "tokenizer", "--out", tmp_path / "tokens") == 2
    assert "holds tokens already" in capsys.readouterr().err


def test_encode_a_recording(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("encode", made / "recordings" / "0.npz", "--tokenizer", made / "tokenizer") == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert (told["channels"], told["samples"]) == (list(LEADS), 1500)
    assert told["spans"][-1][1] == 4500
    assert "resampled 200 -> 250 Hz" in err
    tokenizer = load_tokenizer(made / "tokenizer")
    assert isinstance(tokenizer, EcgByteTokenizer)
    assert tokenizer.decode(told["ids"]).shape == (3, 1500)


def test_a_store_without_one_of_the_leads_is_refused(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokenizer = load_tokenizer(made / "tokenizer")
    assert isinstance(tokenizer, EcgByteTokenizer)
    save_tokenizer(replace(tokenizer, channels=("I", "V5", "V6")), tmp_path / "signal_tokenizer.json")
    out = tmp_path / "tokens"
    assert run("encode", made / "store", "--tokenizer", tmp_path, "--out", out) == 1
    assert "does not fit the tokenizer: it has no lead V5, V6" in capsys.readouterr().err
    assert not out.exists()


def test_limb_leads_are_derived_where_asked(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokenizer = EcgByteTokenizer(percentiles=(-0.5, 1.0), channels=("I", "II", "III", "V1"), fs=200)
    save_tokenizer(tokenizer, tmp_path / "signal_tokenizer.json")
    recording = ecg(seconds=6, fs=200, seed=0)
    write_recording(recording.select(["I", "II", "V1"]), tmp_path / "three.npz")
    words = (tmp_path / "three.npz", "--tokenizer", tmp_path)
    assert run("encode", *words) == 1
    assert "III" in capsys.readouterr().err
    assert run("encode", *words, "--derive-limb") == 0
    found = tokenizer.decode(json.loads(capsys.readouterr().out)["ids"])
    limb = recording.select(["II"]).signal - recording.select(["I"]).signal
    assert np.abs(found[2] - np.clip(limb[0], *tokenizer.range)).max() <= tokenizer.step / 2 * 1.001


def test_a_signal_in_another_unit_is_remarked(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = ecg(seconds=6, fs=200, seed=0)
    write_recording(replace(recording, signal=1000 * recording.signal), tmp_path / "a.npz")
    assert run("encode", tmp_path / "a.npz", "--tokenizer", made / "tokenizer") == 0
    assert "is the unit right?" in capsys.readouterr().err
    assert run("encode", made / "recordings" / "0.npz", "--tokenizer", made / "tokenizer") == 0
    assert "is the unit right?" not in capsys.readouterr().err


def test_inspect_tells_and_draws(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("inspect", made / "tokenizer", "--store", made / "store", "--out", tmp_path, "--rows", 5)
    assert run(*words, "--json") == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert (told["tokens"], told["rows measured"], told["leads"]) == (176, 5, list(LEADS))
    assert told["samples a token"] > 3
    assert told["mean error (mV)"] < told["bin (mV)"] / 2
    assert {path.name for path in tmp_path.iterdir()} == {"tokens.png", "use.png"}
    assert err.count("wrote") == 2
    assert run("inspect", made / "tokenizer") == 0
    assert "I, II, V1" in capsys.readouterr().out


def test_track(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = made / "recordings" / "0.npz"
    words = (recording, "--tokenizer", made / "tokenizer")
    assert run("encode", *words) == 0
    ids = json.loads(capsys.readouterr().out)["ids"]
    assert run("track", *words, "--out", tmp_path / "a.png", "--start", 1, "--seconds", 2) == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert f" {len(ids):,} tokens for 4,500 samples" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("train", "{store}", "--out", "{tmp}", "--memory", "1KB"), "no size of at least 16 MB"),
        (("train", "{store}", "--out", "{tmp}", "--merges", "70000"), "--merges is 70000"),
        (("train", "{store}", "--out", "{tmp}", "--validation", "1"), "--validation is 1"),
        (("train", "{store}", "--out", "{tok}"), "holds a tokenizer already"),
        (("train", "{store}", "--out", "{tmp}", "--validate-on", "fold 9"), "no row of"),
        (("train", "{tmp}", "--out", "{tmp}"), "is not a store"),
        (("encode", "{store}", "--tokenizer", "{tok}"), "--out is missing"),
        (("encode", "{rec}", "--tokenizer", "{tok}", "--out", "{tmp}"), "--out is for a store"),
        (("encode", "{rec}", "--tokenizer", "{levels}"), "is a LevelTokenizer"),
        (("encode", "{rec}", "--tokenizer", "{tmp}"), "no signal tokenizer"),
        (("encode", "{other}", "--tokenizer", "{tok}"), "V1"),
        (("inspect", "{slow}", "--store", "{store}"), "it is at 250 Hz, and the tokenizer reads 100 Hz"),
        (("inspect", "{tok}", "--rows", "0"), "--rows is 0"),
        (("track", "{rec}", "--tokenizer", "{tok}", "--out", "a.txt"), "must end in"),
        (("track", "{rec}", "--tokenizer", "{tok}", "--out", "a.png", "--seconds", "0"), "--seconds is 0"),
        (("track", "{rec}", "--tokenizer", "{tok}", "--out", "a.png", "--start", "-1"), "--start is -1"),
        (("track", "{rec}", "--tokenizer", "{tok}", "--out", "a.png", "--start", "6"), "lasts 6 s"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], error: str
) -> None:
    save_tokenizer(LevelTokenizer(), tmp_path / "levels.json")
    save_tokenizer(EcgByteTokenizer(percentiles=(0, 1), channels=LEADS, fs=100), tmp_path / "slow.json")
    write_recording(ecg(seconds=3, fs=200).select(["I", "II"]), tmp_path / "two.npz")
    places = {
        "store": made / "store",
        "tok": made / "tokenizer",
        "rec": made / "recordings" / "0.npz",
        "levels": tmp_path / "levels.json",
        "slow": tmp_path / "slow.json",
        "other": tmp_path / "two.npz",
        "tmp": tmp_path / "empty",
    }
    assert run(*(word.format(**places) for word in words)) in (1, 2)
    err = capsys.readouterr().err
    assert error in err
    assert "hint:" in err


def test_rows_of_different_leads_are_refused(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for lead in ("I", "II"):
        write_recording(ecg(seconds=6, fs=100).select([lead]), tmp_path / f"{lead}.npz")
    contract = InputContract(fs=100, min_samples=100, max_samples=600, modality="ecg")
    dump(contract, tmp_path / "any.yaml")
    words = [
        "prepare",
        tmp_path / "I.npz",
        tmp_path / "II.npz",
        "--out",
        tmp_path / "store",
        "--workers",
        "1",
    ]
    assert cli.main([*map(str, words), "--contract", str(tmp_path / "any.yaml")]) == 0
    assert run("train", tmp_path / "store", "--out", tmp_path / "t") == 1
    assert "differ in leads or units: I; II in mV\n" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["encode", "inspect"])
@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"unit": "uV"}, "it has rows in mV, and the tokenizer reads uV"),
        ({"passband": (0.5, 40.0)}, "its passband is none, and the tokenizer's (0.5, 40.0)"),
        ({"modality": "ppg"}, "its modality is ecg, and the tokenizer's ppg"),
        ({"preprocessing": "modern"}, "its preprocessing is none, and the tokenizer's modern"),
    ],
)
def test_a_store_of_another_kind_is_refused(
    made: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    verb: str,
    changed: dict[str, object],
    error: str,
) -> None:
    tokenizer = load_tokenizer(made / "tokenizer")
    assert isinstance(tokenizer, EcgByteTokenizer)
    save_tokenizer(replace(tokenizer, **changed), tmp_path / "signal_tokenizer.json")  # type: ignore[arg-type]
    words = (made / "store", "--tokenizer", tmp_path, "--out", tmp_path / "tokens")
    assert run("encode", *words) if verb == "encode" else run("inspect", tmp_path, "--store", made / "store")
    told = capsys.readouterr().err
    assert error in told
    assert "hint: prepare the recordings as those were" in told
    assert not (tmp_path / "tokens").exists()


def test_z_scores_are_no_amplitudes(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    contract = InputContract(
        fs=250, min_samples=250, max_samples=1500, channels=LEADS, normalisation="zscore", modality="ecg"
    )
    dump(contract, tmp_path / "contract.yaml")
    words = ["prepare", made / "recordings", "--out", tmp_path / "store", "--workers", "1"]
    assert cli.main([*map(str, words), "--contract", str(tmp_path / "contract.yaml")]) == 0
    assert run("train", tmp_path / "store", "--out", tmp_path / "t") == 1
    assert "holds z-scores, but letters stand for amplitudes" in capsys.readouterr().err
    out = tmp_path / "tokens"
    assert run("encode", tmp_path / "store", "--tokenizer", made / "tokenizer", "--out", out) == 1
    assert "it holds z-scores, and the tokenizer reads amplitudes" in capsys.readouterr().err


def test_a_recording_and_its_row_of_a_store_give_the_same_letters(tmp_path: Path) -> None:
    """But for int16's rounding, which may move a sample across the edge of a bin."""
    write_recording(ppg(seconds=20, fs=64), tmp_path / "a.npz")
    contract = InputContract(
        fs=50,
        min_samples=100,
        max_samples=1000,
        modality="ppg",
        normalisation="none",
        passband=(0.5, 8.0),
        max_gap=0.3,
    )
    dump(contract, tmp_path / "ppg.yaml")
    words = ["prepare", tmp_path / "a.npz", "--out", tmp_path / "store", "--contract", tmp_path / "ppg.yaml"]
    assert cli.main([*map(str, words), "--workers", "1"]) == 0
    assert run("train", tmp_path / "store", "--out", tmp_path / "t", "--merges", 50, "--validation", 0) == 0
    tokenizer = load_tokenizer(tmp_path / "t")
    assert isinstance(tokenizer, EcgByteTokenizer)
    assert (tokenizer.modality, tokenizer.passband, tokenizer.max_gap) == ("ppg", (0.5, 8.0), 0.3)
    adapted, _ = adapt(read_recording(tmp_path / "a.npz"), tokenizer.contract(), window="all")
    row = open_store(tmp_path / "store").recording(0).signal
    differ = tokenizer.quantise(adapted.signal) != tokenizer.quantise(row)
    assert adapted.signal.shape == row.shape
    assert differ.mean() < 0.01


def test_a_second_run_in_a_folder_is_refused_in_a_sentence(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "busy"
    with lock_folder(out):
        assert run("train", made / "store", "--out", out) == 1
        assert f"error: another run is writing {out}: process" in capsys.readouterr().err
        assert run("encode", made / "store", "--tokenizer", made / "tokenizer", "--out", out) == 1
        assert f"error: another run is writing {out}: process" in capsys.readouterr().err
    assert not out.exists()


def test_inspect_finds_a_folder_that_cannot_be_made_before_it_measures(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("physiolect.evaluation.tokenizer.measure_tokens", None)  # calling it would fail
    (tmp_path / "file").touch()
    words = ("inspect", made / "tokenizer", "--store", made / "store", "--out", tmp_path / "file" / "seen")
    assert run(*words) == 1
    assert "cannot be written: Not a directory" in capsys.readouterr().err
