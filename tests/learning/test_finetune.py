"""`physiolect finetune` from the outside."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from physiolect import Checkpoint, config, detect_beats, detect_rhythm, load_checkpoint
from physiolect.checkpoint import load_state
from physiolect.cli import main
from physiolect.commands.finetune import Config
from physiolect.contract import CONTRACTS
from physiolect.datasets import Row, StoreWriter, make_examples, open_store, skipped_recordings
from physiolect.datasets.examples.augmentation import Augmentation
from physiolect.detection import predict_windows
from physiolect.errors import CheckpointError
from physiolect.files import lock_folder
from physiolect.generation import generate
from physiolect.learning import TUNINGS
from physiolect.learning.labelled_windows import keep_share
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.recording import Annotations, Recording
from physiolect.tokenizers import LevelTokenizer
from physiolect.training import RECIPES
from physiolect.training.stopping import Stop

CONTRACT = replace(CONTRACTS["heartgpt-ecg"], min_samples=16, max_samples=64)
SMALL = ["--device", "cpu", "--threads", "1", "--log-every", "1", "--batch-size", "8", "--save-every", "4"]


def made_recording(seed: int) -> Recording:
    """Two episodes of 192 samples, slow waves in sinus rhythm and fast ones in fibrillation, a beat at each crest."""
    rng = np.random.default_rng(seed)
    period = np.where(np.arange(384) < 192, 32.0, 9.0)
    phase = np.cumsum(1 / period) + rng.random()
    signal = np.cos(2 * np.pi * phase) ** 5 + 0.05 * rng.standard_normal(384)
    crests = np.flatnonzero(np.diff(np.floor(phase)) > 0) + 1
    marks = Annotations(
        np.array([0, 192, *crests.tolist()]),
        ("+", "+", *("N" for _ in crests)),
        ("(N", "(AFIB", *("" for _ in crests)),
    )
    return Recording(signal[None].astype(np.float32), 100.0, ("II",), "mV", "ecg", marks)


UNVARIED = ("--augmentation.noise", "0", "--augmentation.wander", "0")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten recordings of nine patients, the first of whom has two; `parted` beside it has folds of two."""
    folder = tmp_path_factory.mktemp("finetune")
    write_store(folder / "parted", parted=True)
    write_store(folder / "store", parted=False)
    lines = "".join(f"r{k},{20 + 5 * k},{'a;b' if k % 2 else 'b'}\n" for k in range(10))
    (folder / "table.csv").write_text("recording,age,kinds\n" + lines)
    return folder / "store"


def write_store(folder: Path, *, parted: bool) -> None:
    with StoreWriter(folder, CONTRACT) as writer:
        for k in range(10):
            row = Row.from_recording(
                made_recording(k), source=f"r{k}", patient=f"p{max(1, k)}", labels=("odd" if k % 2 else "even",),
                split=f"fold {k // 2}" if parted else None,
            )  # fmt: skip
            writer.add(f"r{k}", [row])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small decoder that has learnt nothing yet."""
    torch.manual_seed(0)
    model = GPT(
        GPTConfig(context_length=64, width=16, n_layers=2, n_heads=2, mlp_width=32, residual_dropout=0.1)
    )
    folder = tmp_path_factory.mktemp("base") / "base"
    return Checkpoint(model.eval(), LevelTokenizer(), CONTRACT).save(folder)


Tune = Callable[..., tuple[int, Path]]


@pytest.fixture
def tune(store: Path, base: Path, tmp_path: Path) -> Tune:
    """Run `physiolect finetune` in a small way, and return its exit code and the run's folder."""

    def run(*words: str, task: str = "rhythm", out: str = "run", of: str = "store") -> tuple[int, Path]:
        folder = tmp_path / out
        begin = ["--checkpoint", str(base), "--task", task] if "--resume" not in words else []
        small = SMALL if "--resume" not in words else []
        return main(
            ["finetune", str(store.parent / of), *begin, "--out", str(folder), *small, *words]
        ), folder

    return run


def losses(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{k: v for k, v in line.items() if k != "tokens_per_second"} for line in lines]


