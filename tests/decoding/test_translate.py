"""Sequences out of stores: examples, training, translating recordings, and the verb."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from physiolect import finetune, load_checkpoint
from physiolect.cli import main
from physiolect.datasets import make_examples, open_store
from physiolect.datasets.examples.labels import BEATS, beat_classes
from physiolect.datasets.examples.sequences import make_sequence_examples
from physiolect.decoding import translate, translate_windows
from physiolect.errors import CheckpointError, ConfigError
from physiolect.evaluation.edits import Edits, count_edits
from physiolect.formats.npy import write
from physiolect.recording import Annotations
from tests.beat_store import write_beat_store
from tests.sequence_store import SETTINGS, SMALL, SYMBOLS, make_translator, make_trials
from tests.spike_store import Made


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_translator(tmp_path_factory.mktemp("translator"))


def test_rows_of_several_lengths_keep_their_strings(made: Made) -> None:
    store = open_store(made.store)
    examples = make_sequence_examples(
        store, "translate", longest=128, most_symbols=8, channel=store.contract.channels
    )
    assert examples.classes == SYMBOLS
    assert [" ".join(each) for each in examples.sequences] == [labels[0] for labels in store.labels]
    windows = examples.windows(np.arange(len(examples)))
    assert windows.shape == (len(store), 6, int(store.lengths.max()))
    for row, length in enumerate(store.lengths.tolist()):
        assert np.isfinite(windows[row, :, :length]).all()
        assert np.isnan(windows[row, :, length:]).all()
    assert examples.take([3, 1]).windows([0]).shape == windows[:1].shape  # type: ignore[attr-defined]


def test_a_trained_model_writes_held_out_trials(made: Made) -> None:
    checkpoint = load_checkpoint(made.run)
    assert checkpoint.outputs.symbols == SYMBOLS
    store = open_store(made.store)
    examples = make_sequence_examples(
        store, "translate", longest=128, most_symbols=8, channel=store.contract.channels
    )
    test = examples.take([split == "test" for split in store.splits])
    found = translate_windows(checkpoint, test)  # type: ignore[arg-type]
    edits = Edits.of_all(map(count_edits, test.sequences, found))  # type: ignore[attr-defined]
    assert edits.length > 20
    assert edits.rate < 0.1
    lines = [json.loads(line) for line in (made.run / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["validation_loss"] < lines[0]["loss"]


def test_trials_of_a_recording_are_translated(made: Made) -> None:
    recording = make_trials(20, seed=5)
    found = translate(recording, made.run, beams=3)
    assert len(found.stretches) == 20
    edits = Edits.of_all(count_edits(each.truth or (), each.symbols) for each in found.stretches)
    assert edits.rate < 0.1
    first = found.stretches[0]
    assert first.start == 0
    assert first.ended
    assert first.log_probability < 0
    assert len(first.others) == 2
    assert " ".join(first.symbols) in found.summary
    assert found.to_frame()["symbols"][0] == " ".join(first.symbols)
    alone = translate(recording.slice(0, round(first.stop * 50), by="samples"), made.run, beams=3)
    assert alone.stretches[0].symbols == first.symbols


def test_without_trials_window_follows_window(made: Made) -> None:
    recording = replace(make_trials(20, seed=5), annotations=Annotations(np.empty(0, np.int64), (), ()))
    found = translate(recording, made.run)
    assert len(found.stretches) == -(-recording.n_samples // 128)
    assert found.stretches[-1].stop == pytest.approx(recording.duration)
    assert all(each.truth is None for each in found.stretches)


def test_the_verb(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(make_trials(3, seed=6), tmp_path / "day1.npz")
    words = ["translate", str(tmp_path / "day1.npz"), "--checkpoint", str(made.run), "--beams", "2"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    assert "3 stretches, 2 beams" in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "out" / "translated.json").read_text())
    assert main([*words[:4], "--beams", "0"]) == 2
    assert "--beams is 0" in capsys.readouterr().err


def test_windows_of_beats_have_their_classes(tmp_path: Path) -> None:
    store = open_store(write_beat_store(tmp_path / "store", 4))
    examples = make_sequence_examples(store, "translate", longest=500, most_symbols=40, stride=250, channel=0)
    known = beat_classes()
    for i in (0, 5, len(examples) - 1):
        row, start = int(examples.rows[i]), int(examples.starts[i])
        marks = store.annotations(row)
        expected = [
            known[symbol] for sample, symbol, _ in marks if symbol in BEATS and start <= sample < start + 500
        ]
        assert list(examples.sequences[i]) == expected
    assert set(examples.classes) <= {"N", "S", "V", "F", "Q"}


def test_beats_train_with_one_lead(tmp_path: Path) -> None:
    small = replace(SMALL, patch=4, context_length=512, longest=40)
    found = finetune(
        write_beat_store(tmp_path / "store", 4), out=tmp_path / "run", steps=3, batch_size=4, channel="0",
        train_on=("DS1",),
        **{**SETTINGS, "seq2seq": small},
    )  # fmt: skip
    assert found.finished
    assert found.checkpoint.contract.max_samples == 500
    assert "symbol error rate" in found.measures_text


def test_a_run_resumes_where_it_was(made: Made, tmp_path: Path) -> None:
    from physiolect.events import Event

    def stop(event: Event) -> bool:
        return getattr(event, "step", 0) >= 2

    finetune(made.store, out=tmp_path / "run", steps=4, log_every=1, on_event=stop, **SETTINGS)
    found = finetune(made.store, out=tmp_path / "run", steps=4, log_every=1, resume=True, **SETTINGS)
    assert found.finished


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seq2seq": replace(SMALL, longest=3)}, "5 symbols, but the model writes at most 3"),
        ({"seq2seq": replace(SMALL, context_length=24)}, "longer than the 24 steps"),
        ({"task": "classify"}, "go together"),
        ({"preset": "encoder"}, "go together"),
        ({"ctc": 2.0}, "--ctc|ctc is a share"),
        ({"classes": ("one",)}, "hold the symbols three, two"),
    ],
)
def test_mistakes_are_refused(made: Made, tmp_path: Path, changed: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        finetune(made.store, out=tmp_path / "run", steps=1, **{**SETTINGS, **changed})  # type: ignore[arg-type]


def test_other_checkpoints_and_calls_are_refused(made: Made) -> None:
    with pytest.raises(CheckpointError, match="writes no sequences"):
        translate(make_trials(1), "ecg")
    with pytest.raises(ConfigError, match="several lengths"):
        make_examples(open_store(made.store), "translate", length=10)
    long = make_trials(1)
    marks = Annotations(np.array([0, 200]), ("trial", "trial end"), ("one", ""))
    noise = np.random.default_rng(0).standard_normal((6, 300)).astype(np.float32)
    stretched = replace(long, signal=noise, annotations=marks)
    with pytest.raises(ConfigError, match="has 200 steps, but the model reads 128"):
        translate(stretched, made.run)


def test_cross_attention_is_shown_with_its_score(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(make_trials(4, seed=7), tmp_path / "day1.npz")
    words = ["explain", str(tmp_path / "day1.npz"), "--checkpoint", str(made.run)]
    assert main([*words, "--view", "cross", "--out", str(tmp_path / "why")]) == 0
    said = capsys.readouterr().out
    assert "faithfulness" in said
    assert (tmp_path / "why" / "cross.png").stat().st_size > 1000
    held = np.load(tmp_path / "why" / "cross.npz")
    assert held["weights"].shape[0] == len(held["symbols"])
    np.testing.assert_allclose(held["weights"].sum(1), 1, rtol=1e-4)
    facts = json.loads((tmp_path / "why" / "cross.json").read_text())
    assert facts["symbols"][-1] == "(end)"
    assert facts["looks_at_s"] == sorted(facts["looks_at_s"]) or len(facts["symbols"]) < 4
    assert main([*words, "--view", "attention", "--out", str(tmp_path / "other")]) == 1
    assert "view cross, and no other" in capsys.readouterr().err
