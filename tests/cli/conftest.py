"""A verb of our own, so that the command line is tested apart from the real commands."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from physiolect import cli

SOURCE = '''
"""Speak words."""

from __future__ import annotations

import os
import sys
import warnings
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from physiolect.errors import FormatError

EXAMPLE = "physiolect speak a.csv --out words"


@dataclass(frozen=True)
class Model:
    width: int = 8
    """Width of the trunk, 100 % of it."""
    tied: bool = True
    """Share the embedding."""


@dataclass(frozen=True)
class Config:
    POSITIONAL: ClassVar[tuple[str, ...]] = ("inputs",)

    inputs: list[str]
    """What to speak."""
    out: str
    """Folder for the words."""
    top_k: int | None = None
    """Draw from the k likeliest."""
    rate: float = 3e-4
    """Learning rate."""
    mode: Literal["exact", "hop"] = "exact"
    """How to go on."""
    seed: int = 0
    """Seed of the draws."""
    greedy: bool = False
    """Take the likeliest."""
    channels: tuple[str, ...] | None = None
    """Leads by name."""
    fails: str | None = None
    """How to fail."""
    table: dict[str, int] = field(default_factory=dict)
    """For the YAML file alone."""
    model: Model = field(default_factory=lambda: Model(width=16))
    """The model."""

    def problems(self) -> list[str]:
        found = []
        if self.top_k is not None and self.top_k < 1:
            found.append(f"top_k is {self.top_k}, but must be at least 1")
        if self.rate <= 0:
            found.append(f"rate is {self.rate}, but must be above 0")
        return found


def run(config: Config) -> int | None:
    match config.fails:
        case "format":
            raise FormatError("the file is empty", hint="name another")
        case "bare":
            raise FormatError("the file is empty")
        case "bug":
            return 1 + "x"
        case "interrupt":
            raise KeyboardInterrupt
        case "missing":
            open(config.inputs[0])
        case "folder":
            open(os.curdir, "w")
        case "full":
            raise OSError(28, "No space left on device", "x.arrow")
        case "odd":
            raise OSError(5, "Input/output error", "x.arrow")
        case "memory":
            raise MemoryError
        case "tensor":
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")
        case "pipe":
            for _ in range(100_000):
                print("a line that nobody reads")
        case "warn":
            warnings.warn("the filter rings", stacklevel=1)
            warnings.warn_explicit("noise of another", UserWarning, "/elsewhere/numpy.py", 1)
        case "letters":
            print("\u2013 done")
        case "code":
            return 7
    print(config)
'''


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose modules are found as commands, with the verb `speak` in it and in the table."""
    from physiolect import commands

    (tmp_path / "speak.py").write_text(textwrap.dedent(SOURCE))
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    monkeypatch.setitem(cli.VERBS, "speak", "speak words of a recording")
    yield tmp_path
    sys.modules.pop("physiolect.commands.speak", None)


@pytest.fixture
def speak(home: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run `physiolect speak ...` and return its exit code, stdout and stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        code = cli.main(["speak", *words])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def parse(home: Path) -> Callable[..., object]:
    """Return the Config that words after `physiolect speak` describe."""
    from importlib import import_module

    from physiolect.cli.options import Grammar

    config = import_module("physiolect.commands.speak").Config
    return lambda *words: Grammar("speak", config).parse(words)
