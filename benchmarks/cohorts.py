"""Who trains and who tests, wherever decoders of ours are pre-trained and compared; read from PHYSIOLECT_DATA.

Nobody is on both sides. MIT-BIH: DS1 (without 201, whose patient is 202 of DS2) trains and DS2 tests. PTB-XL: folds 1
to 8 train and fold 9 tests; folds share no patient. PPG arrhythmia: 8 of the 28 subjects test, drawn by a seed. CPSC
2021 and CODE-15 only test.

A test cohort is windows of 500 samples, each with the patient it is of. All sets but one are resampled by the package,
as training data and users' recordings are; MIT-BIH by `scipy.signal.resample_poly(x, 5, 18)`, by which HeartGPT's ECG
model has its known figure. On the windows of DS1 (both leads) the two ways agree in 97.0 % of the levels, and within
one level in 99.9 %; only at a recording's ends, which SciPy takes to be zero beyond, do they part by up to 42.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from physiolect import Recording, adapt, read_recording
from physiolect.contract import CONTRACTS
from physiolect.datasets.public import mitbih
from physiolect.recording import LEADS

DS1 = tuple(record for record in mitbih.DS1 if record != "201")
DS2 = mitbih.DS2
T = 500
PPG_TEST_SUBJECTS, PPG_SEED = 8, 0

Side = Literal["train", "test"]
Windows = tuple[NDArray[np.float64], NDArray[np.str_]]
"""Signal (n, 500), and whose each window is (n,)."""


@dataclass(frozen=True)
class Cohort:
    """Windows to score, and what to tell about them."""

    title: str
    about: str
    """Whose windows they are, and what a reader must know who compares models on them."""
    kind: Literal["ecg", "ppg"]
    windows: Windows
    fitted_on: str
    """What the baselines learn from."""
    training: Callable[[], NDArray[np.float64]]
    """The baselines' windows, (m, 500)."""
    leave_out: tuple[str, ...] = ()
    """Patients without whom a second table is made."""


def data_folder() -> Path:
    """Return the folder of real recordings."""
    if "PHYSIOLECT_DATA" not in os.environ:
        raise SystemExit("PHYSIOLECT_DATA is unset: it must name the folder of recordings")
    return Path(os.environ["PHYSIOLECT_DATA"])


