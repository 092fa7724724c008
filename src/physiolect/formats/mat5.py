"""MATLAB files of version 5, read by their tags: nothing is built before its size was held against the file."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.formats.matrix import check_size, is_rate
from physiolect.formats.text_statements import rate_of_text
from physiolect.formats.variables import Held, check_unpacked

_HEADER = 128
_DEEPEST = 16
"""Cells in cells; real files have three or four."""
_MOST = 200_000
"""Arrays of one file, counting every cell and every field."""
_PEEK = 4096
"""Bytes of a packed variable in which its kind, shape and name lie."""
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_MATRIX, _PACKED = 14, 15
_CELL, _STRUCT, _TEXT, _SPARSE = 1, 2, 4, 5
_NUMBERS = range(6, 16)
_COMPLEX = 0x800


@dataclass(frozen=True)
class _Head:
    """What comes before the content of an array."""

    kind: int
    is_complex: bool
    shape: tuple[int, ...]
    name: str
    content: int
    """Where its content begins."""


def is_mat5(head: bytes) -> bool:
    """Tell whether the first 128 bytes of a file are those of version 5."""
    return head[126:128] in (b"IM", b"MI")


def list_arrays(path: Path) -> dict[str, list[Held]]:
    """Return the arrays of numbers of a file, by name; the cells or elements of one name come in their order.

    A field of a structure is "structure.field". Text, sparse matrices, functions and objects are left out.

    Raises:
        FormatError: the file is damaged, cut short, or nested too deeply.
    """
    data: Any = np.memmap(path, np.uint8, "r")
    return _File(path, ">" if bytes(data[126:128]) == b"MI" else "<").arrays(memoryview(data))


class _File:
    """The walk over the elements of one file."""

    def __init__(self, path: Path, order: str) -> None:
        self._path, self._order, self._count = path, order, 0

    def arrays(self, data: memoryview) -> dict[str, list[Held]]:
        found: dict[str, list[Held]] = {}
        at = _HEADER
        while at < len(data):
            kind, start, size, following = self._tag(data, at, len(data))
            if kind == _PACKED:
                variable = dict(self._packed(data[start : start + size]))
                following = start + size  # packed elements are not filled up
            elif kind == _MATRIX:
                variable = self._grouped(data, start, start + size)
            else:
                raise self._damaged(f"an element of type {kind} where a variable begins")
            found.update(variable)
            at = following
        return found

    def _packed(self, packed: memoryview) -> Iterator[tuple[str, list[Held]]]:
        """Yield the arrays of a packed variable; one of numbers is unpacked only when it is loaded."""
        peek = memoryview(self._inflate(packed, _PEEK))
        size = self._inner_size(peek)
        check_unpacked(size, len(packed), self._path)
        try:
            head = self._head(peek, 8, 8 + size)
        except FormatError:
            head = None  # a name longer than the peek, or damage that the whole shows
        if head is not None and head.kind in _NUMBERS:
            yield from self._grouped(peek, 8, 8 + size, packed).items()
        else:
            whole = memoryview(self._inflate(packed, 8 + size))
            yield from self._grouped(whole, 8, min(8 + size, len(whole))).items()

    def _inner_size(self, data: memoryview) -> int:
        if len(data) < 8:
            raise self._damaged("a packed variable that ends at once")
        kind, size = self._numbers(data, 0, 2)
        if kind != _MATRIX:
            raise self._damaged(f"an element of type {kind} in a packed variable")
        return size

    def _inflate(self, packed: memoryview, most: int) -> bytes:
        try:
            return zlib.decompressobj().decompress(packed, most)
        except zlib.error as error:
            raise self._damaged(f"a packed variable: {error}") from error

    def _grouped(
        self, data: memoryview, at: int, end: int, packed: memoryview | None = None
    ) -> dict[str, list[Held]]:
        found: dict[str, list[Held]] = {}
        if at < end:
            head = self._head(data, at, end)
            for name, held in self._walk(data, head, end, head.name, (), packed) if head.name else ():
                found.setdefault(name, []).append(held)
        return found

    def _walk(
        self,
        data: memoryview,
        head: _Head,
        end: int,
        name: str,
        place: tuple[int, ...],
        packed: memoryview | None = None,
        depth: int = 0,
    ) -> Iterator[tuple[str, Held]]:
        """Yield the arrays of numbers in an array, with their names."""
        if head.kind == _TEXT:
            rate = self._stated_rate(data, head, end) if is_rate(name.split(".")[-1]) else None
            if rate is not None:
                yield name, Held((1, 1), partial(np.full, (1, 1), rate), place=place)
        elif head.kind in _NUMBERS:
            if math.prod(head.shape):
                yield name, self._held(data, head, end, place, packed)
        elif head.kind in (_CELL, _STRUCT):
            if depth == _DEEPEST:
                raise self._damaged(f"cells or structures more than {_DEEPEST} deep")
            at, fields = head.content, [""]
            if head.kind == _STRUCT:
                at, fields = self._fields(data, at, end)
            count = math.prod(head.shape)
            if count * len(fields) * 8 > end - at:
                raise self._damaged(f"{count} cells or elements in {end - at} bytes")
            found: list[tuple[str, Held]] = []
            for number in range(count if fields else 0):
                inner_place = (*place, number) if count > 1 else place
                for field in fields:
                    kind, start, size, following = self._tag(data, at, end)
                    if kind != _MATRIX:
                        raise self._damaged(f"an element of type {kind} in '{name}'")
                    at = following
                    if size:
                        inner = self._head(data, start, start + size)
                        inner_name = f"{name}.{field}" if field else name
                        if head.kind == _CELL and inner.kind not in (_CELL, _STRUCT, *_NUMBERS):
                            return  # cells of words and numbers are a table, and no recordings
                        found += self._walk(
                            data, inner, start + size, inner_name, inner_place, None, depth + 1
                        )
            yield from found

    def _fields(self, data: memoryview, at: int, end: int) -> tuple[int, list[str]]:
        kind, start, size, at = self._tag(data, at, end)
        length = self._numbers(data, start, 1)[0] if kind == 5 and size == 4 else 0
        _, start, size, at = self._tag(data, at, end)
        if not 0 < length <= 4096 or size % length:
            raise self._damaged("a structure whose fields have no readable names")
        names = bytes(data[start : start + size])
        return at, [_text(names[i : i + length]) for i in range(0, size, length)]

    def _head(self, data: memoryview, at: int, end: int) -> _Head:
        self._count += 1
        if self._count > _MOST:
            raise self._damaged(f"more than {_MOST} arrays")
        kind, start, size, at = self._tag(data, at, end)
        if kind != 6 or size != 8:
            raise self._damaged("an array without its flags")
        flags = self._numbers(data, start, 1)[0]
        array = flags & 0xFF
        if array not in (_CELL, _STRUCT, _TEXT, *_NUMBERS):
            # sparse matrices, objects and functions are no signals; objects have no shape here
            return _Head(array, False, (), "" if array > 15 else "?", at)
        kind, start, size, at = self._tag(data, at, end)
        if kind != 5 or size % 4 or not 8 <= size <= 128:
            raise self._damaged("an array without its shape")
        shape = self._numbers(data, start, size // 4, "i")
        if min(shape) < 0:
            raise self._damaged(f"an array of shape {shape}")
        kind, start, size, at = self._tag(data, at, end)
        if kind not in (1, 2, 16) or size > 4096:
            raise self._damaged("an array without its name")
        return _Head(array, bool(flags & _COMPLEX), shape, _text(bytes(data[start : start + size])), at)

    def _stated_rate(self, data: memoryview, head: _Head, end: int) -> float | None:
        """Return the rate in Hz that a short text states, "500 Hz"."""
        kind, start, size, _ = self._tag(data, head.content, end)
        if size > 256:
            return None
        wide = "utf-16-be" if self._order == ">" else "utf-16-le"
        return rate_of_text(
            bytes(data[start : start + size]).decode(wide if kind in (4, 17) else "utf-8", "replace")
        )

    def _held(
        self, data: memoryview, head: _Head, end: int, place: tuple[int, ...], packed: memoryview | None
    ) -> Held:
        kind, start, size, _ = self._tag(data, head.content, end, whole=packed is None)
        if kind not in _TYPES:
            raise self._damaged(f"numbers of unknown type {kind} in '{head.name}'")
        dtype = np.dtype(self._order + _TYPES[kind])
        stated = math.prod(head.shape) * dtype.itemsize
        check_size(stated, self._path)
        if stated != size:
            raise self._damaged(f"{size} bytes of '{head.name}', whose shape states {stated}")

        def load() -> NDArray[Any]:
            content = data
            if packed is not None:
                content = memoryview(self._inflate(packed, start + size))
                if len(content) < start + size:
                    raise self._damaged(f"'{head.name}' is cut short")
            return np.frombuffer(content[start : start + size], dtype).reshape(head.shape, order="F")

        return Held(head.shape, load, is_real=not head.is_complex, place=place)

    def _tag(self, data: memoryview, at: int, end: int, *, whole: bool = True) -> tuple[int, int, int, int]:
        """Return type, start and size of the element at `at`, and where the next begins."""
        if at + 8 > min(end, len(data)):
            raise self._damaged("an element is cut short")
        kind, size = self._numbers(data, at, 2)
        if kind >> 16:  # type and size in four bytes, content in the next four
            kind, size, start, following = kind & 0xFFFF, kind >> 16, at + 4, at + 8
            if size > 4:
                raise self._damaged(f"an element of type {kind}")
        else:
            start = at + 8
            following = start + size + -size % 8
        if start + size > (min(end, len(data)) if whole else end):
            raise self._damaged(f"an element states {size} bytes, and {max(0, end - start)} are there")
        return kind, start, size, min(following, end)

    def _numbers(self, data: memoryview, at: int, count: int, kind: str = "I") -> tuple[int, ...]:
        return struct.unpack_from(f"{self._order}{count}{kind}", data, at)

    def _damaged(self, what: str) -> FormatError:
        return FormatError(
            f"{self._path} is not a readable MAT file: it has {what}",
            hint="the file may be damaged or cut short: fetch it again, or save the signal as NPZ",
        )


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("utf-8", "replace")
