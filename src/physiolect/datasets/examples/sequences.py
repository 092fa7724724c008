"""Windows of several lengths, each with the sequence of symbols that it stands for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.datasets.examples.examples import Examples, channel_places
from physiolect.datasets.examples.labels import BEATS, Span, beat_classes, label_spans
from physiolect.datasets.examples.splits import row_groups
from physiolect.datasets.store.store import Store
from physiolect.errors import ConfigError
from physiolect.models.seq2seq_config import N_SPECIAL
from physiolect.tasks import Task, find_task


@dataclass(frozen=True, eq=False, repr=False)
class SequenceExamples(Examples):
    """Windows and their sequences: `classes` are the symbols, and `values` (n, L) their ids, 0 at the right.

    A window of a row that ends before it is missing (NaN) at its end.
    """

    def windows(self, index: ArrayLike) -> NDArray[np.float32]:
        """Return the signal of some windows, (b, T) or (b, C, T); NaN after the end of a row."""
        index = np.asarray(index, np.int64)
        lengths = np.minimum(self.store.lengths[self.rows[index]] - self.starts[index], self.length)
        scale, offset = self._scales[:, index]
        found = np.full((*scale.shape, self.length), np.nan, np.float32)
        for n in np.unique(lengths).tolist():
            mine = lengths == n
            rows, starts = (self._beside_channels(each[index[mine]]) for each in (self.rows, self.starts))
            steps = self.store.windows(rows, self.channels[index[mine]], starts, n)
            found[mine, ..., :n] = steps * scale[mine][..., None] + offset[mine][..., None]
        return found

    @property
    def sequences(self) -> list[tuple[str, ...]]:
        """The symbols of each window, n tuples."""
        assert self.values is not None
        return [
            tuple(self.classes[each - N_SPECIAL] for each in row if each)
            for row in self.values.astype(int).tolist()
        ]


def make_sequence_examples(
    store: Store,
    task: str | Task,
    *,
    longest: int,
    most_symbols: int,
    stride: int | None = None,
    labels: str | None = None,
    column: str | None = None,
    symbols: Collection[str] | None = None,
    channel: str | int | Sequence[str] | None = None,
) -> SequenceExamples:
    """Return whole rows with their strings of symbols; where rows have none, windows with the classes of their beats.

    Args:
        store: where signals, labels and marks are.
        task: of kind "sequence".
        longest: most samples of a row with a string; samples of a window of beats.
        most_symbols: of a sequence.
        stride: samples from one window of beats to the next; default: without overlap.
        labels: a `.csv` or `.parquet` file whose column "recording" names the store's recordings.
        column: its column of strings: symbols with spaces between.
        symbols: their names in order; default: all that occur.
        channel: channel to use, or channels by name.

    Raises:
        ConfigError: nothing has a sequence; a row or a sequence is too long; a symbol is not named.
    """
    task = find_task(task)
    if (labels is None) != (column is None):
        raise ConfigError(
            "a table of labels and the column to take go together",
            hint="give both labels and column, or neither",
        )
    spans, names = label_spans(
        store,
        task,
        positive=None,
        negative=None,
        labels=labels,
        column=column,
        classes=symbols,
        several=False,
    )
    whole = all(span.value != () for span in spans)
    windows = (
        _whole_rows(store, spans, longest) if whole else _beat_windows(store, spans, names, longest, stride)
    )
    rows, starts, strings = zip(*windows, strict=True)
    most = max(map(len, strings))
    if most > most_symbols:
        raise ConfigError(
            f"a sequence of {store.path} has {most} symbols, but the model writes at most {most_symbols}",
            hint=f"give the model a longer answer: --seq2seq.longest {most}",
        )
    values = np.zeros((len(rows), most), np.float32)
    for at, string in zip(values, strings, strict=True):
        at[: len(string)] = np.array(string) + N_SPECIAL
    numbers = np.array(rows, np.int64)
    groups = row_groups(store)
    return SequenceExamples(
        store=store,
        task=task,
        rows=numbers,
        channels=channel_places(store, numbers, channel),
        starts=np.array(starts, np.int64),
        length=int(store.lengths[numbers].max()) if whole else longest,
        classes=names,
        several=False,
        groups=tuple(groups[row] for row in rows),
        sources=tuple(store.sources[row] for row in rows),
        by_patient=all(store.patients[row] is not None for row in set(rows)),
        values=values,
        column=column,
    )


_Window = tuple[int, int, tuple[int, ...]]
"""Row, first sample, and numbers of the symbols."""


def _whole_rows(store: Store, spans: list[Span], longest: int) -> list[_Window]:
    long = [span for span in spans if span.end > longest]
    if long:
        raise ConfigError(
            f"{len(long)} rows of {store.path} are longer than the {longest} steps that the model reads; the longest "
            f"has {max(span.end for span in long)}",
            hint=f"give the model more context: --seq2seq.context_length {-(-max(s.end for s in long) // 8) * 8}",
        )
    return [(span.row, 0, tuple(int(each) for each in np.atleast_1d(span.value))) for span in spans]


def _beat_windows(
    store: Store, spans: list[Span], names: tuple[str, ...], length: int, stride: int | None
) -> list[_Window]:
    """Return windows with the classes of their beats in order; beats of classes that are not named are left out."""
    known, place = beat_classes(), {name: i for i, name in enumerate(names)}
    found: list[_Window] = []
    for span in spans:
        beats = sorted(
            (sample, known[symbol]) for sample, symbol, _ in store.annotations(span.row) if symbol in BEATS
        )
        times = np.array([sample for sample, _ in beats])
        for start in range(0, span.end - length + 1, stride or length):
            first, end = np.searchsorted(times, (start, start + length)).tolist()
            found.append(
                (span.row, start, tuple(place[name] for _, name in beats[first:end] if name in place))
            )
    if not found:
        raise ConfigError(
            f"no row of {store.path} is as long as a window of {length} samples",
            hint="prepare longer recordings, or give a smaller --seq2seq.context_length",
        )
    return found
