"""Which ECG of which dataset a name means, in whatever folder, rate or collection it lies."""

from __future__ import annotations

import re

from physiolect.datasets.public.catalogue import DATASETS

_PATTERNS = (
    # PTB-XL's own paths, pictures called after them, and the copies in the PhysioNet challenges of 2020 and 2021
    (re.compile(r"(?:^|[/_-])(\d{5})_(?:hr|lr)(?![a-z\d])", re.ASCII), "ptbxl"),
    (re.compile(r"(?:^|[/#])HR(\d{5})(?:\.\w+)?$", re.ASCII), "ptbxl"),
    # MIMIC-IV-ECG: files/p1000/p10000032/s40689238/40689238
    (re.compile(r"(?:^|/)p\d{4}/p\d{8}/s(\d{8})(?:/|$)", re.ASCII), "mimic-iv-ecg"),
)
_BY_NUMBER = ("ptbxl", "mimic-iv-ecg", "ludb")
"""Datasets of which the last part of a recording's name is its number, whatever the folders before it."""
_MIMIC_PATIENT = re.compile(r"(?:^|/)p\d{4}/p(\d{8})/s\d{8}(?:/|$)", re.ASCII)


def ecg_identity(name: str, dataset: str = "") -> str:
    """Return a name for an ECG that is the same wherever it lies.

    PTB-XL's records500/07000/07190_hr and the challenge's HR07190 are both "ptbxl/7190".

    Args:
        name: path or name of a recording.
        dataset: that it is of, where that is known; used for names that no pattern knows.
    """
    for pattern, known in _PATTERNS:
        if (found := pattern.search(name)) is not None:
            return f"{known}/{int(found[1])}"
    bare = name.removesuffix(".hea").removesuffix(".dat")
    if not dataset:
        return bare
    last = bare.rpartition("/")[2]
    if dataset in _BY_NUMBER and last.isascii() and last.isdecimal():
        return f"{dataset}/{int(last)}"
    return f"{dataset}/{bare.removeprefix(f'{dataset}/')}"


def dataset_of(name: str) -> str:
    """Return the dataset that the name of a recording or patient shows, or "".

    Stores prepared from a public dataset put its name first: "ludb/12", "ptbxl/15709".
    """
    shown = next((known for pattern, known in _PATTERNS if pattern.search(name)), "")
    first = name.partition("/")[0]
    return shown or (first if first in DATASETS else "")


def patient_identity(name: str, dataset: str = "") -> tuple[str, str]:
    """Return a patient as (dataset, name in it); the dataset is "" where neither name nor caller tells it."""
    known = dataset or dataset_of(name)
    return known, name.removeprefix(f"{known}/") if known else name


def ecg_number(name: str, dataset: str) -> int | None:
    """Return the number of an ECG of `dataset` that a name, such as that of a picture, contains; None without one."""
    for pattern, known in _PATTERNS:
        if known == dataset and (found := pattern.search(name)) is not None:
            return int(found[1])
    return None


def patient_in(name: str) -> str | None:
    """Return the patient that a path states, or None: MIMIC-IV-ECG has a folder a patient."""
    found = _MIMIC_PATIENT.search(name)
    return found[1] if found else None
