"""Recordings and stores as ECG-Byte's tokens."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from physiolect.config import as_names
from physiolect.contract import AdaptationReport, adapt, arrange_leads
from physiolect.datasets.store.manifest import is_store
from physiolect.datasets.store.store import Store, open_store
from physiolect.datasets.store.tokens import TOKENS_FILE, TokenRow, TokenStore, write_tokens
from physiolect.errors import ConfigError, FormatError
from physiolect.events import Listener, Reporter
from physiolect.files import lock_folder
from physiolect.formats import read_recording
from physiolect.recording import Recording, canonical_channel
from physiolect.result import Result, make_frame
from physiolect.tokenizers import EcgByteTokenizer, load_tokenizer

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

_MUCH = 0.1
"""Share of the samples beyond the letters' range from which the unit is doubted; the range itself leaves out 0.02."""


@dataclass(frozen=True, eq=False, repr=False)
class Encoded(Result):
    """A recording as tokens."""

    tokenizer: EcgByteTokenizer
    """What encoded it."""
    source: str
    """Name of the recording."""
    ids: NDArray[np.integer]
    """(tokens,), lead after lead."""
    spans: NDArray[np.int64]
    """(tokens, 2) first sample of each token and the one after its last, in the leads laid one after another."""
    signal: NDArray[np.float32]
    """(channels, time) what was encoded, at the tokenizer's rate and in its unit."""
    report: AdaptationReport
    """How the recording was adapted."""

    @property
    def summary(self) -> str:
        """How many tokens there are, for how many samples."""
        return f"{len(self.ids):,} tokens for {self.signal.size:,} samples of {self.source or 'a recording'}"

    def to_frame(self) -> pandas.DataFrame:
        """Return one row a token: its id, and its span in samples.

        Raises:
            PhysiolectError: pandas is not installed.
        """
        return make_frame({"id": self.ids, "start": self.spans[:, 0], "stop": self.spans[:, 1]})

    def to_dict(self) -> dict[str, Any]:
        """Return channels, rate, ids and spans, ready for JSON."""
        return {
            "input": self.source,
            "channels": self.tokenizer.channels,
            "fs": self.tokenizer.fs,
            "samples": self.signal.shape[1],
            "ids": self.ids.tolist(),
            "spans": self.spans.tolist(),
        }

    @property
    def title(self) -> str:
        """The recording's name, and how many tokens it takes."""
        return f"{Path(self.source).name} · {len(self.ids):,} tokens for {self.signal.size:,} samples"

    def plot(self, *, start: float = 0.0, seconds: float = 5.0) -> Figure:
        """Draw which token covers which stretch.

        Args:
            start: seconds into the recording at which the picture begins.
            seconds: how much of it is drawn.

        Raises:
            ConfigError: `start` lies beyond the recording.
        """
        from physiolect.plots import token_track_figure

        duration = self.signal.shape[1] / self.tokenizer.fs
        if not 0 <= start < duration:
            raise ConfigError(
                f"start is {start:g}, but {self.source or 'the recording'} lasts {duration:g} s",
                hint="begin earlier",
            )
        return token_track_figure(
            self.signal, self.spans, fs=self.tokenizer.fs, channels=self.tokenizer.channels, unit=self.tokenizer.unit,
            start=start, seconds=seconds, title=self.title,
        )  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class EncodedStore(Result):
    """The rows of a store as tokens, written to a folder."""

    store: TokenStore
    """The tokenised store."""
    n_samples: int
    """Samples that were encoded, over all leads."""

    @property
    def summary(self) -> str:
        """How many rows and tokens were written, and where."""
        return (
            f"wrote {len(self.store)} rows to {self.store.path}: {self.store.n_tokens:,} tokens for "
            f"{self.n_samples:,} samples"
        )

    def to_frame(self) -> pandas.DataFrame:
        """Return one row for each row of the store: source, start, patient, split and number of tokens.

        Raises:
            PhysiolectError: pandas is not installed.
        """
        rows = [self.store.row(k) for k in range(len(self.store))]
        columns = {
            name: [getattr(row, name) for row in rows] for name in ("source", "start", "patient", "split")
        }
        return make_frame({**columns, "tokens": [len(row.ids) for row in rows]})