def stop_after(updates: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the run end as if the clock had asked for it."""
    asked = iter(range(10**6))
    monkeypatch.setattr(Stop, "asked", lambda self: next(asked) >= updates - 1)


def test_a_rhythm_is_learnt_and_detected(tune: Tune, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, run = tune("--steps", "80", "--recipe.learning-rate", "0.01", "--evaluate-every", "20", *UNVARIED)
    assert code == 0
    told = capsys.readouterr()
    assert "training windows of" in told.err
    checkpoint = load_checkpoint(run)
    assert checkpoint.verify()
    assert (checkpoint.task.name, checkpoint.outputs.classes) == ("rhythm", ("AFIB",))
    assert (checkpoint.contract.min_samples, checkpoint.contract.max_samples) == (64, 64)
    validated, trained = (set(checkpoint.run[name]) for name in ("validated_on", "trained_on"))
    assert validated
    assert not validated & trained
    assert validated | trained == {f"patient p{k}" for k in range(1, 10)}
    unseen = detect_rhythm(checkpoint, made_recording(99))
    assert np.isfinite(unseen.probability).all()
    assert unseen.probability[:3].max() < 0.5 < unseen.probability[3:].min()
    examples = make_examples(open_store(store), "rhythm", length=64)
    right = (predict_windows(checkpoint, examples) > 0.5) == examples.target
    assert right.mean() > 0.9
    with pytest.raises(CheckpointError, match="cannot continue"):
        generate(checkpoint, made_recording(99), n_tokens=1)


def test_beats_are_learnt_and_detected(tune: Tune) -> None:
    words = ("--steps", "150", "--recipe.learning-rate", "0.02", "--evaluate-every", "50", "--unmask-last")
    code, run = tune(*words, task="beats")
    assert code == 0
    recording = made_recording(99).slice(0, 1.92)
    found = detect_beats(load_checkpoint(run), recording).samples
    true = [sample for sample, symbol, _ in recording.annotations if symbol == "N" and 5 < sample < 187]
    assert true
    for sample in true:
        assert np.abs(found - sample).min() <= 4


def test_the_published_preset_is_the_published_one(tune: Tune, base: Path) -> None:
    chosen = Config("store", "rhythm", "out", str(base), preset="published").tuning
    assert (chosen.trained, chosen.pooling, chosen.unmask_last) == ("last-block", "last", False)
    assert (chosen.steps, chosen.batch_size, chosen.class_weights, chosen.dropout) == (
        1000,
        128,
        "none",
        None,
    )
    assert (chosen.draws, chosen.augmentation, chosen.recipe) == (
        "epochs",
        Augmentation(),
        RECIPES["published"],
    )
    assert (chosen.accumulate, chosen.validation, chosen.patience) == (1, 0, None)
    assert Config("store", "beats", "out", str(base), preset="published").tuning.steps == 5000
    code, run = tune("--preset", "published", "--steps", "3")
    assert code == 0
    assert not (run / "best").exists()
    assert [line["learning_rate"] for line in losses(run)] == [3e-4] * 3
    before, after = (load_checkpoint(each).model.state_dict() for each in (base, run))
    changed = {
        name for name in before if not name.startswith("head") and not torch.equal(before[name], after[name])
    }
    assert changed == {name for name in before if name.startswith(("trunk.blocks.1.", "trunk.norm."))}
    assert load_checkpoint(run).model.config.residual_dropout == 0.1


@pytest.mark.parametrize("trained", ["all", "lora", "head"])
def test_a_run_goes_on_as_if_it_had_not_been_stopped(
    tune: Tune, trained: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (
        "--steps",
        "10",
        "--trained",
        trained,
        *(("--rank", "2") if trained == "lora" else ()),
        "--evaluate-every",
        "4",
        "--accumulate",
        "2",
    )
    assert tune(*words, out="whole")[0] == 0
    stop_after(6, monkeypatch)
    code, run = tune(*words)
    assert code == 0
    monkeypatch.undo()
    told = capsys.readouterr().err
    assert "stopped after 6 of 10 updates" in told
    assert f"--out {run} --resume" in told
    assert tune("--resume")[0] == 0
    assert losses(run) == losses(run.parent / "whole")
    ours, theirs = (load_state(folder / "last") for folder in (run, run.parent / "whole"))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    ours, theirs = (
        load_checkpoint(folder / "last").model.state_dict() for folder in (run, run.parent / "whole")
    )
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_stop_at_the_last_update_leaves_the_last(
    tune: Tune, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stop_after(2, monkeypatch)
    code, run = tune("--steps", "2")
    assert code == 0
    assert f"2 updates: {run}/last" in capsys.readouterr().err
    assert load_checkpoint(run).run["step"] == 2


def test_a_finished_run_is_lengthened(tune: Tune, capsys: pytest.CaptureFixture[str]) -> None:
    code, run = tune("--steps", "3")
    assert code == 0
    assert tune("--resume", "--steps", "2")[0] == 2
    capsys.readouterr()
    assert tune("--resume", "--steps", "5")[0] == 0
    assert "after update 3, to 5 in all" in capsys.readouterr().err
    assert losses(run)[-1]["step"] == 5
    assert tune("--resume")[0] == 0


def test_a_run_ends_early_and_keeps_its_best(tune: Tune) -> None:
    words = ("--steps", "50", "--evaluate-every", "2", "--recipe.learning-rate", "3", "--patience", "2")
    code, run = tune(*words, "--recipe.warmup-steps", "0")
    assert code == 0
    validation = [line["validation_loss"] for line in losses(run) if "validation_loss" in line]
    best = validation.index(min(validation))
    assert len(validation) == best + 3 < 25
    assert load_checkpoint(run).run["step"] == 2 * (best + 1)
    before = (run / "metrics.jsonl").read_bytes()
    assert tune("--resume")[0] == 0
    assert (run / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("task", "words", "expected"),
    [
        ("classify", [], {"classes": ("even", "odd"), "several": False}),
        ("classify", ["--column", "kinds", "--several"], {"classes": ("a", "b"), "several": True}),
        ("regress", ["--column", "age", "--unit", "years"], {"unit": "years", "target": "age"}),
        ("beats", [], {"classes": ()}),
    ],
)
def test_every_task_trains_and_predicts(
    tune: Tune, store: Path, task: str, words: list[str], expected: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    table = ["--labels", str(store.parent / "table.csv")] if "--column" in words else []
    pooling = [] if task == "beats" else ["--pooling", "attention"]
    code, run = tune("--steps", "3", *pooling, *words, *table, task=task)
    assert code == 0
    assert "validation windows" in capsys.readouterr().out
    checkpoint = load_checkpoint(run)
    assert {name: getattr(checkpoint.outputs, name) for name in expected} == expected
    column = words[words.index("--column") + 1] if table else None
    examples = make_examples(
        open_store(store), task, length=64, labels=table[1] if table else None, column=column,
        several="--several" in words,
    )  # type: ignore[arg-type]  # fmt: skip
    said = predict_windows(checkpoint, examples)
    assert said.shape == examples.target.shape
    if task == "regress":
        assert abs(said.mean() - examples.target.mean()) < 3 * examples.target.std()


def test_frozen_blocks_are_passed_once_and_change_nothing(
    tune: Tune, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--steps", "4", "--trained", "last-block", "--dropout", "0", "--evaluate-every", "2", *UNVARIED)
    passes: list[int] = []
    kept = GPT.begin
    monkeypatch.setattr(GPT, "begin", lambda self, ids, n: passes.append(n) or kept(self, ids, n))
    begun = losses(tune(*words, out="begun")[1])
    assert set(passes) == {1}
    monkeypatch.setattr("physiolect.learning.job._MOST_BYTES", 0)
    whole = losses(tune(*words, out="whole")[1])
    for one, other in zip(begun, whole, strict=True):
        assert one == pytest.approx(other, rel=1e-4)


def test_folds_share_what_comes_out_of_frozen_blocks(tune: Tune, monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[int] = []
    kept = GPT.begin
    monkeypatch.setattr(GPT, "begin", lambda self, ids, n: passed.append(len(ids)) or kept(self, ids, n))
    words = (
        "--steps",
        "2",
        "--trained",
        "last-block",
        "--dropout",
        "0",
        "--protocol",
        "k-fold",
        "--k",
        "3",
        *UNVARIED,
    )
    code, shared = tune(*words, out="shared")
    assert code == 0
    assert sum(passed) == 60  # every window once, though two folds of three need it
    monkeypatch.setattr("physiolect.learning.job._MOST_BYTES", 0)
    alone = tune(*words, out="alone")[1]
    ours, theirs = (np.load(run / "predictions.npz")["score"] for run in (shared, alone))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_windows_of_one_patient_are_never_on_both_sides(
    tune: Tune, capsys: pytest.CaptureFixture[str]
) -> None:
    code, run = tune("--train-on", "r0", "r2", "--validate-on", "r1", "p3")
    assert code == 2
    told = capsys.readouterr().err
    assert "on both sides of the split would stand patient p1" in told
    assert "hint:" in told
    assert not (run / "last").exists()
    assert tune("--validate-on", "fold 9", of="parted")[0] == 2
    assert tune("--train-on", "r0", "fold 77", of="parted")[0] == 2
    assert "'fold 77'" in capsys.readouterr().err
    assert (
        tune("--train-on", "r0", "p1", "fold 1", "--validate-on", "p9", "--steps", "1", of="parted")[0] == 0
    )
    said = "24 training windows of 3 patients, 6 validation windows of 1 patient\n"
    assert said in capsys.readouterr().err
    checkpoint = load_checkpoint(run)
    assert checkpoint.run["trained_on"] == ["patient p1", "patient p2", "patient p3"]
    assert checkpoint.run["validated_on"] == ["patient p9"]


def test_parts_of_a_published_split_are_kept_apart(tune: Tune) -> None:
    code, run = tune("--validate-on", "fold 3", "--leave-out", "fold 4", "r5", "--steps", "1", of="parted")
    assert code == 0
    checkpoint = load_checkpoint(run)
    assert checkpoint.run["trained_on"] == [f"patient p{k}" for k in (1, 2, 3, 4)]
    assert checkpoint.run["validated_on"] == ["patient p6", "patient p7"]


def test_folds_judge_whom_they_have_not_seen(
    tune: Tune, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--steps", "4", "--protocol", "k-fold", "--k", "3")
    assert tune(*words, out="whole")[0] == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in told] == ["fold 1", "fold 2", "fold 3", "all"]
    stop_after(6, monkeypatch)  # in the second fold
    code, run = tune(*words)
    assert code == 0
    monkeypatch.undo()
    assert "stopped after 1 of 3 folds" in capsys.readouterr().err
    assert not (run / "predictions.npz").exists()
    shutil.copytree(run / "fold-1", run.parent / "moved" / "fold-1")
    shutil.copy(run / "settings.yaml", run.parent / "moved")
    assert tune("--resume", out="moved", of="parted")[0] == 2
    assert "another store than the run was trained on" in capsys.readouterr().err
    first = (run / "fold-1" / "last" / "model.safetensors").stat().st_mtime_ns
    assert tune("--resume")[0] == 0
    assert (run / "fold-1" / "last" / "model.safetensors").stat().st_mtime_ns == first
    ours, theirs = (np.load(folder / "predictions.npz") for folder in (run, run.parent / "whole"))
    for name in ("score", "target", "group", "source", "row", "channel", "start", "fold"):
        assert np.array_equal(ours[name], theirs[name])
    assert len(set(zip(ours["row"].tolist(), ours["start"].tolist(), strict=True))) == len(ours["row"]) == 60
    about = json.loads((run / "folds.json").read_text())
    assert about["by_patient"] is True
    for fold in about["folds"]:
        checkpoint = load_checkpoint(run / fold["checkpoint"])
        seen = set(checkpoint.run["trained_on"]) | set(checkpoint.run["validated_on"])
        assert not seen & set(fold["tested_on"])
        assert seen | set(fold["tested_on"]) == {f"patient p{k}" for k in range(1, 10)}


def test_one_patient_at_a_time_and_given_folds(tune: Tune) -> None:
    words = ("--steps", "1", "--evaluate-every", "1")
    code, run = tune(
        *words,
        "--protocol",
        "leave-one-out",
        "--leave-out",
        "fold 2",
        "fold 3",
        "fold 4",
        out="each",
        of="parted",
    )
    assert code == 0
    assert sorted(folder.name for folder in run.glob("fold-*")) == [
        f"fold-patient-p{k}-{k}" for k in (1, 2, 3)
    ]
    assert tune(*words, "--protocol", "given", out="given", of="parted")[0] == 0
    folds = json.loads((run.parent / "given" / "folds.json").read_text())["folds"]
    assert [fold["name"] for fold in folds] == [f"fold {k}" for k in range(5)]


def test_a_store_of_another_rate_is_refused(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with StoreWriter(tmp_path / "store", replace(CONTRACT, fs=50.0)) as writer:
        for k in range(4):
            recording = replace(made_recording(k), fs=50.0)
            writer.add(f"r{k}", [Row.from_recording(recording, source=f"r{k}")])
    words = ["finetune", str(tmp_path / "store"), "--checkpoint", str(base), "--task", "rhythm"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 1
    told = capsys.readouterr().err
    assert "at 50 Hz, but the model takes 100 Hz" in told
    assert "hint:" in told


@pytest.mark.parametrize("words", [(), ("--protocol", "k-fold", "--k", "3")])
def test_a_folder_that_another_run_writes_to_is_left_alone(
    tune: Tune, tmp_path: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with lock_folder(tmp_path / "run"):
        code, run = tune("--steps", "1", *words)
    assert code == 1
    assert f"another run is writing {run}" in capsys.readouterr().err
    assert not run.exists()


def test_a_resumed_run_keeps_its_settings(tune: Tune, capsys: pytest.CaptureFixture[str]) -> None:
    _, run = tune("--steps", "2")
    assert tune("--resume", "--seed", "5")[0] == 2
    assert "seed differs" in capsys.readouterr().err
    assert tune("--steps", "2")[0] == 2
    assert "holds a run already" in capsys.readouterr().err
    assert config.load(Config, run / "settings.yaml").steps == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--class-weights", "1,2,3"],
            "3 class weights are given, but the classes are 'no', 'yes' ('not AFIB', 'AFIB')",
        ),
        (["--class-weights", "heavy"], "--class-weights is 'heavy'"),
        (["--class-weights", "1,-1"], "--class-weights is '1,-1'"),
        (["--validation", "0.6"], "--validation is 0.6"),
        (["--classes", "a", "b"], "--classes is for tasks learned from classes"),
        (["--unit", "years"], "--unit is for tasks learned from numbers"),
        (["--alpha", "2"], "go with --trained lora"),
        (["--dropout", "1"], "--dropout is 1"),
        (["--rank", "0"], "--rank is 0"),
        (["--alpha", "0"], "--alpha is 0"),
        (["--patience", "-1"], "--patience is -1"),
        (
            ["--preset", "published", "--recipe.learning-rate", "1"],
            "--recipe goes with presets modern, encoder, resnet and decoder",
        ),
        (["--protocol", "k-fold", "--validate-on", "fold 1"], "leave --train-on and --validate-on out"),
        (["--protocol", "k-fold", "--k", "30"], "k is 30"),
        (["--positive", "VT"], "labelled VT"),
        (["--train-on", "r1", "--leave-out", "p1"], "left to train on"),
        (["--resume"], "holds no run to resume"),
        (["--task", "beats", "--pooling", "mean"], "beats has one a sample"),
    ],
)
def test_settings_without_sense_are_refused(
    tune: Tune, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, run = tune(*([] if words == ["--resume"] else ["--steps", "1"]), *words)
    assert code == 2
    told = capsys.readouterr().err
    assert said in told
    assert "is missing" not in told
    assert "hint:" in told
    assert not (run / "last").exists()


def test_how_many_recordings_a_table_left_out_is_said(
    tune: Tune, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "table.csv"
    words = ("--steps", "1", "--labels", str(table), "--column", "age")
    table.write_text("recording,age\n" + "".join(f"r{k},{k}\n" for k in range(1, 8)) + "r8,\n")
    assert tune(*words, task="regress", out="some")[0] == 0
    said = f"skipped of the store's 10 recordings: 3 without a label in {table}\n"
    assert said in capsys.readouterr().err
    table.write_text("recording,age\n" + "".join(f"r{k},{k}\n" for k in range(10)))
    assert tune(*words, task="regress", out="every")[0] == 0
    assert "skipped" not in capsys.readouterr().err


def test_recordings_shorter_than_a_window_are_counted_apart(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", CONTRACT) as writer:
        for name, length in (("long", 384), ("untold", 384), ("brief", 32)):
            recording = made_recording(1).slice(0, length / 100)
            writer.add(name, [Row.from_recording(recording, source=name, labels=("x",))])
    (tmp_path / "t.csv").write_text("recording,kind\nlong,x\nbrief,x\n")
    table = str(tmp_path / "t.csv")
    examples = make_examples(
        open_store(tmp_path / "store"), "classify", length=64, labels=table, column="kind", several=True
    )
    skipped = skipped_recordings(examples, table)
    assert (
        skipped
        == f"skipped of the store's 3 recordings: 1 without a label in {table}, 1 shorter than a window"
    )
    assert skipped_recordings(examples, None) == ""


def test_a_class_that_is_left_without_windows_is_named(
    tune: Tune, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune("--train-on", "r2", "r4", task="classify")[0] == 2
    assert "no training window is of class odd" in capsys.readouterr().err


def test_a_number_that_is_the_same_for_all_who_train_is_refused(
    tune: Tune, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = "".join(f"r{k},{7 if k < 8 else 9}\n" for k in range(10))
    (tmp_path / "table.csv").write_text("recording,age\n" + lines)
    words = ("--labels", str(tmp_path / "table.csv"), "--column", "age", "--train-on", "r2", "r3")
    assert tune(*words, task="regress")[0] == 2
    assert "all training windows have one age: 7" in capsys.readouterr().err


def test_a_run_does_not_go_on_with_other_labels(
    tune: Tune, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "table.csv"
    table.write_text((store.parent / "table.csv").read_text())
    code, run = tune("--labels", str(table), "--column", "age", "--steps", "2", task="regress")
    assert code == 0
    assert tune("--resume")[0] == 0
    table.write_text(table.read_text().replace("r4,40", "r4,41"))
    capsys.readouterr()
    assert tune("--resume")[0] == 2
    assert f"differ from those that {run} started with" in capsys.readouterr().err


def test_one_channel_of_a_store_of_several_is_learnt(base: Path, tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", replace(CONTRACT, channels=("I", "II"))) as writer:
        for k in range(4):
            one = made_recording(k)
            two = replace(one, signal=np.concatenate([one.signal, -one.signal]), channels=("I", "II"))
            writer.add(f"r{k}", [Row.from_recording(two, source=f"r{k}", patient=f"p{k}")])
    words = ["finetune", str(tmp_path / "store"), "--checkpoint", str(base), "--task", "rhythm", *SMALL]
    assert main([*words, "--channel", "II", "--steps", "1", "--out", str(tmp_path / "run")]) == 0
    assert load_checkpoint(tmp_path / "run").contract.channels == ("II",)


def test_one_patient_of_very_many_windows_does_not_validate_alone(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", CONTRACT) as writer:
        for k in range(12):
            for part in range(8 if k == 0 else 1):
                row = Row.from_recording(made_recording(k), source=f"r{k}.{part}", patient=f"p{k}")
                if k > 2:  # sinus rhythm throughout
                    row = replace(row, annotations=Annotations(np.array([0]), ("+",), ("(N",)))
                writer.add(f"r{k}.{part}", [row])
    examples = make_examples(open_store(tmp_path / "store"), "rhythm", length=64)
    for seed in range(5):
        train, validation = keep_share(examples, 0.15, seed)
        assert validation is not None
        assert "patient p0" in train.groups
        assert 0 < validation.target.mean() < 1
        assert len(validation) < 0.3 * len(examples)


def test_class_weights_reach_the_loss(tune: Tune) -> None:
    runs = [tune("--steps", "1", "--class-weights", w, out=w)[1] for w in ("none", "1,1", "3,3", "balanced")]
    none, ones, threes, balanced = (losses(run)[0]["loss"] for run in runs)
    assert none == ones
    assert threes == pytest.approx(3 * none)
    assert balanced == pytest.approx(none)  # as many windows of each


def test_presets_differ_where_they_should() -> None:
    assert TUNINGS["modern"].validation > 0
    assert TUNINGS["published"].validation == 0
    kept = Config(
        "s", "rhythm", "o", "c", preset="published", patience=0, steps=7, class_weights="1,2"
    ).tuning
    assert (kept.patience, kept.steps, kept.class_weights) == (None, 7, (1.0, 2.0))
