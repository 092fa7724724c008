"""Reading the ECG-Byte authors' pickles, which are taken for hostile until they turn out to be tables of merges.

A pickle is a program for a small machine that can import and call anything. The machine here has only those of its
instructions that make whole numbers, text, lists, tuples and dictionaries, so that there is no class to refuse: a
pickle that asks for one, or for anything else that the authors' files do not need, ends there.
"""

from __future__ import annotations

import pickletools
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from physiolect.errors import FormatError
from physiolect.files import check_regular
from physiolect.tokenizers.bpe import MOST_SYMBOLS, parents_of

_MOST_BYTES = 16 * 2**20
_MOST_MERGES = 60_000
_MOST_MADE = 5 * _MOST_MERGES
"""Texts, lists, tuples and dictionaries in a file, or places in its memo: a merge takes three."""
_MOST_WAITING = 10_000
"""Values on the stack: what writes pickles hands over a thousand at a time."""
_MAKERS = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "EMPTY_DICT", "EMPTY_LIST", "TUPLE2"})
"""Instructions that make a value of many bytes in memory out of few in the file."""
_FIRST_MERGE = 256
_MARK = object()


def read_published(path: str | Path) -> tuple[tuple[tuple[int, int], ...], tuple[int, ...]]:
    """Read one of the authors' tokenizers.

    Returns:
        The two ids that each merge joins, bytes being their own ids and merge i making id 256 + i; and all ids in
        the order of the file, in which the authors' language model takes them up.

    Raises:
        FormatError: the file is unsafe, or no tokenizer of theirs.
    """
    content = _unpickled(Path(path))
    match content:
        case (dict() as vocabulary, list() as merges) if len(merges) <= _MOST_MERGES:
            tokens = _tokens(merges, path)
        case _:
            _refuse(path, "it is not a vocabulary and a list of merges")
    if sorted(vocabulary) != list(range(_FIRST_MERGE + len(tokens))):
        _refuse(path, f"its vocabulary does not name each of {_FIRST_MERGE + len(tokens)} ids once")
    names = {ord(letter): letter for letter in string.ascii_lowercase}
    names |= {i: bytes(token).decode("ascii") for i, token in enumerate(tokens, _FIRST_MERGE)}
    wrong = [i for i, name in names.items() if vocabulary[i] != name]
    if wrong:
        _refuse(path, f"its vocabulary calls id {wrong[0]} something else than its merges make of it")
    letters = [np.frombuffer(bytes(token), np.uint8).astype(np.uint16) - ord("a") for token in tokens]
    first = len(string.ascii_lowercase)
    pairs = parents_of(letters, first)
    ids = np.where(pairs < first, pairs + ord("a"), pairs - first + _FIRST_MERGE)
    return tuple((left, right) for left, right in ids.tolist()), tuple(vocabulary)


def _unpickled(path: Path) -> Any:
    """Return what a pickle of plain values holds."""
    check_regular(path, FormatError)
    try:
        if path.stat().st_size > _MOST_BYTES:
            _refuse(path, f"it is larger than {_MOST_BYTES} bytes")
        data = path.read_bytes()
    except OSError as error:
        _refuse(path, (error.strerror or str(error)).lower())
    try:
        return _run((instruction.name, argument) for instruction, argument, _ in pickletools.genops(data))
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        _refuse(path, " ".join(str(error).split())[:200] or "it is damaged")


def _run(instructions: Iterator[tuple[str, Any]]) -> Any:
    """Run a pickle's instructions; ValueError at the first that makes no plain value."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    made = 0

    def since_mark() -> list[Any]:
        at = len(stack) - 1
        while stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise ValueError("it is damaged")
        items = stack[at + 1 :]
        del stack[at:]
        return items

    for name, argument in instructions:
        made += name in _MAKERS
        if made > _MOST_MADE or len(memo) > _MOST_MADE or len(stack) > _MOST_WAITING:
            raise ValueError("it holds more than a tokenizer's merges")
        match name:
            case "PROTO" | "FRAME":
                pass
            case "BININT" | "BININT1" | "BININT2" | "SHORT_BINUNICODE" | "BINUNICODE":
                stack.append(argument)
            case "MARK":
                stack.append(_MARK)
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "APPEND":
                item = stack.pop()
                stack[-1].append(item)
            case "APPENDS":
                items = since_mark()
                stack[-1].extend(items)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                _set(stack[-1], [key, value])
            case "SETITEMS":
                items = since_mark()
                _set(stack[-1], items)
            case "TUPLE2":
                right, left = stack.pop(), stack.pop()
                stack.append((left, right))
            case "STOP":
                return stack.pop()
            case _:
                raise ValueError(f"it holds more than numbers and text (its instruction {name})")
    raise ValueError("it ends too soon")


def _set(target: dict[int, Any], items: list[Any]) -> None:
    """Enter keys and values by turns; a key is a number, since hashing what is nested may never end."""
    keys = items[::2]
    if type(target) is not dict or not all(type(key) is int for key in keys):
        raise ValueError("its vocabulary has keys that are no ids")
    target.update(zip(keys, items[1::2], strict=True))


def _tokens(merges: list[Any], path: str | Path) -> list[list[int]]:
    """Return the bytes of each merge's token, after looking at every one."""
    tokens, n_symbols = [], 0
    for k, merge in enumerate(merges):
        match merge:
            case (list() as token, int(made)) if made == _FIRST_MERGE + k and 2 <= len(token) <= MOST_SYMBOLS:
                n_symbols += len(token)  # one list may stand in many places
                if n_symbols > MOST_SYMBOLS:
                    _refuse(path, "its merges are longer than a tokenizer's")
                if not all(type(byte) is int and ord("a") <= byte <= ord("z") for byte in token):
                    _refuse(path, f"merge {k} is not made of the letters a to z")
                tokens.append(token)
            case _:
                _refuse(path, f"merge {k} is not a list of bytes and the id {_FIRST_MERGE + k}")
    return tokens


def _refuse(path: str | Path, why: str) -> NoReturn:
    raise FormatError(
        f"{path} is no ECG-Byte tokenizer: {why}",
        hint="pass a .pkl as the authors publish it, from a source you trust",
    )
