"""Examples of heartbeats: windows of some tens of beats as tokens, and what each window, or each beat, is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.datasets.examples.beat_table import (
    NOTHING,
    BeatTable,
    FindBeats,
    FindRhythm,
    make_beat_table,
)
from physiolect.datasets.examples.examples import Examples
from physiolect.datasets.examples.labels import Span, label_spans
from physiolect.datasets.examples.splits import row_groups
from physiolect.datasets.store.store import Store
from physiolect.errors import ConfigError
from physiolect.events import Tell
from physiolect.tasks import Task, find_task
from physiolect.tokenizers import BeatTokenizer

FEWEST = 4
"""Beats that a window needs for its rhythm."""


@dataclass(frozen=True, eq=False, kw_only=True)
class BeatExamples(Examples):
    """Windows of heartbeats; of windows whose beats have classes, each beat is asked for in one window alone."""

    tokenizer: BeatTokenizer
    """What described the beats; not fitted."""
    table: BeatTable
    """All heartbeats of the store."""
    first: NDArray[np.int64]
    """First beat of each window, (n,)."""
    counts: NDArray[np.int64]
    """Beats of each window, (n,)."""
    core: NDArray[np.int64]
    """Beats of each window whose class is asked for: first and the one after the last, in the window, (n, 2)."""
    context: int
    """Beats of the longest window."""

    def windows(self, index: ArrayLike) -> NDArray[np.float32]:
        """Return the beats of some windows, (b, F, context), before they are standardised; NaN where there is none."""
        index = np.asarray(index, np.int64)
        inside = np.arange(self.context) < self.counts[index, None]  # (b, n)
        beats = np.where(inside, self.first[index, None] + np.arange(self.context), 0)
        found = np.where(inside[..., None], self.table.features[beats], np.float32(np.nan))
        return found.swapaxes(1, 2)

    def targets(self, index: ArrayLike) -> NDArray[np.float32]:
        """Return the target of some windows: (b,) of a rhythm; (b, context, classes) of beats, 0 if not asked for."""
        index = np.asarray(index, np.int64)
        if self.values is not None:
            return self.values[index]
        value = self.beat_values(index)
        return (value[..., None] == np.arange(len(self.classes))).astype(np.float32)

    def beat_values(self, index: ArrayLike) -> NDArray[np.int64]:
        """Return the number of the class of each beat, (b, context); `NOTHING` where it is not asked for."""
        index = np.asarray(index, np.int64)
        place = np.arange(self.context)
        asked = (place >= self.core[index, :1]) & (place < self.core[index, 1:])
        beats = np.where(asked, self.first[index, None] + place, 0)
        return np.where(asked, self.table.value[beats], NOTHING)

    def beat_numbers(self, index: ArrayLike) -> NDArray[np.int64]:
        """Return the number of each beat in the table, (b, context); `NOTHING` where its class is not asked for."""
        known = self.beat_values(index) != NOTHING
        return np.where(known, self.first[np.asarray(index), None] + np.arange(self.context), NOTHING)

    def take(self, index: ArrayLike) -> BeatExamples:
        """Return some of the windows, by number or by a mask (n,)."""
        index = np.asarray(index)
        index = np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64)
        taken = super().take(index)
        assert isinstance(taken, BeatExamples)
        return replace(taken, first=self.first[index], counts=self.counts[index], core=self.core[index])

    @property
    def known_beats(self) -> NDArray[np.int64]:
        """The beats of the table that lie in the rows of these windows and have a label: those to learn from."""
        mine = np.isin(self.table.row, np.unique(self.rows)) & (self.table.value != NOTHING)
        return np.flatnonzero(mine)


def make_beat_examples(
    store: Store,
    task: str | Task,
    tokenizer: BeatTokenizer,
    *,
    context: int,
    length: int,
    stride: int | None = None,
    positive: Collection[str] | None = None,
    negative: Collection[str] | None = None,
    labels: str | None = None,
    column: str | None = None,
    classes: Collection[str] | None = None,
    channel: str | int | None = None,
    find_beats: FindBeats | None = None,
    find_rhythm: FindRhythm | None = None,
    use_marks: bool = True,
    tell: Tell = lambda *_: None,
) -> BeatExamples:
    """Lay windows of heartbeats over everything in a store that is labelled.

    Args:
        store: where signals and annotations are.
        task: whose labels are of rhythms or of heartbeats.
        tokenizer: what describes a beat; not fitted.
        context: most beats of a window.
        length: samples in a window of a rhythm; of a shorter row the whole row is a window.
        stride: samples from one window of a rhythm to the next; default: `length`.
        positive: names of the rhythm to find; see `make_examples`.
        negative: names of its opposite.
        labels: a table of rhythms.
        column: its column to take.
        classes: of heartbeats, in order; others count as not known. Default: AAMI's that occur.
        channel: the one channel to take; default: chosen by the tokenizer, or each by itself where it takes one lead.
        find_beats: finds beats in rows without marks of them.
        find_rhythm: gives the probability of a rhythm around each beat.
        use_marks: False has `find_beats` find the beats of all rows, and is for rhythms.
        tell: is called with the stretches of recording described and the number of all.

    Raises:
        ConfigError: no label, no beats, or other settings than `make_examples` takes.
    """
    task = find_task(task)
    if task.labels not in ("rhythms", "heartbeats"):
        raise ConfigError(
            f"heartbeats are described for rhythm and heartbeats, but not for {task}",
            hint="take another preset",
        )
    spans = label_spans(
        store, task, positive=positive, negative=negative, labels=labels, column=column, classes=classes, several=False
    )  # fmt: skip
    at_beats = task.labels == "heartbeats"
    table = make_beat_table(
        store, tokenizer, rows={span.row for span in spans.spans}, channel=channel, find_beats=find_beats,
        find_rhythm=find_rhythm, use_marks=use_marks, classes=spans.classes if at_beats else None,
        spans=() if at_beats else spans.spans, tell=tell,
    )  # fmt: skip
    if at_beats:
        first, counts, core = _of_beats(table, context)
        values = None
    else:
        first, counts, core, values = _of_rhythms(
            store, table, spans.spans, length, stride or length, context
        )
    if not len(first):
        raise ConfigError(
            f"no labelled stretch of {store.path} is as long as a window, or has {FEWEST} beats",
            hint="prepare longer recordings",
        )
    groups, sources, patients = row_groups(store), store.sources, store.patients
    rows = table.row[first]
    return BeatExamples(
        store=store, task=task, rows=rows, channels=table.channel[first], starts=table.samples[first], length=length,
        classes=spans.classes, several=False, groups=tuple(groups[row] for row in rows.tolist()),
        sources=tuple(sources[row] for row in rows.tolist()),
        by_patient=all(patients[row] is not None for row in set(rows.tolist())), values=values, column=column,
        tokenizer=tokenizer, table=table, first=first, counts=counts, core=core,
        context=min(context, int(counts.max())),
    )  # fmt: skip


def lay_beats(n: int, context: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return windows over n beats in a row. Each beat is judged in one of them, far from the window's ends.

    Args:
        n: beats, at least 1.
        context: beats of a window.

    Returns:
        first beat (w,), number of beats (w,), and which are asked for, (w, 2), counted in the window.
    """
    step = max(1, context // 2)
    first = np.unique(np.minimum(np.arange(0, max(1, n - context + step), step), max(0, n - context)))
    edges = np.append(first + (context - step) // 2, n)
    edges[0] = 0
    core = np.stack([edges[:-1], edges[1:]], 1) - first[:, None]
    return first, np.full(len(first), min(n, context)), core


def _of_beats(
    table: BeatTable, context: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    found = []
    for begin, end in zip(table.bounds[:-1].tolist(), table.bounds[1:].tolist(), strict=True):
        first, counts, core = lay_beats(end - begin, context)
        found.append((first + begin, counts, core))
    first, counts, core = (np.concatenate(each) for each in zip(*found, strict=True))
    return first, counts, core


def _of_rhythms(
    store: Store, table: BeatTable, spans: list[Span], length: int, stride: int, context: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    by_row: dict[int, list[Span]] = {}
    for span in spans:
        by_row.setdefault(span.row, []).append(span)
    found: list[tuple[int, int, float]] = []
    for begin, end in zip(table.bounds[:-1].tolist(), table.bounds[1:].tolist(), strict=True):
        row = int(table.row[begin])
        size = min(length, int(store.lengths[row]))
        for span in by_row.get(row, []):
            starts = np.arange(span.begin, span.end - size + 1, stride)
            samples = table.samples[begin:end]
            first, after = np.searchsorted(samples, starts), np.searchsorted(samples, starts + size)
            found += [
                (begin + a, min(b - a, context), float(span.value))  # type: ignore[arg-type]
                for a, b in zip(first.tolist(), after.tolist(), strict=True)
                if b - a >= FEWEST
            ]
    columns = np.array(found, np.float64).reshape(-1, 3)
    first, counts = columns[:, 0].astype(np.int64), columns[:, 1].astype(np.int64)
    return first, counts, np.zeros((len(first), 2), np.int64), columns[:, 2].astype(np.float32)