@overload
def encode(
    tokenizer: EcgByteTokenizer | str | os.PathLike[str], source: Recording, *, derive_limb: bool = False,
    on_event: Listener | None = None,
) -> Encoded: ...  # fmt: skip
@overload
def encode(
    tokenizer: EcgByteTokenizer | str | os.PathLike[str], source: Store, *, out: str | os.PathLike[str],
    on_event: Listener | None = None,
) -> EncodedStore: ...  # fmt: skip
@overload
def encode(
    tokenizer: EcgByteTokenizer | str | os.PathLike[str], source: str | os.PathLike[str], *,
    out: str | os.PathLike[str] | None = None, fs: float | None = None, unit: str | None = None,
    names: str | Sequence[str] = (), derive_limb: bool = False, on_event: Listener | None = None,
) -> Encoded | EncodedStore: ...  # fmt: skip
def encode(
    tokenizer: EcgByteTokenizer | str | os.PathLike[str],
    source: Recording | Store | str | os.PathLike[str],
    *,
    out: str | os.PathLike[str] | None = None,
    fs: float | None = None,
    unit: str | None = None,
    names: str | Sequence[str] = (),
    derive_limb: bool = False,
    on_event: Listener | None = None,
) -> Encoded | EncodedStore:
    """Turn a recording or a store into tokens.

    Args:
        tokenizer: an ECG-Byte tokenizer, or its folder or file.
        source: a recording or its file, or a store or its folder; of a store, leads may come in any order.
        out: folder of the tokenised store, for a store.
        fs: sampling rate in Hz, for a file that states none.
        unit: unit of the channels of which a file states none, such as "mV".
        names: names of all channels, in their order, for a file that names none.
        derive_limb: compute III, aVR, aVL and aVF of a recording from I and II where they are missing.
        on_event: receives messages and progress; returning True stops the work.

    Raises:
        FormatError: the tokenizer, the recording or the store cannot be read, or the store does not fit the tokenizer.
        ContractError: the recording cannot be adapted to the tokenizer.
        ConfigError: `out` is missing for a store, holds tokens, or was given for a recording.
        WriteError: another run writes to `out`, it cannot be written to, or the disk is full.
        Cancelled: the listener stopped the work.
    """
    report, made_by, names = Reporter(on_event), as_ecg_byte(tokenizer), as_names(names)
    if not isinstance(source, Store | Recording) and is_store(source):
        source = open_store(source)
    _check_options(source, {"fs": fs, "unit": unit, "names": names}, derive_limb)
    if isinstance(source, Store):
        if out is None:
            raise ConfigError("out is missing", hint="name a folder for the tokenised store")
        return _encode_store(made_by, source, Path(out), report)
    if out is not None:
        raise ConfigError("out is for a store, but the source is a recording", hint="do not give out")
    if not isinstance(source, Recording):
        source = read_recording(source, fs=fs, unit=unit, names=names)
    return _encode_recording(made_by, source, derive_limb, report)


def _check_options(source: object, of_files: dict[str, object], derive_limb: bool) -> None:
    """Refuse options that the kind of source gives no meaning."""
    given = [name for name, value in of_files.items() if value not in (None, ())]
    if isinstance(source, Store | Recording) and given:
        raise ConfigError(
            f"{' and '.join(given)} {'is' if len(given) == 1 else 'are'} for a file of a recording",
            hint="leave them out",
        )
    if isinstance(source, Store) and derive_limb:
        raise ConfigError(
            "derive_limb is for a recording", hint="derive limb leads when the store is prepared"
        )


def as_ecg_byte(tokenizer: EcgByteTokenizer | str | os.PathLike[str]) -> EcgByteTokenizer:
    """Return an ECG-Byte tokenizer, loaded where its folder or file is given.

    Raises:
        FormatError: there is none at that path.
    """
    if isinstance(tokenizer, EcgByteTokenizer):
        return tokenizer
    found = load_tokenizer(Path(tokenizer))
    if not isinstance(found, EcgByteTokenizer):
        raise FormatError(
            f"{tokenizer} is a {type(found).__name__}, but an ECG-Byte tokenizer is needed",
            hint="make one with `physiolect tokenize train STORE`",
        )
    return found


