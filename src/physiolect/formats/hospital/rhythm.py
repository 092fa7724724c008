"""The rhythm leads of one file, as every reader of this room hands them over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.contract.leads import LIMB_LEADS
from physiolect.errors import FormatError
from physiolect.formats.hospital.calibration import calibration_ends
from physiolect.formats.hospital.patients import clean_texts, patient_hash, with_notes
from physiolect.formats.matrix import check_size
from physiolect.formats.request import Request, Unit
from physiolect.recording import (
    LEADS,
    Annotations,
    Modality,
    Recording,
    StartTime,
    later,
    modality_of,
    seconds_text,
)

MOST_CHANNELS = 512
_BLOCK = 1 << 16
_MADE_OF_OTHERS = ("I", *LIMB_LEADS)
"""Leads that may be differences of others, in which a pulse of all electrodes vanishes or is turned over."""


@dataclass
class Rhythm:
    """Leads of one rate, as they are stored, and what a machine says about them."""

    fs: float | None
    names: list[str]
    rows: Sequence[NDArray[np.generic]]
    """One row a lead: stored numbers, (time,)."""
    gains: Sequence[float]
    """Units a step of each lead."""
    units: Sequence[Unit]
    offsets: Sequence[float] = ()
    """Added to each lead after the gain, in its unit; none means 0."""
    missing: float | None = None
    """The stored number that means a missing sample."""
    marks: Annotations = field(default_factory=Annotations)
    """Marks in samples from the first of the file."""
    notes: Sequence[str] = ()
    """Statements and measurements of the machine."""
    patient: str = ""
    """The patient's id, which leaves this room as a keyed hash or not at all."""
    personal: Sequence[str] = ()
    """Names and ids that no note may hold."""
    modality: Modality | None = None
    start_time: StartTime | None = None
    """When the first sample of the file was recorded."""
    stated_date: str = ""
    """How the file writes that date, for a notice where it is none."""

    def recording(self, path: Path, want: Request, source: str = "") -> Recording:
        """Return what the caller wants of these leads.

        Raises:
            FormatError: the leads differ in length, or the caller's wishes do not fit them.
        """
        return next(self.recordings(path, replace(want, stretch=None), source))

    def recordings(self, path: Path, want: Request, source: str = "") -> Iterator[Recording]:
        """Yield what the caller wants of these leads, in parts where it takes parts.

        Raises:
            FormatError: the leads differ in length, or the caller's wishes do not fit them.
        """
        lengths = {len(row) for row in self.rows}
        if not self.rows or len(self.rows) > MOST_CHANNELS:
            raise FormatError(
                f"{path} holds {len(self.rows)} leads", hint="choose a file with 1 to 512 leads in it"
            )
        if len(lengths) > 1:
            listed = ", ".join(
                f"{name} {len(row)}" for name, row in zip(self.names[:12], self.rows, strict=False)
            )
            raise FormatError(
                f"the leads of {path} differ in their number of samples: {listed}",
                hint="the file may be damaged: export it again",
            )
        fs = want.rate(self.fs, path)
        names, remarks = want.named(self.names, len(self.names), path)
        wanted = want.rows(names, path)
        remarks += self._cut_calibration(fs)
        n_samples = len(self.rows[0])
        first, last = want.span(n_samples, fs, path)
        check_size((last - first) * len(wanted) * 4, path)
        notes = clean_texts(self.notes, [*self.personal, self.patient])
        if want.patient_key and (pseudonym := patient_hash(self.patient, want.patient_key)):
            notes.insert(0, f"patient {pseudonym}")
        for begin, end in want.spans(n_samples, fs, path, len(wanted)):
            signal = np.empty((len(wanted), end - begin), np.float32)
            for out, row in zip(signal, wanted, strict=True):
                self._scale(row, begin, end, out)
            yield want.recording(
                path,
                signal,
                fs,
                channels=[names[row] for row in wanted],
                units=[self.units[row] for row in wanted],
                modality=self.modality,
                annotations=with_notes(self.marks.window(begin, end), notes if begin == first else ()),
                source=source,
                allow_empty=want.channels is None and not np.isnan(signal).all(),
                notices=(*remarks, *self._notices()),
                start_time=later(self.start_time, begin / fs),
            )

    def _cut_calibration(self, fs: float) -> list[str]:
        """Cut calibration pulses off both ends of an ECG, and return a notice of each."""
        if self.modality != "ecg":
            return []
        own = [row for row, name in enumerate(self.names) if name not in _MADE_OF_OTHERS]
        pulses = calibration_ends(
            [self.rows[row] for row in own],
            [self.gains[row] for row in own],
            [self.units[row] for row in own],
            fs,
        )
        if not any(pulses):
            return []
        first, last = pulses[0], len(self.rows[0]) - pulses[1]
        self.rows = [row[first:last] for row in self.rows]
        self.marks = self.marks.window(first, last)
        self.start_time = later(self.start_time, first / fs)
        return [
            f"left out the {where} {seconds_text(length / fs)}: a calibration pulse of 1 mV in all leads"
            for where, length in zip(("first", "last"), pulses, strict=True)
            if length
        ]

    def _notices(self) -> list[str]:
        if isinstance(self.start_time, datetime) or not re.search("[1-9]", self.stated_date):
            return []
        return ["the date of its start cannot be read; the samples do not depend on it"]

    def _scale(self, row: int, first: int, last: int, out: NDArray[np.float32]) -> None:
        """Write a stretch of one lead in its unit, block by block."""
        offset = self.offsets[row] if len(self.offsets) else 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(first, last, _BLOCK):
                stop = min(start + _BLOCK, last)
                stored = np.asarray(self.rows[row][start:stop])
                block = stored * float(self.gains[row]) + float(offset)
                if self.missing is not None:
                    block[stored == self.missing] = np.nan
                out[start - first : stop - first] = block


