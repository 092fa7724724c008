"""How the detectors ecg-beats, ecg-rhythm and ecg-heartbeats are trained.

    python benchmarks/train_detectors.py stores OUT          # recordings of PHYSIOLECT_DATA as stores; two minutes
    python benchmarks/train_detectors.py train OUT           # minutes on a GPU, hours on a CPU
    python benchmarks/train_detectors.py ship OUT            # into the package, without paths of this machine

`train` needs OUT alone: it can be done on another machine. Trained on MIT-BIH, LUDB and PTB-XL, whose R peaks are found
in its twelve leads together and learned in each; CPSC 2019 and CPSC 2021 only test. Each checkpoint is trained twice:
once on a part (`-part`), for the figures on the other part, and once on everything. Parts: DS1 of MIT-BIH without 201
(whose patient is 202 of DS2), LUDB 1 to 80, PTB-XL's folds 1 to 8. The rhythm is also cross-validated by patient
(`ecg-rhythm-folds`), and trained on PTB-XL alone (`ecg-rhythm-ptbxl`), to describe the beats of MIT-BIH by a model that
knows none of its patients.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from cohorts import DS1, data_folder, ptbxl

import physiolect.checkpoint as checkpoint_room
from physiolect import adapt, cross_validate, finetune, load_checkpoint, read_recording
from physiolect.contract import InputContract
from physiolect.datasets import Row, StoreWriter, open_store
from physiolect.datasets.examples.augmentation import Augmentation
from physiolect.datasets.public import mitbih
from physiolect.datasets.public.ludb import LUDB
from physiolect.learning.beat_settings import BEAT_TUNINGS
from physiolect.models.encoder_config import EncoderConfig
from physiolect.recording import Annotations, Recording
from physiolect.signals.r_peaks import detect_r_peaks
from physiolect.training import Recipe

CONTRACT = InputContract(
    fs=100.0, min_samples=100, max_samples=600, modality="ecg", normalisation="none", passband=(0.5, 40.0)
)
BEATS = EncoderConfig(
    context_length=600, patch=10, scaling="standard", class_token=False, width=64, n_layers=4, n_heads=4,
    mlp_width=256, positions="rotary", norm="rms", residual_dropout=0.1,
)  # fmt: skip
RECIPE = Recipe(2e-3, warmup_steps=200, weight_decay=0.05, beta2=0.98)
VARIED = Augmentation(noise=0.1, wander=0.5, flip=0.3)
LEADS = ("I", "II", "V1", "V2", "V5")
"""Of PTB-XL and LUDB, for the rhythm."""
LEFT_OUT = ("AFIB", "AFL", "AFLT", "VFL", "None")
"""Rhythms that are not on the side of "no fibrillation"; flutter is on neither side."""
NSVF = ("N", "S", "V", "F")
PART = tuple(f"mitbih/{record}" for record in DS1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("stores", "train", "ship"))
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="+", choices=tuple(TRAININGS), help="train these only")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, help="updates, to try things out")
    options = parser.parse_args()
    if options.what == "stores":
        write_stores(options.out)
    elif options.what == "ship":
        for name, run in SHIPPED.items():
            ship(options.out / run, EMBEDDED_FOLDER / name)
    else:
        for name in options.only or TRAININGS:
            begun = time.perf_counter()
            TRAININGS[name](options)
            print(f"{name}: {time.perf_counter() - begun:.0f} s", flush=True)


# ---- stores

Piece = tuple[str, str, str, Recording]
"""Source, patient, part of the split, leads with their marks."""


def write_stores(out: Path) -> None:
    everything = {
        "beats": (mitdb, ludb, ptb_raw),
        "rhythm": (mitdb, ptb),
        "cpsc2021": (cpsc2021,),
        "ludb": (ludb_rhythms,),
    }
    for name, pieces in everything.items():
        with StoreWriter(out / name, CONTRACT) as writer:
            for source, patient, part, recording in (piece for each in pieces for piece in each()):
                rows = [
                    Row.from_recording(lead, source=source, patient=patient, split=part)
                    for lead in adapted_leads(recording)
                ]
                writer.add(source, rows)
        print(name, open_store(out / name))


def adapted_leads(recording: Recording) -> list[Recording]:
    """Return each lead that is not flat as the models see it."""
    found = []
    for number, row in enumerate(recording.signal):
        if np.ptp(row) > 0:
            found.append(adapt(recording, CONTRACT, number, window="all")[0])
    return found


def mitdb() -> Iterator[Piece]:
    for record in mitbih.RECORDS:
        patient = mitbih.SAME_PATIENT.get(record, record)
        yield f"mitbih/{record}", f"mitbih/{patient}", "", read_recording(data_folder() / "mitdb" / record)


def ludb() -> Iterator[Piece]:
    for entry, recording in LUDB.recordings(data_folder() / "ludb"):
        yield f"ludb/{entry.name}", f"ludb/{entry.name}", "", recording


def ptb_raw() -> Iterator[Piece]:
    """Yield twelve leads with R peaks found in all together: what hides a beat in one lead rarely hides it in all.

    A record whose first or last beat lies more than 1.2 s inside is left out: it may have lost a beat at that end.
    """
    folder = data_folder() / "ptbxl_raw"
    with open(folder / "ptbxl_database.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            recording = read_recording(folder / row["filename_hr"])
            peaks = detect_r_peaks(recording.signal, recording.fs)
            ends = 1.2 * recording.fs
            if len(peaks) > 4 and peaks[0] < ends and recording.n_samples - peaks[-1] < ends:
                marks = Annotations(peaks, ("N",) * len(peaks))
                patient = f"ptbxl/{float(row['patient_id']):.0f}"
                yield f"ptbxl/{row['ecg_id']}", patient, "train", replace(recording, annotations=marks)


def ludb_rhythms() -> Iterator[Piece]:
    for entry, recording in LUDB.recordings(data_folder() / "ludb"):
        beats = recording.annotations
        marks = Annotations(
            np.insert(beats.sample, 0, 0), ("+", *beats.symbol), (f"({entry.labels[0]}", *beats.note)
        )
        chosen = replace(recording, annotations=marks).select(list(LEADS))
        yield f"ludb/{entry.name}", f"ludb/{entry.name}", "", chosen


def ptb() -> Iterator[Piece]:
    with open(
        data_folder() / "ptbxl_labels" / "ptbxl_labels_21799.csv", newline="", encoding="utf-8"
    ) as file:
        stated = {row["ecg_id"]: (row["patient_id"], row["rhythm"].split()) for row in csv.DictReader(file)}
    for side in ("train", "test"):
        for number, _, recording in ptbxl(side):
            patient, rhythms = stated[number]
            if rhythms and "AFLT" not in rhythms:
                marks = Annotations(np.array([0]), ("+",), (f"({rhythms[0]}",))
                chosen = replace(recording, annotations=marks).select(list(LEADS))
                yield f"ptbxl/{number}", f"ptbxl/{patient}", side, chosen


def cpsc2021() -> Iterator[Piece]:
    for header in sorted((data_folder() / "cinc" / "cpsc2021").glob("*.hea")):
        recording = read_recording(header)
        marks = recording.annotations
        if "+" not in marks.symbol or marks.sample[marks.symbol.index("+")] > recording.fs:
            marks = Annotations(np.insert(marks.sample, 0, 0), ("+", *marks.symbol), ("(N", *marks.note))
        patient = header.stem.split("_")[1]
        yield f"cpsc2021/{header.stem}", f"cpsc2021/{patient}", "", replace(recording, annotations=marks)


# ---- training


def train_beats(options: argparse.Namespace, out: str, train_on: tuple[str, ...]) -> None:
    store = options.out / "beats"
    finetune(
        store, task="beats", preset="encoder", model=BEATS, recipe=RECIPE, augmentation=VARIED, out=options.out / out,
        train_on=train_on, steps=options.steps or 6000, batch_size=256, validation=0.0, patience=0, save_every=2000,
        stride=200, device=options.device,
    )  # fmt: skip


def beats_part(options: argparse.Namespace) -> None:
    train_beats(options, "ecg-beats-part", (*PART, *(f"ludb/{number}" for number in range(1, 81)), "train"))


def beats(options: argparse.Namespace) -> None:
    train_beats(options, "ecg-beats", ())


def other_rhythms(path: Path) -> tuple[str, ...]:
    """Return the rhythms of a store that are no fibrillation."""
    store = open_store(path)
    names = {
        note.lstrip("(")
        for row in range(len(store))
        for note in store.annotations(row).note
        if note[:1] == "("
    }
    return ("N", *sorted(names.difference(LEFT_OUT, ("N",))))


def rhythm_settings(options: argparse.Namespace) -> dict[str, Any]:
    others = other_rhythms(options.out / "rhythm")
    return {
        "task": "rhythm", "preset": "beat-tokens", "negative": others, "beats": str(options.out / "ecg-beats-part"),
        "device": options.device, "steps": options.steps or 1500,
    }  # fmt: skip


def rhythm_folds(options: argparse.Namespace) -> None:
    cross_validate(
        options.out / "rhythm",
        out=options.out / "ecg-rhythm-folds",
        protocol="k-fold",
        **rhythm_settings(options),
    )


def rhythm_part(options: argparse.Namespace) -> None:
    finetune(
        options.out / "rhythm",
        out=options.out / "ecg-rhythm-part",
        train_on=(*PART, "train"),
        **rhythm_settings(options),
    )


def rhythm_ptbxl(options: argparse.Namespace) -> None:
    out, store = options.out / "ecg-rhythm-ptbxl", options.out / "rhythm"
    finetune(store, out=out, train_on=("train", "test"), **rhythm_settings(options))


def rhythm(options: argparse.Namespace) -> None:
    finetune(options.out / "rhythm", out=options.out / "ecg-rhythm", **rhythm_settings(options))


def heartbeat_settings(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "task": "heartbeats", "preset": "beat-tokens", "rhythm": str(options.out / "ecg-rhythm-ptbxl"),
        "device": options.device, "steps": options.steps or BEAT_TUNINGS["position"].steps,
    }  # fmt: skip


def heartbeats_part(options: argparse.Namespace) -> None:
    out = options.out / "ecg-heartbeats-part"
    finetune(options.out / "rhythm", out=out, train_on=PART, classes=NSVF, **heartbeat_settings(options))


def heartbeats(options: argparse.Namespace) -> None:
    finetune(options.out / "rhythm", out=options.out / "ecg-heartbeats", **heartbeat_settings(options))


# ---- into the package

SHIPPED = {"ecg-beats": "ecg-beats-part", "ecg-rhythm": "ecg-rhythm", "ecg-heartbeats": "ecg-heartbeats"}
"""Name -> run. Figures of R peaks are those of the shipped weights; rhythm and classes learn from all patients."""
EMBEDDED_FOLDER = Path(checkpoint_room.__file__).parent / "embedded"


def ship(run: Path, folder: Path) -> None:
    """Save a run's checkpoint into the package; its card stays."""
    checkpoint = load_checkpoint(run)
    made = dict(checkpoint.run)
    settings = dict(made.get("settings", {}))
    for name in ("store", "out", "beats", "rhythm"):
        if settings.get(name):
            settings[name] = Path(settings[name]).name
    made |= {"settings": settings, "model_card": "README.md"}
    if checkpoint.task.name == "beats":
        checkpoint.contract = replace(checkpoint.contract, min_samples=CONTRACT.min_samples)
    card = folder / "README.md"
    text = card.read_bytes() if card.exists() else b""
    checkpoint.run = made
    checkpoint.save(folder)
    card.write_bytes(text)
    print(load_checkpoint(folder).verify())


TRAININGS = {
    "ecg-beats-part": beats_part,
    "ecg-beats": beats,
    "ecg-rhythm-folds": rhythm_folds,
    "ecg-rhythm-part": rhythm_part,
    "ecg-rhythm-ptbxl": rhythm_ptbxl,
    "ecg-rhythm": rhythm,
    "ecg-heartbeats-part": heartbeats_part,
    "ecg-heartbeats": heartbeats,
}


if __name__ == "__main__":
    main()
