"""Examples: windows of a store, each with what it shows, to learn from and to be judged by."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.datasets.examples.labels import LABELS, Span, Spans, beat_samples, label_spans
from physiolect.datasets.examples.splits import row_groups
from physiolect.datasets.store.store import Store
from physiolect.errors import ConfigError
from physiolect.tasks import TASKS, Kind, Task, find_task

BEAT_WIDTH = 0.02
"""Seconds to each side of a beat's mark that count as the beat."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Windows of a store, of one channel or several, and their labels; `len(examples)` is their number n."""

    store: Store
    """Where the samples are."""
    task: Task
    """What is asked of a window."""
    rows: NDArray[np.int64]
    """Row of each window, (n,)."""
    channels: NDArray[np.int64]
    """Channel within the row, (n,); or channels, (n, C)."""
    starts: NDArray[np.int64]
    """First sample within the row, (n,)."""
    length: int
    """Samples in a window."""
    classes: tuple[str, ...]
    """What the columns of a classification's target mean; for a rhythm, the name of what is asked for."""
    several: bool
    """Whether a window may be of several classes."""
    groups: tuple[str, ...]
    """Whose each window is (n names): the patient's, or the recording's where no patient is known."""
    sources: tuple[str, ...]
    """Recording of each window (n names)."""
    by_patient: bool
    """Whether the patient of every window is known."""
    values: NDArray[np.float32] | None
    """Labels of whole windows, (n,) or (n, classes); None for beats and targets, which the store's rows hold."""
    beat_width: int = 0
    """Samples to each side of a beat that count as the beat."""
    column: str | None = None
    """Column of the table of labels; None without a table."""
    unit: str | None = None
    """Unit of the numbers; None where the labels are no numbers."""

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        of = "patients" if self.by_patient else "recordings"
        return f"<Examples {self.task}: {len(self)} windows of {len(set(self.groups))} {of}>"

    @property
    def kind(self) -> Kind:
        """What an answer is."""
        return "several" if self.several else self.task.kind

    @property
    def target(self) -> NDArray[np.float32] | NDArray[np.uint8]:
        """What each window shows.

        Rhythm (n,) 0 or 1 at its last sample; classify (n, classes) 0 or 1; regress (n,); beats (n, T) uint8, 1 within
        `beat_width` of a beat, and decode (n, T, targets), both made anew at every call.
        """
        return self.targets(np.arange(len(self)))

    @property
    def strata(self) -> NDArray[np.int64] | None:
        """Class of each window (n,), by which parts and draws are kept alike; None where there is no such thing."""
        if self.values is None or self.kind not in ("binary", "one-of"):
            return None
        return self.values.astype(np.int64) if self.kind == "binary" else self.values.argmax(1)

    def targets(self, index: ArrayLike) -> NDArray[np.float32] | NDArray[np.uint8]:
        """Return the target of some windows."""
        index = np.asarray(index, np.int64)
        if self.values is not None:
            return self.values[index]
        if self.task.labels == "targets":
            return self._beside(index)
        found = np.zeros((len(index), self.length), np.uint8)
        width = self.beat_width
        offsets = np.arange(-width, width + 1)
        for at, row, start in zip(found, self.rows[index].tolist(), self.starts[index].tolist(), strict=True):
            beats = self._beats[row]  # of hours, all but a few are far from a window
            first, end = np.searchsorted(beats, (start - width, start + self.length + width))
            near = (beats[first:end, None] - start + offsets).ravel()
            at[near[(near >= 0) & (near < self.length)]] = 1
        return found

    def _beside(self, index: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the targets beside the signal of some windows, (b, T, K)."""
        n = len(self.store.targets)
        first = self.store.n_channels[self.rows[index]] - n  # (b,)
        channels = first[:, None] + np.arange(n)
        rows = self.rows[index]
        steps = self.store.windows(
            rows[:, None], channels, self.starts[index][:, None], self.length
        )  # (b, K, T)
        scale, offset = (
            np.stack([of(row)[-n:] for row in rows.tolist()])[..., None]
            for of in (self.store.scale, self.store.offset)
        )
        return (steps * scale.astype(np.float64) + offset).astype(np.float32).swapaxes(1, 2)

    def windows(self, index: ArrayLike) -> NDArray[np.float32]:
        """Return the signal of some windows in its physical unit, (b, T); of several channels (b, C, T)."""
        index = np.asarray(index, np.int64)
        channels = self.channels[index]
        rows, starts = (self._beside_channels(each[index]) for each in (self.rows, self.starts))
        steps = self.store.windows(rows, channels, starts, self.length)
        scale, offset = self._scales[:, index]
        return (steps * scale[..., None] + offset[..., None]).astype(np.float32)

    def _beside_channels(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return values of windows (b,) in a shape that broadcasts with their channels."""
        return values[:, None] if self.channels.ndim == 2 else values

    @property
    def places(self) -> list[tuple[int, tuple[int, ...], int]]:
        """Row, channels and first sample of each window, n tuples."""
        channels = map(tuple, self.channels.reshape(len(self), -1).tolist())
        return list(zip(self.rows.tolist(), channels, self.starts.tolist(), strict=True))

    def channel_names(self, number: int) -> tuple[str, ...]:
        """Return the names of the channels of a window."""
        names = self.store.channels(int(self.rows[number]))
        return tuple(names[channel] for channel in np.atleast_1d(self.channels[number]).tolist())

    def take(self, index: ArrayLike) -> Examples:
        """Return some of the windows, by number or by a mask (n,)."""
        index = np.asarray(index)
        index = np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64)
        chosen = index.tolist()
        return replace(
            self,
            rows=self.rows[index],
            channels=self.channels[index],
            starts=self.starts[index],
            groups=tuple(self.groups[i] for i in chosen),
            sources=tuple(self.sources[i] for i in chosen),
            values=None if self.values is None else self.values[index],
        )

    @cached_property
    def _scales(self) -> NDArray[np.float64]:
        """Size of a step and value of sample 0 of each window, (2, n) or (2, n, C)."""
        rows, place = np.unique(self.rows, return_inverse=True)
        width = int(self.store.n_channels[rows].max(initial=1))
        table = np.zeros((2, len(rows), width))
        for at, row in enumerate(rows.tolist()):
            n = int(self.store.n_channels[row])
            table[:, at, :n] = self.store.scale(row), self.store.offset(row)
        return table[:, self._beside_channels(place), self.channels]

    @cached_property
    def _beats(self) -> dict[int, NDArray[np.int64]]:
        """Samples of the beats of each row, in order."""
        return {
            row: np.sort(beat_samples(self.store.annotations(row))) for row in np.unique(self.rows).tolist()
        }


