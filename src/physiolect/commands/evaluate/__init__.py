"""`physiolect evaluate STORE --checkpoint CHECKPOINT --task TASK --out DIR`: how good a model is, and beside what."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from physiolect.commands.terminal import say
from physiolect.files import check_writable

EXAMPLE = "physiolect evaluate store --checkpoint runs/af --task rhythm --out evaluated"

Baselines = Literal["all", "light", "none"]


@dataclass(frozen=True)
class Config:
    """Evaluate a checkpoint, or a cross-validated run, on a store made by `prepare`."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("store",)

    store: str
    """Folder made by `prepare` with the checkpoint's contract."""
    checkpoint: str
    """A folder, a published HeartGPT file, ecg, owner/name; or the folder of a cross-validated finetune, of which each
    fold's model judges whom it has not seen."""
    task: Literal["rhythm", "beats", "classify", "regress", "forecast"]
    """What is asked of the model."""
    out: str
    """Folder for results.json, table.md, model-card.md and figures."""
    compare: str | None = None
    """Another checkpoint or run, on the same windows; differences are paired."""
    baselines: Baselines = "all"
    """all; light leaves out what needs a model's pass over all windows; or none."""
    protocol: Literal["k-fold", "leave-one-out", "given"] = "k-fold"
    """Who trains baselines: by patient, or by recording where no patients are known; given takes the store's parts."""
    k: int = 5
    """Folds, for k-fold."""
    labels: str | None = None
    """Table (.csv, .parquet) with a column recording; none takes the store's marks or labels."""
    column: str | None = None
    """Column of the table that tells."""
    positive: tuple[str, ...] = ()
    """Names of the rhythm asked for; none is atrial fibrillation: AFIB, AF."""
    negative: tuple[str, ...] = ()
    """Names of its opposite; none is sinus rhythm: N, sinus."""
    channel: str | None = None
    """Channel to look at, where rows have several: a name, or a number from 0."""
    stride: int | None = None
    """Samples from one window to the next; none lays them one after another."""
    max_per_episode: int | None = None
    """Most windows of an episode of the opposite rhythm; of a row, for other tasks."""
    detector: str | None = None
    """Library's detector for beats: xqrs, neurokit (ECG), elgendi (PPG); none takes xqrs or elgendi."""
    skip: float = 0.0
    """For beats, seconds of each record that are not judged; EC57 leaves out 300."""
    continuations: int = 0
    """For forecast, windows whose last fifth is continued and compared with what came."""
    threshold: float = 0.5
    """For a rhythm, the probability from which a window counts."""
    resamples: int = 2000
    """Bootstrap resamples of the patients."""
    seed: int = 0
    """Decides folds, resamples, random weights, and which windows max-per-episode draws."""
    batch_size: int = 64
    """Windows that go through a model at once."""
    device: str = "auto"
    """Where to compute: auto, cpu, cuda …"""
    threads: int = 1
    """Processor threads."""
    json: bool = False
    """Print results.json on stdout in place of the table."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        counts = {
            "k": self.k,
            "resamples": self.resamples,
            "batch-size": self.batch_size,
            "threads": self.threads,
        }
        counts |= {"stride": self.stride or 1, "max-per-episode": self.max_per_episode or 1}
        found = [
            f"--{name} is {value}, but must be at least 1" for name, value in counts.items() if value < 1
        ]
        if not 0 < self.threshold < 1:
            found.append(f"--threshold is {self.threshold:g}, but must be between 0 and 1")
        if self.continuations < 0 or self.skip < 0:
            found.append("--continuations and --skip cannot be negative")
        if self.continuations and self.task != "forecast":
            found.append("--continuations is for --task forecast")
        if self.skip and self.task != "beats":
            found.append("--skip is for --task beats")
        if (self.labels is None) != (self.column is None):
            found.append("--labels and --column go together")
        if Path(self.out).exists() and not Path(self.out).is_dir():
            found.append(f"--out '{self.out}' is a file, but a folder is needed")
        return found


def run(config: Config) -> int:
    """Evaluate, and write numbers, table, figures and a section for a model card."""
    import torch

    from physiolect.commands.evaluate.judging import judge
    from physiolect.datasets import open_store

    check_writable(Path(config.out))
    torch.set_num_threads(config.threads)
    store = open_store(config.store, verify=True)
    evaluated = judge(config, store)
    for warning in evaluated.warnings:
        say(f"WARNING: {warning}")
    results, text, card = _documents(config, store.digest, evaluated)
    for file in _write(Path(config.out), results, text, card, evaluated.figures):
        say(f"wrote {file}")
    print(json.dumps(results, indent=2) if config.json else text)
    return 0


def _documents(config: Config, digest: str, evaluated: Any) -> tuple[dict[str, Any], str, str]:
    """Return results for JSON, the table with its words, and the model card's section."""
    from physiolect.commands.evaluate.models import named_of, titles_of
    from physiolect.report.evaluation import card_section, interval_words, measures_table, undefined_words

    called = {name: titles_of(config).get(name, name) for name in evaluated.rows}
    rows = {called[name]: each.overall for name, each in evaluated.rows.items()}
    table = measures_table(rows, evaluated.columns)
    words = [
        interval_words(evaluated.draws, by_patient=evaluated.by_patient),
        *undefined_words(rows),
        *(f"{called[name]}: {each.note}." for name, each in evaluated.rows.items() if each.note),
        *evaluated.words,
    ]
    first, *others = evaluated.rows
    paired = {other: evaluated.rows[first].minus(evaluated.rows[other]) for other in others}
    text = _text(evaluated, called, paired, [table, "", *words])
    unit = "patients" if evaluated.by_patient else "recordings"
    results = {
        "task": config.task, "checkpoint": config.checkpoint, "models": named_of(config), "store": config.store,
        "store_sha256": digest,
        evaluated.what: evaluated.n, "groups": {"unit": unit, "count": evaluated.draws.n_groups},
        "intervals": {"level": evaluated.draws.level, "resamples": len(evaluated.draws.times), "by": unit},
        "measures": {name: each.to_dict() for name, each in evaluated.rows.items()},
        "differences": {
            f"{first} - {other}": {key: value.to_dict() for key, value in found.items()}
            for other, found in paired.items()
        },
        "each": evaluated.each, "protocol": evaluated.protocol, "warnings": list(evaluated.warnings),
        "notes": words,
    }  # fmt: skip
    about = {
        "models": {titles_of(config)[name]: path for name, path in named_of(config).items()},
        "task": config.task, "store": config.store, "digest": digest,
        "windows": evaluated.n, "what": evaluated.what, "groups": evaluated.draws.n_groups, "unit": unit,
        "protocol": evaluated.protocol, "command": shlex.join(["physiolect", *sys.argv[1:]]),
    }  # fmt: skip
    warnings = [f"**{each}**" for each in evaluated.warnings]
    return results, text, card_section(about, table, [*warnings, *words])


