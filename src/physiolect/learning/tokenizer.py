"""Train an ECG-Byte tokenizer on a store, and measure it on patients that were left out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physiolect.config import as_names
from physiolect.datasets import Store, amplitude_percentiles, choose_rows, open_store
from physiolect.datasets.preparing.encode import each_row
from physiolect.errors import ConfigError, FormatError
from physiolect.evaluation import TokenUse, draw_tokens, measure_tokens, token_frame
from physiolect.events import Listener, Reporter
from physiolect.files import lock_folder, writing
from physiolect.result import Result
from physiolect.tokenizers import FILE_NAME, EcgByteTokenizer, save_tokenizer
from physiolect.tokenizers.bpe import Boundary

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class TrainedTokenizer(Result):
    """A tokenizer, and how well it does on rows that it was not trained on."""

    tokenizer: EcgByteTokenizer
    train_rows: NDArray[np.int64]
    """Rows of the store that it was trained on."""
    held_out_rows: NDArray[np.int64]
    """Rows that it was measured on."""
    use: TokenUse | None
    """Compression, use and error on those; None where no rows were held out."""
    requested: int
    """Merges that were asked for."""
    seconds: float
    """How long training took."""
    out: Path | None = None
    """The file it was written to."""

    @property
    def summary(self) -> str:
        """How many merges were found, and what they do on the rows held out."""
        n, unit = len(self.tokenizer.merges), self.tokenizer.unit
        fewer = ": no pair is left that occurs twice" if n < self.requested else ""
        lines = [f"found {n} merges in {self.seconds:.1f} s{fewer}"]
        if self.use is not None:
            (low, high), n_rows = self.tokenizer.range, len(self.held_out_rows)
            lines.append(
                f"{n_rows} row{'s' * (n_rows != 1)} left out: {self.use.compression:.2f} samples a token, "
                f"{100 * self.use.used:.0f} % of the tokens in use, "
                f"mean error {self.use.mean_error:.4f}{f' {unit}' if unit else ''}, "
                f"{100 * self.use.outside:.2g} % of the samples cut at {low:.4g} or {high:.4g}"
            )
        if self.out is not None:
            lines.append(f"wrote {self.out}")
        return "\n".join(lines)

    def to_frame(self) -> pandas.DataFrame:
        """Return one row a token: its id, its length in seconds and, where rows were held out, its count there.

        Raises:
            PhysiolectError: pandas is not installed.
        """
        return token_frame(self.tokenizer, self.use)

    def plot(self) -> Figure:
        """Draw tokens as waveforms."""
        return draw_tokens(self.tokenizer, self.use)


def train_tokenizer(
    store: Store | str | Path,
    *,
    merges: int = 3500,
    boundary: Boundary = "lead",
    memory: int | str | None = None,
    validation: float = 0.1,
    seed: int = 0,
    validate_on: str | Sequence[str] = (),
    leave_out: str | Sequence[str] = (),
    out: str | Path | None = None,
    on_event: Listener | None = None,
) -> TrainedTokenizer:
    """Train an ECG-Byte tokenizer: percentiles and merges come from the training rows alone.

    Args:
        store: made by `prepare`, every row with the same leads; opened or a folder.
        merges: tokens to find beside the 26 letters, at most 60,000.
        boundary: what a token never crosses: the end of a lead, of a row ("record"), or nothing ("concat").
        memory: bytes that training may take, as a number or "256MB"; with less the disk is used, for the same tokens.
        validation: share of the patients that is left out of training, to measure on; 0 trains on all.
        seed: another seed leaves out other patients.
        validate_on: parts of a published split to measure on in place of that share, such as "fold 9".
        leave_out: parts of a published split, or recordings, that neither train nor validate.
        out: folder for signal_tokenizer.json; None writes nothing.
        on_event: receives messages and progress; returning True stops the work.

    Raises:
        ConfigError: a setting is out of range, a part is unknown, or `out` holds a tokenizer already.
        FormatError: the store cannot be read, has no rows, holds z-scores, or its rows differ in leads or units.
        WriteError: another run writes to `out`, it cannot be written to, or the disk is full.
        Cancelled: the listener stopped the work.
    """
    _check(merges, validation)
    store = store if isinstance(store, Store) else open_store(store)
    channels, unit = _shared(store)
    train, held_out = choose_rows(
        store, validation, seed, validate_on=as_names(validate_on), leave_out=as_names(leave_out)
    )
    report, folder = Reporter(on_event), None if out is None else Path(out)
    with nullcontext() if folder is None else lock_folder(folder):
        if folder is not None:
            _make(folder)
        tokenizer, seconds = _find_merges(
            store, train, channels, unit, merges=merges, boundary=boundary, memory=memory, scratch=folder,
            report=report,
        )  # fmt: skip
        file = None if folder is None else folder / FILE_NAME
        if file is not None:
            save_tokenizer(tokenizer, file)
    use = None
    if len(held_out):
        rows = each_row(held_out.tolist(), len(held_out), "measuring", report)
        use = measure_tokens(tokenizer, _signals(store, rows), fs=tokenizer.fs)
    return TrainedTokenizer(tokenizer, train, held_out, use, merges, seconds, file)


def _check(merges: int, validation: float) -> None:
    if not 0 <= merges <= 60_000:
        raise ConfigError(f"merges is {merges}, but must be from 0 to 60000", hint="3500 is usual")
    if not 0 <= validation < 1:
        raise ConfigError(
            f"validation is {validation:g}, but must be from 0 to below 1", hint="0 trains on all"
        )


def _make(folder: Path) -> None:
    """Make the folder of a tokenizer.

    Raises:
        ConfigError: it holds one.
    """
    if (folder / FILE_NAME).exists():
        raise ConfigError(f"{folder} holds a tokenizer already", hint="name another folder, or remove it")
    with writing(folder, hint="name a folder that may be written to"):
        folder.mkdir(parents=True, exist_ok=True)


def _find_merges(
    store: Store,
    train: NDArray[np.int64],
    channels: tuple[str, ...],
    unit: str | None,
    *,
    merges: int,
    boundary: Boundary,
    memory: int | str | None,
    scratch: Path | None,
    report: Reporter,
) -> tuple[EcgByteTokenizer, float]:
    """Return the tokenizer, and the seconds that its merges took."""

    def rows(what: str) -> Iterator[int]:
        return each_row(train.tolist(), len(train), what, report)

    low, high = amplitude_percentiles(store, rows("percentiles"), (1, 99))
    contract = store.contract
    cleaned = f", {contract.preprocessing} preprocessing" if contract.preprocessing else ""
    report.say(
        f"{len(train)} rows to train on, {', '.join(channels)} at {contract.fs:g} Hz{cleaned}; "
        f"percentiles 1 and 99: {low:.4g} and {high:.4g} {unit or ''}".rstrip()
    )
    start = time.perf_counter()
    tokenizer = EcgByteTokenizer.train(
        _signals(store, rows("reading")),
        percentiles=(low, high),
        n_merges=merges,
        channels=channels,
        fs=contract.fs,
        unit=unit,
        preprocessing=contract.preprocessing,
        modality=contract.modality,
        passband=contract.passband,
        max_gap=contract.max_gap,
        boundary=boundary,
        memory=memory,
        scratch=scratch,
        on_merges=report.progress("merging", merges),
    )
    return tokenizer, time.perf_counter() - start


def _shared(store: Store) -> tuple[tuple[str, ...], str | None]:
    """Return the leads and the unit that all rows have; refuse a store that no tokenizer can learn from."""
    if not len(store):
        raise FormatError(f"the store {store.path} holds no rows", hint="prepare recordings into it first")
    if store.contract.normalisation == "zscore":
        raise FormatError(
            f"the store {store.path} holds z-scores, but letters stand for amplitudes",
            hint="prepare it under a contract of normalisation none, such as ecg-byte",
        )
    channels = {store.channels(row) for row in range(len(store))}
    if len(channels) > 1 or len(store.units) > 1:
        leads = sorted({", ".join(names) for names in channels})
        units = sorted(unit or "no unit" for unit in store.units)
        raise FormatError(
            f"the rows of {store.path} differ in leads or units: {'; '.join(leads[:3])}"
            f"{' …' if len(leads) > 3 else ''} in {', '.join(units)}",
            hint="prepare with one channel, or with a contract that names the leads and their unit",
        )
    return channels.pop(), next(iter(store.units))


def _signals(store: Store, rows: Iterable[int]) -> Iterator[NDArray[np.float32]]:
    return (store.recording(row).signal for row in rows)
