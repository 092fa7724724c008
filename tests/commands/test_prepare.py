"""`physiolect prepare` from the outside."""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from physiolect.checkpoint import load_checkpoint
from physiolect.cli import main
from physiolect.commands.prepare import Config, run
from physiolect.config import dump
from physiolect.contract import CONTRACTS, InputContract, adapt
from physiolect.datasets import open_store, prepare
from physiolect.datasets.preparing.settings import find_files, resolve_contract
from physiolect.errors import ConfigError
from physiolect.formats import read_recording, write_recording
from physiolect.formats.outputs import OUTPUT_COLUMN, OUTPUT_MARK
from physiolect.recording import LEADS, Recording
from physiolect.signals import preprocess
from physiolect.synthetic import ecg
from physiolect.tokenizers import EcgByteTokenizer, save_tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three recordings and a file that is none."""
    folder = tmp_path / "in"
    folder.mkdir()
    for k in range(3):
        signal = np.random.default_rng(k).standard_normal((2, 800))
        write_recording(Recording(signal, 200.0, ("II", "V5"), unit="mV"), folder / f"r{k}.npz")
    (folder / "bad.csv").write_text("")
    return folder


def test_a_folder_becomes_a_store_and_the_bad_file_is_told(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["prepare", str(folder), "--out", str(tmp_path / "out"), "--channel", "V5", "--workers", "1"])
    told = capsys.readouterr()
    assert code == 0
    assert told.out == ""
    assert "left out: in/bad.csv " in told.err
    assert "3 rows out of 4 files" in told.err
    assert "1 left out" in told.err
    store = open_store(tmp_path / "out")
    assert store.channels(0) == ("V5",)
    assert store.contract == replace(CONTRACTS["heartgpt-ecg"], channels=("V5",))


def test_what_is_taken_to_be_an_ecg_is_counted_and_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        signal = np.random.default_rng(1).standard_normal((1, 800))
        write_recording(Recording(signal, 200.0, ("hr",), unit="mV"), tmp_path / "in" / f"{name}.npz")
    assert main(["prepare", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--workers", "1"]) == 0
    note = "nothing says what hr measures; it is taken to be ecg"
    assert f"notice: {note} (in/a.npz, in/b.npz)\n" in capsys.readouterr().err
    remarks = open_store(tmp_path / "out").remarks
    assert [(each.source, each.note) for each in remarks if each.kind == "reading"] == [
        ("in/a.npz", note), ("in/b.npz", note)
    ]  # fmt: skip


def test_again_and_in_parts(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["prepare", str(folder), "--out", str(tmp_path / "out"), "--workers", "1"]
    assert main([*words, "--shard", "1/2"]) == 0
    assert main(words) == 1
    assert "was begun in 2 parts, not 1" in capsys.readouterr().err
    assert main([*words, "--shard", "2/2"]) == 0
    assert main([*words, "--shard", "2/2"]) == 0
    assert len(open_store(tmp_path / "out")) == 3


def test_strict_is_fatal(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", str(folder), "--out", str(tmp_path / "out"), "--strict", "--workers", "1"]) == 1
    told = capsys.readouterr().err
    assert "error: in/bad.csv" in told
    assert "hint: " in told


def test_a_contract_comes_from_a_file(folder: Path, tmp_path: Path) -> None:
    contract = InputContract(fs=50.0, min_samples=10, max_samples=100, channels=("V5", "II"))
    dump(contract, tmp_path / "contract.yaml")
    config = Config([str(folder)], str(tmp_path / "out"), contract=str(tmp_path / "contract.yaml"), workers=1)
    assert config.problems() == []
    assert run(config) == 0
    store = open_store(tmp_path / "out")
    assert store.contract == contract
    assert store.channels(0) == ("V5", "II")
    assert store.samples(0).shape == (2, 200)
    assert "takes 2 channels" in replace(config, channel="II").problems()[0]


@pytest.mark.parametrize(
    ("channel", "asked_for"), [("MLII", ("II",)), ("ecg v5", ("V5",)), ("1", ("*",)), (None, ("*",))]
)
def test_a_channel_by_name_is_what_the_model_will_ask_for(
    folder: Path, channel: str | None, asked_for: tuple[str, ...]
) -> None:
    assert resolve_contract("heartgpt-ecg", channel).channels == asked_for


def test_a_contract_that_names_its_channel_keeps_it(folder: Path, tmp_path: Path) -> None:
    dump(replace(CONTRACTS["heartgpt-ecg"], channels=("II",)), tmp_path / "contract.yaml")
    assert resolve_contract(str(tmp_path / "contract.yaml"), "V5").channels == ("II",)


def test_a_store_of_one_lead_asks_for_it_among_others(folder: Path, tmp_path: Path) -> None:
    assert run(Config([str(folder)], str(tmp_path / "out"), channel="ii", workers=1)) == 0
    signal = np.random.default_rng(0).standard_normal((2, 800))
    recording = Recording(signal, 200.0, ("V5", "MLII"), unit="mV")
    context, _ = adapt(recording, open_store(tmp_path / "out").contract)
    assert context.channels == ("II",)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    config = Config(
        [str(tmp_path / "nowhere")],
        "out",
        contract="heartgpt-eeg",
        fs=-1,
        patients="none.csv",
        workers=-2,
        shard="3/2",
    )
    problems = config.problems()
    assert len(problems) == 6
    for told in ("nowhere", "did you mean 'heartgpt-ecg'?", "--fs", "none.csv", "--workers", "3/2"):
        assert any(told in problem for problem in problems), told
    assert "is not i/n" in Config([str(tmp_path)], "out", shard="a").problems()[-1]


@pytest.mark.parametrize(("number", "code", "workers"), [(signal.SIGTERM, 143, 1), (signal.SIGINT, 130, 2)])
def test_being_stopped_keeps_what_is_finished_and_says_how_to_go_on(
    folder: Path, tmp_path: Path, number: int, code: int, workers: int
) -> None:
    for k in range(3, 60):
        os.link(folder / f"r{k % 3}.npz", folder / f"r{k}.npz")
    last = folder / "z.csv"
    os.mkfifo(last)  # whoever opens it waits for ever, so that the work cannot end before it is stopped
    command = [sys.executable, "-m", "physiolect", "prepare", str(folder)]
    command += ["--out", str(tmp_path / "out"), "--workers", str(workers)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not (tmp_path / "out").exists() and process.poll() is None:
        time.sleep(0.005)
    time.sleep(0.3 * (workers - 1))  # into the start of the workers
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does: to the workers too
    else:
        process.send_signal(number)
    told = process.communicate(timeout=300)[1]
    assert process.returncode == code, told
    assert "run the same command again to continue" in told
    assert "Traceback" not in told
    last.unlink()
    write_recording(read_recording(folder / "r0.npz"), last)
    assert main([*command[3:-1], "1"]) == 0
    assert len(open_store(tmp_path / "out")) == 61


def test_segments_labels_and_quality_are_told(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoilt = np.random.default_rng(9).standard_normal((2, 830))
    spoilt[1, 100:500] = 0
    write_recording(Recording(spoilt, 200.0, ("II", "V5"), unit="mV"), folder / "r3.npz")
    (tmp_path / "labels.csv").write_text("recording,label\nr0,NORM\nr3,MI\n")
    words = ["prepare", str(folder), "--channel", "V5", "--workers", "1", "--segment", "150"]
    words += ["--labels", str(tmp_path / "labels.csv")]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().err
    assert "4.15 s at the ends of recordings filled no segment and were dropped" in told
    assert "quality, in recordings: flat 1; the remarks are in manifest.json" in told
    store = open_store(tmp_path / "out")
    assert "labels for 2 of 5 files" in told
    assert (len(store), set(store.lengths.tolist())) == (8, {150})
    assert store.labels == [("NORM",)] * 2 + [()] * 4 + [("MI",)] * 2
    assert main([*words, "--out", str(tmp_path / "strict"), "--refuse", "flat", "clipped"]) == 0
    assert "left out: in/r3.npz: V5 is flat for 48 % of its length" in capsys.readouterr().err
    assert len(open_store(tmp_path / "strict")) == 6


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--segment", "0"], "--segment is 0"),
        (["--segment", "100", "--contract", "ecg-byte"], "the contract takes 250 samples or more"),
        (["--every-channel", "--contract", "ecg-byte"], "needs a --contract of one channel"),
        (["--every-channel", "--channel", "II"], "name one of them"),
        (["--workers", "2", "--scheduler", "tcp://x:1"], "name one of them"),
        (["--scheduler", "x"], "--scheduler is 'x'"),
        (["--derive-limb"], "need a --contract that names its leads"),
        (["--labels", "nowhere.csv"], "no file 'nowhere.csv' of labels"),
        (["--refuse", "ugly"], "ugly"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert main(["prepare", str(folder), "--out", str(tmp_path / "out"), *words]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_public_dataset_brings_patients_labels_and_folds(
    published: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = published.ptbxl(tmp_path / "ptbxl"), tmp_path / "out"
    (folder / "records500/00000/00004_hr.hea").unlink()
    words = ["prepare", str(folder), "--out", str(out), "--dataset", "ptbxl", "--contract", "ecg-byte"]
    assert main([*words, "--label-set", "scp", "--workers", "1"]) == 0
    told = capsys.readouterr()
    assert "PTB-XL (CC BY 4.0); cite: Wagner" in told.err
    assert "1 of its recordings are listed, but not there" in told.err
    store = open_store(out)
    assert store.sources[0] == "ptbxl/records500/00000/00001_hr"  # the contract's 250 Hz need the higher rate
    assert store.patients == ["ptbxl/15709", "ptbxl/15710", "ptbxl/15711"]
    assert store.labels[1] == ("IMI", "LAFB")
    assert store.splits == ["fold 3", "fold 3", "fold 10"]
    provenance = store.manifests[0].header.provenance
    assert (provenance["dataset"], provenance["label_set"]) == ("ptbxl", "scp")
    assert provenance["licence"] == "CC BY 4.0"
    assert main(["inspect", str(out)]) == 0
    assert "fold 3 2   fold 10 1" in capsys.readouterr().out


def test_a_known_layout_is_pointed_out(
    published: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = published.mitbih(tmp_path / "mitdb", records=("100", "101"))
    assert main(["prepare", str(folder), "--out", str(tmp_path / "out"), "--workers", "1"]) == 0
    assert (
        "this looks like mitbih: --dataset mitbih would take each recording once" in capsys.readouterr().err
    )


def test_a_contract_comes_from_a_checkpoint_or_a_tokenizer_too(tmp_path: Path) -> None:
    tokenizer = EcgByteTokenizer(
        percentiles=(-0.5, 0.5), channels=("V1", "II"), fs=200, preprocessing="modern"
    )
    save_tokenizer(tokenizer, tmp_path / "signal_tokenizer.json")
    for given in (tmp_path, tmp_path / "signal_tokenizer.json"):
        assert resolve_contract(str(given), None) == tokenizer.contract()
    contract = replace(CONTRACTS["heartgpt-ppg"], max_gap=0.3)
    (tmp_path / "run").mkdir()
    dump(contract, tmp_path / "run" / "contract.yaml")
    assert resolve_contract(str(tmp_path / "run"), None) == contract
    with pytest.raises(ConfigError, match="is no preset and holds no contract"):
        resolve_contract(str(tmp_path / "nowhere"), None)


@pytest.mark.parametrize("words", [[], ["--contract", "heartgpt-ecg"]])
def test_a_store_is_prepared_without_torch(folder: Path, tmp_path: Path, words: list[str]) -> None:
    given = ["prepare", str(folder), "--out", str(tmp_path / "out"), *words]
    code = f"import sys; from physiolect.cli import main; main({given}); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "False"
    assert open_store(tmp_path / "out").sources


def test_a_contract_comes_from_a_checkpoint_that_comes_with_the_package(tmp_path: Path) -> None:
    write_recording(ecg(seconds=30, fs=250, leads=("II",), seed=3), tmp_path / "one.csv")
    words = [
        "prepare",
        str(tmp_path / "one.csv"),
        "--fs",
        "250",
        "--workers",
        "1",
        "--out",
        str(tmp_path / "out"),
    ]
    assert main([*words, "--contract", "ecg-heartbeats"]) == 0
    assert open_store(tmp_path / "out").contract == load_checkpoint("ecg-heartbeats").contract


def test_files_that_name_neither_leads_nor_units_are_told(tmp_path: Path) -> None:
    signal = ecg(seconds=10, fs=500, seed=3).signal
    np.save(tmp_path / "bare.npy", signal)
    words = ["prepare", str(tmp_path / "bare.npy"), "--fs", "500", "--contract", "ecg-byte", "--workers", "1"]
    assert main([*words, "--out", str(tmp_path / "none")]) == 1
    assert main([*words, "--out", str(tmp_path / "out"), "--unit", "mV", "--names", *LEADS]) == 0
    store = open_store(tmp_path / "out")
    assert store.channels(0) == LEADS
    assert store.units == {"mV"}
    wanted, _ = preprocess(signal, 500.0)
    np.testing.assert_allclose(store.recording(0).signal, wanted, atol=2e-3)


def test_what_is_wrong_with_a_dataset_is_told_before_work(published: ModuleType, tmp_path: Path) -> None:
    folder = str(published.mitbih(tmp_path / "mitdb", records=("100",)))

    def problems(**settings: str) -> str:
        return "; ".join(Config([folder], "out", **settings).problems())

    assert problems(dataset="mitbih") == ""
    assert "did you mean 'mitbih'?" in problems(dataset="mitbi")
    assert "is not laid out as PTB-XL (it should hold ptbxl_database.csv" in problems(dataset="ptbxl")
    assert "split of mitbih is 'chazal'" in problems(dataset="mitbih", split="chazal")
    assert "mitbih has no labels of whole recordings" in problems(dataset="mitbih", label_set="aami_beats")
    assert "come with the rows, as marks" in problems(dataset="mitbih", label_set="aami_beats")
    assert "--split needs a --dataset" in problems(split="de-chazal")
    assert "leave --patients and --labels out" in problems(dataset="mitbih", patients=__file__)


def test_the_settings_that_a_dataset_takes_by_default_may_be_spelt_out(
    published: ModuleType, tmp_path: Path
) -> None:
    words = ["prepare", str(published.ptbxl(tmp_path / "ptbxl")), "--dataset", "ptbxl", "--workers", "1"]
    words += ["--out", str(tmp_path / "out")]
    assert main(words) == 0
    provenance = open_store(tmp_path / "out").manifests[0].header.provenance
    assert (provenance["label_set"], provenance["published_split"]) == ("superclass", "folds")
    assert main([*words, "--label-set", "superclass", "--split", "folds"]) == 0
    assert main([*words, "--split", "none"]) == 1


def test_a_dataset_in_two_folders_gives_each_recording_once_and_refuses_two_of_a_name(
    published: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = str(published.mitbih(tmp_path / "one", records=("100", "101")))
    two = str(published.mitbih(tmp_path / "two", records=("102",)))
    (tmp_path / "link").symlink_to(one)
    words = ["--dataset", "mitbih", "--channel", "0", "--workers", "1"]
    inputs = [one, two, one, str(tmp_path / "link")]
    assert main(["prepare", *inputs, "--out", str(tmp_path / "out"), *words]) == 0
    assert open_store(tmp_path / "out").sources == ["mitbih/100", "mitbih/101", "mitbih/102"]
    published.mitbih(tmp_path / "two", records=("101",))
    assert main(["prepare", one, two, "--out", str(tmp_path / "again"), *words]) == 1
    told = capsys.readouterr().err
    assert "would both be 'mitbih/101' in the store" in told
    assert "hint: " in told
    assert not (tmp_path / "again").exists()


def test_files_of_many_recordings_are_named_by_their_place_in_the_dataset(
    published: ModuleType, tmp_path: Path
) -> None:
    folder = published.code15(tmp_path / "code15")
    config = Config([str(folder), str(folder)], "out", dataset="code15", contract="ecg-byte")
    files = find_files(config.settings()).files
    assert [file.name.partition("[")[0] for file in files] == [
        "code15/exams_part0.hdf5",
        "code15/exams_part1.hdf5",
    ]


def test_patients_that_are_nobodys_here_are_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "patients.csv").write_text("recording,patient\nR7,ann\n")
    words = ["prepare", str(folder), "--out", str(tmp_path / "out"), "--workers", "1"]
    words += ["--patients", str(tmp_path / "patients.csv")]
    assert main(words) == 2
    assert "the patients name 1 recordings, but none of the 4 files" in capsys.readouterr().err
    (tmp_path / "patients.csv").write_text("recording,patient\nr1,ann\nR7,bob\n")
    assert main(words) == 0
    told = capsys.readouterr().err
    assert "patients for 1 of 4 files" in told
    assert "not used of the patients: R7" in told


def test_leads_that_one_lead_leaves_out_are_told_also_by_a_run_that_goes_on(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["prepare", str(folder), "--out", str(tmp_path / "out"), "--workers", "1"]
    assert main(words) == 0
    told = capsys.readouterr().err
    assert "took II 3 and left 3 other channels out (V5 3)" in told
    assert "--channel names it, --every-channel takes each" in told
    assert main(words) == 0
    assert "took II 3 and left 3 other channels out (V5 3)" in capsys.readouterr().err
    manifest = open_store(tmp_path / "out").manifests[0]
    assert (manifest.taken, manifest.left_out) == ({"II": 3}, {"V5": 3})
    named = [*words[:3], str(tmp_path / "named"), "--channel", "II", "--workers", "1"]
    assert main(named) == 0
    assert "other channels" not in capsys.readouterr().err


def test_every_channel_becomes_a_row(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    matrix = np.random.default_rng(0).standard_normal((20, 800)).astype(np.float32)
    matrix[7] = 0
    np.save(folder / "records.npy", matrix)
    words = ["prepare", str(folder), "--out", str(tmp_path / "out"), "--every-channel", "--workers", "1"]
    assert main([*words, "--fs", "200", "--modality", "ecg"]) == 0
    told = capsys.readouterr().err
    assert "other channels" not in told
    assert "left out: in/records.npy: channel ch8 is flat" in told
    store = open_store(tmp_path / "out")
    assert len(store) == 3 * 2 + 19
    assert [store.channels(row) for row in range(6)] == [("II",), ("V5",)] * 3
    assert [store.channels(6 + row) for row in range(19)] == [(f"ch{k}",) for k in range(1, 21) if k != 8]
    signal = adapt(read_recording(folder / "r1.npz"), CONTRACTS["heartgpt-ecg"], "V5", window="all")[0].signal
    assert np.abs(store.recording(3).signal - signal).max() <= store.row(3).max_error * 1.01


def test_what_int16_costs_is_told_by_the_summary_the_manifest_and_inspect(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dump(replace(CONTRACTS["heartgpt-ecg"], unit="mV"), tmp_path / "contract.yaml")
    words = ["prepare", str(folder), "--out", str(tmp_path / "out"), "--workers", "1"]
    assert main([*words, "--contract", str(tmp_path / "contract.yaml")]) == 0
    store = open_store(tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    bound = manifest["shards"][0]["max_error"]
    assert "value = samples * scale + offset" in manifest["encoding"]
    assert bound == max(store.row(row).max_error for row in range(3)) == store.manifests[0].max_error
    assert f"no sample is off by more than {bound:.2g} mV" in capsys.readouterr().err
    assert main(["inspect", str(tmp_path / "out")]) == 0
    assert f"{bound:.4g} mV" in capsys.readouterr().out


def test_where_units_differ_the_cost_of_int16_is_a_share_of_the_range(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    for unit, gain in (("mV", 1.0), ("uV", 1000.0)):
        signal = 5e4 + gain * np.random.default_rng(0).standard_normal((1, 800))
        write_recording(Recording(signal, 200.0, ("II",), unit=unit), tmp_path / "in" / f"{unit}.npz")
    words = ["prepare", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--workers", "1"]
    assert main(words) == 0
    assert "no sample is off by more than 0.002 % of its channel's range" in capsys.readouterr().err
    store = open_store(tmp_path / "out")
    for row in map(store.row, range(len(store))):
        assert row.max_error <= 2e-5 * float(np.ptp(row.recording().signal))


def test_leads_that_are_missing_are_named_with_those_there(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "prepare",
        str(folder),
        "--contract",
        "ecg-byte",
        "--out",
        str(tmp_path / "out"),
        "--workers",
        "1",
    ]
    assert main(words) == 1
    told = capsys.readouterr().err
    assert "the recording has no I, III, aVR" in told
    assert "--zero-missing replace missing leads" in told


def test_outputs_of_a_model_are_skipped_and_counted(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = write_outputs(folder)
    words = ["prepare", str(folder), "--out", str(tmp_path / "out"), "--channel", "0", "--workers", "1"]
    assert main(words) == 0
    told = capsys.readouterr().err
    assert "2 files skipped: written by physiolect generate, detect or explain (" in told
    assert set(open_store(tmp_path / "out").sources) == {f"in/r{k}.npz" for k in range(3)}
    named = [*map(str, outputs), str(folder / "r0.npz"), "--out", str(tmp_path / "named"), "--workers", "1"]
    assert main(["prepare", *named]) == 0
    assert "2 files skipped" in capsys.readouterr().err
    assert main(["prepare", *map(str, outputs), "--out", str(tmp_path / "none")]) == 1
    assert "a model wrote all files that are named" in capsys.readouterr().err


def write_outputs(folder: Path) -> list[Path]:
    """Write what `generate` wrote before and after its outputs were marked, under names of a recording."""
    signal = np.random.default_rng(0).standard_normal((2, 300))
    np.savez(folder / "renamed.npz", signal=signal, fs=100.0, **{OUTPUT_MARK: "generate"})
    rows = "".join(f"{k / 100},0.1,0.2\n" for k in range(300))
    (folder / "moved.csv").write_text(f"time_s,{OUTPUT_COLUMN}_1 (mV),{OUTPUT_COLUMN}_2 (mV)\n{rows}")
    return [folder / "renamed.npz", folder / "moved.csv"]


def test_the_verb_lists_the_first_files_left_out_and_counts_the_others(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for k in range(9):
        (folder / f"bad{k}.csv").write_text("")
    words = ["prepare", str(folder), "--channel", "V5", "--workers", "1"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().err
    assert told.count("left out: in/") == 5
    assert "left out: 5 more; --verbose lists all" in told
    assert main([*words, "--out", str(tmp_path / "all"), "--verbose"]) == 0
    told = capsys.readouterr().err
    assert told.count("left out: in/") == 10
    assert "--verbose" not in told


def test_the_verb_has_the_defaults_of_the_call() -> None:
    parameters = inspect.signature(prepare).parameters
    settings = {field.name: field for field in fields(Config)}
    assert settings.keys() == parameters.keys() - {"on_event"}
    for name, field in settings.items():
        if name not in ("inputs", "out"):
            assert field.default == parameters[name].default, name
            assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY


def test_without_a_terminal_a_line_now_and_then_says_how_far_it_is(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("physiolect.commands.prepare._SPEAK_EVERY", 0.0)
    assert main(["prepare", str(folder), "--out", str(tmp_path / "out"), "--workers", "1"]) == 0
    assert "2 of 4 files\n" in capsys.readouterr().err
