"""Fine-tuned for atrial fibrillation, cross-validated by patient, beside the published models on the same windows.

    python benchmarks/fine_tuning.py stores OUT     # the recordings of PHYSIOLECT_DATA as stores; a minute
    python benchmarks/fine_tuning.py train OUT      # seven folds each; minutes on a GPU, many hours on a CPU
    python benchmarks/fine_tuning.py tables OUT     # what docs/results.md shows

`train` needs OUT and the published files (`--weights`) alone: it can be done on another machine. Windows judged,
of 500 samples each:

- ECG: 2,500 drawn by a seed out of MIT-BIH's first channels, at 100 Hz by `scipy.signal.resample_poly(x, 5, 18)`: all
  that lie one after another in episodes of "AFIB", and about 30 of each episode of "N". Beside them, all of CPSC 2021's
  lead I. Whoever is judged by a fold's model, MIT-BIH's or CPSC's, has no window among those it learnt from.
- PPG: 2,000 drawn by a seed of the ten-second segments labelled sinus or AF, halved to 50 Hz by
  `resample_poly(x, 1, 2)`.

What is learnt from: the other patients' windows of all leads, half overlapping, other rhythms than sinus counting as
not AF (flutter is on neither side); for ECG also the PTB-XL records whose statements are at hand, of which 106 say
AFIB. PTB-XL judges nobody. The recipe is the preset `modern` of `finetune`, no patients kept for validation. It was
chosen by six trial runs on these very windows; of those, each that trained the whole model was ahead of the published
one by about as much.
"""

from __future__ import annotations

import argparse
import ast
import csv
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from cohorts import data_folder
from numpy.typing import NDArray
from scipy.signal import resample_poly

from physiolect import Recording, load_checkpoint, read_recording
from physiolect.contract import CONTRACTS
from physiolect.datasets import Examples, Row, Store, StoreWriter, make_examples, open_store
from physiolect.detection import predict_windows
from physiolect.evaluation import Bootstrap, Estimate, Fold, make_folds, measure_binary
from physiolect.evaluation.baselines import (
    Detector,
    linear_probe,
    random_weights,
    rr_regression,
    window_beats,
    window_features,
)
from physiolect.learning import TUNINGS, FinetuneSettings
from physiolect.learning.job import Base, Job, Runtime
from physiolect.recording import LEADS, Annotations
from physiolect.training import Schedule, Stop, choose_device

Kind = Literal["ecg", "ppg"]
T, K = 500, 7
WINDOWS: dict[Kind, int] = {"ecg": 2500, "ppg": 2000}
PUBLISHED: dict[Kind, str] = {"ecg": "ECGPT_AF_1k_iters", "ppg": "PPGPT_AF_1k_iters"}
OTHER = ("N", "other", "sinus", "AB", "B", "BII", "IVR", "NOD", "P", "PREX", "SBR", "SVTA", "T", "VFL", "VT",
         "PVC", "PAC", "SVT")  # fmt: skip
