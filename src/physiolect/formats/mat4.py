"""MATLAB files of version 4: matrices one after the other, each behind twenty bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.formats.matrix import check_size
from physiolect.formats.variables import Held

_HEADER = 20
_TYPES = ("f8", "f4", "i4", "i2", "u2", "u1")
_FULL = 0
_ORDERS = {0: "<", 1: ">"}
_MACHINES = {2: "VAX D floats", 3: "VAX G floats", 4: "Cray floats"}


def list_arrays(path: Path) -> dict[str, list[Held]]:
    """Return the arrays of numbers of a file, by name; text and sparse matrices are left out.

    Raises:
        FormatError: the file is damaged or cut short, or its numbers are those of a VAX or a Cray.
    """
    data = np.memmap(path, np.uint8, "r")
    found: dict[str, list[Held]] = {}
    at = 0
    while at < len(data):
        if at + _HEADER > len(data):
            raise _damaged(path, "its last variable is cut short")
        order, digits = _order(data[at : at + 4], path)
        _, rows, columns, imaginary, length = (
            int(n) for n in np.frombuffer(bytes(data[at : at + _HEADER]), f"{order}i4")
        )
        _, number, kind = (digits // 100 % 10, digits // 10 % 10, digits % 10)
        if number >= len(_TYPES) or kind > 2 or min(rows, columns) < 0 or not 0 < length <= 4096:
            raise _damaged(path, "a variable's header means nothing")
        dtype = np.dtype(order + _TYPES[number])
        stated = rows * columns * dtype.itemsize
        check_size(stated, path)
        start = at + _HEADER + length
        following = start + stated * (2 if imaginary else 1)
        if following > len(data):
            raise _damaged(
                path, f"a variable states {stated} bytes, and {max(0, len(data) - start)} are there"
            )
        name = bytes(data[at + _HEADER : start]).partition(b"\0")[0].decode("latin-1")
        if kind == _FULL and stated:
            load = _loader(data, start, stated, dtype, (rows, columns))
            found[name] = [Held((rows, columns), load, is_real=not imaginary)]
        at = following
    return found


def _loader(
    data: NDArray[np.uint8], start: int, size: int, dtype: np.dtype[Any], shape: tuple[int, int]
) -> Callable[[], NDArray[Any]]:
    return lambda: data[start : start + size].view(dtype).reshape(shape, order="F")


def _order(raw: NDArray[np.uint8], path: Path) -> tuple[str, int]:
    """Return the order of bytes and the digits that say machine, type of numbers and kind of matrix."""
    for order in ("<", ">"):
        digits = int(np.frombuffer(bytes(raw), f"{order}i4")[0])
        if not 0 <= digits < 5000:
            continue
        machine = digits // 1000
        if machine in _MACHINES:
            raise FormatError(
                f"{path} holds {_MACHINES[machine]}, which are not supported", hint="save it again in MATLAB"
            )
        return _ORDERS[machine], digits
    raise _damaged(path, "a variable's header means nothing")


def _damaged(path: Path, what: str) -> FormatError:
    return FormatError(
        f"{path} is not a readable MAT file: {what}",
        hint="the file may be damaged, cut short or of another format: fetch it again",
    )
