"""How much has to change for something new: each patch is applied to a copy, where the conformance tests then run.

A new task of a known kind changes 2 files, a new kind at most 7, a new family of models 3. When code that a patch
touches has moved, make the patch again by hand: it is meant to be read.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATCHES = {
    "new_task": (2, ["tests/test_tasks.py"], "apnoea"),
    "new_kind": (7, ["tests/test_tasks.py"], "count"),
    "new_family": (3, ["tests/models/test_conformance.py"], "smoother"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PATCHES)
def test_a_patch_changes_few_files_and_conforms(name: str, tmp_path: Path) -> None:
    most, tests, word = PATCHES[name]
    for part in ("src", "tests", "docs"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    patch = str(Path(__file__).with_name(f"{name}.patch"))
    counted = subprocess.run(
        ["git", "apply", "--numstat", patch], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert len(counted.stdout.splitlines()) <= most
    subprocess.run(["git", "apply", patch], cwd=tmp_path, check=True)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *tests],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert word in done.stdout
