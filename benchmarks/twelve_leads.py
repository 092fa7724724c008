"""Classification of twelve leads on the part of PTB-XL in PHYSIOLECT_DATA: models, probes, boosting and voltages.

    python benchmarks/twelve_leads.py stores OUT                    # recordings as stores; two minutes
    python benchmarks/twelve_leads.py run OUT --rows measured       # rows of the CPU; some minutes
    python benchmarks/twelve_leads.py run OUT --rows trained        # rows of a GPU
    python benchmarks/twelve_leads.py tables OUT                    # the tables of docs/twelve-leads.md

`run` and `tables` need OUT alone, and `run --rows trained` needs of it only labels.parquet and the stores filtered,
raw-100, filtered-ii and raw-ii: it can be done on another machine. Each row's predictions are kept in OUT/predictions.
A row that is there is not made again, and a training that was stopped is resumed. A patient is on one side of every
division.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from cohorts import data_folder
from numpy.typing import NDArray
from twelve_leads_tables import print_tables

from physiolect import adapt, cross_validate, finetune
from physiolect.checkpoint import Outputs
from physiolect.contract import CONTRACTS, InputContract
from physiolect.datasets import Examples, Row, StoreWriter, make_examples, open_store
from physiolect.datasets.examples.augmentation import Augmentation
from physiolect.datasets.public.ptbxl import PTBXL
from physiolect.detection import predict_windows
from physiolect.evaluation import Fold, make_folds
from physiolect.evaluation.baselines import Predictions, boosting, measured_features, window_features
from physiolect.evaluation.baselines.measured import CORNELL, MEASURED, SOKOLOW
from physiolect.evaluation.linear_probe import fit_linear_probe
from physiolect.events import Reporter
from physiolect.learning.new_model import new_checkpoint
from physiolect.learning.run_folder import holds_run
from physiolect.models.encoder_config import EncoderConfig
from physiolect.models.resnet_config import RESNET_PRESETS, ResNetConfig
from physiolect.recording import LEADS, Recording
from physiolect.training import Recipe

FILTERED = InputContract(
    fs=100.0, min_samples=1000, max_samples=1000, modality="ecg", channels=LEADS, normalisation="zscore",
    passband=(0.5, 40.0),
)  # fmt: skip
"""What was done to the records already, so that a checkpoint does it to others."""
RAW_100 = replace(FILTERED, normalisation="none", unit="mV")
RAW_500 = replace(RAW_100, fs=500.0, min_samples=5000, max_samples=5000, passband=None)
LEAD_II = replace(CONTRACTS["heartgpt-ecg"], channels=("II",), modality="ecg")
SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
FORMS = ("NDT", "ABQRS", "NST", "NT", "STD", "QWAVE", "LPR")
"""Statements on form that at least five records of fold 9 have."""
CLASSES = {
    "superclass": SUPERCLASSES,
    "form": FORMS,
    "rhythm": ("AFIB", "SBRAD", "STACH"),
    "hypertrophy": ("HYP", "LVH"),
}
"""Labels -> classes that are told apart, several of which a record may have. LVH is a part of HYP."""
PARTS = {
    "filtered": ("superclass", "form", "rhythm"),
    "raw": ("superclass",),
    "hypertrophy": ("hypertrophy",),
}
TRAINING = tuple(f"fold {k}" for k in range(1, 9))
VARIED = Augmentation(noise=0.02, wander=0.1)
ENCODER = EncoderConfig(
    context_length=1000, patch=25, per_lead=True, width=128, n_layers=6, n_heads=4, mlp_width=340,
    positions="rotary", activation="swiglu", norm="rms", bias=False, qk_norm=True, residual_dropout=0.1,
)  # fmt: skip
NETWORKS: dict[str, tuple[EncoderConfig | ResNetConfig, Recipe]] = {
    "encoder": (ENCODER, Recipe(5e-4, warmup_steps=100, weight_decay=0.05)),
    "resnet18": (RESNET_PRESETS["resnet18"], Recipe(1e-3, warmup_steps=50, weight_decay=0.05)),
    "xresnet50": (RESNET_PRESETS["xresnet50"], Recipe(1e-3, warmup_steps=50, weight_decay=0.05)),
}


@dataclass(frozen=True)
class Asked:
    """One table: a part, its labels, and how it is run."""

    out: Path
    part: str
    labels: str
    device: str
    steps: int
    k: int
    """Folds of the raw set."""

    @property
    def by_fold(self) -> bool:
        """Whether folds 1 to 8 train and fold 9 tests; otherwise k folds by patient."""
        return self.part == "filtered"

    def store(self, kind: str) -> Path:
        """Return a store of this part: "twelve" leads for models, "measured" ones, or lead "ii" alone."""
        side = "filtered" if self.by_fold else "raw"
        names = {"twelve": side if self.by_fold else "raw-100", "measured": side, "ii": f"{side}-ii"}
        return self.out / names[kind]

    def examples(self, kind: str) -> Examples:
        """Return the labelled windows of a store."""
        store = open_store(self.store(kind))
        channels = store.contract.channels
        return make_examples(
            store, "classify", length=store.contract.max_samples, several=True, classes=CLASSES[self.labels],
            labels=str(self.out / "labels.parquet"), column=self.labels,
            channel=channels if len(channels) > 1 else None,
        )  # fmt: skip

    def folds(self, examples: Examples) -> list[Fold]:
        """Return who trains and who tests."""
        if not self.by_fold:
            return make_folds(examples.groups, "k-fold", k=self.k)
        parts = np.array([examples.store.splits[row] for row in examples.rows.tolist()], dtype=object)
        tests = parts == "fold 9"
        return [Fold("9", np.flatnonzero(~tests), np.flatnonzero(tests))]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("stores", "run", "tables"))
    parser.add_argument("out", type=Path)
    parser.add_argument("--part", nargs="+", choices=tuple(PARTS), default=list(PARTS))
    parser.add_argument("--labels", nargs="+", choices=tuple(CLASSES), help="these labels only")
    parser.add_argument("--rows", nargs="+", choices=(*ROWS, *GROUPS), default=list(GROUPS))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, default=2000, help="updates of a trained row")
    parser.add_argument("--k", type=int, default=10, help="folds of the raw set")
    options = parser.parse_args()
    if options.what == "stores":
        write_stores(options.out)
        return
    asked = [
        Asked(options.out, part, labels, options.device, options.steps, options.k)
        for part in options.part
        for labels in PARTS[part]
        if options.labels is None or labels in options.labels
    ]
    if options.what == "run":
        names = [name for each in options.rows for name in GROUPS.get(each, (each,))]
        for each in asked:
            make_rows(each, names)
    print_tables(asked, CLASSES, order=tuple(ROWS))


# ---- stores


def write_stores(out: Path) -> None:
    stated = read_labels()
    write_labels(out, stated)
    with np.load(data_folder() / "ptbxl" / "signals_100hz_int16.npz") as held:
        ids, samples = held["ecg_id"].astype(str).tolist(), held["signals"]  # (records, 12, 1000)
    filtered = [
        (number, Recording(x * np.float32(1e-3), 100.0, LEADS, "sd", "ecg"))
        for number, x in zip(ids, samples, strict=True)
    ]
    raw = list(raw_records())
    write_store(out / "filtered", FILTERED, filtered, stated)
    write_store(out / "filtered-ii", LEAD_II, filtered, stated)
    write_store(out / "raw", RAW_500, raw, stated)
    write_store(out / "raw-100", RAW_100, raw, stated)
    write_store(out / "raw-ii", LEAD_II, raw, stated)


def read_labels() -> dict[str, dict[str, str]]:
    """Return what is stated of each record of PTB-XL, by its number."""
    path = data_folder() / "ptbxl_labels" / "ptbxl_labels_21799.csv"
    with open(path, newline="", encoding="utf-8") as file:
        return {row["ecg_id"]: row for row in csv.DictReader(file)}


def raw_records() -> Iterator[tuple[str, Recording]]:
    """Yield number and leads of each record in millivolts."""
    for entry, recording in PTBXL.recordings(data_folder() / "ptbxl_raw"):
        yield str(int(Path(entry.name).name.split("_")[0])), recording


def write_labels(out: Path, stated: dict[str, dict[str, str]]) -> None:
    """Write the classes of every record that has any statement of a kind; of hypertrophy, any super-class."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = {
        "recording": list(stated),
        "superclass": [row["super_class"].split() or None for row in stated.values()],
        "form": [row["form"].split() or None for row in stated.values()],
        "rhythm": [row["rhythm"].split() or None for row in stated.values()],
        "hypertrophy": [
            [
                name
                for name in (*row["super_class"].split(), *row["sub_class"].split())
                if name in ("HYP", "LVH")
            ]
            if row["super_class"]
            else None
            for row in stated.values()
        ],
    }
    out.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(found), out / "labels.parquet")


