"""WFDB annotation files (.atr, .qrs …): marks as 16-bit words.

The wfdb library reads them too, but loops forever over some damaged ones.
Source: WFDB Applications Guide, annot(5), https://physionet.org/physiotools/wag/annot-5.htm.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from physiolect.errors import FormatError
from physiolect.formats.boundary import parsing
from physiolect.formats.wfdb_library import codes as library_codes
from physiolect.recording import Annotations

USUAL = ("atr", "qrs", "ecg")
"""Where no annotator is named, the first of these that exists is read."""
KNOWN = (
    *USUAL,
    "st",
    "apn",
    "ari",
    "qrsc",
    "gqrs",
    "wqrs",
    "sqrs",
    "pu",
    "pu0",
    "pu1",
    "ann",
    "man",
    "vf",
    "al",
)
"""Annotators that databases of PhysioNet use."""
_NOTE, _SKIP, _AUX = 22, 59, 63
_MAX_TIME = 2**53
_MAX_BYTES = 16 << 20
"""More than any annotation file: eight million marks."""


class AnnotationFile(NamedTuple):
    """What an annotation file holds."""

    marks: Annotations
    """In order of time."""
    fs: float | None
    """The rate in Hz they are counted at, where it is stated."""
    trouble: str
    """What is wrong with the file, "" for nothing; the marks then are those before it."""


def record_annotations(
    header: Path, annotators: Sequence[str] | None, fs: float | None
) -> tuple[Annotations, list[str]]:
    """Return the marks of a record, counted at its rate, and what to tell the user about them.

    Args:
        header: the record's header.
        annotators: extensions of the files to read; None means the first there is of `USUAL`.
        fs: the record's rate in Hz, where it is stated.

    Raises:
        FormatError: a named annotation file is not there.
    """
    record = str(header.with_suffix(""))
    held = [name for name in KNOWN if _has_bytes(f"{record}.{name}")]
    if not held and annotators is None:
        return Annotations(), []
    there = [name for name in held if is_annotation_file(Path(f"{record}.{name}"))]
    if annotators is not None:
        chosen = _named(header, annotators, there)
    else:
        chosen = [name for name in there if name in USUAL and not _is_ishne(header.with_suffix(f".{name}"))][
            :1
        ]
    found, notices = [], []
    for name in chosen:
        file = header.with_suffix(f".{name}")
        marks, counted_at, trouble = read_annotations(file, library_codes())
        if trouble:
            notices.append(f"{file.name} {trouble}; the {len(marks)} marks before that are read")
        found.append(marks.at_rate(fs / counted_at) if fs and counted_at and counted_at != fs else marks)
    others = [name for name in there if name not in chosen]
    if annotators is None and (others or chosen not in ([], ["atr"])):
        read = (
            f"the annotations are those of {header.stem}.{chosen[0]}" if chosen else "no annotations are read"
        )
        notices.append(read + (f"; there are also {', '.join(others)} (annotator)" if others else ""))
    return _joined(found), notices


def _named(header: Path, annotators: Sequence[str], there: Sequence[str]) -> list[str]:
    for name in annotators:
        if not re.fullmatch(r"\w[\w-]*", name) or not header.with_suffix(f".{name}").is_file():
            raise FormatError(
                f"there is no annotation file {header.stem}.{name}",
                hint=f"there are {', '.join(there)}" if there else "the record has no annotations",
            )
    return list(dict.fromkeys(annotators))


def is_annotation_file(path: Path) -> bool:
    """Tell whether a file beside a header is called like annotations, and is no Holter recording."""
    return path.suffix[1:] in KNOWN and not (path.suffix == ".ecg" and _is_ishne(path))


def _has_bytes(file: str) -> bool:
    try:
        found = os.stat(file)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size > 0


def _is_ishne(file: Path) -> bool:
    """Tell whether a file is a Holter recording, which is called .ecg too."""
    with parsing(file, "WFDB annotation"), file.open("rb") as opened:
        return opened.read(5) == b"ISHNE"


def _joined(found: Sequence[Annotations]) -> Annotations:
    """Return the marks of several files in order of time."""
    if len(found) < 2:
        return found[0] if found else Annotations()
    sample = np.concatenate([marks.sample for marks in found])
    symbol = [text for marks in found for text in marks.symbol]
    note = [text for marks in found for text in marks.note]
    order = np.argsort(sample, kind="stable").tolist()
    return Annotations(sample[order], tuple(symbol[i] for i in order), tuple(note[i] for i in order))


def read_annotations(path: Path, codes: Mapping[int, str]) -> AnnotationFile:
    """Return the marks of a file in order of time; of a damaged one, those before the damage.

    Args:
        path: The annotation file.
        codes: The symbol of each number; the file may define more.

    Raises:
        FormatError: the file cannot be opened.
    """
    with parsing(path, "WFDB annotation"):
        size = path.stat().st_size
        if size > _MAX_BYTES:
            return AnnotationFile(
                Annotations(), None, f"is too large for annotations ({size / 2**20:,.0f} MiB)"
            )
        content = path.read_bytes()
    marks: list[tuple[int, int]] = []  # (sample, code)
    notes: dict[int, str] = {}  # number of the mark -> its text
    words = np.frombuffer(content[: len(content) & ~1], "<u2").tolist()
    time = at = 0
    trouble = "" if words else "is cut short"
    while at < len(words) and words[at]:
        code, value = words[at] >> 10, words[at] & 1023
        at += 1
        if code == _SKIP:  # a long interval: the high word first
            if at + 2 > len(words):
                at = len(words)
                break
            interval = words[at] << 16 | words[at + 1]
            time += interval - (1 << 32 if interval >> 31 else 0)
            at += 2
        elif code == _AUX:
            notes[len(marks) - 1] = content[2 * at : 2 * at + value].decode("latin-1").strip("\x00")
            at += (value + 1) // 2
        elif code < _SKIP:
            time += value
            if not 0 <= time < _MAX_TIME:
                trouble = "is damaged: it has a mark at an impossible time"
                break
            marks.append((time, code))
    if at >= len(words) and not trouble:
        trouble = "is cut short: it lacks its end mark"
    return AnnotationFile(*_marks(marks, notes, dict(codes)), trouble)


def _marks(
    marks: list[tuple[int, int]], notes: dict[int, str], codes: dict[int, str]
) -> tuple[Annotations, float | None]:
    """Return the marks proper and the rate; notes at time 0 say it, and define symbols."""
    rate, defining = None, False
    kept: list[tuple[int, int, str]] = []
    for number, (sample, code) in enumerate(marks):
        note = notes.get(number, "")
        if sample == 0 and code == _NOTE and (note.startswith("## ") or defining):
            key, _, value = note.removeprefix("## ").partition(":")
            if key == "time resolution":
                rate = _positive(value)
            elif note.startswith("## "):
                defining = key == "annotation type definitions"
            elif len(parts := note.split(maxsplit=2)) > 1 and parts[0].isdecimal():
                codes[int(parts[0][:4])] = parts[1]
        elif code:
            kept.append((sample, code, note))
    kept.sort(key=lambda mark: mark[0])
    return Annotations(
        np.array([sample for sample, _, _ in kept], np.int64),
        tuple(codes.get(code, f"[{code}]") for _, code, _ in kept),
        tuple(note for _, _, note in kept),
    ), rate


def _positive(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 1e-3 < value < 1e9 else None