def make_examples(
    store: Store,
    task: str | Task,
    *,
    length: int,
    stride: int | None = None,
    positive: Collection[str] | None = None,
    negative: Collection[str] | None = None,
    labels: str | None = None,
    column: str | None = None,
    classes: Collection[str] | None = None,
    several: bool = False,
    absent: bool = False,
    max_per_episode: int | None = None,
    beat_width: float = BEAT_WIDTH,
    channel: str | int | Sequence[str] | None = None,
    unit: str | None = None,
    seed: int = 0,
) -> Examples:
    """Lay windows over everything in a store that is labelled; what has no label is left out.

    Labels of a rhythm are the store's rhythm annotations (each window lies within one episode); where these have none
    of the names, they are its rows' labels, or a table's column. Beats are the store's beat annotations. Classes are
    the rows' labels or a table's column; numbers are a table's column.

    Args:
        store: where signals and annotations are.
        task: what the model is asked about a window.
        length: samples in a window.
        stride: samples from one window to the next of an episode or row; default: `length`, without overlap.
        positive: names of the rhythm to find; default: atrial fibrillation, as WFDB ("AFIB") or people ("AF") write it.
        negative: names of its opposite; default: sinus rhythm ("N", "sinus").
        labels: a `.csv` or `.parquet` file whose column "recording" names the store's recordings.
        column: its column to take; several classes in one cell are a list, or separated by semicolons. An empty list
            means a recording of no class, which `several` learns from; null or an empty text means no label.
        classes: for classify, their names in order; default: all that occur.
        several: a window may be of several classes at once, or of none of those named.
        absent: classes that no row has are kept, as a test set may lack one; otherwise they are refused.
        max_per_episode: most windows of an episode of the negative rhythm, or of a row for other tasks, drawn evenly
            over its length.
        beat_width: seconds to each side of a beat that count as the beat.
        channel: by name, or by its place in each row; several names for windows of several channels; only needed where
            rows have several.
        unit: of the numbers of a regression, kept with the model.
        seed: decides which windows `max_per_episode` draws.

    Raises:
        ConfigError: no label, or none of a stretch as long as a window; a label, a column or a channel is missing; a
            row has two classes where one is needed.
    """
    task = find_task(task)
    _check(task, length, stride, max_per_episode, labels, column)
    spans = label_spans(
        store, task, positive=positive, negative=negative, labels=labels, column=column, classes=classes,
        several=several, absent=absent,
    )  # fmt: skip
    if store.is_cut_in_trials and (short := int((store.lengths < length).sum())):
        raise ConfigError(
            f"{short} of the {len(store)} trials of {store.path} are shorter than a window of {length} steps; the "
            f"shortest has {int(store.lengths.min())}",
            hint="choose a model with shorter windows (context_length), or prepare longer trials",
        )
    rng = np.random.default_rng(seed)
    starts = [_lay(span, length, stride or length, max_per_episode, rng) for span in spans.spans]
    examples = _examples(store, task, spans, starts, length, several=several, channel=channel)
    return replace(examples, beat_width=round(beat_width * store.contract.fs), column=column, unit=unit)


