"""The MIT-BIH Arrhythmia Database: 48 half-hour ambulatory ECGs of two leads at 360 Hz, every beat annotated.

Records 201 and 202 are of one patient, and are given as such. The split of de Chazal et al. (2004) puts one into DS1
and the other into DS2, so that it has to be asked for by name. The first lead is not MLII everywhere: names tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from physiolect.datasets.public.dataset import Entry, LabelChoice, PublicDataset
from physiolect.recording import Annotations

DS1 = (
    *("101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122"),
    *("124", "201", "203", "205", "207", "208", "209", "215", "220", "223", "230"),
)
"""Records that train. Source: de Chazal, O'Dwyer and Reilly 2004."""
DS2 = (
    *("100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210"),
    *("212", "213", "214", "219", "221", "222", "228", "231", "232", "233", "234"),
)
"""Records that test; 202 is of the patient of DS1's 201."""
PACED = ("102", "104", "107", "217")
"""Records of paced rhythm, in neither."""
RECORDS = tuple(sorted((*DS1, *DS2, *PACED)))
SAME_PATIENT = {"202": "201"}

AAMI = {
    **dict.fromkeys("NLRej", "N"),
    **dict.fromkeys("AaJS", "S"),
    **dict.fromkeys("VE", "V"),
    "F": "F",
    **dict.fromkeys("/fQ", "Q"),
}
"""Symbol of a beat -> its class: N normal and bundle branch block, S supraventricular, V ventricular, F fusion, Q
paced or unknown. Source: ANSI/AAMI EC57, as de Chazal et al. 2004 group the database's symbols."""


def aami_beats(annotations: Annotations) -> Annotations:
    """Return the beats among marks, with its class in the place of each symbol; other marks are left out."""
    kept = [k for k, symbol in enumerate(annotations.symbol) if symbol in AAMI]
    return Annotations(annotations.sample[kept], tuple(AAMI[annotations.symbol[k]] for k in kept))


def _index(folder: Path, choice: LabelChoice) -> Iterator[Entry]:
    part = {**dict.fromkeys(DS1, "DS1"), **dict.fromkeys(DS2, "DS2")} if choice.split else {}
    for record in RECORDS:
        header = folder / f"{record}.hea"
        if header.is_file():
            yield Entry(record, header, SAME_PATIENT.get(record, record), split=part.get(record))


MITBIH = PublicDataset(
    name="mitbih",
    title="the MIT-BIH Arrhythmia Database",
    licence="ODC-By 1.0",
    citation="Moody and Mark, The impact of the MIT-BIH Arrhythmia Database, IEEE Engineering in Medicine and Biology "
    "20(3):45-50, 2001, doi:10.13026/C2F305",
    origin="PhysioNet, mitdb 1.0.0",
    layout="the headers 100.hea, 101.hea … beside their .dat and .atr",
    patients="one a record, but 201 and 202 are one",
    recognise=lambda folder: any((folder / f"{record}.hea").is_file() for record in RECORDS),
    index=_index,
    physionet="mitdb/1.0.0",
    splits={"de-chazal": "DS1 trains and DS2 tests, without the four paced records (de Chazal et al. 2004)"},
    cautions={
        "de-chazal": "records 201 (DS1) and 202 (DS2) are one patient's: leave one out, or give figures without 202 too"
    },
)
