"""Tiny folders in the layouts of public datasets, for tests to read."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from physiolect.formats import write_recording
from physiolect.recording import LEADS, Recording

PTBXL_LEADS = ("I", "II", "III", "AVR", "AVL", "AVF", *LEADS[6:])
"""The twelve leads as PTB-XL spells them."""


def write_table(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write a CSV with the columns of the first row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_ecg(
    path: Path, *, fs: float = 100.0, seconds: float = 10.0, leads: Sequence[str] = LEADS, comments: str = ""
) -> Recording:
    """Write a WFDB record whose samples depend on its name alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(list(path.name.encode()))
    signal = rng.standard_normal((len(leads), round(fs * seconds))) * 0.3
    recording = Recording(signal, fs, tuple(leads), unit="mV", modality="ecg")
    write_recording(recording, path)
    if comments:
        header = path.with_name(f"{path.name}.hea")
        header.write_text(header.read_text() + comments)
    return recording


def ptbxl(folder: Path, *, rates: Sequence[int] = (100, 500)) -> Path:
    """Write four records of three patients, with every statement's table."""
    rows = []
    codes = (
        {"NORM": 100.0, "SR": 0.0},
        {"IMI": 15.0, "LAFB": 100.0},
        {"SR": 0.0},
        {"ASMI": 50.0, "AMI": 0.0},
    )
    for k, statements in enumerate(codes):
        lr, hr = f"records100/00000/{k + 1:05}_lr", f"records500/00000/{k + 1:05}_hr"
        rows.append(
            {
                "ecg_id": k + 1,
                "patient_id": f"{15709 + min(k, 2)}.0",
                "age": 56.0,
                "report": "sinusrhythmus, normales ekg",
                "scp_codes": str(statements),
                "strat_fold": 3 if k < 2 else 10,
                "filename_lr": lr,
                "filename_hr": hr,
            }
        )
        for rate, name in ((100, lr), (500, hr)):
            if rate in rates:
                write_ecg(folder / name, fs=rate, leads=PTBXL_LEADS)
    write_table(folder / "ptbxl_database.csv", rows)
    classes = {"NORM": ("NORM", "NORM"), "IMI": ("MI", "IMI"), "ASMI": ("MI", "AMI"), "AMI": ("MI", "AMI")}
    classes |= {"LAFB": ("CD", "LAFB/LPFB"), "SR": ("", "")}
    statements_table = [
        {
            "": code, "diagnostic": "1.0" if a else "", "form": "", "rhythm": "" if a else "1.0", "diagnostic_class": a,
            "diagnostic_subclass": b,
        }
        for code, (a, b) in classes.items()
    ]  # fmt: skip
    statements_table[2]["form"] = "1.0"  # as some statements of PTB-XL are diagnostic and of form
    write_table(folder / "scp_statements.csv", statements_table)
    return folder


def mimic_iv_ecg(folder: Path) -> Path:
    """Write three studies of two subjects, the leads in the order of MIMIC."""
    leads = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")
    records, measured = [], []
    for subject, study in ((10000032, 40689238), (10000032, 44458630), (10000117, 45090959)):
        path = f"files/p{str(subject)[:4]}/p{subject}/s{study}/{study}"
        write_ecg(folder / path, fs=500, leads=leads)
        time = "2180-07-23 08:44:00"
        records.append(
            {"subject_id": subject, "study_id": study, "file_name": study, "ecg_time": time, "path": path}
        )
        lines = (
            ["Sinus rhythm", "Possible Left Atrial Enlargement", "Abnormal ECG"] if study != 44458630 else []
        )
        reports = {f"report_{k}": lines[k] if k < len(lines) else "" for k in range(18)}
        measured.append(
            {"subject_id": subject, "study_id": study, "cart_id": 1, **reports, "rr_interval": 659}
        )
    write_table(folder / "record_list.csv", records)
    write_table(folder / "machine_measurements.csv", measured[::-1])
    return folder