def write_store(
    path: Path,
    contract: InputContract,
    records: Sequence[tuple[str, Recording]],
    stated: dict[str, dict[str, str]],
) -> None:
    with StoreWriter(path, contract) as writer:
        for number, recording in records:
            about = stated[number]
            adapted, _ = adapt(recording, contract, window="all")
            row = Row.from_recording(
                adapted, source=number, patient=about["patient_id"], split=f"fold {about['strat_fold']}"
            )
            writer.add(number, [row])
    print(open_store(path))


# ---- rows


def make_rows(asked: Asked, names: Sequence[str]) -> None:
    folder = asked.out / "predictions"
    folder.mkdir(exist_ok=True)
    for name in names:
        path = folder / f"{asked.part}-{asked.labels}-{name}.npz"
        if path.exists() or (name in VOLTAGES and asked.part != "hypertrophy"):
            continue
        begun = time.perf_counter()
        examples, score = ROWS[name](asked)
        save(path, examples, score, seconds=time.perf_counter() - begun)
        print(f"{asked.part} {asked.labels} {name}: {time.perf_counter() - begun:.0f} s", flush=True)


def save(path: Path, examples: Examples, score: NDArray[np.floating], *, seconds: float) -> None:
    """Keep the mean score of each tested record over its windows."""
    tested = np.isfinite(score).all(1)
    sources = np.array(examples.sources)[tested]
    records, place = np.unique(sources, return_inverse=True)
    total = np.zeros((len(records), score.shape[1]))
    np.add.at(total, place, score[tested])
    first = np.array([np.flatnonzero(place == i)[0] for i in range(len(records))], np.int64)
    np.savez_compressed(
        path, record=records, score=total / np.bincount(place)[:, None],
        target=np.asarray(examples.target)[tested][first], patient=np.array(examples.groups)[tested][first],
        seconds=seconds,
    )  # fmt: skip