"""Rhythms that are learnt as not AF; of these N and sinus are judged."""
BASES: dict[str, tuple[Kind, str]] = {
    "fine-tuned from the published ECGPT": ("ecg", "ECGPT_560k_iters"),
    "fine-tuned from ours (`ecg`)": ("ecg", "ecg"),
    "fine-tuned from the published PPGPT": ("ppg", "PPGPT_500k_iters"),
}
"""Name in the table -> what is judged, and the checkpoint that training begins with."""
KINDS: tuple[Kind, ...] = ("ecg", "ppg")
DETECTORS: dict[Kind, Detector] = {"ecg": "neurokit", "ppg": "elgendi"}
"""Whose beats the regression on intervals takes."""
PARTS: dict[Kind, dict[str, str]] = {
    "ecg": {"MIT-BIH": "mitdb/", "CPSC 2021, lead I": "cpsc2021/"},
    "ppg": {"PPG arrhythmia": ""},
}
"""Title of a table -> how the names of its recordings begin."""
RR = "RR regression"
LABELS = ("sinus", "PVC", "PAC", "VT", "SVT", "AF")
"""Of the PPG segments, by number."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("stores", "train", "tables"))
    parser.add_argument("out", type=Path)
    parser.add_argument("--weights", type=Path, help="folder of the published files, unless OUT holds them")
    parser.add_argument("--only", nargs="+", help="checkpoints to begin with, of those in the table")
    parser.add_argument(
        "--beats", action="store_true", help="train a beat model, and nothing else: OUT/beats"
    )
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--folds", type=int, default=K, help="train this many of the seven only")
    options = parser.parse_args()
    if options.what == "stores":
        write_stores(options.out)
    elif options.what == "train":
        train(options)
    else:
        tables(options.out)


# ---- stores


def write_stores(out: Path) -> None:
    for kind, pieces in (("ecg", ecg), ("ppg", ppg)):
        with StoreWriter(out / kind, replace(CONTRACTS[f"heartgpt-{kind}"], min_samples=T)) as writer:
            for source, patient, recordings, labels in pieces():
                rows = [
                    Row.from_recording(x, source=source, patient=patient, labels=labels) for x in recordings
                ]
                writer.add(source, rows)
        print(open_store(out / kind))


Piece = tuple[str, str, list[Recording], tuple[str, ...]]
"""Source, patient, one recording a lead, labels."""


def ecg() -> Iterator[Piece]:
    for header in sorted((data_folder() / "mitdb").glob("*.hea")):
        record = header.stem
        patient = "mitdb/201" if record == "202" else f"mitdb/{record}"  # one patient
        yield f"mitdb/{record}", patient, leads(header, 5, 18), ()
    for header in sorted((data_folder() / "cinc" / "cpsc2021").glob("*.hea")):
        yield f"cpsc2021/{header.stem}", f"cpsc2021/{header.stem.split('_')[1]}", leads(header, 1, 2), ()
    folder = data_folder() / "ptbxl"
    samples = np.load(folder / "signals_100hz_int16.npz")["signals"]  # (records, 12, 1000)
    with open(folder / "index.csv", newline="", encoding="utf-8") as file:
        for row, x in zip(csv.DictReader(file), samples, strict=True):
            if row["scp_codes"]:
                rhythm = "(AFIB" if "AFIB" in ast.literal_eval(row["scp_codes"]) else "(other"
                marks = Annotations(np.array([0]), ("+",), (rhythm,))
                chosen = [LEADS.index(lead) for lead in ("I", "II", "V1", "V5")]
                yield f"ptbxl/{row['ecg_id']}", f"ptbxl/{row['patient_id']}", [
                    Recording(x[k : k + 1] * np.float32(1e-3), 100.0, (LEADS[k],), "sd", "ecg", annotations=marks)
                    for k in chosen
                ], ()  # fmt: skip


def leads(header: Path, up: int, down: int) -> list[Recording]:
    """Return each lead of a record at 100 Hz, with its marks; what is before the first rhythm is "N"."""
    whole = read_recording(header)
    sample, symbols, notes = whole.annotations.sample, whole.annotations.symbol, whole.annotations.note
    rhythm = sample[[symbol == "+" for symbol in symbols]]
    if not len(rhythm) or rhythm[0] > whole.fs:  # CPSC 2021 marks what is not sinus rhythm
        sample, symbols, notes = np.insert(sample, 0, 0), ("+", *symbols), ("(N", *notes)
    x = resample_poly(whole.signal.astype(np.float64), up, down, axis=1).astype(np.float32)
    marks = Annotations(np.rint(sample * up / down).astype(np.int64), symbols, notes)
    return [
        Recording(x[c : c + 1], 100.0, (channel,), whole.units[c], "ecg", annotations=marks)
        for c, channel in enumerate(whole.channels)
    ]


def ppg() -> Iterator[Piece]:
    with np.load(data_folder() / "ppg_arrhythmia" / "ppg_100hz_uint16.npz") as file:
        samples, subjects, labels = file["ppg"], file["subject"], file["label"]
    x = resample_poly(samples / 65535.0, 1, 2, axis=1).astype(np.float32)  # (segments, 500)
    for i, (subject, label) in enumerate(zip(subjects.tolist(), labels.tolist(), strict=True)):
        segment = Recording(x[i : i + 1], 50.0, ("PPG",), "au", "ppg")
        yield f"ppg_arrhythmia/{i}", f"ppg_arrhythmia/{subject}", [segment], (LABELS[label],)


# ---- windows


@dataclass(frozen=True)
class Sides:
    """Windows to learn from, and windows to judge."""

    learn: Examples
    judge: Examples


def sides(kind: Kind, out: Path) -> Sides:
    store = open_store(out / kind)
    opposite = [name for name in OTHER if name in rhythms(store)]
    learn = make_examples(store, "rhythm", length=T, stride=T // 2, negative=opposite)
    if kind == "ppg":
        judged = make_examples(store, "rhythm", length=T)
        return Sides(learn, drawn(judged, WINDOWS[kind]))
    first = np.array([i == 0 or source != store.sources[i - 1] for i, source in enumerate(store.sources)])
    mitdb, cpsc = (np.char.startswith(np.array(store.sources), name) for name in ("mitdb/", "cpsc2021/"))
    some = make_examples(store, "rhythm", length=T, max_per_episode=30)
    every = make_examples(store, "rhythm", length=T)
    reference = drawn(some.take((first & mitdb)[some.rows]), WINDOWS[kind])
    return Sides(learn, together(reference, every.take((first & cpsc)[every.rows])))


def rhythms(store: Store) -> set[str]:
    marks = {note.lstrip("(") for row in range(len(store)) for note in store.annotations(row).note}
    return marks | {label for labels in store.labels for label in labels}


def drawn(examples: Examples, n: int) -> Examples:
    return examples.take(np.sort(np.random.default_rng(0).choice(len(examples), n, replace=False)))


def together(one: Examples, other: Examples) -> Examples:
    assert one.values is not None
    assert other.values is not None
    pairs = {name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in
             ("rows", "channels", "starts", "values")}  # fmt: skip
    return replace(one, groups=one.groups + other.groups, sources=one.sources + other.sources, **pairs)


# ---- training


def train(options: argparse.Namespace) -> None:
    device = choose_device("auto")
    torch.set_float32_matmul_precision("high")
    if options.beats:
        return train_beats(options, device)
    made: dict[Kind, Sides] = {}
    for name, (kind, base) in BASES.items():
        if options.only and base not in options.only:
            continue
        begun = time.perf_counter()
        if kind not in made:
            made[kind] = sides(kind, options.out)
        score = cross_validated(kind, file_of(base, options), made[kind], device, options)
        np.savez(options.out / f"{kind}-from-{base}.npz", score=score)
        target = made[kind].judge.target
        known = ~np.isnan(score)
        found = measure_binary(score[known], target[known], Bootstrap(np.arange(known.sum()), n_resamples=1))
        print(
            f"{kind}, {name}: {known.sum()} windows, AUROC {found['auroc'].value:.4f}, "
            f"{time.perf_counter() - begun:.0f} s",
            flush=True,
        )


def train_beats(options: argparse.Namespace, device: torch.device) -> None:
    """Teach our decoder the beats of MIT-BIH and CPSC 2021, all patients and leads, for recordings of other sets."""
    beats = make_examples(open_store(options.out / "ecg"), "beats", length=T)
    start = Base("ecg", load_checkpoint("ecg"))
    tuning = replace(TUNINGS["modern"], validation=0.0, patience=None, steps=2 * options.steps)
    out = options.out / "beats"
    out.mkdir(exist_ok=True)
    settings = FinetuneSettings(str(beats.store.path), "beats", str(out), "ecg")
    begun = time.perf_counter()
    Job(settings, start, tuning, runtime_on(device), Stop(None)).run(out, beats, None)
    print(f"beats: {len(beats)} windows, {time.perf_counter() - begun:.0f} s", flush=True)


def folds_of(judge: Examples) -> list[Fold]:
    return make_folds(judge.groups, "k-fold", k=K, stratify_by=judge.strata)


def runtime_on(device: torch.device) -> Runtime:
    return Runtime(device, "auto", "auto", Schedule(100, 10**9, 10**9))


def file_of(base: str, options: argparse.Namespace) -> str:
    return base if base == "ecg" else str((options.weights or options.out) / f"{base}.zip")


def cross_validated(
    kind: Kind, base: str, both: Sides, device: torch.device, options: argparse.Namespace
) -> NDArray[np.float32]:
    """Return what each window to judge was given by a model that had not seen its patient, (n,)."""
    flip = 0.2 if kind == "ecg" else 0.0  # swapped electrodes; a pulse has no such thing
    modern = TUNINGS["modern"]
    tuning = replace(
        modern, validation=0.0, patience=None, steps=options.steps, batch_size=128,
        augmentation=replace(modern.augmentation, flip=flip),
    )  # fmt: skip
    judge, start = both.judge, Base(base, load_checkpoint(base))
    folds = folds_of(judge)
    score = np.full(len(judge), np.nan, np.float32)
    for fold in folds[: options.folds]:
        tested = {judge.groups[i] for i in fold.test.tolist()}
        learn = both.learn.take(np.array([group not in tested for group in both.learn.groups]))
        with tempfile.TemporaryDirectory() as folder:
            settings = FinetuneSettings(str(learn.store.path), "rhythm", folder, base)
            Job(settings, start, tuning, runtime_on(device), Stop(None)).run(Path(folder), learn, None)
            tuned = load_checkpoint(Path(folder) / "last")
        tuned.model.to(device)
        score[fold.test] = predict_windows(tuned, judge.take(fold.test), batch_size=512)
    return score


# ---- tables


def tables(out: Path) -> None:
    for kind in KINDS:
        judge = sides(kind, out).judge
        published = load_checkpoint(out / f"{PUBLISHED[kind]}.zip")
        folds = folds_of(judge)
        scores: dict[str, NDArray[np.floating]] = {
            f"published {PUBLISHED[kind].split('_1k')[0]}": predict_windows(published, judge),
            RR: rr_regression(window_beats(judge, DETECTORS[kind]), judge.target, folds).score,
            "random weights + regression": linear_probe(
                window_features(random_weights(published), judge), judge.target, folds
            ).score,
        }
        for name, (of, base) in BASES.items():
            file = out / f"{kind}-from-{base}.npz"
            if of == kind and file.exists():
                scores[name] = np.load(file)["score"]
        for title, prefix in PARTS[kind].items():
            mine = np.array([source.startswith(prefix) for source in judge.sources])
            print(
                f"\n**{title}**\n\n" + table(judge.take(mine), {name: x[mine] for name, x in scores.items()})
            )


def table(judge: Examples, scores: dict[str, NDArray[np.floating]]) -> str:
    draws = Bootstrap(judge.groups)
    target = judge.target
    af = {group for group, value in zip(judge.groups, target, strict=True) if value}
    lines = [
        f"| {len(judge):,} windows ({int(target.sum()):,} AF) of {draws.n_groups} patients ({len(af)} with AF) "
        f"| AUROC | minus published | minus {RR} | AUPRC | sensitivity | specificity | accuracy | calibration error |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    found = {name: measure_binary(score, target, draws) for name, score in scores.items()}
    published, *_ = found
    for name, measured in found.items():
        gains = [
            "" if name == other else words(measured["auroc"].minus(found[other]["auroc"]), "+")
            for other in (published, RR)
        ]
        cells = [words(measured[key]) for key in ("auprc", "sensitivity", "specificity", "accuracy", "ece")]
        lines.append(f"| {name} | {words(measured['auroc'])} | {' | '.join(gains + cells)} |")
    return "\n".join(lines)


def words(estimate: Estimate, sign: str = "") -> str:
    value, low, high = (format(x, f"{sign}.3f") for x in (estimate.value, estimate.low, estimate.high))
    return f"{value} [{low}, {high}]"


if __name__ == "__main__":
    main()
