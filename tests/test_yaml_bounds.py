"""YAML files that lie: aliases, merges, odd numbers, dates, recursion, and files that are none."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from physiolect.config import read_yaml
from physiolect.errors import ConfigError

ALIASES = "a0: &a0 [1, 2]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)
MERGES = "m0: &m0 {k: 1}\n" + "".join(
    f"m{i}: &m{i} {{<<: [{', '.join([f'*m{i - 1}'] * 10)}]}}\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    "text",
    [
        ALIASES, MERGES, "a: &a [*a]\n", "a: &a {b: *a}\n", "fs: !!bool maybe\n", "fs: !!int ''\n",
        "fs: !!timestamp maybe\n", "fs: !!float x\n", "? [1, 2]\n: 3\n", "a: " + "[" * 5000,
        "fs: " + "1:" * 50000 + "1\n", "fs: " + "9" * 5000 + "\n", "fs: 2024-99-99\n", "a: {" * 3000,
        "fs: !!python/object:os.system x\n", "a: \x00\n", "fs: !!set {[1]: 2}\n", "- 1\n", "2024-01-01\n",
    ],
)  # fmt: skip
def test_it_is_refused_at_once(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    begun = time.process_time()
    with pytest.raises(ConfigError, match=r"c\.yaml"):
        read_yaml(tmp_path / "c.yaml")
    assert time.process_time() - begun < 3


def test_aliases_that_come_to_little_are_read(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("a: &a {k: 1}\nb: {<<: *a, c: *a}\n")
    assert read_yaml(tmp_path / "c.yaml")["b"] == {"k": 1, "c": {"k": 1}}


def test_pipes_and_devices_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "link.yaml").symlink_to("/dev/zero")
    for name in ("pipe.yaml", "link.yaml"):
        with pytest.raises(ConfigError, match="is no regular file"):
            read_yaml(tmp_path / name)
    (tmp_path / "large.yaml").write_bytes(b"a: 1\n" * (2 << 20))
    with pytest.raises(ConfigError, match="larger than 8 MB"):
        read_yaml(tmp_path / "large.yaml")
