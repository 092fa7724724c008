"""`physiolect evaluate` from the outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from physiolect import Checkpoint, load_checkpoint
from physiolect.cli import main
from physiolect.commands.evaluate import Config, figures, forecasts, judging
from physiolect.commands.evaluate.models import titles_of
from physiolect.contract import CONTRACTS
from physiolect.datasets import Row, StoreWriter, make_examples, open_store
from physiolect.detection import predict_windows
from physiolect.evaluation import Bootstrap, measure_binary
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.plots import agreement_figure
from physiolect.recording import Annotations, Recording
from physiolect.tokenizers import LevelTokenizer

CONTRACT = replace(CONTRACTS["heartgpt-ecg"], min_samples=16, max_samples=64)
TUNE = ["--device", "cpu", "--threads", "1", "--steps", "3", "--batch-size", "8"]


def made_recording(seed: int) -> Recording:
    """Sinus rhythm, then fibrillation, 384 samples each, with a sharp wave at each beat."""
    rng = np.random.default_rng(seed)
    beats = np.cumsum(np.where(np.arange(30) < 6, 64, rng.integers(30, 60, 30)))
    beats = beats[beats < 760]
    signal = 0.02 * rng.standard_normal(768)
    for beat in beats:
        signal += np.exp(-0.5 * ((np.arange(768) - beat) / 2.0) ** 2)
    marks = Annotations(
        np.array([0, 384, *beats.tolist()]),
        ("+", "+", *("N" for _ in beats)),
        ("(N", "(AFIB", *("" for _ in beats)),
    )
    return Recording(signal[None].astype(np.float32), 100.0, ("II",), "mV", "ecg", marks)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of eight recordings of seven patients, a table of them, and models that learnt little."""
    folder = tmp_path_factory.mktemp("evaluate")
    with StoreWriter(folder / "store", CONTRACT) as writer:
        for k in range(8):
            row = Row.from_recording(
                made_recording(k),
                source=f"r{k}",
                patient=f"p{max(1, k)}",
                labels=("odd" if k % 2 else "even",),
            )
            writer.add(f"r{k}", [row])
    lines = "".join(f"r{k},{20 + 5 * k}\n" for k in range(8))
    (folder / "table.csv").write_text("recording,age\n" + lines)
    torch.manual_seed(0)
    model = GPT(GPTConfig(context_length=64, width=16, n_layers=2, n_heads=2, mlp_width=32))
    Checkpoint(model.eval(), LevelTokenizer(), CONTRACT).save(folder / "base")
    return folder


Tune = Callable[..., Path]


@pytest.fixture(scope="module")
def tuned(place: Path) -> Tune:
    """What fine-tunes a model once and returns its folder."""

    def tune(name: str, task: str, *words: str) -> Path:
        out = place / name
        if not out.exists():
            begin = ["finetune", str(place / "store"), "--checkpoint", str(place / "base"), "--task", task]
            assert main([*begin, "--out", str(out), *TUNE, *words]) == 0
        return out

    return tune


def evaluated(place: Path, checkpoint: Path, task: str, out: Path, *words: str) -> dict[str, Any]:
    begin = ["evaluate", str(place / "store"), "--checkpoint", str(checkpoint), "--task", task]
    assert main([*begin, "--out", str(out), "--resamples", "60", *words]) == 0
    return json.loads((out / "results.json").read_text(encoding="utf-8"))


