"""Every family has a page, whose example runs and prints what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from physiolect.models import MODELS

PAGES = Path(__file__).parents[2] / "docs" / "models"


@pytest.mark.parametrize("family", MODELS)
def test_the_example_of_a_family_runs(family: str, capsys: pytest.CaptureFixture[str]) -> None:
    page = (PAGES / f"{family}.md").read_text(encoding="utf-8")
    assert "```mermaid" in page
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    torch.manual_seed(0)
    exec(compile(example, f"docs/models/{family}.md", "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    assert printed == re.findall(r"torch\.Size\(.*\)", example)
    assert len(printed) >= 2


def test_every_page_is_of_a_family() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} == set(MODELS)
