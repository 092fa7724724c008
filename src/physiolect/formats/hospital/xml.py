"""XML without entities, network or surprises, and which of the ECG formats a document is.

MUSE, Philips and HL7 files are XML; their readers get a tree of plain elements, bounded in size and depth.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from physiolect.errors import FormatError
from physiolect.formats.boundary import parsing

Element = ElementTree.Element

MOST_BYTES = 64 << 20
_MOST_ELEMENTS = 200_000
_MOST_ATTRIBUTES = 400_000
_DEEPEST = 100
_BLOCK = 1 << 16
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff", b"<\x00", b"\x00<")


class _Builder:
    """Makes the tree, without namespaces, as expat reports its parts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree = ElementTree.TreeBuilder()
        self.depth = self.n_elements = self.n_attributes = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.n_elements += 1
        self.n_attributes += len(attributes)
        crowded = self.n_elements > _MOST_ELEMENTS or self.n_attributes > _MOST_ATTRIBUTES
        if crowded or self.depth > _DEEPEST:
            what = "too many elements" if crowded else "elements nested too deeply"
            raise FormatError(
                f"{self.path} has {what} for an ECG", hint="choose an XML file with an ECG in it"
            )
        self.tree.start(_local(tag), {_local(name): value for name, value in attributes.items()})

    def end(self, tag: str) -> None:
        self.depth -= 1
        self.tree.end(_local(tag))

    def refuse_entity(self, *_: object) -> None:
        raise FormatError(
            f"{self.path} declares XML entities, which no ECG needs and which can fill the memory",
            hint="export the file again, or remove the <!ENTITY …> lines",
        )


def parse(path: Path) -> Element:
    """Return the root element of a document; namespaces are dropped, and nothing outside the file is read.

    Raises:
        FormatError: the file is no XML, declares entities, or is larger than any ECG.
    """
    with parsing(path, "XML"):
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise FormatError(
                f"{path} has {size >> 20} MiB, but XML is read up to {MOST_BYTES >> 20} MiB",
                hint="export a shorter stretch, or another format",
            )
        with path.open("rb") as file:
            return _parsed(iter(lambda: file.read(_BLOCK), b""), path)


def parse_bytes(content: bytes, path: Path) -> Element:
    """Return the root element of a document within a file, as `parse` does.

    Raises:
        FormatError: it is no XML, or declares entities.
    """
    with parsing(path, "XML"):
        return _parsed(iter([content]), path)


def _parsed(blocks: Iterator[bytes], path: Path) -> Element:
    head = next(blocks, b"")
    # Some programs save as UTF-8 what still states UTF-16.
    encoding = None if head.startswith(_UTF16_MARKS) else _plain_encoding(head[:200])
    builder = _Builder(path)
    parser = expat.ParserCreate(encoding=encoding, namespace_separator=" ")
    parser.buffer_text = True
    parser.buffer_size = _BLOCK
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.tree.data
    parser.EntityDeclHandler = builder.refuse_entity
    parser.Parse(head, False)
    for block in blocks:
        parser.Parse(block, False)
    parser.Parse(b"", True)
    return builder.tree.close()


def text_of(element: Element, path: str, default: str = "") -> str:
    """Return the text of the first element below that `path` names, stripped."""
    return (element.findtext(path) or default).strip()


def number_of(text: str | None) -> float | None:
    """Return a finite number out of a text, or None."""
    try:
        value = float((text or "").strip())
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def texts_of(element: Element, *names: str) -> Iterator[str]:
    """Yield the texts of all elements below that have one of these names, in any depth."""
    for each in element.iter():
        if each.tag in names and each.text and each.text.strip():
            yield each.text.strip()


def from_base64(text: str, path: Path) -> bytes:
    """Return the bytes of a base64 text, line breaks and blanks aside.

    Raises:
        FormatError: it is no base64.
    """
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError(
            f"{path} has a waveform that is not base64 ({error})", hint="the file is damaged: export it again"
        ) from error


@lru_cache(maxsize=512)
def _local(name: str) -> str:
    """Return a name without its namespace."""
    return name.rpartition(" ")[2].rpartition(":")[2]


def _plain_encoding(head: bytes) -> str | None:
    declaration = head.partition(b"?>")[0].lower()
    return "utf-8" if b"utf-16" in declaration else None
