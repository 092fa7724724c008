"""An explanation becomes files, each whole or not there."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from physiolect import Checkpoint, InputContract, synthetic
from physiolect.errors import WriteError
from physiolect.explanation import Explanation, explain
from physiolect.formats.outputs import is_output
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.report.explanation import Numbers, write_explanation
from physiolect.tokenizers import LevelTokenizer


@pytest.fixture(scope="module")
def found() -> Explanation:
    torch.manual_seed(4)
    settings = {"context_length": 200, "width": 16, "n_layers": 2, "n_heads": 2, "mlp_width": 16}
    model = GPT(GPTConfig(**settings, positions="learned")).eval()  # type: ignore[arg-type]
    contract = InputContract(fs=100.0, min_samples=100, max_samples=200, modality="ecg")
    heart = synthetic.ecg(seconds=6, fs=250.0, leads=("II",), seed=3)
    return explain(Checkpoint(model, LevelTokenizer(), contract), heart, view="probing")


def test_figure_numbers_table_and_summary(found: Explanation, tmp_path: Path) -> None:
    held = write_explanation(
        found, tmp_path / "new" / "why", about={"input": "x"}, settings={"windows": None}
    )
    assert [Path(file).name for file in held["files"]] == [
        "probing.png", "probing.npz", "probing.csv", "probing.json"
    ]  # fmt: skip
    written = json.loads((tmp_path / "new" / "why" / "probing.json").read_text())
    assert list(written) == ["input", *found.to_dict(), "settings", "files"]
    header, *rows = (tmp_path / "new" / "why" / "probing.csv").read_text().splitlines()
    assert header == "landmark,layer,head,auroc,lift,p"
    assert len(rows) == found.numbers["auroc"].size
    with np.load(tmp_path / "new" / "why" / "probing.npz") as file:
        np.testing.assert_array_equal(file["auroc"], found.numbers["auroc"])


@pytest.mark.parametrize("numbers", ["npz", "mat"])
def test_what_it_writes_is_marked_as_an_output(found: Explanation, tmp_path: Path, numbers: Numbers) -> None:
    about = {"checkpoint": "ecg"}
    write_explanation(found, tmp_path, numbers=numbers, about=about, settings={"windows": None})
    (tmp_path / f"probing.{numbers}").rename(tmp_path / f"renamed.{numbers}")
    assert is_output(tmp_path / f"renamed.{numbers}")
    assert is_output(tmp_path / "probing.csv")


def test_a_full_disk_is_one_sentence_and_leaves_no_half_file(
    found: Explanation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(WriteError, match=r"the disk is full: .*probing.npz could not be written"):
        write_explanation(found, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["probing.png"]


def test_a_folder_that_cannot_be_made_is_one_sentence(found: Explanation, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="cannot be written"):
        write_explanation(found, tmp_path / "file" / "why")
