"""The sizes of files and functions, and imports between files (docs/architecture.md)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
FILES = sorted(SOURCE.rglob("*.py"))
MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 60
"""Without the docstring, which a public function needs long."""


def test_no_file_is_too_long() -> None:
    assert FILES
    lengths = {_name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert not {name: length for name, length in lengths.items() if length > MOST_LINES_OF_A_FILE}


def test_no_function_is_too_long() -> None:
    long = {}
    for path in FILES:
        for node in ast.walk(_parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = _lines(node) - (_lines(node.body[0]) if ast.get_docstring(node) else 0)
                if length > MOST_LINES_OF_A_FUNCTION:
                    long[f"{_name(path)}: {node.name}"] = length
    assert not long


@pytest.mark.parametrize("inside_functions", [False, True], ids=["at import", "at any time"])
def test_no_files_import_each_other(inside_functions: bool) -> None:
    imports = {name: set(_imported(path, inside_functions)) - {name} for name, path in _MODULES.items()}
    imports["physiolect.recording.recording"] -= {
        "physiolect.plots"
    }  # Recording.plot, the one listed exception
    assert not _circles(imports)


def test_a_circle_is_found() -> None:
    imports = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"a"}}
    assert _circles(imports) == [["a", "b", "c"]]


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or 0) - node.lineno + 1


def _name(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def _module(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


_MODULES = {_module(path): path for path in FILES}


def _imported(path: Path, inside_functions: bool) -> Iterator[str]:
    """Yield the package's modules that a file names in its imports, but for type checkers."""
    for node in _statements(_parsed(path), inside_functions):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in _MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in _MODULES:
            assert not node.level, f"{_name(path)} has a relative import"
            for alias in node.names:
                inside = f"{node.module}.{alias.name}"
                yield inside if inside in _MODULES else node.module


def _statements(node: ast.AST, inside_functions: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not inside_functions:
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield child
        yield from _statements(child, inside_functions)


def _circles(imports: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that reach each other."""
    reached = {name: _reached(name, imports) for name in imports}
    groups = {name: sorted(other for other in reached[name] if name in reached[other]) for name in imports}
    return sorted({tuple(group): group for group in groups.values() if group}.values())


def _reached(start: str, imports: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = imports[waiting.pop()] - found
        found |= new
        waiting.extend(new)
    return found