def _text(evaluated: Any, called: Mapping[str, str], paired: Mapping[str, Any], head: Sequence[str]) -> str:
    """Return what stdout shows: table and words, tables of classes, and paired differences."""
    from physiolect.report.evaluation import differences_table, measures_table

    parts = [f"{evaluated.said_of}\n", *head]
    for name, each in evaluated.rows.items():
        if each.per_class:
            table = measures_table(each.per_class, evaluated.columns)
            parts += ["", f"{called[name]}, class by class:", "", table]
    if paired:
        first = called[next(iter(evaluated.rows))]
        rows = {f"{first} - {called[other]}": found for other, found in paired.items()}
        table = differences_table(rows, evaluated.columns)
        parts += ["", "Paired differences, in bold where the interval excludes zero:", "", table]
    return "\n".join(parts)


def _write(
    out: Path, results: dict[str, Any], text: str, card: str, figures: Mapping[str, Any]
) -> list[Path]:
    """Write everything, each file whole or not at all, the numbers last."""
    from physiolect.files import replacing

    out.mkdir(parents=True, exist_ok=True)
    files = []
    for name, figure in figures.items():
        files.append(out / f"{name}.png")
        with replacing(files[-1]) as path:
            figure.savefig(path)
    told = {
        "table.md": text + "\n",
        "model-card.md": card,
        "results.json": json.dumps(results, indent=2) + "\n",
    }
    for name, content in told.items():
        files.append(out / name)
        with replacing(files[-1]) as path:
            path.write_text(content, encoding="utf-8")
    return files
