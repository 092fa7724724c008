"""Heartbeats of made copies of the recordings to learn from, with ectopic beats or in fibrillation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from physiolect.datasets.examples.beat_examples import BeatExamples
from physiolect.datasets.examples.beat_table import NOTHING, BeatTable, signal_of
from physiolect.errors import ConfigError
from physiolect.signals.made_beats import (
    FUSION,
    NORMAL,
    SUPRAVENTRICULAR,
    VENTRICULAR,
    MadeCopy,
    Samples,
    ventricular_beats,
    with_ectopy,
    with_fibrillation,
)

KINDS = {"N": NORMAL, "S": SUPRAVENTRICULAR, "V": VENTRICULAR, "F": FUSION}
"""Classes of heartbeats that can be made."""
_OTHER = len(KINDS)
_FIBRILLATING = 0.5
"""Beats that are likelier than this in fibrillation stay as they are, and so do recordings with mostly such beats."""


@dataclass(frozen=True)
class BeatCopies:
    """How many copies of each recording are made, and how often they are drawn."""

    ectopic: int = 0
    """Copies with ectopic beats."""
    fibrillating: int = 0
    """Copies in fibrillation, in which no beat is of another kind than before."""
    share: float = 0.6
    """Share of the windows that are drawn from copies."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = [
            f"{name} is {getattr(self, name)}, but must be from 0 to 20"
            for name in ("ectopic", "fibrillating")
            if not 0 <= getattr(self, name) <= 20
        ]
        return (
            found
            if 0 <= self.share < 1
            else [*found, f"share is {self.share}, but must be from 0 to below 1"]
        )

    def __post_init__(self) -> None:
        problems = self.problems()
        if problems:
            raise ConfigError("; ".join(problems), hint="leave these out to learn from real beats alone")

    def __bool__(self) -> bool:
        return self.ectopic + self.fibrillating > 0 and self.share > 0


def make_copies(examples: BeatExamples, copies: BeatCopies, *, seed: int = 0) -> BeatTable | None:
    """Return the beats of copies of the stretches that have beats to learn from; None where no copy is made.

    Ventricular beats in a copy come from these stretches alone, so that nothing of other patients is learned.

    Args:
        examples: of heartbeats by class, to learn from.
        copies: which are made.
        seed: another seed makes others.
    """
    if not copies:
        return None
    table, fs = examples.table, examples.store.contract.fs
    stretches = [
        (number, slice(begin, end))
        for number, (begin, end) in enumerate(pairwise(table.bounds.tolist()))
        if np.isin(table.row[begin], examples.rows) and (table.value[begin:end] != NOTHING).any()
    ]
    kind_of = np.array([KINDS.get(name, _OTHER) for name in examples.classes] + [_OTHER])
    kinds = kind_of[table.value]
    made: list[list[NDArray]] = []
    samples: Samples = table.samples.astype(np.float64)
    donors: list[Samples] = []
    for number, mine in stretches:
        signal = signal_of(examples.store, table.leads[number])
        donors += ventricular_beats(signal, samples[mine], kinds[mine], fs)
    for number, mine in stretches:
        signal = signal_of(examples.store, table.leads[number])
        likely = _rhythm(examples, mine)
        still = np.where(likely > _FIBRILLATING, _OTHER, kinds[mine])
        mostly = np.mean(likely > _FIBRILLATING) > _FIBRILLATING
        usable = [each for each in donors if len(each) >= len(signal)]
        for k in range(copies.ectopic + (0 if mostly else copies.fibrillating)):
            rng = np.random.default_rng([seed, number, k])
            if k < copies.ectopic:
                copy, likely_now = with_ectopy(signal, samples[mine], still, usable, fs, rng), likely
            else:
                copy = with_fibrillation(signal, samples[mine], kinds[mine], usable, fs, rng)
                likely_now = _fibrillating(likely, rng)
            changed = copy.kinds != (still if k < copies.ectopic else kinds[mine])
            made.append(_columns(examples, copy, changed, mine, likely_now))
    return _joined(table, made) if made else None


def _rhythm(examples: BeatExamples, mine: slice) -> NDArray[np.float64]:
    """Return the probability of the rhythm around each beat of a stretch, NaN where not known."""
    place = examples.tokenizer.places.get("rhythm")
    if place is None:
        return np.full(mine.stop - mine.start, np.nan)
    return (examples.table.features[mine, place.start].astype(np.float64) + 1) / 2


def _fibrillating(likely: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return probabilities around one level, as a detector gives them in fibrillation, where there were any."""
    drawn = np.clip(rng.beta(6, 1) + 0.1 * rng.standard_normal(len(likely)), 0, 1)
    return np.where(np.isnan(likely), np.nan, drawn)


def _columns(
    examples: BeatExamples,
    copy: MadeCopy,
    changed: NDArray[np.bool_],
    mine: slice,
    likely: NDArray[np.float64],
) -> list[NDArray]:
    """Return the columns of a table for one copy: features, samples, row, channel, value."""
    table, tokenizer = examples.table, examples.tokenizer
    number_of = {
        kind: examples.classes.index(name) for name, kind in KINDS.items() if name in examples.classes
    }
    value = table.value[mine].copy()
    value[changed] = [number_of.get(kind, NOTHING) for kind in copy.kinds[changed].tolist()]
    rhythm = likely if "rhythm" in tokenizer.places and np.isfinite(likely).any() else None
    features = tokenizer.encode(copy.signal.astype(np.float32), copy.beats, rhythm)
    samples = np.rint(copy.beats).astype(np.int64)
    return [features, samples, table.row[mine], table.channel[mine], value]


def _joined(table: BeatTable, made: list[list[NDArray]]) -> BeatTable:
    features, samples, row, channel, value = map(np.concatenate, zip(*made, strict=True))
    lengths = [len(each[1]) for each in made]
    bounds = np.cumsum([0, *lengths])
    return replace(
        table, features=features, samples=samples, row=row, channel=channel, value=value,
        begin=np.repeat(bounds[:-1], lengths), end=np.repeat(bounds[1:], lengths), bounds=bounds, leads=(),
    )  # fmt: skip