def check_fits(tokenizer: EcgByteTokenizer, store: Store) -> None:
    """Refuse a store whose rows were not prepared as those were that a tokenizer learned from.

    Raises:
        FormatError: they differ in rate, preprocessing, passband, modality, leads, normalisation or unit.
    """
    ours, theirs = tokenizer.contract(), store.contract
    wrong = []
    if theirs.fs != ours.fs:
        wrong.append(f"it is at {theirs.fs:g} Hz, and the tokenizer reads {ours.fs:g} Hz")
    for name, words in (("preprocessing", _or_none), ("passband", _or_none), ("modality", str)):
        one, other = getattr(theirs, name), getattr(ours, name)
        if one != other and not (name == "modality" and None in (one, other)):
            wrong.append(f"its {name} is {words(one)}, and the tokenizer's {words(other)}")
    there = set(map(canonical_channel, store.channels(0) if len(store) else ours.channels))
    if lacking := [lead for lead in ours.channels if canonical_channel(lead) not in there]:
        wrong.append(f"it has no lead {', '.join(lacking)}")
    if theirs.normalisation == "zscore":
        wrong.append("it holds z-scores, and the tokenizer reads amplitudes")
    if ours.unit is not None and store.units - {ours.unit}:
        units = ", ".join(sorted(unit or "an unknown unit" for unit in store.units - {ours.unit}))
        wrong.append(f"it has rows in {units}, and the tokenizer reads {ours.unit}")
    if wrong:
        raise FormatError(
            f"the store {store.path} does not fit the tokenizer: {'; '.join(wrong)}",
            hint="prepare the recordings as those were that the tokenizer learned from",
        )


def each_row(rows: Iterable[int], count: int, what: str, report: Reporter) -> Iterator[int]:
    """Yield row numbers, and report how many are done."""
    tell = report.progress(what, count)
    for k, row in enumerate(rows):
        yield int(row)
        tell(k + 1)


def _or_none(setting: Any) -> str:
    return "none" if setting is None else str(setting)


def _encode_recording(
    tokenizer: EcgByteTokenizer, recording: Recording, derive_limb: bool, report: Reporter
) -> Encoded:
    if derive_limb:
        recording = arrange_leads(recording, tokenizer.channels, derive_limb=True)
    adapted, adaptation = adapt(recording, tokenizer.contract(), window="all")
    report.say(f"{recording.source or 'the recording'}:\n{adaptation}")
    low, high = tokenizer.range
    outside = np.count_nonzero((adapted.signal < low) | (adapted.signal > high)) / adapted.signal.size
    if outside > _MUCH:
        report.say(
            f"! {100 * outside:.0f} % of the samples lie beyond the letters, {low:.3g} to {high:.3g} "
            f"{tokenizer.unit or ''}: is the unit right?"
        )
    found = tokenizer.encode_with_spans(adapted.signal, fs=tokenizer.fs)
    return Encoded(tokenizer, recording.source, found.ids, found.spans, adapted.signal, adaptation)


def _encode_store(tokenizer: EcgByteTokenizer, store: Store, out: Path, report: Reporter) -> EncodedStore:
    check_fits(tokenizer, store)
    with lock_folder(out):
        if (out / TOKENS_FILE).exists():
            raise ConfigError(f"{out} holds tokens already", hint="name another folder, or remove it")
        written = write_tokens(out, tokenizer, _token_rows(tokenizer, store, report))
    return EncodedStore(written, int(store.lengths.sum()) * len(tokenizer.channels))


def _token_rows(tokenizer: EcgByteTokenizer, store: Store, report: Reporter) -> Iterator[TokenRow]:
    """Encode a store row by row; its leads are put in the tokenizer's order by name."""
    for number in each_row(range(len(store)), len(store), "encoding", report):
        row = store.row(number)
        signal = row.recording().select(tokenizer.channels).signal
        yield TokenRow(
            ids=tokenizer.encode(signal, fs=row.fs),
            source=row.source,
            start=row.start,
            patient=row.patient,
            labels=row.labels,
            split=row.split,
        )
