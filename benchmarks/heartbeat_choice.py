"""Choosing models and features of heartbeats inside DS1: the log that `heartbeats.py --part choose` writes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
from heartbeat_tables import fraction, header, pair
from heartbeat_work import CLASSES, GROUPS, BeatsOfRecords, TokensTrial, Work, beats_of, rhythms, timed
from numpy.typing import NDArray

from physiolect.datasets import Store
from physiolect.datasets.examples.beat_table import FindRhythm
from physiolect.evaluation.baselines.heartbeats import HEARTBEAT_BASELINES, heartbeat_baselines
from physiolect.evaluation.bootstrap import Bootstrap
from physiolect.evaluation.heartbeats import measure_heartbeats
from physiolect.evaluation.protocol import Fold
from physiolect.learning.beat_settings import BEAT_TUNINGS
from physiolect.tokenizers import BEAT_TOKENIZERS

FOLDS = 4
WITHOUT = ("waveform", "difference", "shape", "intervals", "pace")


def varied(**changes: Any) -> dict[str, Any]:
    """Return an option in which the preset's augmentation differs."""
    return {"tuning": {"augmentation": replace(PRESET.augmentation, **changes)}}


def copied(**changes: Any) -> dict[str, Any]:
    """Return an option in which the preset's made copies differ."""
    return {"tuning": {"copies": replace(PRESET.copies, **changes)}}


PRESET = BEAT_TUNINGS["position"]
OPTIONS: dict[str, dict[str, Any]] = {
    "the preset": {},
    "no rhythm": {"rhythm": False},
    **{f"no {group}": {"features": tuple(each for each in GROUPS if each != group)} for group in WITHOUT},
    "and p-wave": {"features": (*GROUPS, "p-wave")},
    "at the marks": {"place": "mark"},
    "causal": {"normalisation": "causal"},
    "causal, no rhythm": {"normalisation": "causal", "rhythm": False},
    "no copies": copied(ectopic=0, fibrillating=0),
    "no copies in fibrillation": copied(fibrillating=0),
    "no ectopic copies": copied(ectopic=0),
    "noise .1": varied(noise=0.1),
    "noise .3": varied(noise=0.3),
    "no gain": varied(gain=0.0),
    "no lead turned over": varied(flip=0.0),
    "dropout .2": {"dropout": 0.2},
    "one linear layer in front": {"tuning": {"model": replace(PRESET.model, embedding="linear")}},
    "width 64, 2 layers": {"tuning": {"model": replace(PRESET.model, width=64, n_layers=2, mlp_width=128)}},
    "class weights": {"class_weights": "fourth-root"},
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
    for name in HEARTBEAT_BASELINES if work.rows is None else ():
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
    for number, (title, option) in enumerate(OPTIONS.items()):
        if work.rows is None or number in work.rows:
            found, seconds = timed(
                lambda option=option: train_option(work, beats.store, option, find_rhythm, masks)
            )
            joined = np.full(len(known), -1, np.int64)
            for mask, (decided,) in zip(masks, found, strict=True):
                joined = np.where(known & ~mask, decided, joined)
            print_row(f"beats as tokens, {title}", beats, known, joined, draws, seconds)


def train_option(
    work: Work, store: Store, option: dict[str, Any], find_rhythm: FindRhythm, masks: list[NDArray[np.bool_]]
) -> list[list[NDArray[np.int64]]]:
    """Train a model on each fold, and return what it decides about all beats."""
    settings = {
        name: option[name] for name in ("normalisation", "dropout", "class_weights") if name in option
    }
    if "share" in option:
        settings["steps"] = max(1, round(option["share"] * (work.steps or PRESET.steps)))
    trial = TokensTrial(
        work, store, features=option.get("features", GROUPS), settings=settings,
        find_rhythm=find_rhythm if option.get("rhythm", True) else None,
    )  # fmt: skip
    tokenizer = replace(BEAT_TOKENIZERS["position"], place=option.get("place", "slopes"))
    with (
        patch.dict(BEAT_TUNINGS, position=replace(PRESET, **option.get("tuning", {}))),
        patch.dict(BEAT_TOKENIZERS, position=tokenizer),
    ):
        return trial.train("choose", masks)


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
