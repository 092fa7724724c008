"""Choosing models and features of heartbeats inside DS1: the log that `heartbeats.py --part choose` writes."""

from __future__ import annotations

from typing import Any

import numpy as np
from heartbeat_tables import fraction, header, pair
from heartbeat_work import CLASSES, GROUPS, BeatsOfRecords, TokensTrial, Work, beats_of, rhythms, timed
from numpy.typing import NDArray

from physiolect.evaluation.baselines.heartbeats import HEARTBEAT_BASELINES, heartbeat_baselines
from physiolect.evaluation.bootstrap import Bootstrap
from physiolect.evaluation.heartbeats import measure_heartbeats
from physiolect.evaluation.protocol import Fold

FOLDS = 4
WITHOUT = ("waveform", "difference", "shape", "intervals", "pace")
OPTIONS: dict[str, dict[str, Any]] = {
    "all groups and the rhythm": {"rhythm": True},
    "all groups, no rhythm": {},
    **{f"no {group}": {"features": tuple(each for each in GROUPS if each != group)} for group in WITHOUT},
    "all groups and p-wave": {"features": (*GROUPS, "p-wave")},
    "causal": {"normalisation": "causal"},
    "causal and the rhythm": {"normalisation": "causal", "rhythm": True},
    "dropout .4": {"dropout": 0.4},
    "no class weights": {"class_weights": "none"},
    "half the updates": {"share": 0.5},
}
"""What was tried -> how it departs from the preset beat-tokens."""
INTRODUCTION = """# Heartbeats: what was tried

`python benchmarks/heartbeats.py --part choose` writes this page. Models and features are chosen here, by
cross-validation inside DS1, and DS2 has no part in it. {folds} folds of whole records share S, V and F beats as evenly
as they can, which is not very evenly: record 208 holds nearly all F beats, 207, 215 and 223 most V, 209 most S. So the
figures are noisy, and a difference of a few hundredths of macro F1 says nothing. Sensitivity / PPV in %, intervals by
record. Device: {device}; {updates}.
"""


def choose(work: Work) -> None:
    beats = beats_of(work)
    known = (beats.parts == "DS1") & (beats.truth < 4)
    fold_of = balanced_folds(beats, known)
    draws = Bootstrap(beats.records[known].tolist(), n_resamples=work.resamples, seed=work.seed)
    updates = f"{work.steps} updates a training" if work.steps else "the preset's updates"
    print(INTRODUCTION.format(folds=FOLDS, device=work.device, updates=updates))
    print(header(("S", "V", "F", "macro F1", "s")))
    masks = [known & (fold_of != k) for k in range(FOLDS)]
    for name in HEARTBEAT_BASELINES:
        folds = [
            Fold(str(k), np.flatnonzero(mask), np.flatnonzero(known & ~mask)) for k, mask in enumerate(masks)
        ]
        decided, seconds = timed(
            lambda name=name, folds=folds: heartbeat_baselines(
                beats.features, beats.truth, folds, beats.tokenizer, 4, names=[name], seed=work.seed,
                threads=work.threads, device=work.device,
            )[name]
        )  # fmt: skip
        print_row(name, beats, known, decided, draws, seconds)
    find_rhythm = rhythms(work, beats.store)
    for title, option in OPTIONS.items():
        settings = {key: value for key, value in option.items() if key not in ("rhythm", "features", "share")}
        if "share" in option:
            settings["steps"] = max(1, round(option["share"] * (work.steps or 1500)))
        trial = TokensTrial(
            work, beats.store, features=option.get("features", GROUPS), settings=settings,
            find_rhythm=find_rhythm if option.get("rhythm") else None,
        )  # fmt: skip
        found, seconds = timed(lambda trial=trial: trial.train("choose", masks))
        joined = np.full(len(known), -1, np.int64)
        for mask, (decided,) in zip(masks, found, strict=True):
            joined = np.where(known & ~mask, decided, joined)
        print_row(f"beats as tokens, {title}", beats, known, joined, draws, seconds)


def balanced_folds(beats: BeatsOfRecords, known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the fold of each beat, (n,); records are dealt out in the order of how many S, V and F they have."""
    records = np.unique(beats.records[known])

    def rare(record: str) -> int:
        mine = beats.truth[known & (beats.records == record)]
        return int(3 * (mine == 1).sum() + (mine == 2).sum() + (mine == 3).sum())

    order = sorted(records.tolist(), key=rare, reverse=True)
    fold_of = {record: k % FOLDS for k, record in enumerate(order)}
    return np.array([fold_of.get(record, -1) for record in beats.records.tolist()])


def print_row(
    name: str, beats: BeatsOfRecords, known: NDArray[np.bool_], decided: NDArray[np.int64], draws: Bootstrap,
    seconds: float,
) -> None:  # fmt: skip
    found = measure_heartbeats(beats.truth[known], decided[known], CLASSES, draws)
    cells = [*(pair(found, each) for each in "SVF"), fraction(found.overall["macro f1"]), f"{seconds:.0f}"]
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
