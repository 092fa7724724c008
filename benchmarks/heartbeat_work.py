"""What `heartbeats.py` works with: stores, the beats of MIT-BIH once for all models, and models trained on them."""

from __future__ import annotations

import shutil
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physiolect import cross_validate, finetune, load_checkpoint
from physiolect.checkpoint import Checkpoint
from physiolect.datasets import Store, prepare
from physiolect.datasets.examples.beat_examples import BeatExamples, make_beat_examples
from physiolect.datasets.examples.beat_table import NOTHING, FindRhythm
from physiolect.datasets.examples.labels import rhythm_episodes
from physiolect.datasets.public.heartbeats import LENGTH
from physiolect.datasets.public.mitbih import DS1
from physiolect.datasets.public.mitbih_beats import read_rows, tested_by_beat
from physiolect.detection import predict_windows
from physiolect.evaluation.beat_context import rhythm_finder
from physiolect.learning.finetune import starting
from physiolect.learning.finetune_settings import TUNINGS
from physiolect.tokenizers import BeatTokenizer

CLASSES = ("N", "S", "V", "F", "Q")
LEARNED = CLASSES[:4]
GROUPS = ("waveform", "difference", "shape", "intervals", "pace")
FIBRILLATING = ("AFIB", "AFL", "AF")


@dataclass(frozen=True)
class Work:
    """Where the data lie, and how much is computed."""

    data: Path
    folder: Path
    device: str = "cpu"
    seed: int = 0
    threads: int = 1
    steps: int | None = None
    """Updates of every training; None takes each preset's own."""
    width: int | None = None
    """Width of ECGformer; None is the described 768."""
    layers: int | None = None
    resamples: int = 2000
    rhythm: str | None = None
    """Checkpoint that gives the rhythm around a beat, trained on nobody of MIT-BIH; None trains one."""
    rows: tuple[int, ...] | None = None
    """Rows of the log of choices to make, so that several processes share them; None makes all."""

    @property
    def training(self) -> dict[str, Any]:
        own = {"device": self.device, "seed": self.seed, "threads": self.threads}
        return own if self.steps is None else {**own, "steps": self.steps}

    def store(self, dataset: str, split: str, *, every_channel: bool = False) -> Store:
        source = self.data / ("heartbeat_csv_sample" if dataset == "heartbeats" else "mitdb")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what the splits share, which the tables say
            return prepare(
                source, self.folder / f"{dataset}-{split}", dataset=dataset, split=split,
                every_channel=every_channel, workers=self.threads,
            ).store  # fmt: skip

    def ds1(self) -> Store:
        """Return a store of DS1 alone, in which no patient of DS2 needs to be left out: 201 is also 202's."""
        folder = self.folder / "ds1"
        folder.mkdir(exist_ok=True)
        for record in DS1:
            for file in (self.data / "mitdb").glob(f"{record}.*"):
                if not (folder / file.name).exists():
                    (folder / file.name).symlink_to(file.absolute())
        return prepare(
            folder, self.folder / "mitbih-ds1", dataset="mitbih", every_channel=True, workers=self.threads
        ).store

    def fresh(self, name: str) -> Path:
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        return folder


@dataclass(frozen=True, eq=False)
class BeatsOfRecords:
    """All beats of a store of records, n in number, with what models read and what is true of them."""

    store: Store
    features: NDArray[np.float32]
    """(n, F) by `tokenizer`, for baselines."""
    tokenizer: BeatTokenizer
    truth: NDArray[np.int64]
    """(n,) in `CLASSES`."""
    records: NDArray[np.str_]
    """(n,)"""
    fibrillating: NDArray[np.bool_]
    rows: NDArray[np.float32]
    """(n, 187) cut after Kachuee."""
    by_beat: NDArray[np.bool_]
    """(n,) which test where beats are split one by one."""
    parts: NDArray[np.str_]
    """(n,) "DS1", "DS2" or ""."""


