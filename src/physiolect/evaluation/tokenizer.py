"""What the tokens of a tokenizer are, and what they make of a store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physiolect.datasets import Store, open_store
from physiolect.datasets.preparing.encode import as_ecg_byte, check_fits, each_row
from physiolect.errors import ConfigError
from physiolect.evaluation.tokens import TokenUse, measure_tokens
from physiolect.events import Listener, Reporter
from physiolect.result import Result, make_frame
from physiolect.tokenizers import EcgByteTokenizer

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

    from physiolect.plots import Shape

_SHOWN = 12
"""Tokens of a group that are drawn."""


@dataclass(frozen=True, eq=False, repr=False)
class MeasuredTokenizer(Result):
    """A tokenizer's tokens and, where a store was given, their use in it."""

    tokenizer: EcgByteTokenizer
    use: TokenUse | None = None
    """Compression, use and error on rows of a store."""
    seconds: NDArray[np.float64] | None = None
    """(rows,) length of each row that was measured."""

    @property
    def facts(self) -> dict[str, Any]:
        """What there is to know, by name and unit."""
        tokenizer = self.tokenizer
        lengths = tokenizer.lengths(tokenizer.ids) / tokenizer.fs
        low, high = tokenizer.range
        unit = tokenizer.unit or "unit unknown"
        facts = {
            "tokens": len(tokenizer.ids),
            "vocabulary": tokenizer.vocabulary_size,
            "leads": tokenizer.channels,
            "rate (Hz)": tokenizer.fs,
            "boundary": tokenizer.boundary,
            f"range ({unit})": f"{low:.4g} to {high:.4g}",
            f"bin ({unit})": tokenizer.step,
            "median token (s)": float(np.median(lengths)),
            "longest token (s)": float(lengths.max()),
        }
        if self.use is not None:
            facts |= {
                "rows measured": len(self.use.per_signal),
                "samples a token": self.use.compression,
                "tokens a row, median": float(np.median(self.use.per_signal)),
                "vocabulary in use (%)": 100 * self.use.used,
                f"mean error ({unit})": self.use.mean_error,
                f"largest error ({unit})": self.use.max_error,
                "samples cut at the range (%)": 100 * self.use.outside,
            }
        return facts

    @property
    def summary(self) -> str:
        """The facts, a line each."""
        lines = []
        for name, value in self.facts.items():
            shown = ", ".join(value) if isinstance(value, tuple) else value
            lines.append(f"{name:32} {f'{shown:,.4g}' if isinstance(shown, float) else shown}")
        return "\n".join(lines)

    def to_frame(self) -> pandas.DataFrame:
        """Return one row a token: its id, its length in seconds and, where a store was given, its count there.

        Raises:
            PhysiolectError: pandas is not installed.
        """
        return token_frame(self.tokenizer, self.use)

    def plot(self) -> Figure:
        """Draw tokens as waveforms: the longest and, where a store was given, the commonest and the tallest."""
        return draw_tokens(self.tokenizer, self.use)

    def plot_use(self) -> Figure:
        """Draw how often each token is used, and how many tokens rows take.

        Raises:
            ConfigError: no store was given.
        """
        from physiolect.plots import token_use_figure

        if self.use is None or self.seconds is None:
            raise ConfigError("the use of tokens was not measured", hint="measure the tokenizer on a store")
        return token_use_figure(self.use.counts, self.use.per_signal, seconds=self.seconds)


def measure_tokenizer(
    tokenizer: EcgByteTokenizer | str | os.PathLike[str],
    *,
    store: Store | str | Path | None = None,
    rows: int = 1000,
    on_event: Listener | None = None,
) -> MeasuredTokenizer:
    """Describe a tokenizer's tokens, and measure them on a store.

    Args:
        tokenizer: an ECG-Byte tokenizer, or its folder or file.
        store: what to measure compression, use and error on, best one it was not trained on; None measures nothing.
        rows: how many rows of the store are measured, spread evenly over it.
        on_event: receives progress; returning True stops the work.

    Raises:
        ConfigError: `rows` is below 1.
        FormatError: the tokenizer or the store cannot be read, or the store does not fit the tokenizer.
        Cancelled: the listener stopped the work.
    """
    if rows < 1:
        raise ConfigError(f"rows is {rows}, but must be at least 1", hint="1000 is usual")
    tokenizer = as_ecg_byte(tokenizer)
    if store is None:
        return MeasuredTokenizer(tokenizer)
    opened = store if isinstance(store, Store) else open_store(store)
    check_fits(tokenizer, opened)
    some = np.unique(np.linspace(0, len(opened) - 1, min(rows, len(opened))).round().astype(int))

    def signals() -> Iterator[NDArray[np.float32]]:
        for row in each_row(some.tolist(), len(some), "measuring", Reporter(on_event)):
            yield opened.recording(row).select(tokenizer.channels).signal

    use = measure_tokens(tokenizer, signals(), fs=tokenizer.fs)
    return MeasuredTokenizer(tokenizer, use, opened.lengths[some] / tokenizer.fs)


def draw_tokens(tokenizer: EcgByteTokenizer, use: TokenUse | None = None) -> Figure:
    """Draw tokens as waveforms: the longest and, where their use is known, the commonest and the tallest."""
    from physiolect.plots import token_shapes_figure

    ids, lengths = tokenizer.ids, tokenizer.lengths(tokenizer.ids)
    groups = {"The longest tokens": _shapes(tokenizer, ids[np.argsort(-lengths, kind="stable")], use)}
    if use is not None:
        commonest = ids[np.argsort(-use.counts[ids], kind="stable")]
        heights = np.array([np.ptp(tokenizer.amplitudes([i])) for i in ids.tolist()])
        tallest = ids[np.argsort(-heights, kind="stable")]
        groups = {
            "The commonest tokens": _shapes(tokenizer, commonest, use),
            "The tokens of the largest deflection": _shapes(tokenizer, tallest, use),
            **groups,
        }
    return token_shapes_figure(groups, fs=tokenizer.fs, unit=tokenizer.unit)


def token_frame(tokenizer: EcgByteTokenizer, use: TokenUse | None) -> pandas.DataFrame:
    """Return one row a token: its id, its length in seconds and, where its use is known, its count.

    Raises:
        PhysiolectError: pandas is not installed.
    """
    ids = tokenizer.ids
    columns = {"id": ids, "seconds": tokenizer.lengths(ids) / tokenizer.fs}
    return make_frame(columns if use is None else {**columns, "count": use.counts[ids]})


def _shapes(tokenizer: EcgByteTokenizer, ids: NDArray[np.int64], use: TokenUse | None) -> list[Shape]:
    from physiolect.plots import Shape

    return [
        Shape(f"{i}" if use is None else f"{i} · {use.counts[i]:,} x", tokenizer.amplitudes([i]))
        for i in ids[:_SHOWN].tolist()
    ]
