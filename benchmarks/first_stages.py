"""Do objectives without labels help at this size? A linear probe and fine-tuning, against random weights.

    python benchmarks/twelve_leads.py stores OUT                        # labels and stores; two minutes
    python benchmarks/first_stages.py stores OUT                        # all records of 12 leads in one store
    python benchmarks/first_stages.py run OUT --device cuda             # masked and jepa
    python benchmarks/first_stages.py run OUT --device cuda --text-tower FOLDER    # and contrastive, merl

Every first stage learns from all records but those of fold 9: the filtered part of PTB-XL and, filtered and
standardised in the same way, its raw part, LUDB, and the records of CinC 2021 that are not from PTB-XL. Then the
super-classes of the filtered part are learned from folds 1 to 8 and predicted for fold 9: by a linear probe on frozen
features, and by fine-tuning all weights. Random weights are probed, and trained from scratch, in the same way.
Differences are paired, with intervals by patient. An interval that contains zero means that nothing was shown.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from cohorts import data_folder
from twelve_leads import ENCODER, FILTERED, SUPERCLASSES, TRAINING, raw_records, read_labels

from physiolect import adapt, evaluate, finetune, pretrain, read_recording
from physiolect.checkpoint import Outputs
from physiolect.datasets import Row, StoreWriter, open_store
from physiolect.errors import PhysiolectError
from physiolect.evaluation.result import EvaluationResult
from physiolect.events import Reporter
from physiolect.learning.new_model import new_checkpoint
from physiolect.recording import Recording
from physiolect.training import Recipe

ENCODER_12 = replace(ENCODER, n_channels=12, class_token=False)
RECIPE = Recipe(1e-3, warmup_steps=200, weight_decay=0.05)
TUNING: dict[str, Any] = {
    "recipe": Recipe(5e-4, warmup_steps=100, weight_decay=0.05), "batch_size": 64, "patience": 10, "trained": "all",
}  # fmt: skip


def main() -> None:
    """Write the store, or make the rows and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("stores", "run"))
    parser.add_argument("out", type=Path)
    parser.add_argument("--text-tower")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, default=5000, help="updates of a first stage")
    parser.add_argument("--tuning-steps", type=int, default=2000, help="most updates of a fine-tuning")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--resamples", type=int, default=2000)
    options = parser.parse_args()
    if options.what == "stores":
        write_store(options.out)
        write_captions(options.out / "captions.csv")
        return
    objectives = ("masked", "jepa", *(("contrastive", "merl") if options.text_tower else ()))
    for objective in objectives:
        run = first_stage(options, objective)
        print(f"\n# {objective}\n\n## linear probe\n")
        print(probed(options, run).summary)
        print("\n## fine-tuned, against training from scratch\n", flush=True)
        print(
            judged(options, tuned(options, objective, run), compare=tuned(options, "scratch", None)).summary,
            flush=True,
        )


def write_store(out: Path) -> None:
    """Write all records of 12 leads into one store."""
    filtered, stated = open_store(out / "filtered"), read_labels()
    with StoreWriter(out / "all", FILTERED) as writer:
        for row in range(len(filtered)):
            writer.add(filtered.sources[row], [filtered.row(row)])
        there = set(filtered.sources)
        others: list[tuple[str, Recording, str | None, str]] = [
            (number, recording, stated[number]["patient_id"], f"fold {stated[number]['strat_fold']}")
            for number, recording in raw_records()
            if number not in there
        ]
        for name, recording, patient, part in [*others, *elsewhere()]:
            try:
                adapted, _ = adapt(recording, FILTERED, window="all")
            except PhysiolectError as error:
                print(f"{name} is left out: {error}")
                continue
            writer.add(name, [Row.from_recording(adapted, source=name, patient=patient, split=part)])
    print(open_store(out / "all"))


def elsewhere() -> Iterator[tuple[str, Recording, str | None, str]]:
    """Yield the records of LUDB and CinC 2021 that are not from PTB-XL: name, leads, patient and part."""
    for folder in ("ludb", "cinc/cinc2021"):
        for header in sorted((data_folder() / folder).rglob("*.hea")):
            if not header.stem.startswith("HR"):  # of PTB-XL, whose patient is unknown
                yield f"{folder}/{header.stem}", read_recording(header), None, folder


def write_captions(path: Path) -> None:
    """Write the reports of PTB-XL that are at hand."""
    tables = [data_folder() / "ptbxl_raw" / "ptbxl_database.csv"]
    tables.append(data_folder() / "ptbxl_labels" / "ecgchat_ptbxl_database_form_8988.csv")
    reports: dict[str, str] = {}
    for table in tables:
        with open(table, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if any(map(str.isalpha, row["report"])):
                    reports.setdefault(str(int(float(row["ecg_id"]))), " ".join(row["report"].split()))
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("recording", "text"), *reports.items()])
    print(f"{path}: {len(reports)} reports")


def first_stage(options: argparse.Namespace, objective: str) -> Path:
    """Return the folder of a first stage, which is trained if it is not there."""
    out: Path = options.out / "runs" / f"first-{objective}"
    if (out / "best").exists():
        return out
    words: dict[str, Any] = {}
    if objective in ("contrastive", "merl"):
        words = {"captions": str(options.out / "captions.csv"), "text_tower": options.text_tower}
    every = max(1, min(200, options.steps // 2))
    pretrain(
        options.out / "all", out=out, objective=objective, encoder=ENCODER_12, recipe=RECIPE, steps=options.steps,
        batch_size=options.batch, leave_out="fold 9", validation=0.1, evaluate_every=every, device=options.device,
        on_event=lambda event: print(event, flush=True) if getattr(event, "step", 0) % every == 0 else None, **words,
    )  # fmt: skip
    return out


def labelled(options: argparse.Namespace) -> dict[str, Any]:
    """Return where labels are."""
    return {"task": "classify", "labels": str(options.out / "labels.parquet"), "column": "superclass"}


def probed(options: argparse.Namespace, run: Path) -> EvaluationResult:
    """Return how well a linear probe does on a first stage, beside one on random weights."""
    return evaluate(
        options.out / "filtered", run, protocol="linear-probe", test_on="fold 9", several=True, classes=SUPERCLASSES,
        resamples=options.resamples, device=options.device, **labelled(options),
    )  # fmt: skip


def tuned(options: argparse.Namespace, name: str, first: Path | None) -> Path:
    """Return the folder of a model fine-tuned from a first stage, or of one from random weights."""
    out: Path = options.out / "runs" / f"tuned-{name}"
    if (out / "best").exists():
        return out
    store = open_store(options.out / "filtered")
    if first is None:
        base: Any = new_checkpoint(ENCODER_12, store, seed=0, reporter=Reporter())
        base.outputs = Outputs("embed")
    else:
        base = first
    finetune(
        store, base, out=out, several=True, classes=SUPERCLASSES, train_on=TRAINING, steps=options.tuning_steps,
        device=options.device, **TUNING, **labelled(options),
    )  # fmt: skip
    return out


def judged(options: argparse.Namespace, run: Path, *, compare: Path) -> EvaluationResult:
    """Return how well a model does on fold 9, beside the one from scratch."""
    return evaluate(
        options.out / "filtered", run, compare=compare, test_on="fold 9", baselines="none",
        resamples=options.resamples, device=options.device, **labelled(options),
    )  # fmt: skip


if __name__ == "__main__":
    main()
