"""What the documents show is what the code does."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("page", ["delineation.md", "formats.md"])
def test_examples(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = doctest.testfile(str(DOCS / page), module_relative=False)
    assert outcome.attempted
    assert not outcome.failed


def test_every_public_dataset_is_told_of_with_its_facts() -> None:
    from physiolect.datasets import DATASETS

    page = (DOCS / "datasets.md").read_text(encoding="utf-8")
    for name, dataset in DATASETS.items():
        assert f"| `{name}` | {dataset.licence} | {dataset.origin} | {dataset.citation} |" in page
        assert all(f"`{each}`" in page for each in (*dataset.labels, *dataset.splits))


def test_the_blocks_of_the_python_page_run_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    page = (DOCS / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    assert len(blocks) > 5
    assert not names["stopped"].finished
    assert capsys.readouterr().err == ""
