"""Cross-validation: one model a fold, tested on patients that it was not trained on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint, load_checkpoint
from physiolect.datasets import Examples, Store
from physiolect.detection import predict_windows
from physiolect.errors import ConfigError
from physiolect.evaluation import Fold, make_folds
from physiolect.evaluation.cross_validated import FOLDS_FILE, PREDICTIONS_FILE
from physiolect.evaluation.protocol import Protocol
from physiolect.events import Listener
from physiolect.files import replacing
from physiolect.learning.finetune import save_settings, starting
from physiolect.learning.finetune_settings import FinetuneSettings
from physiolect.learning.job import Job
from physiolect.learning.labelled_windows import keep_share, patients_text, without_left_out
from physiolect.learning.measures import Measures, class_lines, in_words, measure
from physiolect.learning.run_folder import refuse_other_store
from physiolect.learning.settings import takes_settings
from physiolect.result import Result, make_frame

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False, repr=False)
class CrossValidation(Result):
    """The models of a cross-validation, and their measures on patients that they were not trained on."""

    out: Path
    """Folder with a run a fold, predictions.npz and folds.json."""
    n_folds: int
    """Folds planned."""
    folds: Sequence[Mapping[str, Any]] = ()
    """Of each finished fold: name, checkpoint (a folder in `out`), windows, tested_on, measures."""
    measures: Measures | None = None
    """Of all windows, each predicted by the fold that did not see its patient; None until all folds are finished."""
    n_windows: int = 0
    """Windows that `measures` are of."""
    patients: str = ""
    """Number of their patients in words."""
    signal: int | None = None
    """Number of the signal that stopped the run: Ctrl-C is 2, SIGTERM is 15."""
    n_finished: int = 0
    """Folds that are finished."""

    @property
    def finished(self) -> bool:
        """False where the run was stopped; calling again with resume=True resumes it."""
        return self.measures is not None

    @property
    def status(self) -> str:
        """How the run ended, in a sentence."""
        if self.finished:
            return f"{self.n_folds} folds: {self.out}"
        return f"stopped after {self.n_finished} of {self.n_folds} folds"

    @property
    def measures_text(self) -> str:
        """A line of measures for each fold, one for all and one for each class; "" where the run was stopped."""
        if self.measures is None:
            return ""
        lines = [
            f"fold {fold['name']}: {fold['windows']} windows, {in_words(fold['measures'])}"
            for fold in self.folds
        ]
        lines.append(f"all: {self.n_windows} windows of {self.patients}, {in_words(self.measures)}")
        return "\n".join([*lines, *class_lines(self.measures)])

    @property
    def summary(self) -> str:
        """How the run ended, and the measures."""
        return "\n".join(filter(None, [self.status, self.measures_text]))

    def predictions(self) -> dict[str, NDArray[Any]]:
        """Return predictions.npz: score, target, group, source, row, channel, start and fold, (n, …) each."""
        with np.load(self.out / PREDICTIONS_FILE, allow_pickle=False) as held:
            return {name: held[name] for name in held.files}

    def to_frame(self) -> pandas.DataFrame:
        """Return the measures as a pandas DataFrame, a row a fold and one for all.

        Raises:
            PhysiolectError: pandas is not installed.
        """
        rows = [(str(fold["name"]), fold["windows"], fold["measures"]) for fold in self.folds]
        rows.append(("all", self.n_windows, self.measures or {}))
        names = list(dict.fromkeys(name for _, _, measures in rows for name in measures))
        columns: dict[str, list[Any]] = {
            "fold": [row[0] for row in rows],
            "windows": [row[1] for row in rows],
        }
        for name in names:
            for part in ("value", "low", "high"):
                key = name if part == "value" else f"{name} {part}"
                columns[key] = [row[2].get(name, {}).get(part) for row in rows]
            if any("positives" in row[2].get(name, {}) for row in rows):
                columns[f"{name} positives"] = [row[2].get(name, {}).get("positives") for row in rows]
        return make_frame(columns)


@takes_settings(FinetuneSettings)
def cross_validate(
    store: Store | str | Path,
    checkpoint: Checkpoint | str | Path | None = None,
    *,
    task: str,
    out: str | Path,
    protocol: Protocol = "k-fold",
    on_event: Listener | None = None,
    **settings: Any,
) -> CrossValidation:
    """Fine-tune one model a fold, and test each on patients that it was not trained on; finished folds are kept.

    Args:
        store: made by `prepare` with the checkpoint's contract; opened or a folder.
        checkpoint: the base model of every fold; opened, or a folder, a published HeartGPT file, "ecg", or owner/name.
            None where the preset trains new models.
        task: one of `physiolect.tasks.TASKS` that is learned from labels.
        out: folder for a run a fold, predictions.npz and folds.json.
        protocol: how patients are divided: "k-fold", "leave-one-out", or "given", the store's splits.
        on_event: called with messages and metrics; returning True stops the run after the update under way.
        **settings: fields of `FinetuneSettings`; `k` is the number of folds.

    Raises:
        ConfigError, CheckpointError, WriteError, TrainingError: as `finetune`.
        Cancelled: the listener asked to stop while no model trained; calling again with resume=True resumes.
    """
    given = {
        "store": store,
        "checkpoint": checkpoint,
        "task": task,
        "out": out,
        "protocol": protocol,
        **settings,
    }
    with starting("cross_validate", given, on_event) as (job, examples):
        chosen = job.settings
        kept = without_left_out(examples, chosen)
        save_settings(chosen, job.reporter)
        folds = _make_folds(kept, chosen, protocol)
        for number, fold in enumerate(folds):
            folder = chosen.out_folder / fold_folder(fold, number)
            if (folder / PREDICTIONS_FILE).exists():
                refuse_other_store(load_checkpoint(folder), kept.store)
                continue
            job.reporter.say(f"fold {fold.name} ({number + 1} of {len(folds)})")
            if not _one_fold(job, kept, fold, folder):
                return CrossValidation(
                    chosen.out_folder, len(folds), signal=job.stop.signal, n_finished=number
                )
        return _gather(kept, folds, chosen.out_folder, protocol)


def _make_folds(examples: Examples, settings: FinetuneSettings, protocol: Protocol) -> list[Fold]:
    splits = examples.store.splits
    return make_folds(
        examples.groups,
        protocol,
        k=settings.k,
        seed=settings.seed,
        given=[splits[row] for row in examples.rows.tolist()],
        stratify_by=examples.strata,
    )


def fold_folder(fold: Fold, number: int) -> str:
    """Return the name of a fold's folder; characters that a file system may refuse become dashes."""
    plain = re.sub(r"[^\w.-]+", "-", fold.name)
    return f"fold-{plain}" if plain == fold.name else f"fold-{plain}-{number + 1}"


