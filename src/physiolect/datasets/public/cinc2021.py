"""The PhysioNet/CinC Challenges of 2020 and 2021: twelve-lead ECGs of seven sources with diagnoses in SNOMED CT.

A recording is a WFDB header beside a `.mat` of its samples; the header's comments hold age, sex and diagnoses
("# Dx: 426783006,164934002"; "#Dx:" in 2020). Both are laid out as `training/SOURCE/g1/A0001.hea`, known from their
description; fifty recordings of three sources were at hand. Patients are not told, though some sources recorded
several ECGs of one. HR00001 … HR21837 are PTB-XL's recordings, under its own numbers: do not test on the one what
was trained on the other. Source of the scored diagnoses and of those counted as one: `dx_mapping_scored.csv` in the
organisers' repositories evaluation-2020 and evaluation-2021.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from physiolect.datasets.public.dataset import Entry, LabelChoice, PublicDataset
from physiolect.formats.wfdb_header import read_header

SCORED_2020 = {
    "164889003": "AF", "164890007": "AFL", "426627000": "Brady", "713427006": "CRBBB", "59118001": "CRBBB",
    "270492004": "IAVB", "713426002": "IRBBB", "39732003": "LAD", "445118002": "LAnFB", "164909002": "LBBB",
    "251146004": "LQRSV", "698252002": "NSIVCB", "426783006": "NSR", "284470004": "PAC", "63593006": "PAC",
    "10370003": "PR", "427172004": "PVC", "17338001": "PVC", "164947007": "LPR", "111975006": "LQT",
    "164917005": "QAb", "47665007": "RAD", "427393009": "SA", "426177001": "SB", "427084000": "STach",
    "164934002": "TAb", "59931005": "TInv",
}  # fmt: skip
"""SNOMED CT code -> abbreviation, for the 27 diagnoses that 2020 scored; three pairs count as one each."""

SCORED_2021 = {
    **SCORED_2020,
    "6374002": "BBB",
    "365413008": "PRWP",
    "733534002": "CLBBB",
    "164909002": "CLBBB",
}
"""The same for the thirty of 2021, which counts LBBB and CLBBB as one; four pairs count as one each."""

SOURCES = {
    "A": "cpsc2018", "Q": "cpsc2018-extra", "I": "incart", "S": "ptb", "HR": "ptb-xl", "E": "georgia",
    "JS": "chapman-ningbo",
}  # fmt: skip
"""How a source's recordings begin -> the source."""
_HEADER = re.compile(r"([A-Z]+)\d+\.hea")


def _index(folder: Path, choice: LabelChoice, *, scored: Mapping[str, str]) -> Iterator[Entry]:
    for header, source in _headers(folder):
        labels = _codes(header)
        if choice.labels == "scored":
            labels = tuple(dict.fromkeys(scored[code] for code in labels if code in scored))
        name = header.relative_to(folder).with_suffix("").as_posix()
        yield Entry(name, header, labels=labels, split=source if choice.split else None)


def _headers(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the headers in a folder and those in it that are called as a source's are, sorted, with the source."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            match = _HEADER.fullmatch(name)
            if match and match[1] in SOURCES:
                yield Path(place, name), SOURCES[match[1]]


def _codes(header: Path) -> tuple[str, ...]:
    said = (line.partition(":") for line in read_header(header).comments)
    found = [value for key, _, value in said if key.strip().lower() == "dx"]
    codes = (code.strip() for value in found for code in value.split(","))
    return tuple(dict.fromkeys(code for code in codes if code.isdecimal()))


def _recognise(folder: Path) -> bool:
    """Tell the challenges by a first header that is called as theirs are and lies beside a .mat."""
    first = next(_headers(folder), None)
    return first is not None and first[0].with_suffix(".mat").is_file()


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
    index=partial(_index, scored=SCORED_2021),
    physionet="challenge-2021/1.0.3",
    labels={
        "snomed": "every diagnosis by its SNOMED CT code",
        "scored": "the diagnoses that the challenge scored, by abbreviation; others are left out",
    },
    splits={"source": "the source each recording comes from: leave one out to test on another hospital"},
)

CINC2020 = replace(
    CINC2021,
    name="cinc2020",
    title="the PhysioNet/CinC Challenge 2020",
    citation="Perez Alday et al., Classification of 12-lead ECGs: the PhysioNet/Computing in Cardiology Challenge "
    "2020, Physiological Measurement 41:124003, 2020, doi:10.13026/dvyd-kd57",
    origin="PhysioNet, challenge-2020 1.0.2",
    physionet="challenge-2020/1.0.2",
    index=partial(_index, scored=SCORED_2020),
)