def with_limb_leads(rhythm: Rhythm) -> Rhythm:
    """Return the leads with III, aVR, aVL and aVF computed out of I and II where they are missing, in the usual order.

    Leads that are stored in other units a step than each other are brought to one.
    """
    names = rhythm.names
    if not {"I", "II"} <= set(names):
        return rhythm
    one, two = names.index("I"), names.index("II")
    if rhythm.units[one] != rhythm.units[two] or len(rhythm.rows[one]) != len(rhythm.rows[two]):
        return rhythm
    lead_one = np.asarray(rhythm.rows[one]) * float(rhythm.gains[one])
    lead_two = np.asarray(rhythm.rows[two]) * float(rhythm.gains[two])
    added = {
        name: of_one * lead_one + of_two * lead_two
        for name, (of_one, of_two) in LIMB_LEADS.items()
        if name not in names
    }
    order = sorted([*names, *added], key=lambda name: LEADS.index(name) if name in LEADS else len(LEADS))
    at = {name: number for number, name in enumerate(names)}
    rhythm.rows = [added[name] if name in added else rhythm.rows[at[name]] for name in order]
    rhythm.gains = [1.0 if name in added else rhythm.gains[at[name]] for name in order]
    rhythm.units = [rhythm.units[one if name in added else at[name]] for name in order]
    rhythm.names = order
    return rhythm


def choose(rhythms: Sequence[Rhythm], path: Path, want: Request, kinds: str) -> Iterable[tuple[int, Rhythm]]:
    """Yield the rhythms that a caller takes, numbered from 0: the one of `variable`, or all.

    Args:
        rhythms: What the file holds, at least one.
        path: The file, for errors.
        want: The caller's wishes.
        kinds: What they are called, for errors: "waveforms".

    Raises:
        FormatError: there are several and the caller takes one, or there is none of that number.
    """
    meant = [number for number, rhythm in enumerate(rhythms) if _is_meant(rhythm, want)]
    listed = "; ".join(
        f"{number}: {', '.join(rhythm.names[:12])} at {rhythm.fs or 0:g} Hz, {len(rhythm.rows[0])} samples"
        for number, rhythm in enumerate(rhythms[:12])
    )
    if want.variable is not None:
        if not want.variable.isdecimal() or int(want.variable) >= len(rhythms):
            raise FormatError(
                f"{path} has no '{want.variable[:40]}' among its {len(rhythms)} {kinds}",
                hint=f"count from 0 ({listed})",
            )
        return [(int(want.variable), rhythms[int(want.variable)])]
    if want.one and len(rhythms) > 1 and len(meant) == 1:
        return [(meant[0], rhythms[meant[0]])]
    if want.one and len(rhythms) > 1:
        raise FormatError(
            f"{path} holds {len(rhythms)} {kinds}: {listed}",
            hint="choose one by its number (--variable 0), or take all with prepare or read_recordings",
        )
    return list(enumerate(rhythms))


def _is_meant(rhythm: Rhythm, want: Request) -> bool:
    """Tell whether a rhythm holds the channels that the caller names, or is of the modality that it names."""
    if want.channels is not None:
        probe = Recording(np.empty((len(rhythm.names), 0), np.float32), 1.0, tuple(rhythm.names))
        try:
            return all(isinstance(channel, str) and probe.index(channel) >= 0 for channel in want.channels)
        except FormatError:
            return False
    kinds = {modality_of(name) for name in rhythm.names} | {rhythm.modality}
    return (want.modality or want.for_modality or "ecg") in kinds