def beats_of(work: Work) -> BeatsOfRecords:
    store = work.store("mitbih", "de-chazal", every_channel=True)
    tokenizer = BeatTokenizer(features=GROUPS)
    examples = make_beat_examples(store, "heartbeats", tokenizer, context=32, length=3000, classes=CLASSES)
    table = examples.table
    sources = np.array([name.rpartition("/")[2] for name in store.sources])
    records = sources[table.row]
    fibrillating = np.zeros(len(table), np.bool_)
    by_beat, rows = np.zeros(len(table), np.bool_), []
    for begin, end in zip(table.bounds[:-1].tolist(), table.bounds[1:].tolist(), strict=True):
        row, record = int(table.row[begin]), str(records[begin])
        at = table.samples[begin:end]
        for first, after, name in rhythm_episodes(store.annotations(row), int(store.lengths[row])):
            if name in FIBRILLATING:
                fibrillating[begin:end] |= (at >= first) & (at < after)
        cut = read_rows(work.data / "mitdb" / f"{record}.hea")[0]
        assert len(cut) == end - begin, record
        rows.append(cut)
        by_beat[begin:end] = tested_by_beat(record, end - begin)
    parts = np.array([part or "" for part in store.splits])[table.row]
    return BeatsOfRecords(
        store, table.features, tokenizer, table.value, records, fibrillating, np.concatenate(rows), by_beat, parts
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class TokensTrial:
    """Beats as tokens: one way to describe and to train, for any choice of training beats."""

    work: Work
    store: Store
    classes: tuple[str, ...] = LEARNED
    features: tuple[str, ...] = GROUPS
    find_rhythm: FindRhythm | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    """Of `FinetuneSettings`: normalisation, dropout …"""

    def examples(self, base: Checkpoint, store: Store | None = None) -> BeatExamples:
        return make_beat_examples(
            store or self.store, "heartbeats", replace(base.beats, mean=(), sd=()), context=base.model.context_length,
            length=base.contract.max_samples, classes=self.classes, find_rhythm=self.find_rhythm,
        )  # fmt: skip

    def train(
        self, name: str, chosen: Iterable[NDArray[np.bool_]], tested: Sequence[Store] = ()
    ) -> list[list[NDArray[np.int64]]]:
        """Train a model on each choice of beats (n,), and return what each decides about all beats of each store.

        Args:
            name: of the folder.
            chosen: which beats of the store train.
            tested: other stores of the same records; none is the store itself.
        """
        features = (*self.features, "rhythm") if self.find_rhythm else self.features
        out = self.work.fresh(name)
        given = {
            "store": str(self.store.path), "checkpoint": None, "task": "heartbeats", "out": str(out),
            "preset": "beat-tokens", "classes": self.classes, "features": features, **self.work.training,
            **self.settings,
        }  # fmt: skip
        found = []
        with starting("finetune", given, None) as (job, _):
            every = self.examples(job.base.checkpoint)
            judged = [self.examples(job.base.checkpoint, each) for each in tested] or [every]
            for number, mask in enumerate(chosen):
                table = replace(every.table, value=np.where(mask, every.table.value, NOTHING))
                rows = np.unique(table.row[table.value != NOTHING])
                (out / str(number)).mkdir(parents=True)
                job.run(out / str(number), replace(every, table=table).take(np.isin(every.rows, rows)), None)
                checkpoint = load_checkpoint(out / str(number))
                checkpoint.model.to(self.work.device)
                found.append([decisions(checkpoint, each) for each in judged])
        return found


def decisions(checkpoint: Checkpoint, examples: BeatExamples) -> NDArray[np.int64]:
    """Return the class of each beat of the table, (n,); -1 where it is not asked for."""
    every = np.arange(len(examples))
    numbers = examples.beat_numbers(every)
    decided = np.full(len(examples.table), -1, np.int64)
    likely = predict_windows(checkpoint, examples)[:, : numbers.shape[1]]
    decided[numbers[numbers >= 0]] = likely.argmax(-1)[numbers >= 0]
    return decided


def rhythms(work: Work, store: Store, folds: int = 4) -> FindRhythm:
    """Train rhythm models, and return what gives a beat's rhythm by one that was not trained on its patient."""
    if work.rhythm:
        return rhythm_finder(work.rhythm, store)
    shared: dict[str, Any] = {"task": "rhythm", "preset": "beat-tokens", **work.training}
    crossed, single = work.folder / "rhythm-folds", work.folder / "rhythm"
    if not (crossed / "folds.json").exists():
        cross_validate(work.ds1(), out=work.fresh("rhythm-folds"), protocol="k-fold", k=folds, **shared)
    if not (single / "last").exists():
        finetune(store, out=work.fresh("rhythm"), train_on=("DS1",), **shared)
    inside, outside = rhythm_finder(crossed, store), rhythm_finder(single, store)
    parts = store.splits

    def find(row: int, recording: Any, beats: NDArray[np.int64]) -> NDArray[np.float32]:
        return (outside if parts[row] != "DS1" else inside)(row, recording, beats)

    return find


def ecgformer(
    work: Work, name: str, store: Store, train_on: Sequence[str]
) -> Callable[[NDArray], NDArray[np.int64]]:
    """Train ECGformer on rows of a store of single beats, and return what decides about rows (n, 187)."""
    settings: dict[str, Any] = {"preset": "ecgformer"}
    if work.width or work.layers:
        tuning = TUNINGS["ecgformer"]
        assert tuning.model is not None
        width = work.width or tuning.model.width
        model = replace(
            tuning.model, width=width, mlp_width=4 * width, n_layers=work.layers or tuning.model.n_layers,
        )  # fmt: skip
        settings = {
            "preset": "encoder", "model": model, "recipe": tuning.recipe, "batch_size": tuning.batch_size,
            "validation": 0.0, "patience": 0, "draws": "epochs",
        }  # fmt: skip
    out = work.fresh(name)
    finetune(
        store, task="classify", out=out, train_on=tuple(train_on), classes=CLASSES, **settings, **work.training
    )  # fmt: skip
    checkpoint = load_checkpoint(out)
    checkpoint.model.to(work.device)

    def decide(rows: NDArray[np.float32]) -> NDArray[np.int64]:
        found = []
        for first in range(0, len(rows), 512):
            inputs, _ = checkpoint.encode(rows[first : first + 512, None, : LENGTH - 1])
            found.append(checkpoint.predict(inputs).argmax(-1))
        return np.concatenate(found)

    return decide


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    return work(), time.perf_counter() - began
