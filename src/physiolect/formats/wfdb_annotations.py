"""WFDB annotation files (.atr, .qrs): marks as 16-bit words.

The wfdb library reads them too, but loops forever over some damaged ones.
Source: WFDB Applications Guide, annot(5), https://physionet.org/physiotools/wag/annot-5.htm.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from physiolect.errors import FormatError
from physiolect.formats.boundary import parsing
from physiolect.recording import Annotations

_NOTE, _SKIP, _AUX = 22, 59, 63
_MAX_TIME = 2**53


def read_annotations(path: Path, codes: Mapping[int, str]) -> tuple[Annotations, float | None]:
    """Return the marks of a file in order of time, and the rate in Hz they are counted at where it is stated.

    Args:
        path: The annotation file.
        codes: The symbol of each number; the file may define more.

    Raises:
        FormatError: the file is cut short or no annotation file.
    """
    with parsing(path, "WFDB annotation"):
        content = path.read_bytes()
    marks: list[tuple[int, int]] = []  # (sample, code)
    notes: dict[int, str] = {}  # number of the mark -> its text
    words = np.frombuffer(content[: len(content) & ~1], "<u2").tolist()
    time = at = 0
    while at < len(words) and words[at]:
        code, value = words[at] >> 10, words[at] & 1023
        at += 1
        if code == _SKIP:  # a long interval: the high word first
            if at + 2 > len(words):
                break
            interval = words[at] << 16 | words[at + 1]
            time += interval - (1 << 32 if interval >> 31 else 0)
            at += 2
        elif code == _AUX:
            notes[len(marks) - 1] = content[2 * at : 2 * at + value].decode("latin-1").strip("\x00")
            at += (value + 1) // 2
        elif code < _SKIP:
            time += value
            marks.append((time, code))
    if at >= len(words) or not all(0 <= sample < _MAX_TIME for sample, _ in marks):
        raise FormatError(
            f"{path} is not a readable WFDB annotation file: it is damaged or cut short",
            hint="fetch the file again, or move it away to read the signal alone",
        )
    return _told(marks, notes, dict(codes))


def _told(
    marks: list[tuple[int, int]], notes: dict[int, str], codes: dict[int, str]
) -> tuple[Annotations, float | None]:
    """Tell what the file says about itself, in notes at time 0, from the marks proper."""
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
