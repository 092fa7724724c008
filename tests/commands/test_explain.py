"""`physiolect explain` from the outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.io import loadmat

from physiolect import Annotations, Checkpoint, InputContract, load_checkpoint, read_recording, synthetic
from physiolect.cli import main
from physiolect.commands.explain import Config
from physiolect.explanation import (
    attend,
    attention_change,
    choose_target,
    cut_window,
    cut_windows,
    measure_faithfulness,
)
from physiolect.formats import write_recording
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.tokenizers import LevelTokenizer

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models of two seconds at 100 Hz that have learnt nothing."""
    folder = tmp_path_factory.mktemp("checkpoints")
    contract = InputContract(fs=100.0, min_samples=100, max_samples=200, modality="ecg")
    shapes: dict[str, dict[str, Any]] = {
        "forecast": {}, "rhythm": {"n_outputs": 1}, "beats": {"n_outputs": 1}, "other": {"n_layers": 1}
    }  # fmt: skip
    for name, shape in shapes.items():
        torch.manual_seed(4)
        settings = {"context_length": 200, "width": 16, "n_layers": 2, "n_heads": 2, "mlp_width": 16}
        model = GPT(GPTConfig(**{**settings, "positions": "learned", **shape}))
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
        task = "forecast" if name == "other" else name
        Checkpoint(model, LevelTokenizer(), contract, task).save(folder / name)  # type: ignore[arg-type]
    return folder


@pytest.fixture(scope="module")
def heart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds of two leads at 250 Hz, beats marked."""
    path = tmp_path_factory.mktemp("recordings") / "heart"
    write_recording(synthetic.ecg(seconds=12, fs=250.0, leads=("V1", "II"), seed=2), path)
    return path


@pytest.fixture
def run(heart: Path, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `physiolect explain HEART --checkpoint MODEL --view VIEW --out OUT ...`; code, stdout and stderr."""

    def run(model: str, view: str, *words: object) -> tuple[int, str, str]:
        given = ["--checkpoint", str(models / model), "--view", view, "--out", str(tmp_path / "why")]
        return main(
            ["explain", str(heart), "--channel", "II", *given, *map(str, words)]
        ), *capsys.readouterr()

    return run


