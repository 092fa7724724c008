"""How well the waves of an ECG are found: our delineation beside NeuroKit2's, on LUDB.

    python benchmarks/delineation.py [--records 81-160] [--without-neurokit]
    python benchmarks/delineation.py --ptbxl

Reads LUDB from the folder that PHYSIOLECT_DATA names. Constants were chosen on records 1 to 80. The experts' marks of a
lead are compared with the marks found in that lead, within 150 ms (Se, PPV, mean and SD of found minus expert, in ms).
Experts leave the first and the last beat unmarked, so that nothing outside their marks counts as false. Intervals and
rate are medians of a record; intervals over leads take the same rule on both sides: of each beat, the 20 % quantile of
the leads' onsets and the 80 % quantile of their ends. NeuroKit2 gets every lead by itself, with its own R peaks.

`--ptbxl` measures axis, voltages and intervals of `ptbxl_raw` by what its reports state: LUDB's amplitudes are not
comparable between leads.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from wfdb import rdann, rdrecord

from physiolect.detection import measure_ecg
from physiolect.formats import read_recording
from physiolect.recording import LEADS
from physiolect.signals.delineation import VOLTAGES, Measurements, delineate
from physiolect.signals.delineation.beat_windows import nan_quantile

WAVES = {"P": "p", "QRS": "N", "T": "t"}
MARKS = ("onset", "peak", "end")
TOLERANCE, NEAR = 0.15, 0.15  # seconds: of a match, and between leads' peaks of one wave
SHARE = 0.2
LONGEST_PR, LONGEST_ST = 0.45, 0.6  # seconds
INTERVALS = ("PR", "QRS", "QT")

AXES = {
    "ALAD": "extreme left", "LAD": "left", "MID": "normal", "AXR": "vertical", "RAD": "right",
}  # fmt: skip
STATEMENTS = {
    "NORM": "normal", "LVH": "left ventricular hypertrophy", "VCLVH": "its voltage criteria", "LVOLT": "low voltage",
    "CLBBB": "left bundle branch block", "CRBBB": "right bundle branch block", "1AVB": "first-degree AV block",
    "LNGQT": "long QT", "AFIB": "atrial fibrillation",
}  # fmt: skip

Marks = dict[str, list[NDArray[np.float64]]]
"""Wave -> for each lead its marks, (n, 3) samples; NaN where one is missing."""


@dataclass
class Score:
    """Matches of one boundary."""

    errors: list[NDArray[np.float64]] = field(default_factory=list)
    missed: int = 0
    false: int = 0

    def add(self, expert: NDArray[np.float64], found: NDArray[np.float64], fs: float) -> None:
        if not len(expert):
            self.false += len(found)
            return
        if not len(found):
            self.missed += len(expert)
            return
        far = np.abs(found[np.newaxis] - expert[:, np.newaxis])
        nearest = far.argmin(axis=1)
        match = far.min(axis=1) <= TOLERANCE * fs
        self.errors.append((found[nearest] - expert)[match] / fs * 1000)
        self.missed += int((~match).sum())
        self.false += int((far.min(axis=0) > TOLERANCE * fs).sum())

    def row(self) -> str:
        errors = np.concatenate(self.errors)
        n = len(errors)
        return (
            f"{n:,} | {n / (n + self.missed):.4f} | {n / (n + self.false):.4f} | {errors.mean():+.1f} | "
            f"{errors.std():.1f} | {np.median(np.abs(errors)):.1f}"
        )


def expert_marks(path: Path) -> Marks:
    marks: Marks = {wave: [] for wave in WAVES}
    for lead in LEADS:
        notes = rdann(str(path), lead.lower())
        symbol, sample = notes.symbol, notes.sample
        for wave, letter in WAVES.items():
            rows = [
                (
                    sample[k - 1] if k and symbol[k - 1] == "(" else np.nan,
                    sample[k],
                    sample[k + 1] if symbol[k + 1 : k + 2] == [")"] else np.nan,
                )
                for k, each in enumerate(symbol)
                if each == letter
            ]
            marks[wave].append(np.array(rows, np.float64).reshape(-1, 3))
    return marks


def our_marks(signal: NDArray[np.float64], fs: float) -> Marks:
    waves = delineate(signal, fs)
    found = {"P": waves.p, "QRS": waves.qrs, "T": waves.t}
    return {
        name: [
            known(np.stack(lead, axis=1)) for lead in zip(wave.onset.T, wave.peak.T, wave.end.T, strict=True)
        ]
        for name, wave in found.items()
    }


def neurokit_marks(signal: NDArray[np.float64], fs: float) -> Marks:
    import neurokit2 as nk

    keys = {
        "P": ("ECG_P_Onsets", "ECG_P_Peaks", "ECG_P_Offsets"),
        "QRS": ("ECG_R_Onsets", "ECG_R_Peaks", "ECG_R_Offsets"),
        "T": ("ECG_T_Onsets", "ECG_T_Peaks", "ECG_T_Offsets"),
    }
    marks: Marks = {wave: [] for wave in WAVES}
    for lead in signal:
        found: dict[str, object] = {}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                clean = nk.ecg_clean(lead, sampling_rate=fs)
                peaks = nk.ecg_peaks(clean, sampling_rate=fs)[1]["ECG_R_Peaks"]
                found = {
                    "ECG_R_Peaks": peaks,
                    **nk.ecg_delineate(clean, peaks, sampling_rate=fs, method="dwt")[1],
                }
        except (ValueError, IndexError, ZeroDivisionError):
            pass
        for wave, names in keys.items():
            columns = [np.asarray(found.get(name, ()), np.float64) for name in names]
            n = min(map(len, columns))
            marks[wave].append(known(np.stack([each[:n] for each in columns], axis=1)))
    return marks


def known(marks: NDArray[np.float64]) -> NDArray[np.float64]:
    return marks[np.isfinite(marks).any(axis=1)]


def over_leads(leads: Sequence[NDArray[np.float64]], fs: float) -> NDArray[np.float64]:
    """Return onset, peak and end over leads of each wave that four leads have at least, (n, 3)."""
    peaks = np.sort(np.concatenate([lead[:, 1] for lead in leads]))
    peaks = peaks[np.isfinite(peaks)]
    groups = np.split(peaks, np.flatnonzero(np.diff(peaks) > NEAR * fs) + 1) if len(peaks) else []
    centres = np.array([np.median(group) for group in groups if len(group) >= 4])
    marks = np.full((3, len(centres), len(leads)), np.nan)
    for row, lead in enumerate(leads):
        lead = lead[np.isfinite(lead[:, 1])]
        if len(lead):
            far = np.abs(lead[:, 1] - centres[:, np.newaxis])
            near = far.min(axis=1) < NEAR * fs
            marks[:, near, row] = lead[far.argmin(axis=1)[near]].T
    quantiles = (SHARE, 0.5, 1 - SHARE)
    return np.stack([nan_quantile(part, q) for part, q in zip(marks, quantiles, strict=True)], axis=1)


def intervals(marks: Marks, fs: float) -> tuple[float, float, float]:
    """Return the medians of PR, QRS and QT over leads, in ms."""
    p, qrs, t = (over_leads(marks[wave], fs) for wave in WAVES)
    qrs = qrs[np.isfinite(qrs).all(axis=1)]
    pr, qt = [], []
    for onset, _, end in qrs:
        before = p[(p[:, 0] < onset) & (p[:, 0] > onset - LONGEST_PR * fs), 0]
        after = t[(t[:, 2] > end) & (t[:, 2] < end + LONGEST_ST * fs), 2]
        pr += [onset - before[-1]] if len(before) else []
        qt += [after[0] - onset] if len(after) else []
    parts = (pr, qrs[:, 2] - qrs[:, 0], qt)
    return tuple(float(np.median(each)) / fs * 1000 if len(each) else np.nan for each in parts)  # type: ignore[return-value]


def rate(marks: Marks, fs: float, first: float, last: float) -> float:
    """Return 60 over the mean interval of the beats that lie in the stretch the experts marked."""
    peaks = over_leads(marks["QRS"], fs)[:, 1]
    peaks = peaks[(peaks > first - NEAR * fs) & (peaks < last + NEAR * fs)]
    return 60 * fs / float(np.diff(peaks).mean()) if len(peaks) > 1 else np.nan


def judge(records: Sequence[int], finders: dict[str, Callable[..., Marks]]) -> None:
    folder = Path(os.environ["PHYSIOLECT_DATA"]) / "ludb" / "data"
    scores = {name: {(w, m): Score() for w in WAVES for m in MARKS} for name in finders}
    seconds = dict.fromkeys(finders, 0.0)
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in ("expert", *finders)}
    for record in records:
        header = rdrecord(str(folder / str(record)))
        names = [name.lower() for name in header.sig_name]
        signal = header.p_signal.T[[names.index(lead.lower()) for lead in LEADS]]
        fs, expert = float(header.fs), expert_marks(folder / str(record))
        peaks = over_leads(expert["QRS"], fs)[:, 1]
        found["expert"].append((*intervals(expert, fs), rate(expert, fs, peaks[0], peaks[-1])))
        for name, finder in finders.items():
            begun = time.perf_counter()
            marks = finder(signal, fs)
            seconds[name] += time.perf_counter() - begun
            found[name].append((*intervals(marks, fs), rate(marks, fs, peaks[0], peaks[-1])))
            add_scores(scores[name], expert, marks, fs)
    print_boundaries(scores)
    print_intervals({name: np.array(rows) for name, rows in found.items()}, seconds)


def add_scores(scores: dict[tuple[str, str], Score], expert: Marks, marks: Marks, fs: float) -> None:
    """Compare lead by lead, within the beats that the experts marked."""
    for lead in range(len(LEADS)):
        beats = expert["QRS"][lead][:, 1]
        for wave in WAVES:
            margin = (TOLERANCE if wave == "QRS" else 0.0) * fs
            for k, mark in enumerate(MARKS):
                both = [each[wave][lead][:, k] for each in (expert, marks)]
                both = [each[(each > beats[0] - margin) & (each < beats[-1] + margin)] for each in both]
                scores[wave, mark].add(*both, fs)


def print_boundaries(scores: dict[str, dict[tuple[str, str], Score]]) -> None:
    print("\n| boundary | by | matched | Se | PPV | mean, ms | SD, ms | median error, ms |")
    print("|---|---|---|---|---|---|---|---|")
    for wave in WAVES:
        for mark in MARKS:
            for name, score in scores.items():
                print(f"| {wave} {mark} | {name} | {score[wave, mark].row()} |")


def print_intervals(found: dict[str, NDArray[np.float64]], seconds: dict[str, float]) -> None:
    expert = found.pop("expert")
    print("\n| over leads | by | records | without | median error | mean | SD | within |")
    print("|---|---|---|---|---|---|---|---|")
    for k, (what, limit) in enumerate((("PR, ms", 12), ("QRS, ms", 12), ("QT, ms", 20), ("rate, 1/min", 2))):
        for name, rows in found.items():
            there = np.isfinite(expert[:, k])
            error = (rows - expert)[there, k]
            gone = int(np.isnan(error).sum())
            error = error[np.isfinite(error)]
            within = float((np.abs(error) <= limit).sum() / max(there.sum(), 1))
            print(
                f"| {what} | {name} | {len(error)} | {gone} | {np.median(np.abs(error)):.1f} | {error.mean():+.1f} | "
                f"{error.std():.1f} | {within:.1%} of {limit} |"
            )
    n = len(expert)
    print("\n" + "; ".join(f"{name}: {value / n * 1000:.0f} ms a record" for name, value in seconds.items()))


def measured_groups() -> None:
    """Print the axis by PTB-XL's `heart_axis`, and what is measured by statements of its reports."""
    folder = Path(os.environ["PHYSIOLECT_DATA"]) / "ptbxl_raw"
    with open(folder / "ptbxl_database.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = [measure_ecg(read_recording(folder / row["filename_hr"])) for row in rows]
    print(f"PTB-XL, raw, {len(rows)} records of folds 1 to 9")
    print("\n| axis in the report | records | median | 10 % to 90 %, degrees |")
    print("|---|---|---|---|")
    for code, words in AXES.items():
        axis = np.array([m.axis for row, m in zip(rows, found, strict=True) if row["heart_axis"] == code])
        low, middle, high = np.nanpercentile(axis, (10, 50, 90))
        print(f"| {words} ({code}) | {len(axis)} | {middle:.0f} | {low:.0f} to {high:.0f} |")
    print(
        "\n| statement | records | Sokolow-Lyon, mV | largest limb lead, mV | PR, ms | QRS, ms | QTc, ms "
        "| beats with P |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for code, words in STATEMENTS.items():
        group = [m for row, m in zip(rows, found, strict=True) if f"'{code}'" in row["scp_codes"]]
        columns = [
            [sokolow(m) for m in group], [limb_span(m) for m in group], [m.pr for m in group], [m.qrs for m in group],
            [m.qtc_bazett for m in group],
        ]  # fmt: skip
        values = [float(np.nanmedian(column)) for column in columns]
        numbers = " | ".join(f"{v:.1f}" if k < 2 else f"{v:.0f}" for k, v in enumerate(values))
        print(
            f"| {words} ({code}) | {len(group)} | {numbers} | {np.nanmean([m.p_share for m in group]):.0%} |"
        )


def sokolow(found: Measurements) -> float:
    """Return the depth of S in V1 and the height of R in V5 or V6 together."""
    lead = dict(zip(found.leads, found.voltages, strict=True))
    r, s = VOLTAGES.index("R"), VOLTAGES.index("S")
    return float(max(lead["V5"][r], lead["V6"][r]) - lead["V1"][s])


def limb_span(found: Measurements) -> float:
    """Return the largest span of QRS in I, II and III."""
    columns = [VOLTAGES.index(wave) for wave in ("Q", "R", "S")]
    rows = [found.voltages[found.leads.index(lead), columns] for lead in ("I", "II", "III")]
    return float(np.nanmax([np.ptp(np.append(row, 0.0)) for row in rows]))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", default="81-160", help="first and last record of LUDB, such as 1-160")
    parser.add_argument("--without-neurokit", action="store_true")
    parser.add_argument(
        "--ptbxl", action="store_true", help="axis and voltages by PTB-XL's reports, in place of LUDB"
    )
    given = parser.parse_args()
    if given.ptbxl:
        measured_groups()
        return
    first, last = map(int, given.records.split("-"))
    finders = {"physiolect": our_marks} | ({} if given.without_neurokit else {"NeuroKit2": neurokit_marks})
    print(f"LUDB {first} to {last}, 12 leads of 10 s at 500 Hz, one core")
    judge(range(first, last + 1), finders)


if __name__ == "__main__":
    main()
