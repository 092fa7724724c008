"""Importing costs nothing and has no effects."""

from __future__ import annotations

import subprocess
import sys

import pytest

import physiolect


def modules_after(code: str) -> set[str]:
    """Return the modules a fresh interpreter holds after running `code`."""
    command = [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules, file=sys.stderr)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_importing_the_package_loads_no_array_library() -> None:
    loaded = modules_after("import physiolect") - modules_after("")
    assert not {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names - {"physiolect"}


def test_help_is_answered_from_a_table_without_heavy_modules() -> None:
    loaded = modules_after("from physiolect.cli import main\nmain(['--help'])")
    assert not {"numpy", "torch", "yaml", "rich", "matplotlib", "physiolect.commands"} & loaded


@pytest.mark.parametrize("name", physiolect.__all__)
def test_every_public_name_is_there_and_keeps_its_name(name: str) -> None:
    assert getattr(physiolect, name).__name__ == name


def test_reading_a_recording_needs_no_torch() -> None:
    assert "torch" not in modules_after("import physiolect\nphysiolect.read_recording\nphysiolect.adapt")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        physiolect.no_such_name  # noqa: B018
