"""Tables of iEEG-BIDS beside a recording: channels.tsv and events.tsv."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from physiolect.errors import FormatError
from physiolect.formats.boundary import parsing
from physiolect.recording import Annotations, Modality, names_text, unit_name

_NEURAL = {"ECOG", "SEEG", "DBS", "LFP", "IEEG"}
_BESIDE = {
    "MISC",
    "EMG",
    "EOG",
    "ECG",
    "TRIG",
    "VEOG",
    "HEOG",
    "REF",
    "OTHER",
    "ADC",
    "DAC",
    "GSR",
    "RESP",
    "PUPIL",
    "EYEGAZE",
}
_MOST_BYTES = 64 << 20
_MOST_ROWS = 1_000_000


@dataclass(frozen=True)
class Tables:
    """What the tables say of a recording's channels and events."""

    modality: Modality | None = None
    beside: frozenset[str] = frozenset()
    units: Mapping[str, str | None] = field(default_factory=dict)
    marks: Annotations = field(default_factory=Annotations)
    notices: tuple[str, ...] = ()


def read_tables(path: Path, channels: Sequence[str], fs: float) -> Tables:
    """Return what the tables beside a file of the name SUB_…_ieeg or SUB_…_eeg say; nothing where there are none.

    Args:
        path: the recording.
        channels: its names.
        fs: its rate, in Hz.

    Raises:
        FormatError: a table is damaged, or states another rate.
    """
    stem = re.sub(r"_(i?eeg|meg)$", "", path.stem)
    if stem == path.stem:
        return Tables()
    rows = _rows(path.with_name(f"{stem}_channels.tsv"))
    known = {row["name"]: row for row in rows if row.get("name") in set(channels)}
    kinds = {name: row.get("type", "").upper() for name, row in known.items()}
    _check_rates(known, fs, path)
    bad = [name for name, row in known.items() if row.get("status", "").lower() == "bad"]
    neural = any(kind in _NEURAL for kind in kinds.values())
    return Tables(
        modality="ecog" if neural else None,
        beside=frozenset(name for name, kind in kinds.items() if kind in _BESIDE) if neural else frozenset(),
        units={name: unit_name(row["units"]) for name, row in known.items() if _said(row.get("units"))},
        marks=_events(path.with_name(f"{stem}_events.tsv"), fs),
        notices=(f"channels.tsv calls {names_text(bad)} bad",) if bad else (),
    )


def joined(first: Annotations, second: Annotations) -> Annotations:
    """Return the marks of both in order of time; those that both have are kept once."""
    marks = sorted({*first, *((at, symbol, note) for at, symbol, note in second)}, key=lambda mark: mark[0])
    return Annotations(
        np.array([mark[0] for mark in marks], np.int64),
        tuple(mark[1] for mark in marks),
        tuple(mark[2] for mark in marks),
    )


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with parsing(path, "BIDS table"):
        if path.stat().st_size > _MOST_BYTES:
            raise FormatError(f"{path} has {path.stat().st_size >> 20} MB", hint="is it the right file?")
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t", restval="")
            return [
                {key.strip(): (value or "").strip() for key, value in row.items() if isinstance(key, str)}
                for row in islice(reader, _MOST_ROWS)
            ]


def _said(text: str | None) -> bool:
    return bool(text) and str(text).lower() not in ("n/a", "nan", "none")


def _check_rates(known: Mapping[str, Mapping[str, str]], fs: float, path: Path) -> None:
    for name, row in known.items():
        try:
            rate = float(row.get("sampling_frequency", "nan"))
        except ValueError:
            continue
        if math.isfinite(rate) and abs(rate - fs) > 1e-3 * fs:
            raise FormatError(
                f"{path} is at {fs:g} Hz, and channels.tsv says {rate:g} Hz of {name}",
                hint="the two contradict each other: mend the table",
            )


def _events(path: Path, fs: float) -> Annotations:
    marks = []
    for row in _rows(path):
        try:
            onset = float(row.get("onset", "nan"))
            length = float(row.get("duration", "nan"))
        except ValueError:
            continue
        if not 0 <= onset * fs < 2**53:
            continue
        name = next(
            (row[key] for key in ("trial_type", "value", "event_type") if _said(row.get(key))), "event"
        )
        marks.append((round(onset * fs), name, ""))
        if math.isfinite(length) and length > 0 and (onset + length) * fs < 2**53:
            marks.append((round((onset + length) * fs), f"{name} end", ""))
    marks.sort(key=lambda mark: mark[0])
    return Annotations(
        np.array([mark[0] for mark in marks], np.int64),
        tuple(mark[1] for mark in marks),
        tuple(mark[2] for mark in marks),
    )