def code15(folder: Path) -> Path:
    """Write two parts of five exams of four patients; the last row of a part is nobody's, as in the original."""
    import h5py

    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    exams = {0: (1169160, 2873686, 168405), 1: (271011, 384368)}
    patients = {1169160: 523632, 2873686: 523632, 168405: 1724173, 271011: 7, 384368: 8}
    for part, ids in exams.items():
        tracings = np.zeros((len(ids) + 1, 4096, 12), np.float32)
        for k, exam in enumerate(ids):
            rng = np.random.default_rng(exam)
            length = 2934 if k % 2 else 4096
            first = (4096 - length) // 2
            tracings[k, first : first + length] = rng.standard_normal((length, 12)) * 0.3
            flags = {
                flag: flag == "AF" and exam == 168405 for flag in ("1dAVb", "RBBB", "LBBB", "SB", "ST", "AF")
            }
            about = {"exam_id": exam, "age": 38, "is_male": True, **flags, "patient_id": patients[exam]}
            rows.append({**about, "normal_ecg": exam == 1169160, "trace_file": f"exams_part{part}.hdf5"})
        with h5py.File(folder / f"exams_part{part}.hdf5", "w") as file:
            file["exam_id"] = np.array([*ids, 0])
            file["tracings"] = tracings
    rows.append({**rows[0], "exam_id": 99, "trace_file": "exams_part17.hdf5"})  # a part that was not fetched
    write_table(folder / "exams.csv", rows[::-1])
    return folder


def cinc(folder: Path) -> Path:
    """Write a challenge's training folders: samples in a .mat beside the header, diagnoses in its comments."""
    import scipy.io

    dx = {
        "training/georgia/g1/E00001": "# Age: 78\n# Sex: Male\n# Dx: 67741000119109,426177001\n",
        "training/cpsc_2018/g1/A0001": "#Age: 74\n#Sex: Male\n#Dx: 59118001\n",
        "training/ptb-xl/g1/HR00001": "# Dx: 713427006, 59118001,426783006\n",
        "training/chapman_shaoxing/g1/JS00001": "# Dx: Unknown\n",
    }
    for name, comments in dx.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        val = np.random.default_rng(list(path.name.encode())).integers(-500, 500, (12, 5000)).astype(np.int16)
        scipy.io.savemat(path.with_suffix(".mat"), {"val": val}, format="4")
        lines = [f"{path.name} 12 500 5000"]
        lines += [
            f"{path.name}.mat 16x1+24 1000.0(0)/mV 16 0 {val[k, 0]} 0 0 {lead}"
            for k, lead in enumerate(LEADS)
        ]
        path.with_suffix(".hea").write_text("\n".join(lines) + "\n" + comments)
        (path.parent / "RECORDS").write_text(f"{path.name}\n")
    return folder


def mitbih(folder: Path, records: Sequence[str] = ("100", "101", "102", "201", "202")) -> Path:
    """Write short records of some names of MIT-BIH."""
    for record in records:
        write_ecg(folder / record, fs=360, leads=("V5", "V2") if record == "102" else ("MLII", "V1"))
    return folder


def ludb(folder: Path) -> Path:
    """Write three of four records of three leads, 10 s at 500 Hz; each lead's marks lie a little apart."""
    import wfdb

    (folder / "data").mkdir(parents=True)
    (folder / "ludb.csv").write_text(
        'ID,Sex,Rhythms\n1,"F\n",Sinus bradycardia\n2,"M\n","Atrial fibrillation\nAberrant conduction"\n'
        "3,M,Sinus rhythm\n4,F,Sinus rhythm\n"
    )
    signal = np.random.default_rng(0).normal(size=(3, 5000)).astype(np.float32)
    for record in ("1", "2", "4"):
        write_recording(
            Recording(signal, 500, ("I", "II", "III"), "mV", "ecg"), folder / "data" / f"{record}.hea"
        )
        for k, lead in enumerate(("i", "ii", "iii")):
            beats = np.arange(600, 4500, 400) + 3 * k
            at = np.sort(np.concatenate([beats - 20, beats, beats + 20]))
            wfdb.wrann(record, lead, at, ["(", "N", ")"] * len(beats), fs=500, write_dir=str(folder / "data"))
    return folder


def heartbeats(folder: Path, count: int = 40) -> Path:
    """Write the four files, with `count` beats in the first."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "mitbih_train": (count, 5),
        "mitbih_test": (7, 5),
        "ptbdb_normal": (3, 1),
        "ptbdb_abnormal": (3, -1),
    }
    for name, (n, classes) in files.items():
        rng = np.random.default_rng(n)
        lines = []
        for k in range(n):
            beat = np.zeros(187)
            beat[:100] = rng.uniform(0, 1, 100)
            label = k % classes if classes > 0 else 1
            lines.append(",".join(f"{value:.18e}" for value in (*beat, float(label))))
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return folder
