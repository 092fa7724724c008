"""How well heartbeats are sorted into N, S, V, F and Q, by two protocols, beside simple methods.

    python benchmarks/heartbeats.py --part by-beat --device cuda
    python benchmarks/heartbeats.py --part inter-patient --device cuda
    python benchmarks/heartbeats.py --part kaggle --device cuda
    python benchmarks/heartbeats.py --part noise --device cuda
    python benchmarks/heartbeats.py --part choose --device cuda > docs/heartbeats-log.md

Reads mitdb, heartbeat_csv_sample and nstdb_30s from the folder that PHYSIOLECT_DATA names. R peaks are the database's.
Sensitivity/PPV in %, with 95 % intervals by record. Macro figures are means over N, S, V and F; Q stands apart. The
rhythm around a beat is given by models of DS1, whose only fibrillating patients are 201 and 203, or by `--rhythm`.
Models and features were chosen by cross-validation inside DS1 (`--part choose`). ECGformer and the network on cut beats
read rows cut after Kachuee, which are not Kaggle's. `--width` and `--layers` make ECGformer smaller than described, for
a processor without a GPU, and the table says so. `--smoke` computes next to nothing, for tests.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from heartbeat_choice import choose
from heartbeat_noise import noise
from heartbeat_tables import apart, header, per_class_row, row, significance
from heartbeat_work import CLASSES, BeatsOfRecords, TokensTrial, Work, beats_of, ecgformer, rhythms, timed
from numpy.typing import NDArray

from physiolect.evaluation.baselines.beat_cnn import decide_by_cnn, fit_beat_cnn
from physiolect.evaluation.baselines.heartbeats import HEARTBEAT_BASELINES, heartbeat_baselines
from physiolect.evaluation.bootstrap import Bootstrap
from physiolect.evaluation.protocol import Fold

CNN_CUT = "CNN on cut beats"


@dataclass(frozen=True)
class Decided:
    """What a model decided about every beat (n,), and how long training and deciding took."""

    classes: NDArray[np.int64]
    seconds: float


def baselines(
    work: Work, beats: BeatsOfRecords, train: NDArray[np.bool_], test: NDArray[np.bool_], n: int
) -> dict[str, Decided]:
    """Return what the methods beside ours decide about the test beats."""
    fold = Fold("test", np.flatnonzero(train), np.flatnonzero(test))
    found = {}
    for name in HEARTBEAT_BASELINES:
        decided, seconds = timed(
            lambda name=name: heartbeat_baselines(
                beats.features, beats.truth, [fold], beats.tokenizer, n, names=[name], seed=work.seed,
                threads=work.threads, device=work.device,
            )[name]
        )  # fmt: skip
        found[name] = Decided(decided, seconds)
    network, seconds = timed(
        lambda: fit_beat_cnn(
            beats.rows[train][:, None], beats.truth[train], n, seed=work.seed, device=work.device
        )
    )
    found[CNN_CUT] = Decided(decide_by_cnn(network, beats.rows[:, None]), seconds)
    return found


def by_beat(work: Work) -> None:
    """48 records; a fifth of every record's beats tests, so that every patient is on both sides."""
    beats = beats_of(work)
    train, test = ~beats.by_beat, beats.by_beat
    found: dict[str, Decided] = {}
    store = work.store("mitbih-beats", "by-beat")
    decide, seconds = timed(lambda: ecgformer(work, "by-beat-ecgformer", store, ["train"]))
    found[former(work)] = Decided(decide(beats.rows), seconds)
    for title, settings in (("", {}), (", causal", {"normalisation": "causal"})):
        trial = TokensTrial(work, beats.store, classes=CLASSES, settings=settings)
        decided, seconds = timed(lambda trial=trial: trial.train("by-beat-tokens", [train])[0][0])
        found[f"beats as tokens{title}"] = Decided(decided, seconds)
    found |= baselines(work, beats, train, test, len(CLASSES))
    print(f"## By beat\n\n{train.sum():,} beats train and {test.sum():,} test, of the same 48 records.\n")
    print(header((*CLASSES, "accuracy", "macro F1 of five", "s")))
    draws = Bootstrap(beats.records[test].tolist(), n_resamples=work.resamples, seed=work.seed)
    for name, each in found.items():
        print(
            row(name, beats.truth[test], each.classes[test], draws, CLASSES, seconds=each.seconds, five=True)
        )


def inter_patient(work: Work) -> None:
    """DS1 trains and DS2 tests (de Chazal et al. 2004)."""
    beats = beats_of(work)
    known = beats.truth < 4
    train, test = (beats.parts == "DS1") & known, beats.parts == "DS2"
    found: dict[str, Decided] = {}
    store = work.store("mitbih-beats", "de-chazal")
    decide, seconds = timed(lambda: ecgformer(work, "inter-patient-ecgformer", store, ["DS1"]))
    found[former(work)] = Decided(decide(beats.rows), seconds)
    find_rhythm = rhythms(work, beats.store)
    for title, settings in (("", {}), (", causal", {"normalisation": "causal"})):
        trial = TokensTrial(work, beats.store, find_rhythm=find_rhythm, settings=settings)
        decided, seconds = timed(lambda trial=trial: trial.train("inter-patient-tokens", [train])[0][0])
        found[f"beats as tokens{title}"] = Decided(decided, seconds)
    found |= baselines(work, beats, train, test, 4)
    inter_patient_tables(work, beats, test & known, found)
    print(f"\nQ ({(test & ~known).sum()} beats of DS2) is learned by ECGformer alone and counted by none.")


