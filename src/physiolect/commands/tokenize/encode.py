"""`physiolect tokenize encode INPUT --tokenizer TOK`: a recording or a store becomes tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from physiolect.datasets import Store, TokenRow
    from physiolect.tokenizers import EcgByteTokenizer

EXAMPLE = "physiolect tokenize encode store --tokenizer tokenizer --out tokens"


@dataclass(frozen=True)
class Config:
    """Turn a recording or a store into tokens."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("input",)

    input: str
    """A recording, or the folder of a store."""
    tokenizer: str
    """Folder or signal_tokenizer.json of an ECG-Byte tokenizer."""
    out: str | None = None
    """Folder of the tokenised store, for a store; a recording's tokens are printed as JSON."""
    fs: float | None = None
    """Sampling rate in Hz, for a recording whose file states none."""
    unit: str | None = None
    """Unit of the channels of which a recording's file states none, such as mV."""
    names: tuple[str, ...] = ()
    """Names of all channels, in their order, of a recording whose file names none."""
    derive_limb: bool = False
    """Compute III, aVR, aVL and aVF of a recording out of I and II where they are missing."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        from physiolect.datasets import is_store

        found = []
        if self.fs is not None and not 0 < self.fs < float("inf"):
            found.append(f"--fs is {self.fs:g}, but must be above 0 Hz")
        if is_store(self.input) and self.out is None:
            found.append("--out is missing: name a folder for the tokenised store")
        if not is_store(self.input) and self.out is not None:
            found.append("--out is for a store; the tokens of a recording go to stdout")
        if self.out is not None and (Path(self.out) / "tokens.arrow").exists():
            found.append(f"--out '{self.out}' holds tokens already: name another folder, or remove it")
        return found


def run(config: Config) -> None:
    """Encode; ids go to stdout, or a whole store's to a folder."""
    from physiolect.commands.terminal import say
    from physiolect.commands.tokenize.reading import ecg_byte, open_for, read_for
    from physiolect.datasets import is_store, write_tokens

    tokenizer = ecg_byte(config.tokenizer)
    if is_store(config.input):
        assert config.out is not None
        store = open_for(tokenizer, config.input)
        written = write_tokens(config.out, tokenizer, _rows(store, tokenizer))
        n_samples = int(store.lengths.sum()) * len(tokenizer.channels)
        say(
            f"wrote {len(written)} rows to {config.out}: {written.n_tokens:,} tokens for {n_samples:,} samples"
        )
        return
    signal = read_for(
        tokenizer, config.input, fs=config.fs, unit=config.unit, names=config.names, derive_limb=config.derive_limb
    )  # fmt: skip
    found = tokenizer.encode_with_spans(signal, fs=tokenizer.fs)
    told = {
        "input": config.input,
        "channels": tokenizer.channels,
        "fs": tokenizer.fs,
        "samples": signal.shape[1],
    }
    print(json.dumps({**told, "ids": found.ids.tolist(), "spans": found.spans.tolist()}))


def _rows(store: Store, tokenizer: EcgByteTokenizer) -> Iterator[TokenRow]:
    """Encode a store row by row; its leads are put in the tokenizer's order by name."""
    from physiolect.commands.tokenize.reading import rows_of
    from physiolect.datasets import TokenRow

    for number in rows_of(store, np.arange(len(store)), "encoding"):
        row = store.row(number)
        signal = row.recording().select(tokenizer.channels).signal
        ids = tokenizer.encode(signal, fs=row.fs)
        yield TokenRow(
            ids=ids,
            source=row.source,
            start=row.start,
            patient=row.patient,
            labels=row.labels,
            split=row.split,
        )