def made(folder: Path, view: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    summary = json.loads((folder / "why" / f"{view}.json").read_text())
    with np.load(folder / "why" / f"{view}.npz") as file:
        return summary, dict(file)


def test_attention_is_a_figure_numbers_and_a_summary(
    run: Run, tmp_path: Path, heart: Path, models: Path
) -> None:
    code, out, err = run(
        "forecast", "attention", "--start", 2, "--stop", 10, "--query", 9.5, "--layer", "all"
    )
    assert code == 0, err
    assert {file.name for file in (tmp_path / "why").iterdir()} == {
        "attention.png",
        "attention.npz",
        "attention.json",
    }
    assert (tmp_path / "why" / "attention.png").read_bytes().startswith(b"\x89PNG")
    checkpoint = load_checkpoint(models / "forecast")
    window = cut_window(checkpoint, read_recording(heart, start=2, stop=10), channel="II", first=2.0)
    expected = attend(checkpoint, window, queries=[9.5])
    summary, arrays = made(tmp_path, "attention")
    np.testing.assert_allclose(arrays["attention"], expected.weights[:, :, 0], atol=1e-6)
    np.testing.assert_allclose(arrays["band"], expected.band(), atol=1e-6)
    np.testing.assert_allclose(arrays["time_s"], 8 + np.arange(200) / 100)
    assert arrays["layers"].tolist() == arrays["heads"].tolist() == [1, 2]
    assert summary["window"] == {"start": 8.0, "stop": pytest.approx(9.99), "samples": 200}
    assert summary["counting"].startswith("layers and heads from 1, samples from 0")
    assert (summary["query"], summary["unit"], summary["channel"]) == (9.5, "mV", "II")
    assert out.startswith(f"attention of {heart}, II, 8.00 to 9.99 s\n  query       9.50 s\n")
    named = np.array(out.split("most at     ")[1].split(" s\n")[0].split(", "), float)
    assert len(named) == 5
    assert np.diff(named).min() > 0.05  # peaks, not neighbours
    assert np.abs(named - arrays["time_s"][arrays["band"].argmax()]).min() < 0.006
    score = summary["faithfulness"]
    assert f"faithfulness {score['score']:+.2f} nats" in out
    assert score["random_95"][0] < score["random_95"][1]
    assert "kept channel II of V1, II" in err
    assert summary["files"] == [
        str(tmp_path / "why" / f"attention.{kind}") for kind in ("png", "npz", "json")
    ]
    assert [line for line in err.splitlines() if line.startswith("wrote")] == [
        f"wrote {file}" for file in summary["files"]
    ]


@pytest.mark.parametrize(("format", "start"), [("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_other_formats_and_mat(run: Run, tmp_path: Path, format: str, start: bytes) -> None:
    code, out, _ = run(
        "rhythm", "attention", "--format", format, "--numbers", "mat", "--head", 2, "--layer", 1, "--no-score",
        "--combine", "mean", "--json",
    )  # fmt: skip
    assert code == 0
    assert (tmp_path / "why" / f"attention.{format}").read_bytes().startswith(start)
    arrays = loadmat(tmp_path / "why" / "attention.mat")
    assert arrays["attention"].shape == (1, 1, 200)
    np.testing.assert_allclose(arrays["band"][0], arrays["attention"][0, 0])
    summary = json.loads(out)
    assert (summary["layers"], summary["heads"], summary["faithfulness"]) == ([1], [2], None)


def test_beats_are_scored_at_the_query_that_is_shown(
    run: Run, tmp_path: Path, heart: Path, models: Path
) -> None:
    assert run("beats", "attention", "--query", 11)[0] == 0
    checkpoint = load_checkpoint(models / "beats")
    window = cut_window(checkpoint, read_recording(heart), channel="II")
    target = choose_target(checkpoint, window, query=11.0)
    maps = {"shown": attend(checkpoint, window, layers=[2], queries=[11.0]).band().astype(np.float64)}
    expected = measure_faithfulness(checkpoint, window, target, maps)["shown"].score
    assert made(tmp_path, "attention")[0]["faithfulness"]["score"] == pytest.approx(expected, abs=1e-4)


def test_heads(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("rhythm", "heads", "--layer", 1)
    assert code == 0
    summary, arrays = made(tmp_path, "heads")
    np.testing.assert_allclose(arrays["relative"], arrays["mean"] / arrays["even"], rtol=1e-6)
    peaks = arrays["peaks_head_sample"]
    for each in summary["heads"]:
        np.testing.assert_allclose(
            each["peaks"], arrays["time_s"][peaks[peaks[:, 0] == each["head"], 1]], atol=1e-4
        )
    assert f"  head 1      {len(summary['heads'][0]['peaks'])} peaks" in out


def test_views_share_a_folder(run: Run, tmp_path: Path) -> None:
    assert run("forecast", "attention", "--no-score")[0] == 0
    assert run("forecast", "heads", "--no-score")[0] == 0
    assert [made(tmp_path, view)[0]["view"] for view in ("attention", "heads")] == ["attention", "heads"]


def test_change(run: Run, tmp_path: Path, heart: Path, models: Path) -> None:
    code, out, _ = run("rhythm", "change", "--base", models / "forecast", "--head", 1)
    assert code == 0
    summary, arrays = made(tmp_path, "change")
    tuned, base = load_checkpoint(models / "rhythm"), load_checkpoint(models / "forecast")
    window = cut_window(tuned, read_recording(heart), channel="II")
    np.testing.assert_allclose(arrays["change"], attention_change(tuned, base, window, heads=[1]), atol=1e-6)
    assert summary["gained"] == pytest.approx(summary["lost"], abs=1e-5)
    assert f"gained      {summary['gained']:.3f}" in out


def test_similarity(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("forecast", "similarity")
    assert code == 0
    summary, arrays = made(tmp_path, "similarity")
    assert arrays["cosine"].shape == (3, 200)
    assert {each["level"] for each in summary["tokens"]} == {summary["reference"]["level"]}
    assert summary["stages"] == ["input", "layer 1", "layer 2"]
    assert len(summary["silhouette"]) == 3
    assert "  silhouette  " in out
    code, _, err = run("forecast", "similarity", "--reference", 11.5, "--tokens", 10.5, 11, "--start", 0.001)
    assert code == 0, err
    summary, _ = made(tmp_path, "similarity")
    assert [each["time"] for each in summary["tokens"]] == pytest.approx([10.5, 11.0], abs=0.006)


def test_similarity_by_time_needs_no_beats(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "noise.csv"
    np.savetxt(file, np.random.default_rng(0).normal(size=250))
    words = [str(file), "--fs", "100", "--modality", "ecg", "--checkpoint", str(models / "forecast")]
    asked = ["--view", "similarity", "--out", str(tmp_path / "why"), "--tokens", "1", "2"]
    assert main(["explain", *words, *asked]) == 0
    assert "parts of the beat are not known" in capsys.readouterr().err
    assert made(tmp_path, "similarity")[0]["silhouette"] == [None, None, None]
    assert main(["explain", *words, *asked[:4]]) == 1
    assert "no beats were found" in capsys.readouterr().err


def test_probing(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("forecast", "probing", "--windows", 4)
    assert code == 0
    summary, arrays = made(tmp_path, "probing")
    assert arrays["auroc"].shape == (len(arrays["landmarks"]), 2, 2)
    assert "R" in arrays["landmarks"]
    assert summary["windows"] == 4
    best = next(each for each in summary["best"] if each["landmark"] == "R")
    where = list(arrays["landmarks"]).index("R")
    assert best["auroc"] == pytest.approx(arrays["auroc"][where].max())
    assert f"layer {best['layer']} head {best['head']}: AUROC {best['auroc']:.2f}" in out
    header, *rows = (tmp_path / "why" / "probing.csv").read_text().splitlines()
    assert header == "landmark,layer,head,auroc,lift,p"
    assert len(rows) == arrays["auroc"].size


@pytest.mark.parametrize("view", ["probing", "similarity"])
def test_p_waves_are_left_out_of_fibrillation_that_is_marked(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], view: str
) -> None:
    beating = synthetic.ecg(seconds=14, fs=250.0, leads=("II",), rhythm="af", seed=2)
    write_recording(beating, tmp_path / "af")
    words = [str(tmp_path / "af"), "--checkpoint", str(models / "forecast"), "--view", view]
    assert main(["explain", *words, "--start", "4", "--out", str(tmp_path / "why")]) == 0
    err = capsys.readouterr().err  # the mark is at 0 s, before what is looked at
    assert (
        "P waves are left out where the recording's marks of rhythm say that there are none: AFIB from" in err
    )
    summary, arrays = made(tmp_path, view)
    (told,) = summary["without_p"]
    assert (told["rhythm"], told["stop"]) == ("AFIB", pytest.approx(13.99))
    parts = [each["part"] for each in summary.get("tokens", [])]
    assert "P" not in [*parts, *arrays.get("landmarks", [])]
    beats = beating.annotations.sample[1:]
    unmarked = replace(beating, annotations=Annotations(beats, ("N",) * len(beats)))
    write_recording(unmarked, tmp_path / "af2")
    words[0] = str(tmp_path / "af2")
    assert main(["explain", *words, "--out", str(tmp_path / "why")]) == 0
    assert "P waves" not in capsys.readouterr().err
    summary, arrays = made(tmp_path, view)
    assert summary["without_p"] == []
    assert "P" in [*(each["part"] for each in summary.get("tokens", [])), *arrays.get("landmarks", [])]


@pytest.mark.parametrize(("model", "words"), [("rhythm", ()), ("forecast", ("--span", "0.5"))])
def test_faithfulness(
    run: Run, tmp_path: Path, heart: Path, models: Path, model: str, words: tuple[str, ...]
) -> None:
    code, out, err = run(model, "faithfulness", "--windows", 2, "--replace", "median", *words)
    assert code == 0, err
    summary, arrays = made(tmp_path, "faithfulness")
    assert summary["windows"] == 2
    assert [each["method"] for each in summary["methods"]] == [
        "attention",
        "gradient x input",
        "integrated gradients",
    ]
    for each in summary["methods"]:
        assert f"  {each['method']:21}{each['score']:+.2f} nats" in out
        deleted = arrays[f"{each['method'].replace(' ', '_')}_deletion"]
        assert each["deletion_area"] == pytest.approx(np.trapezoid(deleted, arrays["shares"]))
        assert list(each["cascade"]) == ["head", "layer 2", "layer 1", "embeddings"]
    checkpoint = load_checkpoint(models / model)
    windows = cut_windows(checkpoint, read_recording(heart), channel="II", limit=2)
    by_chance = []
    for seed, window in enumerate(windows):  # each window has random orders of its own
        target = choose_target(checkpoint, window, span=0.5 if words else None)
        found = measure_faithfulness(
            checkpoint, window, target, {"a": np.arange(200.0)}, replacement="median", seed=seed
        )
        by_chance.append(found["a"].random_deletion)
    assert arrays["random_deletion"].shape == (20, len(arrays["shares"]))
    np.testing.assert_allclose(arrays["random_deletion"], np.mean(by_chance, 0), atol=1e-4)


@pytest.mark.parametrize(
    ("model", "view", "words", "error"),
    [
        ("forecast", "attention", ("--query", "3"), "3 s lies outside the window, which is 10.00 to 11.99 s"),
        ("forecast", "attention", ("--layer", "3"), "there is no layer 3: the model has 2, counted from 1"),
        ("forecast", "heads", ("--head", "5"), "there is no head 5: the model has 2, counted from 1"),
        ("forecast", "similarity", ("--tokens", "99"), "99 s lies outside the window"),
        ("rhythm", "faithfulness", ("--query", "11"), "rhythm has one output for the whole window"),
        (
            "rhythm",
            "faithfulness",
            ("--span", "1"),
            "a span of 1 s was given, but the checkpoint is for rhythm",
        ),
    ],
)
def test_what_the_model_cannot_serve_is_one_sentence_and_a_hint(
    run: Run, model: str, view: str, words: tuple[str, ...], error: str
) -> None:
    code, out, err = run(model, view, *words)
    assert (code, out) == (2, "")
    assert f"error: {error}" in err
    assert "hint: " in err


def test_a_base_of_another_shape(run: Run, models: Path) -> None:
    code, _, err = run("rhythm", "change", "--base", models / "other")
    assert code == 1
    assert "error: the base is of another shape than the checkpoint: n_layers 1 (here 2)" in err


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({"view": "change"}, "--base is missing: --view change needs the model"),
        ({"base": "x"}, "--base is for --view change, not attention"),
        ({"tokens": (1.0,), "windows": 2}, "--windows is for --view probing or faithfulness, not attention"),
        ({"layer": 0}, "--layer is '0', but must be a number from 1 on, or all"),
        ({"head": -1}, "--head is '-1', but must be a number from 1 on, or all"),
        ({"query": float("nan")}, "--query is nan, but must be a moment in seconds"),
        ({"view": "heads", "layer": "all"}, "--layer is all, but --view heads is of one layer"),
        ({"start": 3.0, "stop": 2.0}, "--start 3 and --stop 2 enclose nothing"),
        ({"seed": -1}, "--seed is -1, but must be from 0"),
        ({"fs": 0.0, "threads": 0}, "--threads is 0, but must be at least 1"),
        ({"out": __file__}, "is a file, but a folder is needed"),
    ],
)
def test_all_that_is_wrong_is_told_before_any_work(words: dict[str, Any], problem: str) -> None:
    settings: dict[str, Any] = {"input": "a", "checkpoint": "b", "view": "attention", "out": "c", **words}
    assert any(problem in each for each in Config(**settings).problems())
    assert not Config("a", "b", "attention", "c").problems()


def test_the_published_model_on_its_example(
    weights: Path, examples: Path, golden: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(
        ["explain", str(examples / "example_context_ECG_AFib1.csv"), "--fs", "100", "--modality", "ecg",
         "--checkpoint", str(weights / "ECGPT_AF_1k_iters.zip"), "--base", str(weights / "ECGPT_560k_iters.zip"),
         "--view", "change", "--no-score", "--out", str(tmp_path / "why")]
    )  # fmt: skip
    assert code == 0, capsys.readouterr().err
    with np.load(golden / "af_ecg__example_context_ECG_AFib1.npz") as expected:
        np.testing.assert_allclose(
            made(tmp_path, "change")[1]["change"], expected["attention_change"], atol=1e-4
        )


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--layer", "first"), "--layer is 'first', but must be a whole number or one of all"),
        (("--query", "soon"), "--query is 'soon', but must be a number or one of last"),
        (("--head", "0"), "--head is '0', but must be a number from 1 on, or all"),
    ],
)
def test_an_option_of_another_type_is_refused(run: Run, words: tuple[str, ...], problem: str) -> None:
    code, _, err = run("forecast", "attention", *words)
    assert code == 2
    assert problem in err
    assert "hint: " in err
