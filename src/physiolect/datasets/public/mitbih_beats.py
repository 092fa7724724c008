"""The beats of MIT-BIH one by one, cut after Kachuee et al. 2018 out of the records, whose patients stay known.

Of each annotated beat: lead II at 125 Hz from its R peak on, for 1.2 times the median RR interval of the ten seconds it
lies in, scaled to 0 … 1 by itself, filled up with zeros to 187 samples. These are not the rows of Kaggle's files, which
follow no description that we could reproduce: three attempts matched fewer than 4 % of them. R peaks are the
database's, where the paper searches for them. Records 102 and 104 have no lead II, and give their first lead.
Source: Kachuee, Fazeli and Sarrafzadeh 2018, arXiv:1805.00794.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.datasets.public.dataset import Entry, LabelChoice, Read
from physiolect.datasets.public.heartbeats import FS, HEARTBEAT_CONTRACT, LENGTH
from physiolect.datasets.public.mitbih import DS1, DS2, MITBIH, RECORDS, SAME_PATIENT, aami_beats
from physiolect.errors import FormatError
from physiolect.formats import read_recording
from physiolect.formats.wfdb_annotations import read_annotations
from physiolect.formats.wfdb_library import codes
from physiolect.recording import Annotations, Recording, canonical_channel
from physiolect.signals import resample

WINDOW = 10.0
"""Seconds over which the median RR interval is taken."""
STRETCH = 1.2
"""Length of a beat in median RR intervals."""
_TEST_SHARE = 0.2


def cut_after_kachuee(signal: NDArray[np.floating], beats: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return beats as rows (n, 187), each from its R peak on, scaled to 0 … 1 by itself.

    Args:
        signal: (T,) at 125 Hz.
        beats: (n,) R peaks in samples of it, in order; fractions are rounded for the cut alone.
    """
    n = len(beats)
    if not n:
        return np.empty((0, LENGTH), np.float32)
    rr = _window_intervals(np.asarray(beats, np.float64))
    first = np.clip(np.rint(beats).astype(np.int64), 0, len(signal) - 1)
    length = np.minimum(np.rint(STRETCH * rr).astype(np.int64), LENGTH)  # (n,)
    places = first[:, None] + np.arange(LENGTH)  # (n, 187)
    inside = (np.arange(LENGTH) < length[:, None]) & (places < len(signal))
    values = np.asarray(signal, np.float32)[np.minimum(places, len(signal) - 1)]
    low = np.where(inside, values, np.inf).min(1, keepdims=True)
    high = np.where(inside, values, -np.inf).max(1, keepdims=True)
    return np.where(inside, (values - low) / np.maximum(high - low, 1e-6), 0).astype(np.float32)


def _window_intervals(beats: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each beat (n,) the median RR interval, in samples, of the window in which it lies."""
    intervals = np.diff(beats, prepend=beats[0])  # to the beat before
    windows = (beats // (WINDOW * FS)).astype(np.int64)
    bounds = np.append(np.unique(windows, return_index=True)[1], len(beats))
    common = float(np.median(intervals[1:])) if len(beats) > 1 else FS
    found = np.full(len(beats), common)
    for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        within = intervals[begin + 1 : end]
        if len(within):
            found[begin:end] = np.median(within)
    return np.maximum(found, 1)


def _index(folder: Path, choice: LabelChoice) -> Iterator[Entry]:
    part = {**dict.fromkeys(DS1, "DS1"), **dict.fromkeys(DS2, "DS2")}
    for record in RECORDS:
        header = folder / f"{record}.hea"
        if not header.is_file():
            continue
        beats = _marks(header)
        drawn = tested_by_beat(record, len(beats.symbol))
        for number, label in enumerate(beats.symbol):
            split = part.get(record) if choice.split == "de-chazal" else None
            if choice.split == "by-beat":
                split = "test" if drawn[number] else "train"
            patient = SAME_PATIENT.get(record, record)
            yield Entry(f"{record}#{number}", header, patient, (label,), split, number)


def tested_by_beat(record: str, n: int) -> NDArray[np.bool_]:
    """Return which of a record's n beats test in the split by beat, (n,)."""
    return np.random.default_rng(int(record)).random(n) < _TEST_SHARE


def _marks(header: Path) -> Annotations:
    """Return a record's beats with AAMI's classes.

    Raises:
        FormatError: its annotations are missing or damaged.
    """
    marks = header.with_suffix(".atr")
    if not marks.is_file():
        raise FormatError(f"{header} has no annotations beside it", hint=f"fetch {marks.name} too")
    found = read_annotations(marks, codes())
    if found.trouble:
        raise FormatError(f"{marks} {found.trouble}", hint="fetch it again")
    return aami_beats(found.marks)


@contextmanager
def _opened(path: Path) -> Iterator[Read]:
    """Give what reads a beat of a record by its number among the record's beats."""
    rows, lead = read_rows(path)

    def read(entry: Entry) -> Recording:
        number = -1 if entry.place is None else entry.place
        if not 0 <= number < len(rows):
            raise FormatError(f"{path} has no beat {entry.place}", hint="fetch the record again")
        return Recording(rows[number : number + 1], FS, (lead,), "au", "ecg", source=entry.name)

    yield read


def read_rows(header: Path) -> tuple[NDArray[np.float32], str]:
    """Return the beats of a record as rows (n, 187), in order, and the lead they are cut from.

    Raises:
        FormatError: the record or its annotations are missing or damaged.
    """
    recording, beats = read_recording(header), _marks(header)
    names = [canonical_channel(name) for name in recording.channels]
    lead = names.index("II") if "II" in names else 0
    signal = resample(recording.signal[lead : lead + 1], recording.fs, FS)[0]
    return cut_after_kachuee(signal, beats.sample * (FS / recording.fs)), names[lead]


MITBIH_BEATS = replace(
    MITBIH,
    name="mitbih-beats",
    title="the beats of the MIT-BIH Arrhythmia Database, cut after Kachuee et al. 2018",
    index=_index,
    opened=_opened,
    labels={"classes": "N, S, V, F, Q of AAMI"},
    splits={
        **MITBIH.splits,
        "by-beat": "a fifth of every record's beats, drawn, tests: every patient is on both sides",
    },
    cautions={
        **MITBIH.cautions,
        "by-beat": "every patient is on both sides: figures on it say little about new patients, and the rows are not "
        "those of Kaggle's files",
    },
    contract=HEARTBEAT_CONTRACT,
)
