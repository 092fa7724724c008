"""Labels of stretches of a store: by marks, by rows' labels, or by a table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physiolect.datasets.examples.tables import read_column
from physiolect.datasets.public.mitbih import AAMI
from physiolect.datasets.store.marks import RHYTHM
from physiolect.datasets.store.store import Store
from physiolect.errors import ConfigError
from physiolect.recording import Annotations
from physiolect.tasks import LabelSource, Task

BEATS = frozenset(AAMI) | frozenset("Bnr?")
"""Symbols of marks that are beats: AAMI's, and WFDB's other ones."""

CLASSES = ("N", "S", "V", "F", "Q")
"""AAMI's classes of heartbeats, in the order of the literature."""

POSITIVE, NEGATIVE = ("AFIB", "AF"), ("N", "sinus")
"""Names of atrial fibrillation and of sinus rhythm, as WFDB and as people write them."""


class Span(NamedTuple):
    """A stretch of a row with one label."""

    row: int
    begin: int
    """First sample."""
    end: int
    """The sample after its last."""
    value: float | tuple[float, ...]
    """What is told."""
    thinned: bool
    """Whether only some of its windows are taken where not all are wanted."""


class Spans(NamedTuple):
    """What is told of a store."""

    spans: list[Span]
    classes: tuple[str, ...]


class Asked(NamedTuple):
    """Which labels are asked for, and where they are; see `make_examples`."""

    positive: Collection[str] | None
    negative: Collection[str] | None
    classes: Collection[str] | None
    several: bool
    column: str | None
    cells: dict[str, Any] | None
    """Recording -> its cell of the table's column; None where there is no table."""
    absent: bool = False
    """Whether classes that no row has are kept."""


def label_spans(
    store: Store,
    task: Task,
    *,
    positive: Collection[str] | None,
    negative: Collection[str] | None,
    labels: str | None,
    column: str | None,
    classes: Collection[str] | None,
    several: bool,
    absent: bool = False,
) -> Spans:
    """Return the labelled stretches of a store; see `make_examples`.

    Raises:
        ConfigError: nothing is labelled, or not with the names given.
    """
    cells = read_column(labels, column, set(store.sources)) if labels and column else None
    return LABELS[task.labels](store, Asked(positive, negative, classes, several, column, cells, absent))


def _row_labels(store: Store, cells: dict[str, Any] | None) -> list[tuple[str, ...] | None]:
    """Return the labels of each row, out of the table or the store itself."""
    if cells:
        return [_words(cells.get(source)) for source in store.sources]
    return [labels or None for labels in store.labels]


def beat_samples(marks: Annotations) -> NDArray[np.int64]:
    """Return the samples of the beats among marks, (beats,)."""
    return marks.sample[[symbol in BEATS for symbol in marks.symbol]]


def beat_classes() -> dict[str, str]:
    """Return the class of each symbol of a beat; WFDB's symbols beyond AAMI's are of their nearest kin."""
    return {**AAMI, "B": "N", "n": "S", "r": "V", "?": "Q"}


def rhythm_episodes(marks: Annotations, length: int) -> list[tuple[int, int, str]]:
    """Return the episodes of rhythm that marks tell of: first sample, the one after the last, and the name.

    Args:
        marks: of a row or recording; "+" with the note "(AFIB" begins an episode.
        length: samples of the row.
    """
    changes = [(sample, note.lstrip("(").strip("\0 ")) for sample, symbol, note in marks if symbol == RHYTHM]
    ends = [*(sample for sample, _ in changes), length][1:]
    return [(begin, end, name) for (begin, name), end in zip(changes, ends, strict=True) if end > begin]


def _beats(store: Store, asked: Asked) -> Spans:
    spans = [
        Span(row, 0, int(store.lengths[row]), 1.0, True)
        for row in range(len(store))
        if len(beat_samples(store.annotations(row)))
    ]
    if not spans:
        raise ConfigError(
            f"no row of {store.path} has marks of beats",
            hint="prepare recordings with beat annotations, such as WFDB's .atr files",
        )
    return Spans(spans, ())


