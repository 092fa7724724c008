"""CODE-15 %: 345,779 twelve-lead ECGs at 400 Hz in HDF5 parts, with six abnormalities.

`exams.csv` tells of every exam, and in which part (`exams_part0.hdf5` … `exams_part17.hdf5`) it lies; a part holds
`exam_id` (n,) and `tracings` (n, 4096, 12), the leads in the house's order. Ten seconds or seven were recorded and
centred among zeros, which are removed here. Known from its description and from code that reads it; ten exams, cut out
and without their zeros, were at hand. They are in mV, where the description speaks of steps of 1e-4 V.
Source: Ribeiro et al. 2021, Zenodo record 4916206.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.datasets.public.dataset import (
    Entry,
    LabelChoice,
    PublicDataset,
    Read,
    inside,
    read_table,
    whole,
)
from physiolect.errors import FormatError
from physiolect.formats.hdf5 import open_hdf5
from physiolect.recording import LEADS, Recording

FS = 400.0
ABNORMALITIES = ("1dAVb", "RBBB", "LBBB", "SB", "ST", "AF")
_MOST_EXAMS = 1_000_000
"""More than any part holds, which is some 20,000."""
_TABLE = "exams.csv"


def _index(folder: Path, choice: LabelChoice) -> Iterator[Entry]:
    flags = (*ABNORMALITIES, "normal_ecg")
    for row in read_table(folder / _TABLE, ("exam_id", "patient_id", "trace_file", *flags)):
        exam, part = whole(row["exam_id"]) or "", inside(row["trace_file"])
        if not exam.isdecimal():
            raise FormatError(
                f"{folder / _TABLE} has '{exam}' where an exam's number belongs", hint="fetch the file again"
            )
        yield Entry(
            f"{part}#{exam}",
            folder / part,
            whole(row["patient_id"]),
            tuple(flag for flag in flags if row[flag].strip().lower() in ("true", "1", "1.0")),
            place=int(exam),
        )


@contextmanager
def open_exams(path: Path) -> Iterator[Read]:
    """Give what reads an exam out of a part by its number, without the zeros around it.

    Raises:
        FormatError: the file is no part of CODE-15.
    """
    with open_hdf5(path, "exam_id", "tracings") as (ids, tracings):
        if len(ids.shape) != 1 or tracings.shape[1:] != (4096, 12) or len(tracings) < len(ids):
            raise FormatError(
                f"{path} holds tracings of shape {tracings.shape} for {ids.shape} exams, not (n, 4096, 12)",
                hint="fetch the part again; exams_part0.hdf5 is one",
            )
        if len(ids) > _MOST_EXAMS or not np.isfinite(numbers := ids[:]).all():
            raise FormatError(
                f"{path} does not number its exams, or has more than {_MOST_EXAMS}",
                hint="fetch the part again",
            )
        row_of = {int(exam): row for row, exam in enumerate(numbers)}

        def read(entry: Entry) -> Recording:
            if entry.place not in row_of:
                raise FormatError(
                    f"{path} has no exam {entry.place}", hint="fetch exams.csv and the part again"
                )
            signal = without_padding(tracings[row_of[entry.place]].T.astype(np.float32))  # (12, time)
            if not signal.shape[1]:
                raise FormatError(f"exam {entry.place} of {path} is nothing but zeros", hint="leave it out")
            return Recording(signal, FS, LEADS, "mV", "ecg", source=entry.name)

        yield read


def without_padding(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a signal (channels, time) without the samples at either end at which every channel is exactly zero."""
    there = np.flatnonzero((signal != 0).any(axis=0))
    return signal[:, there[0] : there[-1] + 1] if len(there) else signal[:, :0]


CODE15 = PublicDataset(
    name="code15",
    title="CODE-15 %",
    licence="CC BY 4.0",
    citation="Ribeiro et al., CODE-15%: a large scale annotated dataset of 12-lead ECGs, version 1.0.0, Zenodo, 2021, "
    "doi:10.5281/zenodo.4916206",
    origin="Zenodo, record 4916206",
    layout=f"{_TABLE} and exams_part0.hdf5 … exams_part17.hdf5, unzipped",
    patients="every recording's",
    recognise=lambda folder: (folder / _TABLE).is_file() and any(folder.glob("exams_part*.hdf5")),
    index=_index,
    opened=open_exams,
    labels={"abnormalities": "1dAVb, RBBB, LBBB, SB, ST, AF, and normal_ecg"},
)
