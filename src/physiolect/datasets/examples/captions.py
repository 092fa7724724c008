"""Captions: the text of each recording, out of a table, a file of JSON lines, or a public dataset's folder."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from physiolect.datasets.examples.tables import KEYS
from physiolect.errors import ConfigError, FormatError

TEXTS = ("text", "caption", "report")
"""What the column of texts may be called."""
_SAID_NOTHING = frozenset({"nan", "none", "null", "na", "n/a", "unknown"})
"""How tables say that there is no text."""
_MOST_BYTES = 2**30
_MOST_LETTERS = 100_000
_SHOWN = 3
"""Lines that a refusal names."""


class _Line(NamedTuple):
    """One caption as it lies in the file."""

    number: int
    source: Any
    text: Any


def read_captions(path: str | Path, sources: Collection[str]) -> dict[str, str]:
    """Return the text of each recording of a store that has one, by the recording's name.

    Args:
        path: a `.csv` file with a header, or a `.jsonl` file of one object a line, with a recording ("recording",
            "source" or "record") and a text ("text", "caption" or "report"); or the folder of a public dataset that
            comes with reports.
        sources: names of the recordings, as a store has them.

    Raises:
        ConfigError: the file cannot be read, lines of it have no recording or no text (they are named), or it knows
            none of the recordings.
    """
    path = Path(path)
    known = _of_dataset(path) if path.is_dir() else _of_file(path)
    found = {source: known[source] for source in sources if source in known}
    if not found:
        named = ", ".join(sorted(known)[:2]) or "none"
        raise ConfigError(
            f"{path} has captions of {named}{' …' * (len(known) > 2)}, but the store holds other recordings",
            hint=f"name them as the store does: {', '.join(sorted(sources)[:2])}",
        )
    return found


def _of_file(path: Path) -> dict[str, str]:
    readers: dict[str, Callable[[Path, str], Iterator[_Line]]] = {
        ".csv": _csv_lines, ".jsonl": _json_lines, ".ndjson": _json_lines
    }  # fmt: skip
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(
            f"{path} is no file of captions", hint="give a .csv or .jsonl file, or a dataset's folder"
        )
    held: dict[str, str] = {}
    wrong: dict[int, str] = {}
    for line in reader(path, _content(path)):
        problem = _problem(line)
        if not problem and held.setdefault(line.source, line.text.strip()) != line.text.strip():
            problem = f"a second text of {line.source[:60]}"
        if problem:
            wrong[line.number] = problem
    if wrong:
        listed = "; ".join(f"line {number}: {problem}" for number, problem in list(wrong.items())[:_SHOWN])
        more = f"; and {len(wrong) - _SHOWN} more lines" if len(wrong) > _SHOWN else ""
        raise ConfigError(
            f"{path} has lines that cannot be used: {listed}{more}",
            hint="mend or remove these lines; a recording without a text is left out of training",
        )
    return held


def _problem(line: _Line) -> str:
    """Return what is wrong with a line; "" where nothing is."""
    if not isinstance(line.source, str) or not line.source:
        return (
            "no recording is named"
            if line.source in (None, "")
            else f"the recording is {_shown(line.source)}, which is no name in quotes"
        )
    if line.text is None or line.text == "":
        return "the text is missing"
    if not isinstance(line.text, str):
        return f"the text is {_shown(line.text)}, which is no text"
    plain = line.text.strip()
    if not plain or plain.lower() in _SAID_NOTHING:
        return "the text is missing"
    if not any(letter.isalpha() for letter in plain):
        return f"the text is {_shown(plain)}, which is no text"
    if any(ord(letter) < 32 and letter not in "\t\n\r" for letter in plain):
        return "the text holds control characters"
    return (
        f"the text has {len(plain):,} letters, and {_MOST_LETTERS:,} are the most"
        if len(plain) > _MOST_LETTERS
        else ""
    )


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _content(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigError(
                f"{path} is larger than {_MOST_BYTES:,} bytes", hint="split the store and its captions"
            )
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}", hint="name a file of captions"
        ) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path} has lines that cannot be used: line {number}: it is not UTF-8",
            hint="save the file as UTF-8",
        ) from error


def _csv_lines(path: Path, content: str) -> Iterator[_Line]:
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    number, first = 0, 1
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        key, text = (_place(path, header, names) for names in (KEYS, TEXTS))
        number = reader.line_num
        first = number + 1
        for cells in reader:
            number = reader.line_num  # a text in quotes may run over several lines
            if len(cells) > len(header) and any(map(str.strip, cells[len(header) :])):
                raise csv.Error(f"{len(cells)} cells, but the header has {len(header)}")
            if any(cell.strip() for cell in cells):
                yield _Line(
                    first, *(cells[place].strip() if place < len(cells) else None for place in (key, text))
                )
            first = number + 1
    except csv.Error as error:
        raise ConfigError(
            f"{path} has lines that cannot be used: line {first}: {error}",
            hint="put texts with commas, quotes or line breaks into double quotes, and double the quotes inside",
        ) from error


def _place(path: Path, header: list[str], names: tuple[str, ...]) -> int:
    for name in names:
        if header.count(name) == 1:
            return header.index(name)
    raise ConfigError(
        f"{path} has no single column {' or '.join(names)}: its header is {', '.join(header[:8]) or 'empty'}",
        hint="name the columns recording and text",
    )


def _json_lines(path: Path, content: str) -> Iterator[_Line]:
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        try:
            held = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = str(error).partition(":")[0][:60]
            raise ConfigError(
                f"{path} has lines that cannot be used: line {number}: no JSON ({reason})",
                hint='write one object a line, as {"recording": "00001", "text": "sinus rhythm"}',
            ) from error
        held = held if isinstance(held, dict) else {}
        yield _Line(
            number, *(next((held[name] for name in names if name in held), None) for names in (KEYS, TEXTS))
        )


def _of_dataset(folder: Path) -> dict[str, str]:
    """Return the reports of a public dataset's recordings.

    Raises:
        ConfigError: the folder is none, or the dataset has no reports.
    """
    from physiolect.datasets.public.catalogue import DATASETS

    dataset = next((each for each in DATASETS.values() if each.recognise(folder)), None)
    if dataset is None:
        raise ConfigError(
            f"{folder} is no public dataset that is known here", hint="give a .csv or .jsonl file of captions"
        )
    try:
        # a dataset at two rates names its recordings by rate
        entries = [entry for fs in (None, 1.0) for entry in dataset.entries(folder, split="none", fs=fs)]
    except FormatError as error:
        raise ConfigError(f"{folder}: {error}", hint=error.hint) from error
    found = {
        f"{dataset.name}/{entry.name}": entry.report.strip()
        for entry in entries
        if any(map(str.isalpha, entry.report))
    }
    if not found:
        raise ConfigError(
            f"{dataset.title} comes without reports", hint="give a .csv or .jsonl file of captions"
        )
    return found
