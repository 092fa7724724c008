"""Which heads respond to which wave of the heartbeat, and are maps of important samples true of the model?

`python benchmarks/explain.py` prints both tables of docs/results.md. Probing: MIT-BIH by records (lead MLII, ten
windows a record; R is annotated, P and T are found by NeuroKit2) and sinus PPG by subjects (five segments each; all
found): for each wave the best head is chosen on one half of the patients and scored on the other half; in the ECG, DS1
(without 201, whose patient is 202 of DS2) and DS2. Faithfulness: a window of each record of DS2 for decoders, one in
atrial fibrillation and one in normal rhythm of every record that has the first for the rhythm model; what a map scores
above random orders, beside an order that needs no model (the latest samples first), and how like the map stays itself
with the last block, and with all weights, drawn anew. Brackets are 95 % bootstrap intervals over patients. Reads from
PHYSIOLECT_DATA.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from physiolect import Checkpoint, Recording, load_checkpoint, read_recording
from physiolect.contract import CONTRACTS
from physiolect.datasets.public.mitbih import DS1, DS2, RECORDS, SAME_PATIENT
from physiolect.errors import PhysiolectError
from physiolect.evaluation import bootstrap_interval
from physiolect.explanation import (
    METHODS,
    Window,
    cascade,
    choose_target,
    cut_window,
    find_landmarks,
    measure_faithfulness,
    probe_heads,
)

SECONDS = 30.0
"""Read before the end of a window: what NeuroKit2 needs to see a rhythm."""
N_ORDERS = 6


class Case(NamedTuple):
    """A window's end in a recording, and whose it is."""

    patient: str
    recording: Recording
    half: int
    """0: the best head is chosen on it; 1: it is scored."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=["probing", "faithfulness"], help="one of the two tables alone")
    parser.add_argument("--windows", type=int, default=10, help="windows a record, for probing")
    parser.add_argument("--models", nargs="+", help="of the models only these")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = Path(os.environ["PHYSIOLECT_DATA"])
    weights = data / "heartgpt" / "Model_files"
    models = {
        name: load_checkpoint("ecg" if name == "ecg" else weights / f"{name}.zip")
        for name in options.models or ("ECGPT_560k_iters", "ECGPT_AF_1k_iters", "ecg", "PPGPT_500k_iters")
    }
    decoders = [name for name in models if name in ("ECGPT_560k_iters", "ecg")]
    if options.part != "faithfulness":
        choosing = tuple(record for record in DS1 if record not in SAME_PATIENT.values())
        for name, checkpoint in models.items():
            is_ecg = checkpoint.contract.modality == "ecg"
            cases = mitbih(data, (*choosing, *DS2), options.windows) if is_ecg else finger(data, 5)
            probe(name, checkpoint, list(cases))
    if options.part != "probing":
        for name in decoders:
            test_maps(name, models[name], list(mitbih(data, DS2, 1)))
        if "ECGPT_AF_1k_iters" in models:
            test_maps("ECGPT_AF_1k_iters", models["ECGPT_AF_1k_iters"], list(fibrillating(data)))


def mitbih(data: Path, records: tuple[str, ...], n: int) -> Iterator[Case]:
    """Yield stretches of each record's lead MLII that end at n moments, evenly spaced."""
    for record in records:
        whole = read_recording(data / "mitdb" / record)
        if "MLII" not in whole.channels:
            continue
        lead = whole.select(["MLII"])
        for end in np.linspace(0, lead.duration, n + 2)[1:-1]:
            patient = SAME_PATIENT.get(record, record)
            yield Case(patient, lead.slice(end - SECONDS, end), 1 if record in DS2 else 0)


def fibrillating(data: Path) -> Iterator[Case]:
    """Yield of every record of MIT-BIH with atrial fibrillation a stretch that ends in it, and one in normal rhythm."""
    for record in RECORDS:
        whole = read_recording(data / "mitdb" / record)
        marks, lead = whole.annotations, whole.select([0])
        changes = [(sample / whole.fs, note) for sample, symbol, note in marks if symbol == "+"]
        spans = [
            (note, start, stop)
            for (start, note), (stop, _) in zip(changes, [*changes[1:], (whole.duration, "")], strict=True)
            if stop - start > 10
        ]
        if not any(note.startswith("(AFIB") for note, *_ in spans):
            continue
        for wanted in ("(AFIB", "(N"):
            for _, start, stop in [span for span in spans if span[0].rstrip("\0") == wanted][:1]:
                end = max(start + 8, min(stop - 1, (start + stop) / 2))
                begin = max(0.0, end - SECONDS)
                yield Case(SAME_PATIENT.get(record, record), lead.slice(begin, end), 1)


