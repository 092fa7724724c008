import json
from dataclasses import fields
from inspect import signature

import numpy as np
import pytest

from physiolect import cli
from physiolect.commands.inspect import Config
from physiolect.contract import CONTRACTS
from physiolect.formats import write_recording
from physiolect.formats.outputs import OUTPUT_MARK
from physiolect.recording import Annotations, Recording
from physiolect.report import inspection


@pytest.fixture
def inspect(capsys, monkeypatch):
    """Run `physiolect inspect ...` and return its exit code, stdout and stderr."""
    monkeypatch.setenv("COLUMNS", "100")

    def run(*words):
        code = cli.main(["inspect", *map(str, words)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def facts(inspect):
    """Run `physiolect inspect ... --json` and return what it prints."""

    def run(*words):
        code, out, err = inspect(*words, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)

    return run


@pytest.fixture
def recording(tmp_path):
    """A minute of two leads and a flat PPG, with a gap, beats and a rhythm."""
    signal = np.random.default_rng(0).normal(size=(3, 360 * 60)).astype(np.float32)
    signal[1, :216] = np.nan
    signal[2] = 7
    marks = Annotations([1, 5, 300, 700], ("+", "N", "V", "N"), ("(AFIB", "", "", ""))
    made = Recording(signal, 360.0, ("MLII", "V5", "PLETH"), ("mV", "mV", "NU"), annotations=marks)
    path = tmp_path / "made.npz"
    write_recording(made, path)
    return path, signal


def test_a_recording_is_told_channel_by_channel(recording, facts):
    path, signal = recording
    told = facts(path)
    assert (told["kind"], told["modality"], told["fs"], told["seconds"]) == ("recording", None, 360.0, 60.0)
    ii, v5, ppg = told["channels"]
    assert (ii["channel"], ii["unit"], ii["modality"], ii["flat"]) == ("MLII", "mV", "ecg", False)
    assert ii["min"] == signal[0].min()
    assert ii["max"] == signal[0].max()
    assert ii["mean"] == pytest.approx(signal[0].mean(dtype=float))
    assert (ii["missing"], v5["missing"]) == (0, 1)
    assert (ppg["modality"], ppg["flat"], ppg["mean"]) == ("ppg", True, 7)
    assert list(told["annotations"].items()) == [("N", 2), ("+ (AFIB", 1), ("V", 1)]


def test_a_recording_is_held_against_every_preset(recording, facts):
    fits = {fit["contract"]: fit for fit in facts(recording[0])["fits"]}
    assert set(fits) == set(CONTRACTS)
    assert fits["heartgpt-ecg"]["fits"] is True
    assert any("360" in note and "100 Hz" in note for note in fits["heartgpt-ecg"]["notes"])
    assert fits["heartgpt-ppg"]["fits"] is False
    assert any("flat" in note for note in fits["heartgpt-ppg"]["notes"])


def test_a_screen_shows_the_same_in_tables(recording, inspect):
    code, out, err = inspect(recording[0])
    assert (code, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == f"recording {recording[0]}"
    assert "fs (Hz) 360" in lines
    assert "PLETH ppg NU 7 7 7 0 yes" in lines
    assert "N 2 + (AFIB 1 V 1" in lines
    assert any(line.startswith("heartgpt-ppg no ") for line in lines)


def test_options_say_what_a_file_does_not(tmp_path, inspect, facts):
    path = tmp_path / "bare.npy"
    np.save(path, np.sin(np.arange(1000.0)))
    code, out, err = inspect(path)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert "\nhint: " in err
    told = facts(path, "--fs", 250, "--modality", "ppg")
    assert (told["fs"], told["modality"], told["channels"][0]["modality"]) == (250.0, "ppg", "ppg")
    assert inspect(path, "--fs", "0")[0] == 2


def test_a_folder_lists_its_recordings_with_what_they_are_or_why_not(recording, facts, inspect):
    folder = recording[0].parent
    np.save(folder / "bare.npy", np.sin(np.arange(1000.0)))
    told = facts(folder)
    assert (told["kind"], told["files"]) == ("folder", 2)
    assert told["recordings"] == [
        {"recording": "bare.npy", "format": "NPY", "fs": None, "seconds": None, "channels": None,
         "error": "bare.npy states no sampling rate and fs is not given"},
        {"recording": "made.npz", "format": "NPZ", "fs": 360.0, "seconds": 60.0,
         "channels": ["MLII", "V5", "PLETH"], "error": None},
    ]  # fmt: skip
    shown = inspect(folder)[1]
    assert "MLII, V5" in shown
    assert "states no" in shown
    for k in range(20):
        np.save(folder / f"x{k:02}.npy", np.ones(9))
    assert "--json lists" in inspect(folder)[1]


def test_of_a_large_folder_some_recordings_are_looked_into(tmp_path, facts, monkeypatch):
    monkeypatch.setattr("physiolect.report.folder._LOOKED_INTO", 1)
    monkeypatch.setattr("physiolect.report.long_recording._LONG", 1000)
    for name in ("a", "b"):
        write_recording(Recording(np.arange(9000.0) % 7, 100.0, ("II",)), tmp_path / f"{name}.npz")
    told = facts(tmp_path)
    assert told["looked into"].startswith("1 of 2")
    assert [each["channels"] for each in told["recordings"]] == [["II"], None]
    assert told["recordings"][0]["seconds"] is None  # a long file is not read whole


def test_a_long_recording_has_a_length_without_an_exponent(tmp_path, inspect):
    write_recording(Recording(np.arange(86_400.0), 1.0, ("II",)), tmp_path / "day.npz")
    out = inspect(tmp_path / "day.npz")[1]
    assert "86,400" in out
    assert "e+" not in out


def test_names_are_shown_as_they_are_and_not_as_markup(tmp_path, inspect):
    path = tmp_path / "[red]x.npz"
    write_recording(Recording(np.arange(9.0), 10.0, ("[b]II[/b]",)), path)
    out = inspect(path)[1]
    assert "[red]x.npz" in out
    assert "[b]II[/b]" in out


def test_a_store_tells_how_much_and_what_was_rejected(tmp_path, inspect, facts):
    from physiolect.datasets import Row, StoreWriter
    from physiolect.datasets.store.manifest import Rejection

    contract = CONTRACTS["heartgpt-ecg"]
    minute = Recording(np.random.default_rng(0).normal(size=6000), 100.0, ("II",), "mV", "ecg")
    with StoreWriter(tmp_path / "store", contract, provenance={"inputs": ["mitdb"]}) as writer:
        for name, patient in (("a", "p1"), ("b", "p1"), ("c", None)):
            writer.add(name, [Row.from_recording(minute, source=name, patient=patient)])
        writer.add("d", [], [Rejection("d", "it is empty")])
    told = facts(tmp_path / "store")
    assert (told["kind"], told["rows"], told["hours"]) == ("store", 3, pytest.approx(0.05))
    assert (told["patients"], told["rows of unknown patient"], told["recordings"]) == (1, 1, 3)
    assert (told["contract"]["fs"], told["provenance"]) == (100.0, {"inputs": ["mitdb"]})
    assert told["rejected"] == [{"source": "d", "reason": "it is empty"}]
    out = inspect(tmp_path / "store")[1]
    assert "it is empty" in out
    assert "heartgpt" not in out


def test_a_tokenizer_tells_its_numbers(tmp_path, facts):
    from physiolect.tokenizers import FILE_NAME, LevelTokenizer, save_tokenizer

    save_tokenizer(LevelTokenizer(vocabulary_size=102), tmp_path / FILE_NAME)
    told = facts(tmp_path / FILE_NAME)
    assert (told["kind"], told["n_levels"], told["vocabulary_size"]) == ("tokenizer", 101, 102)


def test_a_checkpoint_tells_its_parts(tmp_path, inspect, facts):
    from physiolect.checkpoint import Checkpoint
    from physiolect.models.gpt import GPT, GPTConfig
    from physiolect.tokenizers import LevelTokenizer

    model = GPT(GPTConfig(context_length=32, width=8, n_layers=1, n_heads=2, mlp_width=16))
    run = {"command": "pretrain", "keys": [f"key {i}" for i in range(99)]}
    Checkpoint(model, LevelTokenizer(), CONTRACTS["heartgpt-ecg"], run=run).save(tmp_path / "run" / "best")
    told = facts(tmp_path / "run")
    assert told["parameters"] == sum(p.numel() for p in model.parameters())
    assert (told["kind"], told["fingerprint"], told["model"]["width"]) == ("checkpoint", True, 8)
    assert (told["contract"]["modality"], told["tokenizer"]["n_levels"]) == ("ecg", 101)
    assert told["run"] == run
    lines = inspect(tmp_path / "run" / "best")[1].splitlines()
    assert len(lines) < 50
    assert any(line.split() == ["keys", "99", "entries"] for line in lines)


def test_verify_reads_a_store_through(tmp_path, inspect, facts):
    from physiolect.datasets import Row, StoreWriter

    minute = Recording(np.random.default_rng(0).normal(size=6000), 100.0, ("II",), "mV", "ecg")
    with StoreWriter(tmp_path / "store", CONTRACTS["heartgpt-ecg"], provenance={}) as writer:
        writer.add("a", [Row.from_recording(minute, source="a")])
    assert "SHA-256" in facts(tmp_path / "store", "--verify")["verified"]
    assert "verified" not in facts(tmp_path / "store")
    (shard,) = (tmp_path / "store").glob("*.arrow")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1  # in the midst of the samples
    shard.write_bytes(content)
    assert inspect(tmp_path / "store")[0] == 0
    code, out, err = inspect(tmp_path / "store", "--verify")
    assert (code, out) == (1, "")
    assert "was altered" in err


def test_verify_has_a_checkpoint_prove_itself(tmp_path, inspect, facts):
    from physiolect.checkpoint import Checkpoint
    from physiolect.models.gpt import GPT, GPTConfig
    from physiolect.tokenizers import LevelTokenizer

    model = GPT(GPTConfig(context_length=32, width=8, n_layers=1, n_heads=2, mlp_width=16))
    for seed_folder in ("a", "b"):
        model.tokens.weight.data += 1
        Checkpoint(model, LevelTokenizer(), CONTRACTS["heartgpt-ecg"]).save(tmp_path / seed_folder)
    assert facts(tmp_path / "a", "--verify")["verified"].startswith("weights identical")
    (tmp_path / "b" / "model.safetensors").replace(tmp_path / "a" / "model.safetensors")
    assert inspect(tmp_path / "a")[0] == 0
    code, _, err = inspect(tmp_path / "a", "--verify")
    assert code == 1
    assert "weights are not those" in err


def test_verify_is_refused_where_nothing_can_be_verified(recording, inspect):
    for path in (recording[0], recording[0].parent, "nowhere"):
        code, out, err = inspect(path, "--verify")
        assert (code, out) == (2, "")
        assert "nothing to verify it by\nhint: leave --verify out" in err


def test_an_empty_name_is_no_folder(inspect):
    code, out, err = inspect("")
    assert (code, out) == (2, "")
    assert "INPUT is missing" in err


@pytest.mark.parametrize(
    "name", ["nowhere", "owner/name", "empty.npy", "text.csv", "signal_tokenizer.json", "x.zip"]
)
def test_what_cannot_be_read_is_a_sentence_and_a_hint(tmp_path, inspect, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for present, content in (
        ("empty.npy", b""),
        ("text.csv", b"to be,or not\nto be,that is\n"),
        ("signal_tokenizer.json", b"{}"),
        ("x.zip", b"no zip"),
    ):
        (tmp_path / present).write_bytes(content)
    code, out, err = inspect(name)
    assert (code, out) == (1, "")
    first, second = err.splitlines()
    assert first.startswith("error: ")
    assert not first.startswith("error: unexpected")
    assert second.startswith("hint: ")


def test_record_100_of_mit_bih(data, facts):
    told = facts(data / "mitdb" / "100")
    assert [channel["channel"] for channel in told["channels"]] == ["MLII", "V5"]
    assert told["samples"] == 650_000
    assert sum(told["annotations"].values()) == 2274
    assert told["annotations"]["N"] == 2239


def test_the_published_ecg_model(data, facts):
    told = facts(data / "heartgpt" / "Model_files" / "ECGPT_560k_iters.zip")
    assert (told["kind"], told["model"]["n_layers"], told["contract"]["fs"]) == ("checkpoint", 8, 100.0)


def test_our_own_decoder_is_shown_by_its_name(facts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = facts("ecg", "--verify")
    assert (told["kind"], told["parameters"], told["contract"]["modality"]) == (
        "checkpoint",
        1_596_901,
        "ecg",
    )
    assert told["verified"].startswith("weights identical")
    write_recording(Recording(np.arange(500.0)[None] % 7, 100.0, ("II",), "mV"), tmp_path / "ecg")
    assert facts("ecg")["kind"] == "recording"  # what lies here comes first


def test_what_is_remarkable_about_the_samples_is_told(tmp_path, inspect, facts):
    signal = np.random.default_rng(0).normal(size=(2, 2000)) / 5
    signal[1, :800] = 0.1
    signal[0, 5] = np.nan
    write_recording(Recording(signal, 200.0, ("II", "V5"), "mV"), tmp_path / "a.npz")
    assert facts(tmp_path / "a.npz")["quality"] == [
        {"remark": "missing", "what": "II misses 0.05 % of its samples"},
        {"remark": "flat", "what": "V5 is flat for 40 % of its length"},
    ]
    assert "V5 is flat for 40 %" in inspect(tmp_path / "a.npz")[1]


def test_an_output_of_a_model_is_called_one(tmp_path, inspect, facts):
    (tmp_path / "in").mkdir()
    signal = np.random.default_rng(0).normal(size=(2, 900)).astype(np.float32)
    np.savez(tmp_path / "in" / "x.npz", signal=signal, fs=100.0, **{OUTPUT_MARK: "generate"})
    np.savez(tmp_path / "in" / "marks.npz", samples=np.arange(3), **{OUTPUT_MARK: "detect"})
    write_recording(Recording(signal, 100.0, ("II", "V5")), tmp_path / "in" / "r.npz")
    told = facts(tmp_path / "in" / "x.npz")
    assert (told["kind"], told["samples"]) == ("model output", 900)
    assert "physiolect generate" in told["written by"]
    assert facts(tmp_path / "in" / "marks.npz")["kind"] == "model output"
    assert "not training data" in inspect(tmp_path / "in" / "x.npz")[1]
    folder = facts(tmp_path / "in")
    assert (folder["files"], folder["files that a model wrote"]) == (1, 2)
    assert [each["recording"] for each in folder["recordings"]] == ["r.npz"]


def test_one_call_does_what_the_verb_does(recording, inspect, facts):
    parameters = signature(inspection.inspect).parameters
    settings = {
        field.name: field.default
        for field in fields(Config)
        if field.name not in ("input", "json", "formats")
    }
    assert settings == {name: each.default for name, each in parameters.items() if name != "path"}
    found = inspection.inspect(recording[0])
    assert found.facts == facts(recording[0])
    assert repr(found) == f"Inspection(recording {recording[0]})"
    assert "samples: 21600" in found.summary
    assert list(found.to_frame()["channel"]) == ["MLII", "V5", "PLETH"]
    embedded = inspection.inspect("ecg")
    assert embedded.to_frame().set_index("fact").loc["parameters", "value"] == 1596901


def test_channels_of_several_rates_are_all_shown_with_theirs(tmp_path, inspect, facts):
    frames = np.random.default_rng(0).integers(-900, 900, (1000, 5)).astype("<i2")
    (tmp_path / "f.dat").write_bytes(frames.tobytes())
    lines = "f.dat 16x4 1000/mV 16 0 0 0 0 {}\nf.dat 16 10/mmHg 16 0 0 0 0 {}\n"
    (tmp_path / "f.hea").write_text("f 2 125 1000\n" + lines.format("II", "ABP"))
    found = facts(tmp_path / "f")
    assert [(row["channel"], row["fs"]) for row in found["channels"]] == [("II", 500), ("ABP", 125)]
    assert found["fits"][0]["fits"]
    assert "fs (Hz)" in inspect(tmp_path / "f")[1]
    (tmp_path / "f.hea").write_text("f 2 125 1000\n" + lines.format("one", "other"))
    assert facts(tmp_path / "f")["fits"] == [
        {"contract": "any", "fits": False, "notes": "the channels differ in sampling rate: choose one"}
    ]


def test_the_formats_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["inspect", "--formats"]) == 0
    assert "WFDB" in capsys.readouterr().out
    assert cli.main(["inspect", "--formats", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"EDF, BDF", "DICOM waveform", "SCP-ECG"} <= {row["format"] for row in rows}
