"""MIMIC-IV-ECG: some 800,000 twelve-lead ECGs of ten seconds at 500 Hz, with what the cart's software wrote.

The layout (`record_list.csv`, `machine_measurements.csv`, `files/p1000/p10000032/s40689238/40689238.hea`) is known
from the description of version 1.0 and from code that reads it; no file of it was at hand. Its records name the leads
I II III aVR aVF aVL V1 … V6, in this order: take them by name.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from physiolect.datasets.public.dataset import Entry, LabelChoice, PublicDataset, inside, read_table, whole

_RECORDS, _MEASURED = "record_list.csv", "machine_measurements.csv"
_LINES = 18
"""Columns report_0 … report_17."""


def _index(folder: Path, choice: LabelChoice) -> Iterator[Entry]:
    statements = _statements(folder)
    for row in read_table(folder / _RECORDS, ("subject_id", "study_id", "path")):
        record = inside(row["path"])
        said = statements.get(row["study_id"], ())
        yield Entry(
            record,
            folder / f"{record}.hea",
            whole(row["subject_id"]),
            tuple(dict.fromkeys(line.rstrip(". ") for line in said)),
            report="\n".join(said),
        )


def _statements(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return the lines of the machine's report of each study; none where the table was not fetched."""
    path = folder / _MEASURED
    if not path.is_file():
        return {}
    columns = [f"report_{k}" for k in range(_LINES)]
    return {
        # A few thousand sentences make up millions of lines: each is kept once.
        row["study_id"]: tuple(sys.intern(line) for name in columns if (line := row[name].strip()))
        for row in read_table(path, ("study_id", *columns))
    }


MIMIC_IV_ECG = PublicDataset(
    name="mimic-iv-ecg",
    title="MIMIC-IV-ECG",
    licence="ODbL 1.0",
    citation="Gow et al., MIMIC-IV-ECG: Diagnostic Electrocardiogram Matched Subset, version 1.0, PhysioNet, 2023, "
    "doi:10.13026/4nqg-sb35",
    origin="PhysioNet, mimic-iv-ecg 1.0",
    layout=f"{_RECORDS}, {_MEASURED} and files/",
    patients="every recording's",
    recognise=lambda folder: (folder / _RECORDS).is_file(),
    index=_index,
    physionet="mimic-iv-ecg/1.0",
    tables=(_RECORDS, _MEASURED),
    labels={"statements": "the machine's report, a label a line; no physician has seen it"},
)
