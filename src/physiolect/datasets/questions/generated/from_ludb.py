"""What experts marked in LUDB's ECGs: rate, PR, QRS, QT, the waves of each lead, inverted T waves, rhythm and axis.

Intervals are medians over a recording's beats. A beat's onset over leads is the 20 % quantile of the leads' onsets, its
end the 80 % quantile of their ends, as in our measurements. Amplitudes are not comparable across LUDB's leads: nothing
is asked about sizes, and an inverted T wave is judged within its lead alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.datasets.public.dataset import Entry, read_table, whole
from physiolect.datasets.public.ludb import LUDB, find_beats
from physiolect.datasets.questions.generated.known import Known, Wave
from physiolect.datasets.questions.question import Stretch
from physiolect.formats import read_recording
from physiolect.formats.wfdb_annotations import library_codes, read_annotations
from physiolect.recording import LEADS, Recording

SOURCE = "LUDB's experts"
_WAVES = {"p": "P wave", "N": "QRS complex", "t": "T wave"}
_RHYTHMS = {
    "N": "sinus rhythm", "SBR": "sinus bradycardia", "STACH": "sinus tachycardia", "SARRH": "sinus arrhythmia",
    "AFIB": "atrial fibrillation", "AFL": "atrial flutter",
}  # fmt: skip
_SHARE = 0.2
_NEAR = 0.1
"""Seconds between one beat's complexes in two leads."""
_LONGEST_PR, _LONGEST_QT = 0.45, 0.75
_CLEAR = 0.1
"""Height of a T wave, in heights of its lead's complex, below which its direction is not asked about."""
_COLUMNS = ("ID", "Conduction abnormalities", "Extrasystolies", "Cardiac pacing", "Rhythms")

Marks = Mapping[str, Mapping[str, NDArray[np.float64]]]
"""Lead -> wave -> (n, 3) onset, peak and end in samples; NaN where one is missing."""


def known_of_ludb(folder: Path | str) -> Iterator[Known]:
    """Iterate over what experts marked in the recordings of LUDB's folder.

    Raises:
        FormatError: the folder does not hold LUDB, or a file of it is damaged.
    """
    folder = Path(folder)
    entries = LUDB.entries(folder)
    rows = {whole(row["ID"]): row for row in read_table(folder / "ludb.csv", _COLUMNS)}
    for entry in entries:
        marks = read_marks(entry.path)
        if marks:
            yield _known(entry, rows[entry.name], read_recording(entry.path), marks, folder)