def _heartbeats(store: Store, asked: Asked) -> Spans:
    """Return the rows with marks of beats, and the classes that these are of."""
    spans, _ = _beats(store, asked)
    known = beat_classes()
    counts = Counter(
        known[symbol] for span in spans for symbol in store.annotations(span.row).symbol if symbol in BEATS
    )
    names = tuple(asked.classes) if asked.classes else tuple(name for name in CLASSES if counts[name])
    missing = [name for name in names if not counts[name]]
    if missing or len(names) < 2:
        raise ConfigError(
            f"no beat of {store.path} is of class {', '.join(missing)}"
            if missing
            else f"all beats of {store.path} are of class {names[0]}: there is nothing to tell apart",
            hint=_there(counts),
        )
    return Spans(spans, names)


def _numbers(store: Store, asked: Asked) -> Spans:
    numbers: dict[str, float] = {}
    column = asked.column
    for source, value in (asked.cells or {}).items():
        try:
            numbers[source] = float(value)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"column '{column}' says '{value}' of {source}, which is no number",
                hint="name a column of numbers; leave a cell empty where nothing is known",
            ) from error
    known = {source: number for source, number in numbers.items() if math.isfinite(number)}
    spans = [
        Span(row, 0, int(store.lengths[row]), known[source], True)
        for row, source in enumerate(store.sources)
        if source in known
    ]
    if len(set(known.values())) < 2:
        raise ConfigError(
            f"column '{column}' says the same of all recordings, or nothing", hint="name another column"
        )
    return Spans(spans, ())


def _targets(store: Store, asked: Asked) -> Spans:
    if not store.targets:
        raise ConfigError(
            f"{store.path} keeps no targets beside its signals",
            hint="prepare the recordings with targets: --targets NAME …",
        )
    return Spans(
        [Span(row, 0, int(store.lengths[row]), 0.0, False) for row in range(len(store))], store.targets
    )


def _symbols(store: Store, asked: Asked) -> Spans:
    """Return rows with strings of symbols, valued by the symbols' numbers; or rows with beats, without a value."""
    strings = [" ".join(held or ()).split() for held in _row_labels(store, asked.cells)]
    if not any(strings):
        if asked.cells is not None:
            raise _nothing_labelled(store)
        spans, names = _heartbeats(store, asked)
        return Spans([span._replace(value=()) for span in spans], names)
    counts = Counter(symbol for string in strings for symbol in string)
    names = tuple(asked.classes) if asked.classes else tuple(sorted(counts))
    if unknown := sorted(set(counts) - set(names)):
        raise ConfigError(
            f"rows of {store.path} hold the symbols {', '.join(unknown[:5])}, which are not named",
            hint="name every symbol, or none",
        )
    place = {name: float(number) for number, name in enumerate(names)}
    spans = [
        Span(row, 0, int(store.lengths[row]), tuple(place[symbol] for symbol in string), False)
        for row, string in enumerate(strings)
        if string
    ]
    return Spans(spans, names)


def _classes(store: Store, asked: Asked) -> Spans:
    rows, classes, several = _row_labels(store, asked.cells), asked.classes, asked.several
    counts = Counter(name for names in rows for name in names or ())
    if not counts:
        raise _nothing_labelled(store)
    names = tuple(classes) if classes is not None else tuple(sorted(counts))
    unknown = [name for name in names if not counts[name]]
    if unknown and (not asked.absent or len(unknown) == len(names)):
        raise ConfigError(f"no row of {store.path} is labelled {', '.join(unknown)}", hint=_there(counts))
    if len(names) < (1 if several else 2):
        raise ConfigError(
            f"all labelled rows of {store.path} are {names[0]}: there is nothing to tell apart",
            hint="label recordings of at least two classes",
        )
    spans = []
    for row, held in enumerate(rows):
        if held is None:
            continue
        mine = [name for name in names if name in held]
        if len(mine) > 1 and not several:
            raise ConfigError(
                f"{store.sources[row]} is {' and '.join(mine)} at once, but a window is of one class",
                hint="let windows be of several (several, --several), or name fewer classes",
            )
        if mine or several:
            value = tuple(float(name in mine) for name in names)
            spans.append(Span(row, 0, int(store.lengths[row]), value, True))
    return Spans(spans, names)