def _one_fold(job: Job, examples: Examples, fold: Fold, folder: Path) -> bool:
    """Train a fold's model and write its predictions of the test windows; returns False where it was stopped."""
    train, validation = keep_share(examples.take(fold.train), job.tuning.validation, job.settings.seed)
    folder.mkdir(parents=True, exist_ok=True)
    if not job.run(folder, train, validation).finished:
        return False
    checkpoint = load_checkpoint(folder)
    checkpoint.model.to(job.runtime.device)
    tell = job.reporter.progress(f"test windows of fold {fold.name}")
    score = predict_windows(checkpoint, examples.take(fold.test), on_window=tell)
    _write(folder / PREDICTIONS_FILE, score=score, index=fold.test)
    return True


def _gather(examples: Examples, folds: list[Fold], out: Path, protocol: Protocol) -> CrossValidation:
    """Write the predictions of all folds together, and measure them."""
    scores, about = [], []
    for number, fold in enumerate(folds):
        folder, test = fold_folder(fold, number), examples.take(fold.test)
        with np.load(out / folder / PREDICTIONS_FILE, allow_pickle=False) as held:
            if not np.array_equal(held["index"], fold.test):
                raise ConfigError(
                    f"{out / folder} holds predictions of other windows", hint="start again in another folder"
                )
            scores.append(held["score"])
        about.append(
            {
                "name": fold.name,
                "checkpoint": folder,
                "windows": len(test),
                "tested_on": sorted(set(test.groups)),
                "measures": measure(test, scores[-1]),
            }
        )
    every = examples.take(np.concatenate([fold.test for fold in folds]))
    predictions = np.concatenate(scores)
    _write(
        out / PREDICTIONS_FILE,
        score=predictions,
        target=every.target,
        group=np.array(every.groups),
        source=np.array(every.sources),
        row=every.rows,
        channel=every.channels,
        start=every.starts,
        fold=np.repeat([fold.name for fold in folds], [len(fold.test) for fold in folds]),
    )
    overall = measure(every, predictions)
    document = {"protocol": protocol, "by_patient": every.by_patient, "folds": about, "all": overall}
    with replacing(out / FOLDS_FILE) as fresh:
        fresh.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return CrossValidation(
        out, len(folds), about, overall, len(every), patients_text(every), n_finished=len(folds)
    )


def _write(path: Path, **columns: NDArray[np.generic]) -> None:
    """Write an NPZ file that is whole or not there."""
    with replacing(path) as fresh, fresh.open("wb") as file:
        np.savez_compressed(file, **columns)  # type: ignore[arg-type]