def test_a_rhythm_beside_all_baselines(
    place: Path, tuned: Tune, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tuned("af", "rhythm", "--train-on", "r2", "r3", "--validate-on", "r4")
    capsys.readouterr()
    results = evaluated(place, run, "rhythm", tmp_path / "out")
    said = capsys.readouterr()
    store = open_store(place / "store")
    examples = make_examples(store, "rhythm", length=64)
    score = predict_windows(load_checkpoint(run), examples)
    expected = measure_binary(score, examples.target, Bootstrap(examples.groups, n_resamples=60))
    measures = results["measures"]
    for name, each in expected.items():
        assert measures["model"]["overall"][name] == pytest.approx(each.to_dict())
    baselines = ("its features + linear", "random weights + linear", "RR regression (xqrs)", "RR rule (xqrs)")
    assert set(measures) == {"model", *baselines, "always the same"}
    assert measures["always the same"]["overall"]["auroc"]["value"] == 0.5
    assert results["intervals"] == {"level": 0.95, "resamples": 60, "by": "patients"}
    assert results["groups"] == {"unit": "patients", "count": 7}
    difference = results["differences"]["model - random weights + linear"]["auroc"]
    assert difference["low"] <= difference["value"] <= difference["high"]
    assert (tmp_path / "out" / "table.md").read_text(encoding="utf-8") == said.out
    card = (tmp_path / "out" / "model-card.md").read_text(encoding="utf-8")
    assert "## Evaluation: rhythm" in card
    assert "leakage" in card
    assert "Nothing is recorded" not in card
    assert "| model (af) | 0." in said.out
    assert f"| model (af) | `{run}` |" in card
    assert "but 'always the same' is the mean of the judged windows themselves" in card
    assert "a constant that knows the answer's mean" in said.out
    for name in ("roc", "precision", "reliability", "patients"):
        assert (tmp_path / "out" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_whom_a_model_was_trained_on_or_chosen_by_is_shouted(
    place: Path, tuned: Tune, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tuned("af", "rhythm", "--train-on", "r2", "r3", "--validate-on", "r4")
    results = evaluated(place, run, "rhythm", tmp_path / "out", "--baselines", "none")
    said = capsys.readouterr().err
    assert "WARNING: leakage" in said
    trained, chosen = results["warnings"]
    assert "trained on 2 of the 7" in trained
    assert "p2" in trained
    assert "chosen by 1 of the 7" in chosen
    assert list(results["measures"]) == ["model"]
    again = ["finetune", str(place / "store"), "--checkpoint", str(run), "--task", "rhythm", *TUNE]
    assert main([*again, "--train-on", "r5", "--out", str(tmp_path / "again")]) == 0
    results = evaluated(place, tmp_path / "again", "rhythm", tmp_path / "then", "--baselines", "none")
    trained, before = results["warnings"]
    assert "trained on 1 of the 7" in trained
    assert "begun with a checkpoint that had seen 3 of the 7" in before


def test_a_cross_validated_run_is_judged_out_of_fold(
    place: Path, tuned: Tune, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folds = tuned("folds", "rhythm", "--protocol", "k-fold", "--k", "3")
    single = tuned("af", "rhythm", "--train-on", "r2", "r3", "--validate-on", "r4")
    results = evaluated(
        place, folds, "rhythm", tmp_path / "out", "--baselines", "none", "--compare", str(single)
    )
    beside = evaluated(place, folds, "rhythm", tmp_path / "beside")["measures"]
    assert "random weights + linear" in beside
    assert "its features + linear" not in beside  # a fold's features have seen whom other folds test
    with np.load(folds / "predictions.npz") as held:
        area = measure_binary(held["score"], held["target"], Bootstrap(held["group"].tolist()))["auroc"].value
    assert results["measures"]["model"]["overall"]["auroc"]["value"] == pytest.approx(area)
    assert "model - compared" in results["differences"]
    assert all(str(single) in warning for warning in results["warnings"])  # the folds saw nobody they judge
    capsys.readouterr()
    words = [
        "evaluate",
        str(place / "store"),
        "--checkpoint",
        str(folds),
        "--task",
        "rhythm",
        "--out",
        str(tmp_path),
    ]
    assert main([*words, "--stride", "7"]) == 1
    said = capsys.readouterr().err
    assert "cross-validated on other windows" in said
    assert "hint: give the store, labels, stride" in said


def test_folds_that_saw_whom_they_test_are_shouted(place: Path, tuned: Tune, tmp_path: Path) -> None:
    folds = tuned("folds", "rhythm", "--protocol", "k-fold", "--k", "3")
    document = json.loads((folds / "folds.json").read_text(encoding="utf-8"))
    first, second = document["folds"][:2]
    first["checkpoint"], second["checkpoint"] = second["checkpoint"], first["checkpoint"]
    altered = tmp_path / "altered"
    altered.mkdir()
    for each in document["folds"]:
        (altered / each["checkpoint"]).symlink_to(folds / each["checkpoint"])
    (altered / "predictions.npz").write_bytes((folds / "predictions.npz").read_bytes())
    (altered / "folds.json").write_text(json.dumps(document), encoding="utf-8")
    results = evaluated(place, altered, "rhythm", tmp_path / "out", "--baselines", "none")
    assert len(results["warnings"]) == 2
    assert "was trained on whom it tests" in results["warnings"][0]


@pytest.mark.parametrize("run", ["one", "folds"])
def test_beats_record_by_record(place: Path, tuned: Tune, tmp_path: Path, run: str) -> None:
    words = ("--protocol", "k-fold", "--k", "2") if run == "folds" else ()
    checkpoint = tuned(f"beats-{run}", "beats", *words)
    results = evaluated(place, checkpoint, "beats", tmp_path / "out")
    assert set(results["measures"]) == {"model", "xqrs"}
    each = results["each"]["xqrs"]
    assert [record["record"] for record in each] == [f"r{k}" for k in range(8)]
    right, missed = (sum(record[name] for record in each) for name in ("right", "missed"))
    told = results["measures"]["xqrs"]["overall"]["sensitivity"]
    assert told["value"] == pytest.approx(right / (right + missed))
    assert told["value"] > 0.5
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"records.png", "timing.png"}


def test_classes_and_numbers(
    place: Path, tuned: Tune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = evaluated(place, tuned("classes", "classify"), "classify", tmp_path / "classes")
    model = results["measures"]["model"]
    assert set(model["per_class"]) == {"even", "odd"}
    assert set(results["measures"]) >= {"its features + linear", "random weights + linear", "always the same"}
    assert "Baselines' folds are pooled." in results["notes"]
    light = evaluated(place, place / "classes", "classify", tmp_path / "light", "--baselines", "light")
    assert list(light["measures"]) == ["model", "always the same"]
    assert "Baselines' folds are pooled." not in light["notes"]
    assert light["protocol"].startswith("'always the same' alone")
    table = ["--labels", str(place / "table.csv"), "--column", "age"]
    names: list[str] = []

    def drawn(*given: Any, name: str, **more: Any) -> Any:
        names.append(name)
        return agreement_figure(*given, name=name, **more)

    monkeypatch.setattr(figures, "agreement_figure", drawn)
    run = tuned("age", "regress", *table, "--unit", "years")
    results = evaluated(place, run, "regress", tmp_path / "age", *table, "--compare", str(run))
    assert names == ["age (years)"] * 2
    assert (tmp_path / "age" / "agreement-compared.png").exists()
    assert results["measures"]["model"]["overall"]["mae"]["value"] > 0
    assert (tmp_path / "age" / "agreement.png").exists()
    assert (tmp_path / "classes" / "roc.png").exists()


def test_how_many_recordings_a_table_left_out_is_said(
    place: Path, tuned: Tune, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tuned("age", "regress", "--labels", str(place / "table.csv"), "--column", "age")
    (tmp_path / "t.csv").write_text("recording,age\n" + "".join(f"r{k},{k}\n" for k in range(6)))
    words = ("--labels", str(tmp_path / "t.csv"), "--column", "age", "--baselines", "none")
    capsys.readouterr()
    evaluated(place, run, "regress", tmp_path / "out", *words)
    assert "left out of the store's 8 recordings: 2 of which" in capsys.readouterr().err


def test_forecasts_and_continuations(place: Path, tmp_path: Path) -> None:
    results = evaluated(place, place / "base", "forecast", tmp_path / "out", "--continuations", "2")
    measures = results["measures"]
    assert measures["model"]["overall"]["nats"]["value"] == pytest.approx(np.log(101), abs=0.3)
    assert measures["unigram"]["overall"]["nats"]["value"] < np.log(101)
    assert measures["model"]["overall"]["width"]["value"] == pytest.approx(91, abs=2)  # it knows nothing yet
    assert results["each"]["continuations"]["windows"] == 2
    assert (tmp_path / "out" / "forecast.png").read_bytes().startswith(b"\x89PNG")
    assert results["warnings"] == []
    untold = f"Nothing is recorded of whom {place / 'base'} was trained on: leakage cannot be checked."
    assert untold in results["notes"]
    for file in ("table.md", "model-card.md"):
        assert untold in (tmp_path / "out" / file).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("task", "other", "message"),
    [
        ("rhythm", "nowhere", "--compare"),
        ("rhythm", "base", "the checkpoint is for forecast"),
        ("rhythm", "fast", "is at 100 Hz, but the model takes 250 Hz"),
        ("beats", "nowhere", "--compare"),
        ("beats", "base", "the checkpoint continues signals"),
        ("forecast", "nowhere", "--compare"),
        ("forecast", "af", "the checkpoint is for rhythm"),
    ],
)
def test_what_is_compared_is_refused_by_name_before_any_is_asked(
    place: Path,
    tuned: Tune,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    task: str,
    other: str,
    message: str,
) -> None:
    af = tuned("af", "rhythm", "--train-on", "r2", "r3", "--validate-on", "r4")
    first = {"rhythm": af, "beats": tuned("beats-one", "beats"), "forecast": place / "base"}[task]
    fast = load_checkpoint(af)
    fast.contract = replace(fast.contract, fs=250.0)
    fast.save(tmp_path / "fast")

    def asked(*_: Any, **__: Any) -> Any:
        raise AssertionError("a model was asked")

    monkeypatch.setattr(judging, "predict_windows", asked)
    monkeypatch.setattr(judging, "detect_beats", asked)
    monkeypatch.setattr(forecasts, "score_next_level", asked)
    path = tmp_path / other if other in ("fast", "nowhere") else place / other
    capsys.readouterr()
    begin = ["evaluate", str(place / "store"), "--checkpoint", str(first), "--task", task]
    assert main([*begin, "--compare", str(path), "--out", str(tmp_path / "out")]) in (1, 2)
    said = capsys.readouterr().err
    assert message in said
    assert "--compare" in said
    assert str(path) in said
    assert "hint:" in said


def test_models_are_called_by_the_ends_of_their_paths_unless_these_are_alike() -> None:
    settings = Config(store="s", checkpoint="runs/folds/", task="rhythm", out="o", compare="ECGPT_AF.zip")
    assert titles_of(settings) == {"model": "model (folds)", "compared": "compared (ECGPT_AF.zip)"}
    alike = replace(settings, checkpoint="a/best", compare="b/best")
    assert titles_of(alike) == {"model": "model (a/best)", "compared": "compared (b/best)"}


def test_json_goes_to_stdout(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = evaluated(place, place / "base", "forecast", tmp_path, "--json", "--baselines", "none")
    assert json.loads(capsys.readouterr().out) == results


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--task", "rhythm"], "the checkpoint is for forecast"),
        (["--task", "classify"], "the checkpoint is for forecast"),
        (["--task", "forecast", "--k", "0", "--threshold", "2"], "--k is 0"),
        (["--task", "forecast", "--skip", "3"], "--skip is for --task beats"),
        (["--task", "rhythm", "--labels", "x.csv"], "--labels and --column go together"),
        (["--task", "beats"], "the checkpoint continues signals"),
    ],
)
def test_what_does_not_fit_is_refused(
    place: Path, tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    begin = [
        "evaluate",
        str(place / "store"),
        "--checkpoint",
        str(place / "base"),
        "--out",
        str(tmp_path / "out"),
    ]
    assert main([*begin, *words]) in (1, 2)
    said = capsys.readouterr().err
    assert message in said
    assert "hint:" in said


def test_who_cannot_forecast_these_windows_is_refused(
    place: Path, tuned: Tune, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, beats = str(place / "base"), str(tuned("beats-one", "beats"))
    for name, contract, levels in (
        ("pulse", replace(CONTRACT, modality="ppg", channels=("PPG",)), 101),
        ("coarse", CONTRACT, 50),
    ):
        model = GPT(GPTConfig(context_length=64, width=16, n_layers=1, n_heads=2, mlp_width=32))
        Checkpoint(model.eval(), LevelTokenizer(n_levels=levels), contract).save(tmp_path / name)
    for words, message in (
        (["--checkpoint", beats], "the checkpoint is for beats, and forecasts nothing"),
        (["--checkpoint", base, "--compare", beats], "the checkpoint is for beats, and forecasts nothing"),
        (["--checkpoint", base, "--compare", str(tmp_path / "pulse")], "holds ecg, but the model takes ppg"),
        (["--checkpoint", base, "--compare", str(tmp_path / "coarse")], "cuts signals into 50 levels"),
        (["--checkpoint", base, "--channel", "V9"], "has no channel 'V9'"),
        (["--checkpoint", base, "--channel", "3"], "there is no channel 3"),
    ):
        begin = ["evaluate", str(place / "store"), "--task", "forecast", "--baselines", "none"]
        capsys.readouterr()
        assert main([*begin, *words, "--out", str(tmp_path / "out")]) in (1, 2), words
        said = capsys.readouterr().err
        assert message in said
        assert "hint:" in said
        assert "fault of ours" not in said


def test_a_detector_for_another_signal_is_refused(
    place: Path, tuned: Tune, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tuned("beats-one", "beats")
    words = [
        "evaluate",
        str(place / "store"),
        "--checkpoint",
        str(run),
        "--task",
        "beats",
        "--out",
        str(tmp_path),
    ]
    assert main([*words, "--detector", "elgendi"]) == 2
    assert "elgendi finds beats in ppg, but the model reads ecg" in capsys.readouterr().err
