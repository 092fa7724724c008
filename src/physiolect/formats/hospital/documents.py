"""Reading an XML file of whatever ECG program wrote it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from physiolect.errors import FormatError
from physiolect.formats.hospital import aecg, muse, sierra
from physiolect.formats.hospital.xml import Element, parse
from physiolect.formats.request import Request
from physiolect.recording import Recording

DOCUMENTS: dict[str, tuple[str, Callable[[Element, Path, Request], Iterator[Recording]]]] = {
    "RestingECG": ("GE MUSE", muse.recordings),
    "restingecgdata": ("Philips Sierra", sierra.recordings),
    "AnnotatedECG": ("HL7 aECG", aecg.recordings),
}
"""Root element of a document -> whose it is, and what reads it."""

MAGICS = (
    b"<?xml",
    b"\xef\xbb\xbf<?xml",
    b"\xff\xfe<\0?\0",
    b"\xfe\xff\0<\0?",
    *(f"<{t}".encode() for t in DOCUMENTS),
)
"""How XML files begin."""


def names_root(head: bytes) -> bool:
    """Return whether the beginning of an XML file names the root element of a document that is read."""
    plain = head.replace(b"\0", b"")
    return any(f"<{tag}".encode() in plain for tag in DOCUMENTS)


def read(path: Path, want: Request) -> Iterator[Recording]:
    """Yield the recordings of an XML file.

    Raises:
        FormatError: the file is no XML, no ECG that is known, or damaged.
    """
    root = parse(path)
    known = DOCUMENTS.get(root.tag)
    if known is None:
        listed = ", ".join(f"{maker} ({tag})" for tag, (maker, _) in DOCUMENTS.items())
        raise FormatError(
            f"{path} is an XML file of another kind: its root is <{_shown(root.tag)}>",
            hint=f"XML is read of {listed}; export one of these, DICOM or EDF",
        )
    yield from known[1](root, path, want)


def _shown(tag: str) -> str:
    return "".join(c for c in tag[:60] if c.isprintable())