def _examples(
    store: Store,
    task: Task,
    spans: Spans,
    starts: list[NDArray[np.int64]],
    length: int,
    *,
    several: bool,
    channel: str | int | Sequence[str] | None,
) -> Examples:
    """Return the windows of each span that begin at its `starts`, with its label."""
    counts = [len(each) for each in starts]
    if not sum(counts):
        raise ConfigError(
            f"no labelled stretch of {store.path} is as long as a window of {length} samples",
            hint="prepare longer recordings, or take a model with a shorter context",
        )
    rows = np.repeat([span.row for span in spans.spans], counts).astype(np.int64)
    values = np.array([span.value for span in spans.spans], np.float32)
    groups, sources, patients = row_groups(store), store.sources, store.patients
    chosen = rows.tolist()
    return Examples(
        store=store,
        task=task,
        rows=rows,
        channels=channel_places(store, rows, channel),
        starts=np.concatenate(starts),
        length=length,
        classes=spans.classes,
        several=several,
        groups=tuple(groups[row] for row in chosen),
        sources=tuple(sources[row] for row in chosen),
        by_patient=all(patients[row] is not None for row in set(chosen)),
        values=None if task.labels in ("beats", "targets") else np.repeat(values, counts, axis=0),
    )


def skipped_recordings(examples: Examples, labels: str | None) -> str:
    """Return how many recordings of the store a table of labels leaves out, in a sentence; "" where it leaves out none.

    Args:
        examples: all that were made.
        labels: the table; None where labels are the store's.
    """
    store = examples.store
    every = set(store.sources)
    long = {store.sources[row] for row in (store.lengths >= examples.length).nonzero()[0].tolist()}
    unlabelled, short = len(long - set(examples.sources)), len(every - long)
    parts = [f"{unlabelled} without a label in {labels}"] if unlabelled else []
    parts += [f"{short} shorter than a window"] if short else []
    if not (labels and parts):
        return ""
    return f"skipped of the store's {len(every):,} recordings: {', '.join(parts)}"


def _check(
    task: Task,
    length: int,
    stride: int | None,
    max_per_episode: int | None,
    labels: str | None,
    column: str | None,
) -> None:
    if task.labels not in LABELS:
        raise ConfigError(
            f"the task {task} learns from the signal itself, not from labels",
            hint=f"take one of {', '.join(name for name, each in TASKS.items() if each.labels in LABELS)}",
        )
    if task.labels == "heartbeats":
        raise ConfigError(
            "classes of heartbeats are learned from heartbeats, not from windows of signal",
            hint="train with preset beat-tokens",
        )
    if task.labels == "symbols":
        raise ConfigError(
            "sequences of symbols are learned from windows of several lengths",
            hint="train with preset seq2seq",
        )
    for name, value in (("length", length), ("stride", stride), ("max_per_episode", max_per_episode)):
        if value is not None and value < 1:
            raise ConfigError(f"{name} is {value}, but must be at least 1", hint="leave it out for the usual")
    if (labels is None) != (column is None):
        raise ConfigError(
            "a table of labels and the column to take go together",
            hint="give both labels and column, or neither",
        )
    if labels is not None and task.labels in ("beats", "heartbeats"):
        raise ConfigError(
            "beats are marks of moments, which a table of recordings cannot tell",
            hint="prepare recordings that have beat annotations",
        )
    if labels is None and task.labels == "numbers":
        raise ConfigError(
            "a number for each recording must come from a table",
            hint="give labels (.csv, .parquet) and column",
        )


def _lay(span: Span, length: int, step: int, most: int | None, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return where the windows of a stretch begin; of a thinned one, one from each of `most` equal parts."""
    starts = np.arange(span.begin, span.end - length + 1, step, dtype=np.int64)
    if most is None or not span.thinned or len(starts) <= most:
        return starts
    edges = np.linspace(0, len(starts), most + 1).astype(np.int64)
    return starts[rng.integers(edges[:-1], edges[1:])]


def channel_places(
    store: Store, rows: NDArray[np.int64], channel: str | int | Sequence[str] | None
) -> NDArray[np.int64]:
    """Return the place of a channel in the row of each window, (n,); of several channels (n, C).

    Raises:
        ConfigError: a row has no such channel, or several and none is named.
    """
    if not isinstance(channel, str | int | None):
        return np.stack([channel_places(store, rows, name) for name in channel], 1)
    used = np.unique(rows)
    place: Mapping[int, int] = {}
    if channel is None or isinstance(channel, int):
        least, most = int(store.n_channels[used].min()), int(store.n_channels[used].max())
        if channel is None and most > 1:
            raise ConfigError(
                f"rows of {store.path} have {most} channels, and a window shows one",
                hint=f"name one of {', '.join(store.channels(int(used[0])))}",
            )
        if channel is not None and not 0 <= channel < least:
            raise ConfigError(
                f"there is no channel {channel} in every row: one has {least}", hint="count channels from 0"
            )
        return np.full(len(rows), channel or 0, np.int64)
    names = {row: store.channels(row) for row in used.tolist()}
    without = next((row for row, held in names.items() if channel not in held), None)
    if without is not None:
        raise ConfigError(
            f"{store.sources[without]} has no channel '{channel}'",
            hint=f"it has {', '.join(names[without])}",
        )
    place = {row: held.index(channel) for row, held in names.items()}
    return np.array([place[row] for row in rows.tolist()], np.int64)
