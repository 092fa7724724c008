"""Cross-validation: a model a fold, each judging only whom it has not seen."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import load_checkpoint
from physiolect.commands.finetune.one import Base, Begun, Choice, Manner, fine_tune, of_whom
from physiolect.commands.runs import Settings, is_saved, refuse_other_store, tell_stop
from physiolect.commands.terminal import progress, say
from physiolect.datasets import Examples
from physiolect.detection import predict_windows
from physiolect.errors import ConfigError
from physiolect.evaluation import Bootstrap, Fold, make_folds, measure_predictions
from physiolect.evaluation.baselines import Predictions
from physiolect.evaluation.protocol import Protocol
from physiolect.files import replacing
from physiolect.training import Stop, stop_signals

Measures: TypeAlias = dict[str, dict[str, Any]]
"""Name -> value, and the ends of its interval, None where there is none."""

_PREDICTIONS = "predictions.npz"
_TOLD = ("auroc", "macro auroc", "accuracy", "mae", "r")
_NAMES = {"auroc": "AUROC", "macro auroc": "macro AUROC", "mae": "mean absolute error"}


def any_fold_saved(out: str | Path) -> bool:
    """Say whether a folder holds a fold's run."""
    folds = Path(out).glob("fold-*")
    return any(is_saved(fold) or (fold / _PREDICTIONS).exists() for fold in folds)


def cross_validate(
    settings: Settings,
    base: Base,
    choice: Choice,
    manner: Manner,
    examples: Examples,
    protocol: Protocol,
    k: int,
) -> int:
    """Train a model for each fold and let it judge those it has not seen; finished folds are not made again.

    Args:
        settings: of the verb.
        base: checkpoint that each fold begins with.
        choice: what trains, and how.
        manner: where it trains.
        examples: all of them.
        protocol: how they are divided.
        k: number of folds, for "k-fold".

    Returns:
        the exit code: 130 or 143 if a signal ended it.
    """
    splits, out = examples.store.splits, Path(settings.out)
    folds = make_folds(
        examples.groups,
        protocol,
        k=k,
        seed=settings.seed,
        given=[splits[row] for row in examples.rows.tolist()],
        stratify_by=examples.strata,
    )
    begun: Begun = {}
    with stop_signals(settings.minutes) as stop:
        for number, fold in enumerate(folds):
            folder = out / fold_folder(fold, number)
            if (folder / _PREDICTIONS).exists():
                refuse_other_store(load_checkpoint(folder), examples.store)
            else:
                say(f"fold {fold.name} ({number + 1} of {len(folds)})")
                if not _one_fold(settings, base, choice, manner, examples, fold, folder, stop, begun):
                    done = f"{number} of {len(folds)} folds"
                    return tell_stop(done, "finetune", settings, stop.signal or 0)
    _gather(examples, folds, out, protocol)
    return 0


def fold_folder(fold: Fold, number: int) -> str:
    """Return the name of a fold's folder; what a file system may not take is a dash."""
    plain = re.sub(r"[^\w.-]+", "-", fold.name)
    return f"fold-{plain}" if plain == fold.name else f"fold-{plain}-{number + 1}"


def _one_fold(
    settings: Settings,
    base: Base,
    choice: Choice,
    manner: Manner,
    examples: Examples,
    fold: Fold,
    folder: Path,
    stop: Stop,
    begun: Begun,
) -> bool:
    """Train a fold's model and keep what it says of the fold's windows; tells whether it came to its end."""
    train, validation = keep_share(examples.take(fold.train), choice.validation, settings.seed)
    folder.mkdir(parents=True, exist_ok=True)
    outcome = fine_tune(settings, base, choice, manner, train, validation, folder, stop, begun)
    if not outcome.finished:
        return False
    checkpoint = load_checkpoint(folder)
    checkpoint.model.to(manner.device)
    with progress("windows judged") as tell:
        score = predict_windows(checkpoint, examples.take(fold.test), on_window=tell)
    _write(folder / _PREDICTIONS, score=score, index=fold.test)
    return True


