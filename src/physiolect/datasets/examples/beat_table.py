"""The heartbeats of a store as tokens, each described once, with what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from physiolect.datasets.examples.labels import BEATS, Span, beat_classes, beat_samples
from physiolect.datasets.store.store import Store
from physiolect.errors import ConfigError
from physiolect.events import Tell
from physiolect.recording import Recording
from physiolect.tokenizers import BeatTokenizer

FindBeats: TypeAlias = Callable[[int, Recording], NDArray[np.int64]]
"""Row and recording -> samples of its beats, where the store has no marks of them."""
FindRhythm: TypeAlias = Callable[[int, Recording, NDArray[np.int64]], NDArray[np.float32]]
"""Row, recording and samples of its beats -> the probability of a rhythm around each, NaN where not known."""

NOTHING = -1
"""Value of a beat without a label."""


class Leads(NamedTuple):
    """The channels that describe the beats of one stretch of recording."""

    rows: tuple[int, ...]
    """Row of the store that holds each: a row may hold several channels, or a stretch lie in several rows."""
    channels: tuple[int, ...]
    """Place within each row."""


@dataclass(frozen=True, eq=False)
class BeatTable:
    """All heartbeats of a store, N in number, stretch after stretch."""

    features: NDArray[np.float32]
    """(N, F) before they are standardised; NaN is not known."""
    samples: NDArray[np.int64]
    """(N,) where each is in its row."""
    row: NDArray[np.int64]
    """(N,) row of its first lead."""
    channel: NDArray[np.int64]
    """(N,) place of its first lead within the row."""
    value: NDArray[np.int64]
    """(N,) number of its class, or whether it is in the rhythm asked for; `NOTHING` where not known."""
    begin: NDArray[np.int64]
    """(N,) first beat of the stretch of which a window may be made around it."""
    end: NDArray[np.int64]
    """(N,) the beat after the stretch's last."""
    bounds: NDArray[np.int64]
    """(stretches + 1,) first beat of each stretch of recording."""
    leads: tuple[Leads, ...]
    """Which channels describe the beats of each stretch; () of copies, which no store holds."""

    def __len__(self) -> int:
        return len(self.samples)


def make_beat_table(
    store: Store,
    tokenizer: BeatTokenizer,
    *,
    rows: Collection[int],
    channel: str | int | None,
    find_beats: FindBeats | None,
    find_rhythm: FindRhythm | None,
    use_marks: bool,
    classes: tuple[str, ...] | None,
    spans: Collection[Span],
    tell: Tell,
) -> BeatTable:
    """Describe all heartbeats of some rows of a store.

    Args:
        store: where signals and marks are.
        tokenizer: what describes a beat, not fitted yet.
        rows: of the store.
        channel: the one channel to take, by name or place; None chooses by the tokenizer's number of leads.
        find_beats: finds beats where a row has no marks of them; None leaves such rows out.
        find_rhythm: gives the probability of a rhythm around each beat; None leaves it unknown.
        use_marks: False has `find_beats` find the beats of all rows.
        classes: names by which beats are marked; None where `spans` say what is known.
        spans: stretches of rows with a rhythm.
        tell: is called with the stretches done and the number of all.
    """
    by_row: dict[int, list[Span]] = {}
    for span in spans:
        by_row.setdefault(span.row, []).append(span)
    stretches = list(_stretches(store, tokenizer, rows, channel))
    columns: list[list[NDArray]] = []
    at, bounds, described = 0, [0], []
    held: dict[int, tuple[NDArray[np.int64], NDArray[np.float32] | None]] = {}
    for done, leads in enumerate(stretches):
        row = leads.rows[0]
        recording = store.recording(row)
        if row not in held:
            held = {
                row: _beats_of(store, row, recording, find_beats, find_rhythm, use_marks)
            }  # of its other channels too
        samples, rhythm = held[row]
        if len(samples):
            features = tokenizer.encode(signal_of(store, leads), samples, rhythm)
            value, begin, end = _known(store, row, samples, classes, by_row.get(row, []))
            n = len(samples)
            columns.append([
                features, samples, np.full(n, row), np.full(n, leads.channels[0]), value, begin + at, end + at,
            ])  # fmt: skip
            at += n
            bounds.append(at)
            described.append(leads)
        tell(done + 1, len(stretches))
    if not columns:
        raise ConfigError(
            f"no row of {store.path} has marks of beats",
            hint="prepare recordings with beat annotations, or name a checkpoint that finds them: beats, --beats",
        )
    features, samples, row_of, channel_of, value, begin, end = map(np.concatenate, zip(*columns, strict=True))
    return BeatTable(
        features=features, samples=samples, row=row_of, channel=channel_of, value=value, begin=begin, end=end,
        bounds=np.array(bounds, np.int64), leads=tuple(described),
    )  # fmt: skip


