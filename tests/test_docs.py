"""What the documents show is what the code does."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("page", ["formats.md"])
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
