"""`physiolect tokenize train STORE --out TOK`: find the tokens of a store of ECGs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError, PhysiolectError

if TYPE_CHECKING:
    from physiolect.datasets import Store

EXAMPLE = "physiolect tokenize train store --merges 3500 --out tokenizer"


@dataclass(frozen=True)
class Config:
    """Find the tokens of a store of ECGs."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("store",)

    store: str
    """Folder made by `physiolect prepare`, every row with the same leads."""
    out: str
    """Folder for signal_tokenizer.json."""
    merges: int = 3500
    """Tokens to find beside the 26 letters."""
    boundary: Literal["lead", "record", "concat"] = "lead"
    """What a token never crosses: the end of a lead, of a row, or nothing, as published."""
    memory: str | None = None
    """Memory that training may take, such as 256MB; with less the disk is used, for the same tokens."""
    validation: float = 0.1
    """Share of the patients that is left out of training, to measure compression on; 0 trains on all."""
    seed: int = 0
    """Another seed leaves out other patients."""
    validate_on: tuple[str, ...] = ()
    """Parts of a published split to measure on in place of that share: "fold 9"."""
    leave_out: tuple[str, ...] = ()
    """Parts of a published split, or recordings, that neither train nor validate: "fold 10", "mitbih/202"."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = []
        if not 0 <= self.merges <= 60_000:
            found.append(f"--merges is {self.merges}, but must be from 0 to 60000")
        if not 0 <= self.validation < 1:
            found.append(f"--validation is {self.validation:g}, but must be from 0 to below 1")
        if self.memory is not None:
            from physiolect.tokenizers.bpe import bytes_of

            try:
                bytes_of(self.memory)
            except PhysiolectError as error:
                found.append(f"--{error}")
        if Path(self.out).is_file():
            found.append(f"--out '{self.out}' is a file, but a folder is needed")
        elif (Path(self.out) / "signal_tokenizer.json").exists():
            found.append(f"--out '{self.out}' holds a tokenizer already: name another folder, or remove it")
        return found


def run(config: Config) -> None:
    """Train, write the tokenizer, and say how well it does on patients that were left out."""
    from physiolect.commands.terminal import progress, say
    from physiolect.commands.tokenize.reading import rows_of
    from physiolect.datasets import amplitude_percentiles, choose_rows, open_store
    from physiolect.evaluation import measure_tokens
    from physiolect.tokenizers import FILE_NAME, EcgByteTokenizer, save_tokenizer

    store = open_store(config.store)
    channels, unit = _shared(store)
    train, held_out = choose_rows(
        store,
        config.validation,
        config.seed,
        validate_on=config.validate_on,
        leave_out=config.leave_out,
    )
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    low, high = amplitude_percentiles(store, rows_of(store, train, "percentiles"), (1, 99))
    cleaned = f", {store.contract.preprocessing} preprocessing" if store.contract.preprocessing else ""
    say(
        f"{len(train)} rows to train on, {', '.join(channels)} at {store.contract.fs:g} Hz{cleaned}; "
        f"percentiles 1 and 99: {low:.4g} and {high:.4g} {unit or ''}".rstrip()
    )
    begun = time.perf_counter()
    with progress("merging", config.merges) as on_merges:
        tokenizer = EcgByteTokenizer.train(
            _signals(store, rows_of(store, train, "reading")),
            percentiles=(low, high),
            n_merges=config.merges,
            channels=channels,
            fs=store.contract.fs,
            unit=unit,
            preprocessing=store.contract.preprocessing,
            modality=store.contract.modality,
            passband=store.contract.passband,
            max_gap=store.contract.max_gap,
            boundary=config.boundary,
            memory=config.memory,
            scratch=out,
            on_merges=on_merges,
        )
    fewer = ": no pair is left that occurs twice" if len(tokenizer.merges) < config.merges else ""
    say(f"found {len(tokenizer.merges)} merges in {time.perf_counter() - begun:.1f} s{fewer}")
    save_tokenizer(tokenizer, out / FILE_NAME)
    if len(held_out):
        measured = _signals(store, rows_of(store, held_out, "measuring"))
        use = measure_tokens(tokenizer, measured, fs=tokenizer.fs)
        say(
            f"{len(held_out)} rows left out: {use.compression:.2f} samples a token, {100 * use.used:.0f} % of the "
            f"tokens in use, mean error {use.mean_error:.4f}{f' {unit}' if unit else ''}, "
            f"{100 * use.outside:.2g} % of the samples cut at {tokenizer.range[0]:.4g} or {tokenizer.range[1]:.4g}"
        )
    say(f"wrote {out / FILE_NAME}")


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
            hint="prepare with --channel, or with a contract that names the leads and their unit",
        )
    return channels.pop(), next(iter(store.units))


def _signals(store: Store, rows: Iterable[int]) -> Iterator[NDArray[np.float32]]:
    return (store.recording(row).signal for row in rows)