def join_tables(one: BeatTable, other: BeatTable) -> BeatTable:
    """Return the beats of both, those of the other last."""
    n = len(one)

    def both(name: str, shift: int = 0) -> NDArray:
        return np.concatenate([getattr(one, name), getattr(other, name) + shift])

    columns = {name: both(name) for name in ("features", "samples", "row", "channel", "value")}
    return BeatTable(
        **columns, begin=both("begin", n), end=both("end", n),
        bounds=np.concatenate([one.bounds, other.bounds[1:] + n]), leads=one.leads + other.leads,
    )  # fmt: skip


def signal_of(store: Store, leads: Leads) -> NDArray[np.floating]:
    """Return the channels that describe the beats of a stretch, (C, T)."""
    each = zip(leads.rows, leads.channels, strict=True)
    return np.stack([store.recording(row).signal[place] for row, place in each])


def _beats_of(
    store: Store,
    row: int,
    recording: Recording,
    find_beats: FindBeats | None,
    find_rhythm: FindRhythm | None,
    use_marks: bool,
) -> tuple[NDArray[np.int64], NDArray[np.float32] | None]:
    """Return the samples of the beats of a row in order, and the probability of a rhythm around each."""
    samples = np.sort(beat_samples(store.annotations(row)))
    samples = samples if use_marks else samples[:0]
    if not len(samples) and find_beats is not None:
        samples = find_beats(row, recording)
    rhythm = find_rhythm(row, recording, samples) if find_rhythm is not None and len(samples) else None
    return samples, rhythm


def _stretches(
    store: Store, tokenizer: BeatTokenizer, rows: Collection[int], channel: str | int | None
) -> Iterator[Leads]:
    """Yield the leads of each stretch of recording; with one lead a beat, each channel describes beats of its own."""
    together: dict[tuple[str, float], list[tuple[int, int, str]]] = {}
    starts, sources = store.starts, store.sources
    for row in sorted(rows):
        for place, name in enumerate(store.channels(row)):
            if channel is None or channel in (place, name):
                together.setdefault((sources[row], float(starts[row])), []).append((row, place, name))
    if channel is not None and not together:
        raise ConfigError(f"no row of {store.path} has a channel '{channel}'", hint="leave channel out")
    for found in together.values():
        if tokenizer.n_leads == 1:
            yield from (Leads((row,), (place,)) for row, place, _ in found)
            continue
        chosen = [found[k] for k in tokenizer.choose_leads([name for *_, name in found])]
        yield Leads(tuple(row for row, *_ in chosen), tuple(place for _, place, _ in chosen))


def _known(
    store: Store, row: int, samples: NDArray[np.int64], classes: tuple[str, ...] | None, spans: list[Span]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return value, first beat of the stretch, and the beat after its last, of each beat of a row."""
    n = len(samples)
    value, begin, end = np.full(n, NOTHING), np.zeros(n, np.int64), np.full(n, n)
    if classes is not None:
        marks, known = store.annotations(row), beat_classes()
        order = np.argsort(marks.sample, kind="stable")
        names = [known[marks.symbol[k]] for k in order if marks.symbol[k] in BEATS]
        number = {name: k for k, name in enumerate(classes)}
        value[:] = [number.get(name, NOTHING) for name in names]
        return value, begin, end
    for span in spans:
        first, after = np.searchsorted(samples, (span.begin, span.end))
        value[first:after], begin[first:after], end[first:after] = int(span.value), first, after  # type: ignore[arg-type]
    return value, begin, end
