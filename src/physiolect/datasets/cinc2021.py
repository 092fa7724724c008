"""The PhysioNet/CinC Challenges of 2020 and 2021: twelve-lead ECGs of seven sources with diagnoses in SNOMED CT.

A recording is a WFDB header beside a `.mat` of its samples; the header's comments hold age, sex and diagnoses
("# Dx: 426783006,164934002"; "#Dx:" in 2020). Both are laid out as `training/SOURCE/g1/A0001.hea`, known from their
description; fifty recordings of three sources were at hand. Patients are not told, though some sources recorded
several ECGs of one. HR00001 … HR21837 are PTB-XL's recordings, under its own numbers: do not test on the one what
was trained on the other. Source of the scored diagnoses and of those counted as one: Reyna et al. 2021, table 2.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from physiolect.datasets.public import Choice, Entry, PublicDataset
from physiolect.formats.wfdb import read_header

SCORED = {
    "164889003": "AF", "164890007": "AFL", "6374002": "BBB", "426627000": "Brady", "733534002": "CLBBB",
    "164909002": "CLBBB", "713427006": "CRBBB", "59118001": "CRBBB", "270492004": "IAVB", "713426002": "IRBBB",
    "39732003": "LAD", "445118002": "LAnFB", "251146004": "LQRSV", "698252002": "NSIVCB", "426783006": "NSR",
    "284470004": "PAC", "63593006": "PAC", "10370003": "PR", "365413008": "PRWP", "427172004": "PVC",
    "17338001": "PVC", "164947007": "LPR", "111975006": "LQT", "164917005": "QAb", "47665007": "RAD",
    "427393009": "SA", "426177001": "SB", "427084000": "STach", "164934002": "TAb", "59931005": "TInv",
}  # fmt: skip
"""SNOMED CT code -> abbreviation, for the thirty diagnoses that 2021 scored; four pairs count as one each."""

SOURCES = {
    "A": "cpsc2018", "Q": "cpsc2018-extra", "I": "incart", "S": "ptb", "HR": "ptb-xl", "E": "georgia",
    "JS": "chapman-ningbo",
}  # fmt: skip
"""How a source's recordings begin -> the source."""
_NAME = re.compile(r"([A-Z]+)\d+")


def _index(folder: Path, choice: Choice) -> Iterator[Entry]:
    for header in _headers(folder):
        name = header.relative_to(folder).with_suffix("")
        match = _NAME.fullmatch(name.name)
        yield Entry(
            name.as_posix(),
            header,
            labels=_labels(header, choice.labels or "snomed"),
            split=SOURCES.get(match[1]) if match and choice.split else None,
        )


def _headers(folder: Path) -> Iterator[Path]:
    """Yield the headers in a folder and those in it, sorted."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(place, name) for name in sorted(names) if name.endswith(".hea"))


def _labels(header: Path, kind: str) -> tuple[str, ...]:
    said = (line.partition(":") for line in read_header(header).comments)
    found = [value for key, _, value in said if key.strip().lower() == "dx"]
    codes = [code.strip() for value in found for code in value.split(",") if code.strip().isdecimal()]
    return tuple(dict.fromkeys(codes if kind == "snomed" else (SCORED[c] for c in codes if c in SCORED)))


def _recognise(folder: Path) -> bool:
    """Tell the challenges by a first header that is called as theirs are and lies beside a .mat."""
    first = next(_headers(folder), None)
    match = first and _NAME.fullmatch(first.stem)
    return bool(first and match and match[1] in SOURCES and first.with_suffix(".mat").is_file())


CINC2021 = PublicDataset(
    name="cinc2021",
    title="the PhysioNet/CinC Challenge 2021",
    licence="CC BY 4.0",
    citation="Reyna et al., Will Two Do? Varying Dimensions in Electrocardiography: The PhysioNet/Computing in "
    "Cardiology Challenge 2021, version 1.0.3, PhysioNet, 2022, doi:10.13026/34va-7q14",
    origin="PhysioNet, challenge-2021 1.0.3",
    layout="records like A0001.hea with A0001.mat, in it or in folders of it",
    patients="none told, though some sources recorded one patient several times",
    recognise=_recognise,
    index=_index,
    physionet="challenge-2021/1.0.3",
    labels={
        "snomed": "every diagnosis by its SNOMED CT code",
        "scored": "the diagnoses that the challenge scored, by abbreviation; others are left out",
    },
    splits={
        "source": "the source each recording comes from, out of seven: leave one out to test on another hospital"
    },
)

CINC2020 = replace(
    CINC2021,
    name="cinc2020",
    title="the PhysioNet/CinC Challenge 2020",
    citation="Perez Alday et al., Classification of 12-lead ECGs: the PhysioNet/Computing in Cardiology Challenge "
    "2020, Physiological Measurement 41:124003, 2020, doi:10.13026/dvyd-kd57",
    origin="PhysioNet, challenge-2020 1.0.2",
    physionet="challenge-2020/1.0.2",
    recognise=_recognise,
)