def inter_patient_tables(
    work: Work, beats: BeatsOfRecords, counted: NDArray[np.bool_], found: Mapping[str, Decided]
) -> None:
    truth, records = beats.truth[counted], beats.records[counted]
    draws = Bootstrap(records.tolist(), n_resamples=work.resamples, seed=work.seed)
    decided = {name: each.classes[counted] for name, each in found.items()}
    print("## Inter-patient: DS1 trains, DS2 tests\n\nRecords 201 (DS1) and 202 (DS2) are one patient's.\n")
    print(header(("N", "S", "V", "F", "accuracy", "macro F1", "s")))
    for name, each in decided.items():
        print(row(name, truth, each, draws, CLASSES, seconds=found[name].seconds))
    fibrillating = beats.fibrillating[counted]
    parts = {
        "without 202": records != "202",
        "without 232": records != "232",
        "in atrial fibrillation or flutter": fibrillating,
        "in other rhythms": ~fibrillating,
    }
    print("\n### Without single records, and by rhythm\n")
    print(header(("part", "beats of S", "S", "V", "F", "macro F1")))
    for name, each in decided.items():
        for part, mine in parts.items():
            print(apart(name, part, truth, each, draws, CLASSES, mine))
    print("\n### Macro F1 against beats as tokens (whole recording): difference, resampled by record\n")
    print(significance("beats as tokens", truth, decided, draws, CLASSES))


def kaggle(work: Work) -> None:
    """500 balanced test rows of Kaggle: sensitivity of each class, never accuracy."""
    store = work.store("heartbeats", "published")
    rows, truth = rows_of(store, "test")
    few, few_truth = rows_of(store, "train")
    beats = beats_of(work)
    train = ~beats.by_beat
    decide = ecgformer(work, "kaggle-ecgformer-few", store, ["train"])
    ours = ecgformer(work, "kaggle-ecgformer", work.store("mitbih-beats", "by-beat"), ["train"])
    sides = {
        f"the {len(few)} sample rows": (few, few_truth, decide),
        f"{train.sum():,} beats of our cut": (beats.rows[train], beats.truth[train], ours),
    }
    print(
        f"## Kaggle's rows\n\nSensitivity in % on {len(rows)} test rows, 95 % intervals by row: patients are unknown.\n"
    )
    print(header(("trained on", *CLASSES)))
    draws = Bootstrap([str(k) for k in range(len(rows))], n_resamples=work.resamples, seed=work.seed)
    for source, (samples, labels, former_decides) in sides.items():
        for name, each in {
            former(work): former_decides,
            "random forest on samples": forest(work, samples, labels),
            "CNN": network(work, samples, labels),
        }.items():
            print(per_class_row(name, source, truth, each(rows), draws, CLASSES))


def rows_of(store: object, part: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    mine = [k for k, each in enumerate(store.splits) if each == part]  # type: ignore[attr-defined]
    samples = np.stack([store.recording(k).signal[0] for k in mine])  # type: ignore[attr-defined]
    return samples, np.array([CLASSES.index(store.labels[k][0]) for k in mine])  # type: ignore[attr-defined]


def forest(
    work: Work, samples: NDArray[np.float32], labels: NDArray[np.int64]
) -> Callable[[NDArray], NDArray]:
    from sklearn.ensemble import RandomForestClassifier

    share = 0.3 if len(samples) > 5000 else None
    model = RandomForestClassifier(100, max_samples=share, n_jobs=work.threads, random_state=work.seed)
    return model.fit(samples, labels).predict


def network(
    work: Work, samples: NDArray[np.float32], labels: NDArray[np.int64]
) -> Callable[[NDArray], NDArray]:
    epochs = 5 if len(samples) > 5000 else 60
    model = fit_beat_cnn(
        samples[:, None], labels, len(CLASSES), epochs=epochs, seed=work.seed, device=work.device
    )
    return lambda rows: decide_by_cnn(model, rows[:, None])


def former(work: Work) -> str:
    if work.width or work.layers:
        return f"ECGformer, width {work.width or 768}, {work.layers or 6} layers (described: 768, 6)"
    return "ECGformer"


PARTS = {
    "by-beat": by_beat,
    "inter-patient": inter_patient,
    "kaggle": kaggle,
    "choose": choose,
    "noise": noise,
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", choices=PARTS, nargs="+", default=list(PARTS))
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("PHYSIOLECT_DATA", "data")))
    parser.add_argument("--work", type=Path, default=Path("heartbeats-work"), help="stores and models")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="updates of every training (default: each preset's own)")
    parser.add_argument("--width", type=int, help="of ECGformer (default: the described 768)")
    parser.add_argument("--layers", type=int, help="of ECGformer (default: 6)")
    parser.add_argument("--rhythm", help="rhythm checkpoint that was trained on no patient of MIT-BIH")
    parser.add_argument(
        "--rows", type=int, nargs="+", help="of the log of choices, to share it between processes"
    )
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args(arguments)
    given.work.mkdir(parents=True, exist_ok=True)
    small = {"steps": 3, "width": 8, "layers": 1, "resamples": 20} if given.smoke else {}
    own = {"steps": given.steps, "width": given.width, "layers": given.layers}
    work = Work(
        data=given.data, folder=given.work, device=given.device, seed=given.seed, threads=given.threads,
        rhythm=given.rhythm, rows=None if given.rows is None else tuple(given.rows),
        **{**own, **small},
    )  # fmt: skip
    for part in given.part:
        PARTS[part](work)
        print(flush=True)
    if work.steps:
        print(f"Every training stopped after {work.steps} updates: the presets make more.")


if __name__ == "__main__":
    main()