def finger(data: Path, n: int) -> Iterator[Case]:
    """Yield n sinus segments of each subject of the PPG arrhythmia set."""
    with np.load(next((data / "ppg_arrhythmia").glob("*.npz"))) as arrays:
        names = {key: arrays[key] for key in arrays.files}
    signal, label, subject = names["ppg"], names["label"], names["subject"]
    for number, who in enumerate(np.unique(subject)):
        rows = np.flatnonzero((subject == who) & (label == 0))
        for row in rows[np.linspace(0, len(rows) - 1, n).astype(int)] if len(rows) >= n else rows:
            x = signal[row].astype(np.float32) / 65535
            yield Case(str(who), Recording(x, 100.0, ("PPG",), "au", "ppg"), number % 2)


def probe(name: str, checkpoint: Checkpoint, cases: list[Case]) -> None:
    """Print which head responds to each wave: chosen on one half, scored on the other."""
    contract = CONTRACTS[f"heartgpt-{checkpoint.contract.modality}"]
    windows: list[Window] = []
    landmarks, kept = [], []
    for case in cases:
        try:
            found = find_landmarks(case.recording, contract)
            windows.append(cut_window(checkpoint, case.recording))
        except PhysiolectError:
            continue
        landmarks.append(found)
        kept.append(case)
    halves = [[i for i, case in enumerate(kept) if case.half == half] for half in (0, 1)]
    chosen, tested = (
        probe_heads(checkpoint, [windows[i] for i in rows], [landmarks[i] for i in rows]) for rows in halves
    )
    patients = np.array([kept[i].patient for i in halves[1]])
    left = len(cases) - len(kept)
    print(
        f"\n### {name}: {len(halves[0])} windows to choose, {len(halves[1])} of {len(set(patients))} patients to score"
        f" ({left} left out)\n\n| wave | n | head | AUROC | best of all heads by chance | attention there |"
        "\n|---|---|---|---|---|---|"
    )
    for i, wave in enumerate(tested.landmarks):
        layer, head = np.unravel_index(chosen.auroc[i].argmax(), chosen.auroc[i].shape)
        values = tested.by_window[:, i, layer, head]
        there = np.isfinite(values)
        low, high = bootstrap_interval(values[there], patients[there])
        print(
            f"| {wave} | {tested.counts[i]:,} | layer {layer + 1} head {head + 1} | {values[there].mean():.3f} "
            f"[{low:.3f}, {high:.3f}] | {tested.chance[i]:.3f} | ×{tested.lift[i, layer, head]:.1f} |",
            flush=True,
        )


def test_maps(name: str, checkpoint: Checkpoint, cases: list[Case]) -> None:
    """Print what maps score above random orders, and what is left of them with weights drawn anew."""
    scores: dict[str, list[float]] = {key: [] for key in (*METHODS, "latest first")}
    above: dict[str, list[bool]] = {key: [] for key in scores}
    last, everything = ({key: [] for key in METHODS} for _ in range(2))
    patients, deepest = [], f"layer {checkpoint.model.config.n_layers}"
    for case in cases:
        try:
            window = cut_window(checkpoint, case.recording)
        except PhysiolectError:
            continue
        patients.append(case.patient)
        target = choose_target(checkpoint, window)
        maps = {key: method(checkpoint, window, target) for key, method in METHODS.items()}
        maps["latest first"] = np.arange(target.n_context, dtype=np.float64)
        for key, each in measure_faithfulness(checkpoint, window, target, maps, n_orders=N_ORDERS).items():
            scores[key].append(each.score)
            above[key].append(each.score > each.interval[1])
        for key in METHODS:
            found = cascade(checkpoint, window, target, key, stages=(deepest, "embeddings"))
            last[key].append(found[deepest])
            everything[key].append(found["embeddings"])
    print(
        f"\n### {name}: {len(patients)} windows of {len(set(patients))} patients, {checkpoint.task}\n\n"
        "| map | score, nats | above 95 % of random orders | last block drawn anew | all drawn anew |"
        "\n|---|---|---|---|---|"
    )
    for key, values in scores.items():
        like = [interval(each[key], patients) if key in METHODS else "–" for each in (last, everything)]
        print(
            f"| {key} | {interval(values, patients)} | {sum(above[key])} of {len(patients)} | {' | '.join(like)} |",
            flush=True,
        )


def interval(values: list[float], patients: list[str]) -> str:
    """Return a mean with its interval over patients."""
    array: NDArray[np.float64] = np.array(values)
    low, high = bootstrap_interval(array, patients)
    return f"{array.mean():+.2f} [{low:+.2f}, {high:+.2f}]"


if __name__ == "__main__":
    main()