def _rhythms(store: Store, asked: Asked) -> Spans:
    rows, positive, negative = _row_labels(store, asked.cells), asked.positive, asked.negative
    marked = asked.cells is None
    yes, no = ({name.casefold() for name in side} for side in (positive or POSITIVE, negative or NEGATIVE))
    if both := yes & no:
        raise ConfigError(
            f"'{min(both)}' is to be the rhythm asked for and its opposite", hint="name it on one side"
        )
    whole = [
        (row, 0, int(store.lengths[row]), name) for row, names in enumerate(rows) for name in names or ()
    ]
    told = whole
    if marked:
        episodes = [
            (row, *episode)
            for row in range(len(store))
            for episode in rhythm_episodes(store.annotations(row), int(store.lengths[row]))
        ]
        if any(name.casefold() in yes | no for *_, name in episodes) or not whole:
            told = episodes
    if not told:
        raise _nothing_labelled(store)
    counts = Counter(name for *_, name in told)
    folded = {name.casefold() for name in counts}
    missing = [name for side in (positive, negative) for name in side or () if name.casefold() not in folded]
    if not folded & yes or not folded & no or missing:
        what = ", ".join(
            missing or sorted((positive or POSITIVE) if not folded & yes else negative or NEGATIVE)
        )
        raise ConfigError(
            f"nothing in {store.path} is labelled {what}",
            hint=f"{_there(counts)}; name them as positive and negative",
        )
    spans = [
        Span(row, begin, end, float(name.casefold() in yes), name.casefold() in no)
        for row, begin, end, name in told
        if name.casefold() in yes | no
    ]
    _refuse_both(store, spans)
    return Spans(spans, (next(name for name in counts if name.casefold() in yes),))


def _refuse_both(store: Store, spans: list[Span]) -> None:
    """Raise ConfigError if one stretch is told to be both."""
    told: dict[tuple[int, int], float | tuple[float, ...]] = {}
    for span in spans:
        if told.setdefault((span.row, span.begin), span.value) != span.value:
            raise ConfigError(
                f"{store.sources[span.row]} is labelled with the rhythm and with its opposite",
                hint="mend its labels, or name other ones as positive and negative",
            )
    seen: set[tuple[int, int]] = set()  # labels may name one thing twice: AF and AFIB
    spans[:] = [s for s in spans if (s.row, s.begin) not in seen and not seen.add((s.row, s.begin))]  # type: ignore[func-returns-value]


def _words(cell: Any) -> tuple[str, ...] | None:
    """Return the labels in a table's cell: a list, or text with semicolons between; None where nothing is known.

    An empty list says that there are none, which is something known; an empty text says nothing.
    """
    if cell is None:
        return None
    parts = cell if isinstance(cell, list) else str(cell).split(";")
    words = tuple(text for text in (str(part).strip() for part in parts if part is not None) if text)
    return words if words or cell == [] else None


def _there(counts: Counter[str]) -> str:
    listed = ", ".join(f"{name} ({n})" for name, n in counts.most_common(8))
    return f"there are: {listed}{' and more' if len(counts) > 8 else ''}"


def _nothing_labelled(store: Store) -> ConfigError:
    return ConfigError(
        f"no row of {store.path} is labelled",
        hint="prepare recordings with annotations, or a public dataset, or give a table: labels and column",
    )


LABELS: dict[LabelSource, Callable[[Store, Asked], Spans]] = {
    "rhythms": _rhythms,
    "beats": _beats,
    "heartbeats": _heartbeats,
    "classes": _classes,
    "numbers": _numbers,
    "targets": _targets,
    "symbols": _symbols,
}
"""What finds the labelled stretches, by where labels come from."""
