"""`physiolect tokenize inspect TOK [--store STORE] [--out FOLDER]`: what tokens are, and what they make of a store."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from physiolect.evaluation import TokenUse
    from physiolect.plots import Shape
    from physiolect.tokenizers import EcgByteTokenizer

EXAMPLE = "physiolect tokenize inspect tokenizer --store store --out tokens-seen"

_SHOWN = 12
"""Tokens of a group that are drawn."""


@dataclass(frozen=True)
class Config:
    """Show what a tokenizer's tokens are, and what they make of a store."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("tokenizer",)

    tokenizer: str
    """Folder or signal_tokenizer.json of an ECG-Byte tokenizer."""
    store: str | None = None
    """A store to measure compression, use and error on; best one it was not trained on."""
    rows: int = 1000
    """Rows of the store that are measured, spread evenly over it."""
    out: str | None = None
    """Folder for tokens.png and, with a store, use.png."""
    json: bool = False
    """Print JSON in place of lines."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = []
        if self.rows < 1:
            found.append(f"--rows is {self.rows}, but must be at least 1")
        if self.out is not None and Path(self.out).is_file():
            found.append(f"--out '{self.out}' is a file, but a folder is needed")
        return found


def run(config: Config) -> None:
    """Print what there is to know, and draw it."""
    from physiolect.commands.tokenize.reading import ecg_byte

    tokenizer = ecg_byte(config.tokenizer)
    facts = _of_tokens(tokenizer)
    use = seconds = None
    if config.store is not None:
        use, seconds = _measured(config.store, tokenizer, config.rows)
        facts |= _of_use(use, tokenizer.unit or "unit unknown")
    if config.out is not None:
        _draw(Path(config.out), tokenizer, use, seconds)
    if config.json:
        print(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        shown = ", ".join(value) if isinstance(value, tuple) else value
        print(f"{name:32} {f'{shown:,.4g}' if isinstance(shown, float) else shown}")


def _of_tokens(tokenizer: EcgByteTokenizer) -> dict[str, Any]:
    lengths = tokenizer.lengths(tokenizer.ids) / tokenizer.fs
    low, high = tokenizer.range
    unit = tokenizer.unit or "unit unknown"
    return {
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


def _of_use(use: TokenUse, unit: str) -> dict[str, Any]:
    return {
        "rows measured": len(use.per_signal),
        "samples a token": use.compression,
        "tokens a row, median": float(np.median(use.per_signal)),
        "vocabulary in use (%)": 100 * use.used,
        f"mean error ({unit})": use.mean_error,
        f"largest error ({unit})": use.max_error,
        "samples cut at the range (%)": 100 * use.outside,
    }


def _measured(path: str, tokenizer: EcgByteTokenizer, most: int) -> tuple[TokenUse, NDArray[np.float64]]:
    """Measure tokens on rows of a store; also return the length of each in seconds."""
    from physiolect.commands.tokenize.reading import open_for, rows_of
    from physiolect.evaluation import measure_tokens

    store = open_for(tokenizer, path)
    rows = np.unique(np.linspace(0, len(store) - 1, min(most, len(store))).round().astype(int))
    signals = (
        store.recording(row).select(tokenizer.channels).signal for row in rows_of(store, rows, "measuring")
    )
    return measure_tokens(tokenizer, signals, fs=tokenizer.fs), store.lengths[rows] / tokenizer.fs


def _draw(
    out: Path, tokenizer: EcgByteTokenizer, use: TokenUse | None, seconds: NDArray[np.float64] | None
) -> None:
    from physiolect.files import replacing
    from physiolect.plots import token_shapes_figure, token_use_figure

    out.mkdir(parents=True, exist_ok=True)
    ids, lengths = tokenizer.ids, tokenizer.lengths(tokenizer.ids)
    groups = {"The longest tokens": _shapes(tokenizer, ids[np.argsort(-lengths, kind="stable")], use)}
    figures = {}
    if use is not None:
        commonest = ids[np.argsort(-use.counts[ids], kind="stable")]
        heights = np.array([np.ptp(tokenizer.amplitudes([i])) for i in ids.tolist()])
        tallest = ids[np.argsort(-heights, kind="stable")]
        groups = {
            "The commonest tokens": _shapes(tokenizer, commonest, use),
            "The tokens of the largest deflection": _shapes(tokenizer, tallest, use),
            **groups,
        }
        assert seconds is not None
        figures["use.png"] = token_use_figure(use.counts, use.per_signal, seconds=seconds)
    figures["tokens.png"] = token_shapes_figure(groups, fs=tokenizer.fs, unit=tokenizer.unit)
    for name, figure in figures.items():
        with replacing(out / name) as path:
            figure.savefig(path)
        print(f"wrote {out / name}", file=sys.stderr)


def _shapes(tokenizer: EcgByteTokenizer, ids: NDArray[np.int64], use: TokenUse | None) -> list[Shape]:
    from physiolect.plots import Shape

    return [
        Shape(
            f"{i}" if use is None else f"{i} · {use.counts[i]:,} x",
            tokenizer.amplitudes([i]),
        )
        for i in ids[:_SHOWN].tolist()
    ]
