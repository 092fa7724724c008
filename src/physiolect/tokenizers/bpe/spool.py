"""A sequence on disk, for training beyond memory: read block by block, and rewritten in place as pairs merge."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physiolect.files import writing

Merge = tuple[int, int, int]
"""Left id, right id, and the new id they become."""

_BLOCK = 1 << 20
"""Tokens read at a time."""
_HINT = "name a scratch folder that may be written to"
_SIZE = np.dtype(np.uint16).itemsize


class Spool(AbstractContextManager["Spool"]):
    """A sequence of uint16 tokens in an unnamed temporary file, which is gone when the spool is closed.

    Args:
        blocks: the sequence, in pieces of any length.
        folder: where the file lies; None is the system's place for temporary files.

    Raises:
        WriteError: the file cannot be written, or the disk is full.
    """

    def __init__(self, blocks: Iterable[NDArray[np.uint16]], folder: str | Path | None = None) -> None:
        self._folder = Path(folder or tempfile.gettempdir())
        with writing(self._folder, hint=_HINT):
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 (closed by __exit__)
        self._pending: list[Merge] = []
        self.n_tokens = 0
        """Tokens and barriers in it; merges that are pending still to be taken off."""
        for block in blocks:
            self.n_tokens += self._write(block)

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def merge(self, merges: Sequence[Merge]) -> None:
        """Merge pairs one after another; it is done as the sequence is next read through."""
        self._pending.extend(merges)

    def blocks(self) -> Iterator[NDArray[np.uint16]]:
        """Yield the sequence piece by piece; each piece is overwritten by the next, and all must be taken."""
        pending, self._pending = self._pending, []
        read = written = 0
        carried: list[int | None] = [None] * len(pending)
        room = np.empty(len(pending) + _BLOCK, np.uint16)
        while True:
            self._file.seek(read * _SIZE)
            n = self._file.readinto(_bytes(room[len(pending) :])) // _SIZE
            read += n
            block = _merged(room, len(pending) + n, pending, carried, last=n == 0)
            if pending and len(block):
                self._file.seek(written * _SIZE)  # never beyond what was read: merging only shortens
                written += self._write(block)
            if len(block):
                yield block
            if n == 0:
                break
        if pending:
            self.n_tokens = written
            self._file.truncate(written * _SIZE)

    def _write(self, block: NDArray[np.uint16]) -> int:
        left = _bytes(np.ascontiguousarray(block))
        with writing(self._folder, hint=_HINT):
            while left:
                left = left[self._file.write(left) :]
        return len(block)


def _bytes(tokens: NDArray[np.uint16]) -> memoryview:
    return tokens.view(np.uint8).data


def _merged(
    room: NDArray[np.uint16], end: int, merges: Sequence[Merge], carried: list[int | None], *, last: bool
) -> Any:
    """Return the block in `room` after all merges; each may hold a token back for the block that follows.

    Args:
        room: the block, with a free place before it for every merge.
        end: where the block ends.
        merges: what to merge, one after another.
        carried: of each merge, what it held back; changed.
        last: whether no block follows, so that nothing is held back.
    """
    from physiolect.tokenizers.bpe.passes import merge_stretch

    begin = len(merges)
    for k, (left, right, new) in enumerate(merges):
        held = carried[k]
        if held is not None:
            begin -= 1
            room[begin] = held
            carried[k] = None
        end = begin + merge_stretch(room[begin:end], left, right, new)
        if not last and end > begin and room[end - 1] == left:
            end -= 1
            carried[k] = left
    return room[begin:end]