def trained(
    asked: Asked, kind: str, name: str, checkpoint: str | None, **settings: object
) -> tuple[Examples, NDArray[np.floating]]:
    """Train on folds 1 to 8, or a model for each fold by patient; return scores of the tested windows."""
    examples, out = asked.examples(kind), asked.out / "runs" / f"{asked.part}-{asked.labels}-{name}"
    shared = {
        "checkpoint": checkpoint, "task": "classify", "out": out, "classes": CLASSES[asked.labels], "several": True,
        "labels": str(asked.out / "labels.parquet"), "column": asked.labels, "steps": asked.steps, "patience": 10,
        "augmentation": VARIED, "device": asked.device, "resume": any(map(holds_run, (out, *out.glob("fold-*")))),
        **settings,
    }  # fmt: skip
    score = np.full((len(examples), len(examples.classes)), np.nan)
    if asked.by_fold:
        result = finetune(asked.store(kind), train_on=TRAINING, **shared)
        (fold,) = asked.folds(examples)
        score[fold.test] = predict_windows(result.checkpoint, examples.take(fold.test))
        return examples, score
    held = cross_validate(asked.store(kind), protocol="k-fold", k=asked.k, **shared).predictions()
    number = {place: i for i, place in enumerate(zip(held["source"], held["start"], strict=True))}
    score[:] = [
        held["score"][number[source, start]]
        for source, start in zip(examples.sources, examples.starts, strict=True)
    ]
    return examples, score


