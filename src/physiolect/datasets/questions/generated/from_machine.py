"""What the cart's software measured on MIMIC-IV-ECG's recordings: rate, PR, QRS, QT and axis.

The columns of `machine_measurements.csv` are known from its description (times in ms; 29999 and other large numbers
where nothing was measured); no file of it was at hand. No physician has seen these numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from physiolect.datasets.public.dataset import read_table
from physiolect.datasets.questions.generated.known import Known
from physiolect.datasets.questions.question import Stretch
from physiolect.datasets.questions.readers.corpora import Corpus
from physiolect.errors import ConfigError

SOURCE = "MIMIC-IV-ECG's machine"
_TABLE = "machine_measurements.csv"
_COLUMNS = ("study_id", "rr_interval", "p_onset", "qrs_onset", "qrs_end", "t_end", "qrs_axis")
_RANGES = {
    "heart rate": (20.0, 300.0), "PR interval": (50.0, 500.0), "QRS duration": (30.0, 300.0),
    "QT interval": (150.0, 800.0),
}  # fmt: skip
"""Plausible values; others are taken as not measured."""


def known_of_machine(corpus: Corpus, tables: Path | None = None) -> Iterator[Known]:
    """Iterate over what the machine measured on the recordings that are on the disk.

    Args:
        corpus: MIMIC-IV-ECG's recordings: its folder, or a store of them.
        tables: folder of its tables; by default that of the recordings.

    Raises:
        ConfigError: the recordings are not MIMIC-IV-ECG's.
        FormatError: the table is missing or damaged.
    """
    if corpus.dataset != "mimic-iv-ecg":
        raise ConfigError(
            f"{corpus.folder} does not hold MIMIC-IV-ECG", hint="name the folder with record_list.csv"
        )
    for row in read_table((tables or corpus.folder) / _TABLE, _COLUMNS):
        study = row["study_id"].strip().removesuffix(".0")
        if not study.isdecimal() or int(study) not in corpus.there:
            continue
        entry = corpus.entries[int(study)]
        yield Known(
            stretch=Stretch(entry.name),
            dataset=corpus.dataset,
            source=SOURCE,
            patient=entry.patient,
            numbers=_numbers(row),
            kinds=_axis(_number(row["qrs_axis"])),
        )


def _numbers(row: Mapping[str, str]) -> dict[str, float]:
    rr, p_onset, onset, end, t_end = (_number(row[name]) for name in _COLUMNS[1:6])
    measured = {
        "heart rate": 60000 / rr if rr else math.nan,
        "PR interval": onset - p_onset,
        "QRS duration": end - onset,
        "QT interval": t_end - onset,
    }
    return {name: value for name, value in measured.items() if _RANGES[name][0] <= value <= _RANGES[name][1]}


def _axis(degrees: float) -> dict[str, str]:
    if not -180 <= degrees <= 180:
        return {}
    for limit, name in (
        (-90, "extreme axis deviation"),
        (-30, "left axis deviation"),
        (90, "normal heart axis"),
    ):
        if degrees < limit:
            return {"axis": name}
    return {"axis": "right axis deviation"}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
