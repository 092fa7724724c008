"""Rows out of JSON that nobody has checked: lines, or one list, row by row and within bounds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from physiolect.datasets.questions.question import refusal
from physiolect.errors import FormatError, PhysiolectError
from physiolect.files import check_regular

MOST_BYTES = 2**20
"""Of a row."""
_CHUNK = 2**16
_SPACE = " \t\r\n"


def json_rows(path: Path, *, most: int = MOST_BYTES) -> Iterator[tuple[str, Any]]:
    """Iterate over the rows of a file of JSON lines, or of one JSON list, with where each is ("line 3 of qa.jsonl").

    A row is read at a time, so that memory does not grow with the file.

    Args:
        path: the file.
        most: bytes of a row; a longer one is refused.

    Raises:
        FormatError: the file cannot be read; a row is broken, too long, nested too deeply, names a key twice or holds
            NaN or Infinity.
    """
    check_regular(path, FormatError)
    try:
        with open(path, encoding="utf-8-sig", newline="\n") as file:
            is_list = _first_character(file) == "["
            file.seek(0)
            yield from _items(file, path, most) if is_list else _lines(file, path, most)
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is no UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise FormatError(
            f"{path} cannot be read: {reason}", hint="give a file of JSON lines, or a JSON list"
        ) from error


def first_row(path: Path) -> Any:
    """Return the first row of a file, or None where it has none that can be read."""
    try:
        return next(json_rows(path), (None, None))[1]
    except FormatError:
        return None


def parse(text: str, where: str) -> Any:
    """Return what a JSON text holds.

    Raises:
        FormatError: see `json_rows`.
    """
    try:
        return _DECODER.decode(text.strip(_SPACE))
    except RecursionError:
        raise refusal(where, "is nested too deeply") from None
    except PhysiolectError as error:
        raise refusal(where, str(error)) from None
    except ValueError as error:
        raise refusal(where, f"is no valid JSON: {str(error).partition(' (char')[0][:120]}") from None


def _lines(file: IO[str], path: Path, most: int) -> Iterator[tuple[str, Any]]:
    number = 0
    while line := file.readline(most + 1):
        number += 1
        where = f"line {number} of {path}"
        if len(line) > most:
            raise refusal(where, f"is longer than {most:,} characters")
        if line.strip(_SPACE):
            yield where, parse(line, where)


def _items(file: IO[str], path: Path, most: int) -> Iterator[tuple[str, Any]]:
    """Iterate over the items of a list that begins where the file begins."""
    held, number, ended = file.read(_CHUNK).lstrip(_SPACE)[1:], 0, False
    first = True
    while True:
        held = held.lstrip(_SPACE)
        if not held and not ended:
            held, ended = _more(file, held)
            continue
        where = f"row {number + 1} of {path}"
        if held.startswith("]"):
            if (held[1:] + file.read(_CHUNK)).strip(_SPACE):
                raise refusal(f"{path}", "has something after the end of its list", "give one list a file")
            return
        if not held:
            raise refusal(where, "is missing: the list does not end", "fetch or write the file again")
        if not first:
            if not held.startswith(","):
                raise refusal(where, "is no valid JSON: a comma is missing before it")
            held = held[1:].lstrip(_SPACE)
        first = False
        value, held, ended = _next(file, held, ended, where, most)
        number += 1
        yield where, value


def _next(file: IO[str], held: str, ended: bool, where: str, most: int) -> tuple[Any, str, bool]:
    """Return the value that begins in `held`, what follows it, and whether the file has ended."""
    while True:
        held = held.lstrip(_SPACE)
        try:
            value, end = _DECODER.raw_decode(held)
        except (RecursionError, PhysiolectError):
            parse(held, where)
            raise
        except ValueError:
            if ended or len(held) > most:
                if len(held) > most:
                    raise refusal(where, f"is no valid JSON, or longer than {most:,} characters") from None
                parse(held, where)
                raise
            held, ended = _more(file, held)
            continue
        if end > most:
            raise refusal(where, f"is longer than {most:,} characters")
        return value, held[end:], ended


def _more(file: IO[str], held: str) -> tuple[str, bool]:
    more = file.read(max(_CHUNK, len(held)))
    return held + more, not more


def _first_character(file: IO[str]) -> str:
    while text := file.read(_CHUNK):
        if stripped := text.lstrip(_SPACE):
            return stripped[0]
    return ""


def _no_constant(name: str) -> None:
    raise PhysiolectError(f"holds {name}, which is no JSON")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise PhysiolectError("names a key twice")
    return found


_DECODER = json.JSONDecoder(parse_constant=_no_constant, object_pairs_hook=_no_twins)