def _gather(examples: Examples, folds: list[Fold], out: Path, protocol: Protocol) -> None:
    """Write what the folds' models said of windows they had not seen, and tell it in a few numbers."""
    tests = [examples.take(fold.test) for fold in folds]
    scores, about = [], []
    for number, (fold, test) in enumerate(zip(folds, tests, strict=True)):
        folder = fold_folder(fold, number)
        with np.load(out / folder / _PREDICTIONS, allow_pickle=False) as held:
            if not np.array_equal(held["index"], fold.test):
                raise ConfigError(
                    f"{out / folder} holds predictions of other windows",
                    hint="give another --out and start anew",
                )
            scores.append(held["score"])
        measured = measure(test, scores[-1])
        print(f"fold {fold.name}: {len(test)} windows, {in_words(measured)}")
        about.append(
            {
                "name": fold.name,
                "checkpoint": folder,
                "windows": len(test),
                "tested_on": sorted(set(test.groups)),
                "measures": measured,
            }
        )
    index = np.concatenate([fold.test for fold in folds])
    said = np.concatenate(scores)
    every = examples.take(index)
    _write(
        out / _PREDICTIONS,
        score=said,
        target=every.target,
        group=np.array(every.groups),
        source=np.array(every.sources),
        row=every.rows,
        channel=every.channels,
        start=every.starts,
        fold=np.repeat([fold.name for fold in folds], [len(fold.test) for fold in folds]),
    )
    overall = measure(every, said)
    document = {"protocol": protocol, "by_patient": every.by_patient, "folds": about, "all": overall}
    (out / "folds.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"all: {len(every)} windows of {of_whom(every)}, {in_words(overall)}")


def in_words(measured: Measures) -> str:
    """Return measures as a list in a sentence."""
    return ", ".join(f"{_NAMES.get(name, name)} {_one(each)}" for name, each in measured.items())


def _one(each: dict[str, Any]) -> str:
    value, low, high = (each[name] for name in ("value", "low", "high"))
    interval = f" ({low:.3f} to {high:.3f})" if low is not None and high is not None else ""
    return "–" if value is None else f"{value:.3f}{interval}"


def _write(path: Path, **columns: NDArray[np.generic]) -> None:
    """Write an NPZ file that is whole or not there."""
    with replacing(path) as fresh, fresh.open("wb") as file:
        np.savez_compressed(file, **columns)  # type: ignore[arg-type]


def keep_share(examples: Examples, share: float, seed: int) -> tuple[Examples, Examples | None]:
    """Keep a share of the patients for validation, alike in classes as far as patients allow.

    Of the folds that such shares make, it is the one that leaves every class on both sides and comes nearest to the
    share: not the one that one patient of very many windows fills.
    """
    n = len(set(examples.groups))
    if not share or n < 2:
        return examples, None
    k = min(n, max(2, round(1 / share)))
    strata = np.zeros(len(examples), np.int64) if examples.strata is None else examples.strata
    every = np.bincount(strata)
    there = every > 0

    def unlike(fold: Fold) -> tuple[int, float]:
        held = np.bincount(strata[fold.test], minlength=len(every))[there]
        one_sided = int(((held == 0) | (held == every[there])).sum())
        return one_sided, round(float(np.abs(held / every[there] - share).sum()), 9)  # alike is alike

    folds = make_folds(examples.groups, "k-fold", k=k, seed=seed, stratify_by=examples.strata)
    nearest = min(folds, key=unlike)
    return examples.take(nearest.train), examples.take(nearest.test)


def measure(examples: Examples, said: NDArray[np.float32]) -> Measures:
    """Return a few measures of what a model said of examples, with intervals by patient where there are several."""
    if examples.task.scope == "position":
        from sklearn.metrics import roc_auc_score

        truth = examples.target.ravel()
        area = float(roc_auc_score(truth, said.ravel())) if 0 < truth.mean() < 1 else None
        return {"auroc": {"value": area, "low": None, "high": None}}
    score = said.astype(np.float64)
    found = measure_predictions(
        examples.task.name,
        Predictions(
            score if examples.kind == "number" else score.clip(0, 1)
        ),  # rounding may end a hair above 1
        examples.target.astype(np.float64),
        Bootstrap(examples.groups),
        classes=examples.classes,
        several=examples.several,
    )
    return {name: each.to_dict() for name, each in found.overall.items() if name in _TOLD}
