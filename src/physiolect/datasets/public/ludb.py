"""LUDB: 200 twelve-lead ECGs of ten seconds at 500 Hz, in which experts marked the waves of every lead.

A beat is where at least half of the leads have the peak of a QRS complex, at their median. The experts left out beats
at both ends of a recording, so each is cut to the stretch around the beats that they marked. Source: Kalyakulina et
al. 2020.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.datasets.public.dataset import Entry, LabelChoice, PublicDataset, Read, read_table, whole
from physiolect.errors import FormatError
from physiolect.formats import read_recording
from physiolect.recording import Annotations, Recording

_TABLE = "ludb.csv"
_LEADS = ("i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6")
_AROUND = 0.25
"""Seconds before the first and after the last marked beat that are kept."""
_APART = 0.1
"""Seconds; marks of two leads that lie closer are of one beat."""
_RHYTHMS = {
    "sinus rhythm": "N",
    "sinus bradycardia": "SBR",
    "sinus tachycardia": "STACH",
    "sinus arrhythmia": "SARRH",
    "irregular sinus rhythm": "SARRH",
    "atrial fibrillation": "AFIB",
    "atrial flutter": "AFL",
}
"""What the table says -> the name that WFDB or PTB-XL has for it."""


def _index(folder: Path, choice: LabelChoice) -> Iterator[Entry]:
    for row in read_table(folder / _TABLE, ("ID", "Rhythms")):
        record = whole(row["ID"])
        if record is None or not record.isdecimal():
            raise FormatError(f"{folder / _TABLE} has a record '{row['ID']}'", hint="fetch the file again")
        header = folder / "data" / f"{record}.hea"
        if header.is_file():
            yield Entry(record, header, record, (_rhythm(row["Rhythms"]),))


def _rhythm(text: str) -> str:
    """Return the name of a rhythm; of several lines, the first is the rhythm and the others add to it."""
    said = text.strip().partition("\n")[0].strip().casefold()
    return next((name for words, name in _RHYTHMS.items() if said.startswith(words)), said)


@contextmanager
def open_record(path: Path) -> Iterator[Read]:
    """Give what reads a record with its beats."""

    def read(entry: Entry) -> Recording:
        marked_leads = [lead for lead in _LEADS if path.with_suffix(f".{lead}").is_file()]
        recording = read_recording(path, annotator=marked_leads or _LEADS)
        marks = recording.annotations
        peaks = np.sort(marks.sample[[symbol == "N" for symbol in marks.symbol]])
        beats = find_beats(peaks, recording.fs, len(recording.channels))
        if not len(beats):
            raise FormatError(f"{path} has no beat that half of its leads show", hint="leave it out")
        marked = replace(recording, annotations=Annotations(beats, ("N",) * len(beats)))
        start, stop = beats[0] / recording.fs - _AROUND, beats[-1] / recording.fs + _AROUND
        return marked.slice(max(0.0, start), min(recording.duration, stop))

    yield read


def find_beats(peaks: NDArray[np.int64], fs: float, n_leads: int) -> NDArray[np.int64]:
    """Return the samples of beats, the median of the leads' peaks, where at least half of the leads have one.

    Args:
        peaks: of all leads together, in order.
        fs: their rate in Hz.
        n_leads: how many leads were marked.
    """
    groups = np.split(peaks, np.flatnonzero(np.diff(peaks) > _APART * fs) + 1)
    return np.array(
        [round(float(np.median(group))) for group in groups if 2 * len(group) >= n_leads], np.int64
    )


LUDB = PublicDataset(
    name="ludb",
    title="the Lobachevsky University Database",
    licence="ODC-By 1.0",
    citation="Kalyakulina et al., LUDB: A New Open-Access Validation Tool for Electrocardiogram Delineation "
    "Algorithms, IEEE Access 8:186181-186190, 2020, doi:10.1109/ACCESS.2020.3029211",
    origin="PhysioNet, ludb 1.0.1",
    layout=f"{_TABLE} and data/ with the records 1.hea, 2.hea …",
    patients="one a record",
    recognise=lambda folder: (folder / _TABLE).is_file() and (folder / "data").is_dir(),
    index=_index,
    opened=open_record,
    physionet="ludb/1.0.1",
    tables=(_TABLE,),
    labels={
        "rhythm": "N, SBR, STACH, SARRH, AFIB, AFL: sinus rhythm and its variants, fibrillation, flutter"
    },
)