def mitbih_windows(records: Iterable[str]) -> Windows:
    """Return 40 windows of each record's first channel in mV at 100 Hz."""
    found, owners = [], []
    for record in records:
        signal = read_recording(data_folder() / "mitdb" / record).signal[0]
        x = resample_poly(signal.astype(np.float64), 5, 18)
        starts = range(0, len(x) - T, len(x) // 40)
        found += [x[start : start + T] for start in starts]
        owners += [record] * len(starts)
    return np.stack(found), np.array(owners)


def ptbxl(side: Side) -> Iterator[tuple[str, str, Recording]]:
    """Yield id, patient and twelve leads of each record; one whose patient is unknown stands for itself."""
    folder = data_folder() / "ptbxl"
    samples = np.load(folder / "signals_100hz_int16.npz")["signals"]  # (records, 12, 1000)
    with open(folder / "index.csv", newline="", encoding="utf-8") as file:
        for row, x in zip(csv.DictReader(file), samples, strict=True):
            if row["repo_split"] == {"train": "train", "test": "val"}[side]:
                patient = f"patient {float(row['patient_id']):.0f}" if row["patient_id"] else None
                recording = Recording(x * np.float32(1e-3), 100.0, LEADS, "sd", "ecg")
                yield row["ecg_id"], patient or f"record {row['ecg_id']}", recording


def ppg(side: Side) -> Iterator[tuple[str, list[Recording]]]:
    """Yield a subject and its ten-second segments at 100 Hz; each was scaled to 0 … 1 by whoever published them."""
    with np.load(data_folder() / "ppg_arrhythmia" / "ppg_100hz_uint16.npz") as file:
        samples, subjects = file["ppg"], file["subject"]
    names = sorted(set(subjects.tolist()))
    test = set(np.random.default_rng(PPG_SEED).choice(names, PPG_TEST_SUBJECTS, replace=False).tolist())
    for name in names:
        if (name in test) == (side == "test"):
            chosen = samples[subjects == name] / np.float32(65535)  # (segments, 1000)
            yield name, [Recording(x, 100.0, ("PPG",), "au", "ppg") for x in chosen]


def windows(
    pieces: Iterable[tuple[str, Recording, str | int]], kind: Literal["ecg", "ppg"], most: int
) -> Windows:
    """Return up to `most` windows of each piece, spread evenly without overlap; shorter pieces give none.

    Args:
        pieces: whose it is, the recording, and which channel of it.
        kind: decides the rate it is brought to, 100 or 50 Hz.
        most: windows of one piece.
    """
    found, owners = [], []
    for owner, recording, channel in pieces:
        adapted, _ = adapt(recording, CONTRACTS[f"heartgpt-{kind}"], channel, window="all")
        x = adapted.signal[0].astype(np.float64)
        starts = np.linspace(0, len(x) - T, min(most, len(x) // T)).astype(int)
        found += [x[start : start + T] for start in starts]
        owners += [owner] * len(starts)
    return np.stack(found), np.array(owners)


def ds2() -> Cohort:
    """Return the 880 windows that HeartGPT's ECG model is known by."""
    return Cohort(
        "MIT-BIH DS2",
        "First channel of the file, by patient. Models trained on DS1 are in-domain here (other patients, the same "
        "recorders); the published ECGPT is not.",
        "ecg",
        mitbih_windows(DS2),
        "DS1",
        ds1_windows,
        leave_out=("202",),
    )


def ds1_windows() -> NDArray[np.float64]:
    """Return the windows of DS1 that baselines are fitted on."""
    return mitbih_windows(DS1)[0]


def ptbxl_fold_9() -> Cohort:
    """Return two windows of lead I of each record of fold 9."""

    def lead_i(side: Side, step: int) -> Windows:
        return windows(((patient, x, "I") for _, patient, x in list(ptbxl(side))[::step]), "ecg", 2)

    return Cohort(
        "PTB-XL fold 9, lead I",
        "By patient where known (52 of 183 records), else by record. Band-passed 0.5-40 Hz by whoever shared it. "
        "Models trained on folds 1-8 are in-domain here. The published ECGPT learned from lead I of nine in ten PTB-XL "
        "records, whatever their fold: it has most likely met these very records, unfiltered.",
        "ecg",
        lead_i("test", 1),
        "folds 1-8",
        lambda: lead_i("train", 4)[0],
    )


def cpsc2021(lead: str) -> Cohort:
    """Return up to 40 windows of one lead of each of the 18 records."""
    files = sorted((data_folder() / "cinc" / "cpsc2021").glob("*.hea"))
    pieces = [(f"subject {file.stem.split('_')[1]}", read_recording(file), lead) for file in files]
    return Cohort(
        f"CPSC 2021, lead {lead}",
        "By subject: six of them, which is few, and a rough interval. Neither the published ECGPT nor our stores have "
        "seen this set.",
        "ecg",
        windows(pieces, "ecg", 40),
        "DS1",
        ds1_windows,
    )


def code15(lead: str) -> Cohort:
    """Return the windows of one lead of each of the ten exams."""
    folder = data_folder() / "code15_sample"
    pieces = []
    with open(folder / "meta.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            path = folder / "org" / row["save_file"]
            exam = read_recording(path, fs=400, variable="feats", channels=LEADS.index(lead), modality="ecg")
            pieces.append((f"patient {row['patient_id']}", exam, 0))
    return Cohort(
        f"CODE-15 sample, lead {lead}",
        "By patient: ten of them, one or two windows each. Neither the published ECGPT nor our stores have seen this "
        "set.",
        "ecg",
        windows(pieces, "ecg", 2),
        "DS1",
        ds1_windows,
    )


def ppg_arrhythmia() -> Cohort:
    """Return up to 100 segments of each held-out subject, each ten seconds and one window."""

    def spread(side: Side, most: int) -> Windows:
        pieces = []
        for subject, segments in ppg(side):
            chosen = np.linspace(0, len(segments) - 1, min(most, len(segments))).astype(int)
            pieces += [(subject, segments[i], 0) for i in chosen]
        return windows(pieces, "ppg", 1)

    return Cohort(
        "PPG arrhythmia, held-out subjects",
        "By subject: eight, at most 100 segments each, and a rough interval. Models trained on the other twenty are "
        "in-domain here; what the published PPGPT learned from is not known to us.",
        "ppg",
        spread("test", 100),
        "the other subjects",
        lambda: spread("train", 25)[0],
    )


COHORTS: dict[str, Callable[[], Cohort]] = {
    "ds2": ds2,
    "ptbxl": ptbxl_fold_9,
    "cpsc2021-I": lambda: cpsc2021("I"),
    "cpsc2021-II": lambda: cpsc2021("II"),
    "code15-I": lambda: code15("I"),
    "code15-II": lambda: code15("II"),
    "ppg": ppg_arrhythmia,
}
"""Test cohorts by name."""


def own_recordings(
    inputs: Sequence[str],
    kind: Literal["ecg", "ppg"],
    *,
    channel: str | None = None,
    fs: float | None = None,
    variable: str | None = None,
) -> tuple[Cohort, list[str]]:
    """Return up to 40 windows of each of a user's recordings, and why any was left out."""
    from physiolect.datasets.preparing.listing import list_files
    from physiolect.datasets.preparing.preparation import Preparation, prepare_file

    pieces, trouble = [], []
    for file in list_files(inputs):
        prepared = prepare_file(file, Preparation(CONTRACTS[f"heartgpt-{kind}"], channel, fs, kind, variable))
        pieces += [(file.name, row.recording(), 0) for row in prepared.rows if row.samples.shape[1] >= T]
        trouble += map(str, prepared.rejected)
    if not pieces:
        raise SystemExit("\n".join([*trouble, f"none of the recordings has {T} samples to score"]))
    cohort = Cohort(
        "Recordings of your own",
        "By recording; where several are of one patient, intervals are too narrow.",
        kind,
        windows(pieces, kind, 40),
        "DS1" if kind == "ecg" else "the other subjects",
        ds1_windows if kind == "ecg" else lambda: ppg_arrhythmia().training(),
    )
    return cohort, trouble
