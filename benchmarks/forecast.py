"""How well is the next level of an unseen patient foretold? Nats per token, every model on the same windows.

`python benchmarks/forecast.py NAME=CHECKPOINT ...` takes checkpoint folders and published HeartGPT files, ECG and PPG
together: each is scored on the cohorts of its own signal (benchmarks/cohorts.py), as are the baselines, which are
fitted on others. All see the same 101 levels, and a model is scored over its whole vocabulary. Two scalings: by the
window itself, which has then seen its targets (positions 2-500; HeartGPT's own use), and by the first 400 samples
alone, the rest clipped (positions 401-500), as a forecast in earnest would. Beside each mean stands its paired
difference from the first model named for that signal. Brackets are 95 % bootstrap intervals over patients. A model must
have been made for contexts of 499 or more. Reads from PHYSIOLECT_DATA.

`--recordings` scores files and folders of your own instead, by recording. Without PHYSIOLECT_DATA it leaves out the
baselines, which then have nothing to be fitted on.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from cohorts import COHORTS, Cohort, own_recordings
from numpy.typing import NDArray

from physiolect import Checkpoint, load_checkpoint
from physiolect.contract import CONTRACTS
from physiolect.errors import PhysiolectError
from physiolect.evaluation import (
    Autoregressive,
    RepeatLastBeat,
    Unigram,
    bootstrap_interval,
    nll_of_model,
    paired_difference,
)
from physiolect.tokenizers import LevelTokenizer

CONTEXT = 400
SCALINGS: tuple[Literal["window", "context"], ...] = ("window", "context")


@dataclass(frozen=True)
class Score:
    """What one forecaster needs for each token."""

    name: str
    is_model: bool
    """Or a baseline."""
    nats: tuple[NDArray[np.float64], NDArray[np.float64]]
    """By scaling, (n, 499) and (n, 100)."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", metavar="NAME=CHECKPOINT", help="none: the baselines alone")
    parser.add_argument("--cohorts", nargs="+", choices=COHORTS, default=list(COHORTS))
    parser.add_argument(
        "--recordings", nargs="+", metavar="PATH", help="recordings of your own instead of the cohorts"
    )
    parser.add_argument("--channel", help="channel of --recordings: name, alias or number from 0")
    parser.add_argument("--fs", type=float, help="rate in Hz of --recordings that state none")
    parser.add_argument("--variable", help="variable of --recordings that holds the signal (MAT, NPZ)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda …")
    options = parser.parse_args()
    try:
        score(options)
    except PhysiolectError as error:
        raise SystemExit(f"error: {error}\nhint: {error.hint}") from error


def score(options: argparse.Namespace) -> None:
    """Print the tables of every cohort asked for."""
    models = dict(loaded(options.models, options.device))
    for cohort in chosen(options, models):
        scores = list(scored(cohort, models))
        print(f"### {cohort.title}\n\n{cohort.about}\n\n{table(cohort, scores, ())}\n", flush=True)
        if cohort.leave_out:
            print(
                f"The same without {', '.join(cohort.leave_out)}:\n\n{table(cohort, scores, cohort.leave_out)}\n"
            )


def loaded(pairs: Iterable[str], device: str) -> Iterator[tuple[str, Checkpoint]]:
    """Yield each model by its name, on the device."""
    for pair in pairs:
        name, is_pair, path = pair.partition("=")
        if not is_pair:
            raise SystemExit(f"'{pair}' is not NAME=CHECKPOINT")
        checkpoint = load_checkpoint(path)
        if checkpoint.task != "forecast":
            raise SystemExit(f"{name} detects {checkpoint.task}; only forecasts are scored here")
        checkpoint.model.to(device)
        yield name, checkpoint