def network(name: str) -> Callable[[Asked], tuple[Examples, NDArray[np.floating]]]:
    """Return what trains a network on twelve leads from random weights."""
    model, recipe = NETWORKS[name]
    given = {"preset": "resnet", "resnet": model} if isinstance(model, ResNetConfig) else {}
    given = given or {"preset": "encoder", "model": model}
    return lambda asked: trained(asked, "twelve", name, None, recipe=recipe, batch_size=64, **given)


def decoder(asked: Asked) -> tuple[Examples, NDArray[np.floating]]:
    """Fine-tune ecg on lead II; a record's score is the mean of its two windows of five seconds."""
    return trained(asked, "ii", "decoder", "ecg", preset="modern", evaluate_every=25)


def probe(name: str) -> Callable[[Asked], tuple[Examples, NDArray[np.floating]]]:
    """Return what fits a linear probe on a network of random weights."""

    def make(examples: Examples) -> NDArray[np.floating]:
        untrained = new_checkpoint(NETWORKS[name][0], examples.store, seed=0, reporter=Reporter())
        untrained.outputs = Outputs("classify", examples.classes, several=True)
        return window_features(untrained, examples)

    def fitted(asked: Asked) -> tuple[Examples, NDArray[np.floating]]:
        examples = asked.examples("twelve")
        features = kept_features(asked, "twelve", f"random-{name}", examples, make)
        found = fit_linear_probe(features, examples.target, asked.folds(examples), examples.groups)
        return examples, found.score

    return fitted


def boosted(asked: Asked) -> tuple[Examples, NDArray[np.floating]]:
    """Boost on the measurements of twelve leads; those of the raw set at 500 Hz."""
    examples = asked.examples("measured")
    return examples, boosting(measured(asked, examples), examples.target, asked.folds(examples)).score


def voltage(criterion: str) -> Callable[[Asked], tuple[Examples, NDArray[np.floating]]]:
    """Return what scores each record by a voltage, which learns nothing; an unmeasured one has the median."""

    def scored(asked: Asked) -> tuple[Examples, NDArray[np.floating]]:
        examples = asked.examples("measured")
        value = measured(asked, examples)[:, MEASURED.index(criterion)]
        value = np.where(np.isfinite(value), value, np.nanmedian(value))
        found = Predictions(np.repeat(value[:, None], len(examples.classes), 1), probability=False)
        return examples, found.score

    return scored


def measured(asked: Asked, examples: Examples) -> NDArray[np.float64]:
    """Return the measurements of windows."""
    return kept_features(asked, "measured", "measurements", examples, measured_features)


def kept_features(
    asked: Asked,
    kind: str,
    name: str,
    examples: Examples,
    make: Callable[[Examples], NDArray[np.floating]],
) -> NDArray[np.float64]:
    """Return features of windows, made once for all labelled records of a store and kept in a file."""
    path = asked.out / "predictions" / f"{name}-of-{asked.store(kind).name}.npz"
    if not path.exists():
        every = replace(asked, labels="superclass").examples(kind)
        np.savez_compressed(path, record=np.array(every.sources), features=make(every))
    with np.load(path) as held:
        features = held["features"].astype(np.float64)
        known = dict(zip(held["record"].tolist(), features, strict=True))
    missing = np.full(features.shape[1], np.nan)  # a record without a super-class
    return np.stack([known.get(source, missing) for source in examples.sources])


VOLTAGES = {"sokolow": SOKOLOW, "cornell": CORNELL}
ROWS: dict[str, Callable[[Asked], tuple[Examples, NDArray[np.floating]]]] = {
    **{name: network(name) for name in NETWORKS},
    "decoder": decoder,
    "probe-encoder": probe("encoder"),
    "probe-resnet18": probe("resnet18"),
    "boosting": boosted,
    **{name: voltage(criterion) for name, criterion in VOLTAGES.items()},
}
GROUPS = {
    "trained": (*NETWORKS, "decoder"),
    "measured": ("probe-encoder", "probe-resnet18", "boosting", *VOLTAGES),
}


if __name__ == "__main__":
    main()
