"""Text files of several recordings, each under a header of its own, as LabChart writes its blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator

_HEADER = re.compile(r'"?(Interval|ExcelDateTime|ChannelTitle)=')
"""How the first line of a header of LabChart begins; each block has the same."""


class Sections:
    """The lines of a text file, section by section; a file without such headers is one section.

    Args:
        blocks: The lines of the file, in blocks.
    """

    def __init__(self, blocks: Iterator[list[str]]) -> None:
        self._blocks = blocks
        self._lines: list[str] = next(blocks, [])
        self.first = 0
        """How many lines stand before the section."""
        self._done = not self._lines
        begin = next((line for line in self._lines if line and not line.isspace()), "")
        header = _HEADER.match(begin)
        self._header = header[0] if header else None

    @property
    def is_one(self) -> bool:
        """Whether the file is one section."""
        return self._header is None

    def lines(self) -> Iterator[list[str]]:
        """Yield the lines of the section in blocks."""
        at = self._header_in(self._first_line() + 1)
        while True:
            lines, self._lines = self._lines[:at], [] if at is None else self._lines[at:]
            self.first += len(lines)
            if lines:
                yield lines
            if at is not None:
                return
            self._lines = next(self._blocks, [])
            if not self._lines:
                self._done = True
                return
            at = self._header_in(0)

    def skip(self) -> bool:
        """Pass over what is left of the section, and return whether another follows."""
        while not self._done and self._header_in(0) != 0:
            at = self._header_in(0)
            self.first += len(self._lines) if at is None else at
            self._lines = next(self._blocks, []) if at is None else self._lines[at:]
            self._done = not self._lines
        return not self._done

    def _first_line(self) -> int:
        """Return where the first line with text stands."""
        return next((i for i, line in enumerate(self._lines) if line and not line.isspace()), -1)

    def _header_in(self, begin: int) -> int | None:
        """Return where the next header begins in the lines at hand; None where none does."""
        if self._header is None:
            return None
        return next(
            (i for i in range(begin, len(self._lines)) if self._lines[i].startswith(self._header)), None
        )