def chosen(options: argparse.Namespace, models: dict[str, Checkpoint]) -> Iterator[Cohort]:
    """Yield the cohorts asked for, without those that no model named is for."""
    kinds = [checkpoint.contract.modality or "ecg" for checkpoint in models.values()]
    if options.recordings:
        kind = kinds[0] if kinds else "ecg"
        cohort, trouble = own_recordings(
            options.recordings, kind, channel=options.channel, fs=options.fs, variable=options.variable
        )
        print("".join(f"left out: {reason}\n" for reason in trouble), end="", file=sys.stderr)
        yield cohort
        return
    for name in options.cohorts:
        if not kinds or ("ppg" if name == "ppg" else "ecg") in kinds:
            yield COHORTS[name]()


def scored(cohort: Cohort, models: dict[str, Checkpoint]) -> Iterator[Score]:
    """Yield the scores of all forecasters on a cohort, baselines first."""
    signal, rate = cohort.windows[0], CONTRACTS[f"heartgpt-{cohort.kind}"].fs
    tests = [levels(signal, scaling) for scaling in SCALINGS]
    if "PHYSIOLECT_DATA" in os.environ:
        windows = cohort.training()
        fits = [levels(windows, scaling) for scaling in SCALINGS]
        for make in (
            lambda: Unigram(101),
            lambda: RepeatLastBeat(101, fs=rate),
            lambda: Autoregressive(101),
        ):
            baselines = [make().fit(fit) for fit in fits]
            nats = [baseline.nll(test) for baseline, test in zip(baselines, tests, strict=True)]
            yield Score(
                f"{baselines[0].name} fitted on {cohort.fitted_on}",
                False,
                (nats[0], nats[1][:, CONTEXT - 1 :]),
            )
    for name, checkpoint in models.items():
        contract = checkpoint.contract
        if contract.modality not in (None, cohort.kind):
            continue
        if contract.fs != rate:
            print(
                f"{name} is not scored: it reads {contract.fs:g} Hz, these windows {rate:g} Hz",
                file=sys.stderr,
            )
            continue
        nats = [nll_of_model(checkpoint.model, test) for test in tests]
        yield Score(name, True, (nats[0], nats[1][:, CONTEXT - 1 :]))


def levels(signal: NDArray[np.float64], scaling: Literal["window", "context"]) -> NDArray[np.int64]:
    """Return windows as level ids, (n, 500)."""
    context_length = CONTEXT if scaling == "context" else None
    return LevelTokenizer().encode(signal, scale=scaling, context_length=context_length, flat="level")[0]


def table(cohort: Cohort, scores: list[Score], without: tuple[str, ...]) -> str:
    """Return means and paired differences in Markdown, leaving some patients out."""
    owners = cohort.windows[1]
    kept = ~np.isin(owners, without)
    owners = owners[kept]
    first = next((score for score in scores if score.is_model), None)
    columns = ["scaled by the window, 2-500", "scaled by the first 400, 401-500"]
    head = [f"{kept.sum()} windows of {len(set(owners))}"]
    for column in columns:
        head += [column, f"minus {first.name}"] if first else [column]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for score in scores:
        cells = [score.name]
        for k, nats in enumerate(score.nats):
            cells.append(mean(nats[kept], owners))
            if first:
                cells.append("" if score is first else difference(nats[kept], first.nats[k][kept], owners))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def mean(nats: NDArray[np.float64], owners: NDArray[np.str_]) -> str:
    if len(set(owners)) < 2:
        return f"{nats.mean():.3f}"
    low, high = bootstrap_interval(nats, owners)
    return f"{nats.mean():.3f} [{low:.3f}, {high:.3f}]"


def difference(a: NDArray[np.float64], b: NDArray[np.float64], owners: NDArray[np.str_]) -> str:
    if len(set(owners)) < 2:
        return f"{(a - b).mean():+.3f}"
    middle, low, high = paired_difference(a, b, owners)
    return f"{middle:+.3f} [{low:+.3f}, {high:+.3f}]"


if __name__ == "__main__":
    main()
