"""The string of beats in ten seconds of ECG, N S V F Q: sequence to sequence against a detector and a classifier.

    python benchmarks/beat_strings.py stores OUT         # MIT-BIH, one lead at 100 Hz; a minute
    python benchmarks/beat_strings.py train OUT          # minutes on a GPU

DS1 trains, DS2 tests (de Chazal et al. 2004). Reads mitdb from the folder that PHYSIOLECT_DATA names. Both sides answer
for the same windows of ten seconds. In the other chain `ecg-beats`, which was trained without DS2, finds beats, and
beats as tokens trained on DS1 here sort them, with both leads; the sequence-to-sequence model sees one. The shipped
`ecg-heartbeats` was trained on DS2 too: its row is no test. A beat at the very edge of a window may fall to either side
of it; that costs both alike. Records with atrial fibrillation or flutter, and 232, stand apart. Record 202 (DS2) is of
the patient of 201 (DS1).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from physiolect import finetune, load_checkpoint
from physiolect.contract import CONTRACTS
from physiolect.datasets import open_store, prepare
from physiolect.datasets.examples.labels import rhythm_episodes
from physiolect.datasets.examples.sequences import SequenceExamples, make_sequence_examples
from physiolect.decoding import translate_windows
from physiolect.detection import detect_heartbeats
from physiolect.evaluation.edits import Edits, count_edits, rate_interval
from physiolect.formats import read_recording
from physiolect.models.seq2seq import SEQ2SEQ_PRESETS
from physiolect.training import choose_device

SECONDS, CLASSES = 10, ("N", "S", "V", "F", "Q")
FIBRILLATING = ("AFIB", "AFL", "AF")
ALONE = "232"
"""Record of a sick sinus, with most of DS2's supraventricular beats."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("stores", "train"))
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int)
    parser.add_argument(
        "--stride", type=int, default=250, help="samples from one training window to the next"
    )
    parser.add_argument("--beams", type=int, default=4)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--records", nargs="+", help="test on these alone")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    (stores if given.what == "stores" else train)(given)


def data() -> Path:
    return Path(os.environ["PHYSIOLECT_DATA"]) / "mitdb"


def stores(given: argparse.Namespace) -> None:
    """Prepare MIT-BIH, its first usual lead."""
    contract = replace(CONTRACTS["heartgpt-ecg"], max_samples=SECONDS * 100)
    made = prepare(
        data(), given.out / "store", dataset="mitbih", split="de-chazal", contract=contract, workers=1
    )
    print(made.summary)
    every = prepare(
        data(), given.out / "both-leads", dataset="mitbih", split="de-chazal", every_channel=True, workers=1
    )
    print(every.summary)


def train(given: argparse.Namespace) -> None:
    """Train on DS1, and print errors on DS2."""
    store = open_store(given.out / "store")
    config = replace(
        SEQ2SEQ_PRESETS["modern"], context_length=SECONDS * 100, longest=64, channel_dropout=0.0, time_mask=0.1,
        residual_dropout=0.2,
    )  # fmt: skip
    run = given.out / "run"
    shutil.rmtree(run, ignore_errors=True)
    finetune(
        store.path, task="translate", preset="seq2seq", seq2seq=config, out=run, train_on=("DS1",), validation=0.0,
        stride=given.stride, steps=given.steps, device=given.device, seed=given.seed, channel="0", classes=CLASSES,
    )  # fmt: skip
    examples = make_sequence_examples(
        store, "translate", longest=SECONDS * 100, most_symbols=64, channel=0, symbols=CLASSES
    )
    tested = [store.splits[row] == "DS2" for row in examples.rows.tolist()]
    if given.records:
        tested = [
            held and source.rpartition("/")[2] in given.records
            for held, source in zip(tested, examples.sources, strict=True)
        ]
    test = examples.take(tested)
    assert isinstance(test, SequenceExamples)
    checkpoint = load_checkpoint(run)
    checkpoint.model.to(choose_device(given.device))
    answers = {
        "sequence to sequence, one lead": translate_windows(checkpoint, test, beams=given.beams),
        "ecg-beats + beats as tokens of DS1": _by_detectors(test, _classifier(given)),
        "ecg-beats + ecg-heartbeats (trained on DS2 too)": _by_detectors(test, "ecg-heartbeats"),
    }
    table(test, answers, given.out / "beat_strings.json")


def _classifier(given: argparse.Namespace) -> Path:
    """Train beats as tokens on DS1, and return the run."""
    run = given.out / "heartbeats"
    shutil.rmtree(run, ignore_errors=True)
    finetune(
        given.out / "both-leads", task="heartbeats", preset="beat-tokens", out=run, train_on=("DS1",), validation=0.0,
        classes=CLASSES[:4], steps=given.steps, device=given.device, seed=given.seed,
    )  # fmt: skip
    return run


def _by_detectors(test: SequenceExamples, classifier: str | Path) -> list[tuple[str, ...]]:
    """Return the strings of a detector and a classifier: each record is judged whole, and cut into the same windows."""
    found: dict[str, tuple[np.ndarray, tuple[str, ...]]] = {}
    for source in sorted(set(test.sources)):
        recording = read_recording(data() / source.rpartition("/")[2])
        judged = detect_heartbeats(classifier, recording, beats="ecg-beats", rhythm="ecg-rhythm")
        found[source] = judged.times, judged.names
    strings = []
    for source, row, start in zip(test.sources, test.rows.tolist(), test.starts.tolist(), strict=True):
        times, names = found[source]
        begin = float(test.store.starts[row]) + start / test.store.contract.fs
        first, end = np.searchsorted(times, (begin, begin + SECONDS)).tolist()
        strings.append(tuple(name for name in names[first:end] if name))
    return strings


def table(test: SequenceExamples, answers: Mapping[str, Sequence[tuple[str, ...]]], file: Path) -> None:
    """Print errors of all records, of those that fibrillate, of 232, and of the others; and keep them."""
    records = np.array([source.rpartition("/")[2] for source in test.sources])
    fibrillating = {
        record
        for record, row in zip(records.tolist(), test.rows.tolist(), strict=True)
        for _, _, name in rhythm_episodes(test.store.annotations(row), int(test.store.lengths[row]))
        if name in FIBRILLATING
    }
    apart = np.isin(records, sorted(fibrillating))
    parts = {
        "all of DS2": np.ones(len(records), bool),
        f"fibrillation or flutter: {', '.join(sorted(fibrillating))}": apart,
        ALONE: records == ALONE,
        "the others": ~apart & (records != ALONE),
    }
    kept: dict[str, dict[str, object]] = {}
    print(
        "| model | records | beats | errors | insertions | deletions | substitutions | windows exactly right |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, strings in answers.items():
        every = [count_edits(truth, mine) for truth, mine in zip(test.sequences, strings, strict=True)]
        for part, mine in parts.items():
            chosen = [edits for edits, held in zip(every, mine.tolist(), strict=True) if held]
            if not chosen:
                continue
            total = Edits.of_all(chosen)
            groups = records[mine].tolist()
            low, high = rate_interval(chosen, groups)
            interval = f" ({low:.1%} to {high:.1%})" if len(set(groups)) > 1 else ""
            exact = np.mean([not edits.errors for edits in chosen])
            print(
                f"| {name} | {part} | {total.length:,} | {total.rate:.2%}{interval} | {total.insertions} | "
                f"{total.deletions} | {total.substitutions} | {exact:.1%} |"
            )
            kept[f"{name}, {part}"] = {**vars(total), "rate": total.rate, "low": low, "high": high}
    file.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
