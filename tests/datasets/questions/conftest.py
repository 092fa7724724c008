"""Tiny question sets, and the datasets that they ask about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from physiolect.formats import write_recording
from physiolect.recording import Recording

CODES = (
    {"NORM": 100.0, "SR": 0.0},
    {"IMI": 15.0, "LAFB": 100.0, "SR": 0.0},
    {"AFIB": 0.0, "LVH": 100.0},
    {"AFIB": 0.0, "NORM": 80.0},
    {"LVH": 100.0, "SR": 0.0},
    {"NORM": 100.0, "SR": 0.0},
)
NOISE = (
    {"static_noise": " , I-III,  "},
    {},
    {"baseline_drift": " , V6"},
    {"static_noise": " , alles,  "},
    {},
    {},
)
STATEMENTS = {
    "NORM": ("normal ECG", "NORM", ""), "IMI": ("inferior myocardial infarction", "MI", ""),
    "LAFB": ("left anterior fascicular block", "CD", ""), "LVH": ("left ventricular hypertrophy", "HYP", ""),
    "SR": ("sinus rhythm", "", "1.0"), "AFIB": ("atrial fibrillation", "", "1.0"),
}  # fmt: skip


def ptbxl(published: ModuleType, folder: Path, *, unit: str = "mV") -> Path:
    """Write six records of five patients, all of fold 1 but the last, with every column that questions need."""
    rows = []
    for k, codes in enumerate(CODES):
        name = f"records500/00000/{k + 1:05}_hr"
        rng = np.random.default_rng(k)
        signal = rng.standard_normal((12, 500)).astype(np.float32)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_recording(Recording(signal, 500.0, published.PTBXL_LEADS, unit, "ecg"), folder / f"{name}.hea")
        columns = (
            "baseline_drift",
            "static_noise",
            "burst_noise",
            "electrodes_problems",
            "extra_beats",
            "pacemaker",
        )
        rows.append(
            {
                "ecg_id": k + 1, "patient_id": f"{100 + max(1, k)}.0", "report": f"report {k + 1}",
                "scp_codes": str(codes), "heart_axis": "LAD" if k % 2 else "MID", "strat_fold": 10 if k == 5 else 1,
                "filename_lr": name, "filename_hr": name,
                **dict.fromkeys(columns, ""), **NOISE[k],
            }
        )  # fmt: skip
    published.write_table(folder / "ptbxl_database.csv", rows)
    published.write_table(
        folder / "scp_statements.csv",
        [
            {
                "": code,
                "description": words,
                "diagnostic_class": kind,
                "rhythm": rhythm,
                "diagnostic_subclass": kind,
            }
            for code, (words, kind, rhythm) in STATEMENTS.items()
        ],
    )
    return folder


def sample(**changed: Any) -> dict[str, Any]:
    """Return a sample of ECG-QA."""
    return {
        "template_id": 26, "question_id": 1709, "sample_id": 1, "question_type": "single-verify",
        "attribute_type": "noise", "question": "Does this ECG show static noise in lead I?", "answer": ["yes"],
        "ecg_id": [1], "attribute": ["static noise"], **changed,
    }  # fmt: skip


def ecg_qa(folder: Path, parts: Mapping[str, list[dict[str, Any]]], form: str = "template") -> Path:
    """Write shards of ECG-QA, and its table of valid answers."""
    for part, rows in parts.items():
        (folder / form / part).mkdir(parents=True, exist_ok=True)
        (folder / form / part / "00000.json").write_text(json.dumps(rows, indent=4))
    (folder / "answers_for_each_template.csv").write_text(
        "template_id,classes\n26,\"['no', 'yes']\"\n68,\"['none', 'qt interval', 'rr interval', 'p duration']\"\n"
        "7,\"['atrial fibrillation', 'none', 'sinus rhythm', 'atrial flutter']\"\n"
    )
    return folder


def ludb(folder: Path) -> Path:
    """Write two records of three leads in which P, QRS and T of every beat are marked in every lead."""
    import wfdb

    (folder / "data").mkdir(parents=True)
    (folder / "ludb.csv").write_text(
        "ID,Rhythms,Conduction abnormalities,Extrasystolies,Cardiac pacing\n"
        "1,Sinus bradycardia,,,\n2,Atrial fibrillation,I degree av block,Ventricular extrasystole: rvot,\n"
    )
    for record, step, has_p in (("1", 600, True), ("2", 400, False)):
        beats = np.arange(700, 4300, step)
        signal = np.zeros((3, 5000), np.float32)
        for beat in beats:
            signal[:, beat - 10 : beat + 11] += np.hanning(21).astype(np.float32)
            signal[:, beat + 100 : beat + 161] += np.float32([[0.3], [-0.3], [0.01]]) * np.hanning(61).astype(
                np.float32
            )
        header = folder / "data" / f"{record}.hea"
        write_recording(Recording(signal, 500, ("I", "II", "III"), "mV", "ecg"), header)
        for lead in ("i", "ii", "iii"):
            at, symbols = [], []
            for beat in beats.tolist():
                waves = [("p", beat - 80, beat - 65, beat - 50)] if has_p else []
                waves += [("N", beat - 25, beat, beat + 25), ("t", beat + 100, beat + 130, beat + 160)]
                for symbol, onset, peak, end in waves:
                    at += [onset, peak, end]
                    symbols += ["(", symbol, ")"]
            wfdb.wrann(record, lead, np.array(at), symbols, fs=500, write_dir=str(folder / "data"))
    return folder


@pytest.fixture(scope="session")
def made() -> SimpleNamespace:
    """The functions of this file."""
    return SimpleNamespace(ptbxl=ptbxl, sample=sample, ecg_qa=ecg_qa, ludb=ludb)
