"""Text files, plain or compressed, in blocks of whole lines."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from physiolect.errors import FormatError, did_you_mean
from physiolect.formats.boundary import MAX_BYTES, parsing
from physiolect.formats.matrix import check_size

COMPRESSED = (".gz", ".bz2", ".xz", ".zip")
"""Extensions of compressed text."""
TABLES = (".csv", ".tsv", ".txt")
"""Extensions of plain text."""

_BLOCK = 1 << 21  # bytes read at once
_LONGEST_LINE = 1 << 23
_MOST_UNPACKED = 100
"""Numbers written as text become about four times smaller; what becomes this much smaller is a bomb."""
_FREE = 1 << 26
"""So many bytes may always be unpacked."""


def is_text(path: Path) -> bool:
    """Return whether the name is that of a text table, compressed or not."""
    suffix = path.suffix.lower()
    return suffix in TABLES or (suffix in COMPRESSED and Path(path.stem).suffix.lower() in TABLES)


def holds_tables(path: Path) -> bool:
    """Return whether a file is a ZIP archive of text tables, and not one of weights."""
    if path.suffix.lower() != ".zip" or not zipfile.is_zipfile(path):
        return False
    with parsing(path, "ZIP"), zipfile.ZipFile(path) as archive:
        kinds = {Path(name).suffix.lower() for name in archive.namelist()}
    return not kinds.isdisjoint(TABLES) and kinds.isdisjoint((".pth", ".pt", ".safetensors"))


def line_blocks(path: Path, member: str | None = None, content: bytes | None = None) -> Iterator[list[str]]:
    """Yield the lines of a text file in blocks, in order, without their ends; blank lines are kept.

    Args:
        path: The file; `.gz`, `.bz2`, `.xz` and `.zip` are unpacked.
        member: Which file of a ZIP archive that holds several tables.
        content: What the file holds, where it has been read.

    Raises:
        FormatError: it is no text, a line is too long, or it unpacks to too much.
    """
    if content is None:
        with parsing(path, "text"):
            size = path.stat().st_size
    else:
        size = len(content)
    check_size(size, path)
    compressed = content is None and path.suffix.lower() in COMPRESSED
    most = min(MAX_BYTES, max(_FREE, size * _MOST_UNPACKED)) if compressed else MAX_BYTES
    with _open(path, member) if content is None else io.BytesIO(content) as file:
        rest, n_read, decoder = "", 0, None
        raw = _read(file, path)
        while True:
            after = _read(file, path) if raw else b""
            n_read += len(raw)
            if n_read > most:
                raise FormatError(
                    f"{path} unpacks to more than {most >> 20} MiB, which is no table of samples",
                    hint="unpack it and look at what it holds",
                )
            decoder = decoder or _decoder(raw)
            text = rest + decoder.decode(raw, final=not after)
            if n_read == len(raw):
                _check_text(text, path)
            if not after:
                if text:
                    yield text.splitlines()
                return
            end = text.rfind("\n") + 1 or text[:-1].rfind("\r") + 1
            if end:
                yield text[:end].splitlines()
            raw, rest = after, text[end:]
            if len(rest) > _LONGEST_LINE:
                raise FormatError(
                    f"{path} has a line of more than {_LONGEST_LINE >> 20} MiB",
                    hint="write one sample a line",
                )


def _read(file: IO[bytes], path: Path) -> bytes:
    with parsing(path, "text"):
        return file.read(_BLOCK)


@contextmanager
def _open(path: Path, member: str | None) -> Iterator[IO[bytes]]:
    """Open a file for reading its unpacked bytes."""
    suffix = path.suffix.lower()
    with parsing(path, "text"):
        if not path.is_file():  # opening a pipe would wait
            raise FormatError(f"{path} is not a regular file", hint="copy it to a file first")
        archive = zipfile.ZipFile(path) if suffix == ".zip" else None
        if archive is not None:
            name = _member(archive, member, path)
            file: IO[bytes] = archive.open(name)
        else:
            openers = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
            file = openers.get(suffix, open)(path, "rb")  # type: ignore[operator]
    try:
        yield file
    finally:
        file.close()
        if archive is not None:
            archive.close()


def _member(archive: zipfile.ZipFile, wanted: str | None, path: Path) -> str:
    """Return the name of the table in a ZIP archive."""
    names = [
        name for name in archive.namelist() if Path(name).suffix.lower() in TABLES and "__MACOSX" not in name
    ][:1000]
    if wanted is not None:
        if wanted in names:
            return wanted
        raise FormatError(f"{path} holds no table '{wanted}'", hint=did_you_mean(wanted, names))
    if len(names) != 1:
        listed = f": {', '.join(names[:12])}" if names else ""
        raise FormatError(
            f"{path} holds {len(names)} tables{listed}",
            hint=f"name one (--variable {names[0]}), or unpack it"
            if names
            else "choose a file with a signal in it",
        )
    return names[0]


def _decoder(start: bytes) -> codecs.IncrementalDecoder:
    """Return what turns the bytes of a file into text, by how the file begins."""
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return codecs.getincrementaldecoder("utf-16")(errors="replace")
    try:
        # the block may end within a character
        codecs.getincrementaldecoder("utf-8-sig")().decode(start)
    except UnicodeDecodeError:
        return codecs.getincrementaldecoder("latin-1")()
    return codecs.getincrementaldecoder("utf-8-sig")(errors="replace")


def _check_text(text: str, path: Path) -> None:
    if re.search(r"[\x00-\x08\x0e-\x1b]", text):
        raise FormatError(f"{path} is not text but binary data", hint="give the file its proper extension")