def read_marks(header: Path) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Return the experts' marks of a record by lead and wave; without those files, nothing.

    Raises:
        FormatError: a file cannot be read.
    """
    found = {}
    for lead in LEADS:
        path = header.with_suffix(f".{lead.lower()}")
        if not path.is_file():
            continue
        marks = read_annotations(path, library_codes()).marks
        symbol, sample = marks.symbol, marks.sample
        found[lead] = {
            name: np.array(
                [
                    (
                        sample[k - 1] if k and symbol[k - 1] == "(" else np.nan,
                        sample[k],
                        sample[k + 1] if symbol[k + 1 : k + 2] == (")",) else np.nan,
                    )
                    for k, each in enumerate(symbol)
                    if each == letter
                ],
                np.float64,
            ).reshape(-1, 3)
            for letter, name in _WAVES.items()
        }
    return found


def _known(entry: Entry, row: Mapping[str, str], recording: Recording, marks: Marks, folder: Path) -> Known:
    fs = recording.fs
    peaks = np.sort(np.concatenate([waves["QRS complex"][:, 1] for waves in marks.values()]).astype(np.int64))
    beats = find_beats(peaks, fs, len(marks)).astype(np.float64)
    extra = row["Extrasystolies"].strip().lower()
    rhythm = _RHYTHMS.get(entry.labels[0]) if entry.labels else None
    inverted = _inverted(recording, marks)
    return Known(
        stretch=Stretch(entry.path.relative_to(folder).with_suffix("").as_posix()),
        dataset="ludb",
        source=SOURCE,
        patient=entry.patient,
        statements={
            "atrial fibrillation": rhythm == "atrial fibrillation",
            "extra beats": bool(extra),
            "ventricular extra beats": "ventricular extrasystole" in extra,
            "bundle branch block": "bundle branch block" in row["Conduction abnormalities"].lower(),
            "AV block": "av block" in row["Conduction abnormalities"].lower().replace("-", " "),
        },
        kinds={"rhythm": rhythm} if rhythm else {},
        leads={"a clearly inverted T wave": inverted[0]} if inverted is not None else {},
        numbers=_intervals(beats, marks, fs),
        waves=_waves(marks, fs),
        lead_names=inverted[1] if inverted is not None else (),
        seconds=recording.duration,
    )


def _intervals(beats: NDArray[np.float64], marks: Marks, fs: float) -> dict[str, float]:
    """Return rate and intervals, medians over beats; those that no beat has are left out."""
    found: dict[str, list[float]] = {"PR interval": [], "QRS duration": [], "QT interval": []}
    for beat in beats:
        onset, end = _over_leads(marks, "QRS complex", beat - _NEAR * fs, beat + _NEAR * fs)
        p_onset, _ = _over_leads(marks, "P wave", beat - _LONGEST_PR * fs, beat)
        _, t_end = _over_leads(marks, "T wave", beat, beat + _LONGEST_QT * fs, first=True)
        for name, value in (
            ("PR interval", onset - p_onset),
            ("QRS duration", end - onset),
            ("QT interval", t_end - onset),
        ):
            if np.isfinite(value) and value > 0:
                found[name].append(value / fs * 1000)
    numbers = {name: float(np.median(values)) for name, values in found.items() if values}
    if len(beats) > 2:
        numbers["heart rate"] = 60 * fs / float(np.diff(beats).mean())
    return numbers


def _over_leads(
    marks: Marks, wave: str, start: float, stop: float, *, first: bool = False
) -> tuple[float, float]:
    """Return onset and end over leads of a wave whose peaks lie in a stretch: its last, or first, in each lead.

    NaN where fewer than half of the leads have one.
    """
    onsets, ends = [], []
    for waves in marks.values():
        rows = waves[wave]
        inside = rows[(rows[:, 1] > start) & (rows[:, 1] < stop)]
        if len(inside):
            row = inside[0] if first else inside[-1]
            onsets.append(row[0])
            ends.append(row[2])
    if 2 * np.isfinite(onsets).sum() < len(marks) or 2 * np.isfinite(ends).sum() < len(marks):
        return np.nan, np.nan
    return float(np.nanquantile(onsets, _SHARE)), float(np.nanquantile(ends, 1 - _SHARE))


def _inverted(recording: Recording, marks: Marks) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Return the leads whose T wave is clearly below its baseline, and the leads in which that is clear at all."""
    names = [name.upper() for name in recording.channels]
    down, clear = [], []
    for lead, waves in marks.items():
        if lead.upper() not in names:
            return None
        signal = recording.signal[names.index(lead.upper())]
        size = _median(signal, waves["QRS complex"], lambda cut, _: float(np.ptp(cut)))
        height = _median(signal, waves["T wave"], _height)
        if np.isfinite(height) and np.isfinite(size) and abs(height) >= _CLEAR * size > 0:
            clear.append(lead)
            if height < 0:
                down.append(lead)
    return tuple(down), tuple(clear)


def _height(cut: NDArray[np.float32], peak: int) -> float:
    """Return the height of a wave over the line between its ends."""
    return float(cut[peak] - np.interp(peak, [0, len(cut) - 1], [cut[0], cut[-1]]))


def _median(
    signal: NDArray[np.float32],
    rows: NDArray[np.float64],
    measure: Callable[[NDArray[np.float32], int], float],
) -> float:
    """Return the median of what is measured on a wave's samples and its peak among them; NaN without a wave."""
    values = []
    for onset, peak, end in rows[np.isfinite(rows).all(axis=1)].astype(np.int64).tolist():
        cut = signal[onset : end + 1]
        if 0 <= onset < peak < end < len(signal) and np.isfinite(cut).all():
            values.append(measure(cut, peak - onset))
    return float(np.median(values)) if values else np.nan


def _waves(marks: Marks, fs: float) -> tuple[Wave, ...]:
    return tuple(
        Wave(name, lead, *(float(value) / fs for value in row))
        for lead, waves in marks.items()
        for name, rows in waves.items()
        for row in rows[np.isfinite(rows).all(axis=1)].tolist()
    )
