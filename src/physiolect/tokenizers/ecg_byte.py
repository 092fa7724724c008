"""ECG-Byte's tokens: samples become letters by equal bins of a fixed range, and letters tokens by byte pairs."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.contract import InputContract
from physiolect.errors import ConfigError, FormatError, PhysiolectError
from physiolect.recording import LEADS, Modality, canonical_channel
from physiolect.tokenizers.bpe import Boundary, Encoding, Method, PairEncoder, train_bpe
from physiolect.tokenizers.ids import IdTable
from physiolect.tokenizers.letters import Letters, Preset

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PUBLISHED_CHANNELS = ("I", "II", "III", "aVL", "aVR", "aVF", *LEADS[6:])
"""The order of leads that the authors' tokenizers were trained in."""


@dataclass(frozen=True)
class EcgByteTokenizer:
    """Letters by fixed bins of amplitude, then byte-pair encoding (Han et al. 2024); the scale is not lost.

    Raises:
        ConfigError: the settings contradict one another.
    """

    percentiles: tuple[float, float]
    """1st and 99th percentile of the training signals, in `unit`; the letters' range is 0.5 wider on either side."""
    alphabet: str = string.ascii_lowercase
    """One letter a bin of amplitude, from low to high."""
    channels: tuple[str, ...] = LEADS
    """The leads, in the order in which they are laid one after another."""
    fs: float = 250.0
    """Sampling rate in Hz."""
    unit: str | None = "mV"
    """Unit of the signal; None where that of the training signals was unknown."""
    preprocessing: Preset | None = None
    """How recordings are cleaned before they become letters (`signals.preprocess`); None leaves them as they are."""
    modality: Modality | None = "ecg"
    """What the training signals measured; None accepts any."""
    passband: tuple[float | None, float | None] | None = None
    """Band in Hz that the training signals were filtered to; None on a side leaves it open."""
    max_gap: float = 0.1
    """Longest run of missing samples, in seconds, that was bridged in them."""
    boundary: Boundary = "lead"
    """What a token never crosses: the end of a lead, or ("record", "concat") of the record."""
    method: Method = "greedy"
    """Longest token first, as published ("greedy"), or the merges in their order ("bpe")."""
    preset: Preset = "modern"
    """How letters become amplitudes again: the middle of the bin, or the authors' inverse, which is up to a bin off."""
    first_letter: int = 0
    """Id of the first letter; the authors use ASCII, 97."""
    first_merge: int = len(string.ascii_lowercase)
    """Id of the first merge; 256 in the authors' files."""
    order: tuple[int, ...] | None = None
    """Order in which language models take up the ids; None is ascending, and each of the authors' files has its own."""
    merges: tuple[tuple[int, int], ...] = ()
    """The two ids that each merge joins; merge i makes id first_merge + i."""

    def __post_init__(self) -> None:
        low, high = self.percentiles
        object.__setattr__(self, "percentiles", (float(low), float(high)))  # numpy's floats are not JSON
        object.__setattr__(self, "fs", float(self.fs))
        problems = self._problems()
        if problems:
            raise ConfigError("; ".join(problems), hint="mend the tokenizer's file, or train it anew")

    def __repr__(self) -> str:
        kept = f"{self.percentiles[0]:.4g} to {self.percentiles[1]:.4g} {self.unit or ''}".rstrip()
        return (
            f"<EcgByteTokenizer: {len(self.merges)} merges, {len(self.channels)} leads at {self.fs:g} Hz, "
            f"percentiles {kept}>"
        )

    @classmethod
    def train(
        cls,
        signals: Iterable[NDArray[Any]],
        *,
        percentiles: tuple[float, float],
        n_merges: int = 3500,
        channels: Sequence[str] = LEADS,
        fs: float = 250.0,
        unit: str | None = "mV",
        preprocessing: Preset | None = None,
        modality: Modality | None = "ecg",
        passband: tuple[float | None, float | None] | None = None,
        max_gap: float = 0.1,
        boundary: Boundary = "lead",
        memory: int | str | None = None,
        scratch: str | Path | None = None,
        on_merges: Callable[[int], None] | None = None,
    ) -> EcgByteTokenizer:
        """Find the merges of signals.

        Args:
            signals: (channels, time) each, at `fs` and in `unit`; gone through once.
            percentiles: 1st and 99th of the training signals, and of no others.
            n_merges: how many merges to find; fewer are found where no pair of tokens is left that occurs twice.
            channels: names of the rows.
            fs: sampling rate in Hz.
            unit: unit of the samples.
            preprocessing: how the signals were cleaned.
            modality: what they measure.
            passband: band in Hz that they were filtered to.
            max_gap: longest run of missing samples, in seconds, that was bridged in them.
            boundary: what a token never crosses: "lead", "record", or nothing ("concat", as published).
            memory: bytes that training may take, as a number or "256MB"; the merges are the same.
            scratch: folder for the temporary file, where `memory` is given.
            on_merges: called now and then with the number of merges found so far.

        Raises:
            ConfigError: a setting is out of range.
            FormatError: a signal does not fit the settings, or there is none.
        """
        letters = cls(
            percentiles=percentiles, channels=tuple(channels), fs=fs, unit=unit, preprocessing=preprocessing,
            modality=modality, passband=passband, max_gap=max_gap, boundary=boundary,
        )  # fmt: skip
        found = train_bpe(
            (letters._letters.of(letters._checked(signal, fs)) for signal in signals),
            n_symbols=len(letters.alphabet),
            n_merges=n_merges,
            boundary=boundary,
            memory=memory,
            scratch=scratch,
            on_merges=on_merges,
        )
        return replace(letters, merges=tuple((left, right) for left, right in found.pairs.tolist()))

    @classmethod
    def from_published(
        cls,
        path: str | Path,
        *,
        percentiles: tuple[float, float],
        channels: Sequence[str] = PUBLISHED_CHANNELS,
    ) -> EcgByteTokenizer:
        """Import one of the authors' pickles; it may hold numbers and text in plain containers, and nothing else.

        Args:
            path: the file, which contains neither percentiles nor leads.
            percentiles: 1st and 99th, which the authors keep in another file.
            channels: the order of leads it is used with.

        Raises:
            FormatError: the file holds anything but a table of merges.
            ConfigError: the percentiles or the leads are none.
        """
        from physiolect.tokenizers.ecg_byte_published import read_published

        merges, order = read_published(path)
        return cls(
            percentiles=percentiles,
            channels=tuple(channels),
            preprocessing="published",
            boundary="concat",
            preset="published",
            first_letter=ord("a"),
            first_merge=256,
            order=order,
            merges=merges,
        )

    @property
    def vocabulary_size(self) -> int:
        """Ids lie below it."""
        return self.first_merge + len(self.merges)

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest amplitude that letters tell apart from what lies beyond, in `unit`."""
        return self._letters.range

    @property
    def step(self) -> float:
        """Width of a letter's bin, in `unit`."""
        return self._letters.step

    def contract(self, *, max_samples: int = 2**40) -> InputContract:
        """Return what `adapt` makes of a recording so that it can be encoded."""
        return InputContract(
            fs=self.fs,
            min_samples=1,
            max_samples=max_samples,
            modality=self.modality,
            channels=self.channels,
            unit=self.unit,
            normalisation="none",
            passband=self.passband,
            preprocessing=self.preprocessing,
            max_gap=self.max_gap,
        )

    def quantise(self, signal: ArrayLike) -> NDArray[np.uint8]:
        """Return the number of each sample's letter, from 0, in the signal's shape; beyond the range the outermost.

        Raises:
            FormatError: samples are missing.

        Source: Han et al. 2024, arXiv:2412.14373; order of operations as in the authors' code.
        """
        signal = np.asarray(signal)
        if np.isnan(signal).any():
            raise FormatError("missing samples have no letter", hint="bridge the gaps first (adapt does)")
        return self._letters.of(signal)

    def encode(self, signal: NDArray[Any], *, fs: float) -> NDArray[np.integer]:
        """Turn a signal into ids.

        Args:
            signal: (channels, time) in `unit`, rows in the order of `channels`.
            fs: its sampling rate in Hz.

        Returns:
            ids (tokens,), lead after lead.

        Raises:
            FormatError: the signal does not fit: its rate or its leads differ, or samples are missing.
        """
        return self.encode_with_spans(signal, fs=fs).ids

    def encode_with_spans(self, signal: NDArray[Any], *, fs: float) -> Encoding:
        """Do what `encode` does, and also tell where each token begins and ends.

        Returns:
            ids (tokens,), and spans (tokens, 2) in samples of the leads laid one after another.
        """
        symbols = self._letters.of(self._checked(signal, fs))
        n_leads, length = symbols.shape
        ends = np.arange(1, n_leads + 1) * length if self.boundary == "lead" else [symbols.size]
        found = self._pairs.encode(symbols.reshape(-1), ends, method=self.method)
        return Encoding(self._ids.of_tokens[found.ids], found.spans)

    def encode_batch(
        self, signals: Sequence[NDArray[Any]], *, fs: float, threads: int = 1
    ) -> list[NDArray[np.integer]]:
        """Encode many signals, on several threads at once where asked to; each comes out as `encode` has it.

        Raises:
            ConfigError: there are no threads.
            FormatError: a signal does not fit.
        """
        if threads < 1:
            raise ConfigError(f"threads is {threads}, but must be at least 1", hint="1 encodes one by one")
        if threads == 1:
            return [self.encode(signal, fs=fs) for signal in signals]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda signal: self.encode(signal, fs=fs), signals))

    def encode_symbols(self, letters: str) -> NDArray[np.int64]:
        """Turn a string of letters into ids, as one lead.

        Raises:
            FormatError: there are other letters in it.
        """
        places = {letter: k for k, letter in enumerate(self.alphabet)}
        foreign = sorted(set(letters) - places.keys())
        if foreign:
            raise FormatError(
                f"{', '.join(map(repr, foreign[:5]))} are no letters of the alphabet",
                hint=f"use '{self.alphabet[0]}' to '{self.alphabet[-1]}' alone",
            )
        symbols = np.array([places[letter] for letter in letters], np.uint8)
        return self._ids.of_tokens[self._pairs.encode(symbols, method=self.method).ids]

    def decode_symbols(self, ids: ArrayLike) -> str:
        """Return the letters that ids stand for.

        Raises:
            FormatError: there is no such id.
        """
        return "".join(self.alphabet[k] for k in self._symbols(ids).tolist())

    def decode(self, ids: ArrayLike, *, preset: Preset | None = None) -> NDArray[np.float32]:
        """Turn the ids of one signal back into it; inside the letters' range it is at most half a bin off.

        Args:
            ids: (tokens,), of whole leads.
            preset: "modern" takes the middle of each bin, "published" the authors' inverse; None is the
                tokenizer's own.

        Returns:
            (channels, time) in `unit`.

        Raises:
            FormatError: there is no such id, or the leads come out unequally long.
        """
        symbols = self._symbols(ids)
        if len(symbols) % len(self.channels):
            raise FormatError(
                f"the ids stand for {len(symbols)} samples, which do not part into {len(self.channels)} leads",
                hint="decode all ids of one signal; amplitudes() takes any",
            )
        return self._letters.amplitudes(symbols, preset or self.preset).reshape(len(self.channels), -1)

    def amplitudes(self, ids: ArrayLike, *, preset: Preset | None = None) -> NDArray[np.float32]:
        """Return the samples that any ids stand for, in `unit`, one token after another (samples,)."""
        return self._letters.amplitudes(self._symbols(ids), preset or self.preset)

    def lengths(self, ids: ArrayLike) -> NDArray[np.int64]:
        """Return how many samples each id stands for."""
        return self._pairs.lengths[self._ids.tokens(ids)]

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """Every id that stands for samples, ascending; the authors' vocabulary also holds bytes that are no letters."""
        return np.sort(self._ids.of_tokens)

    def language_tokens(self) -> list[str]:
        """Return the name of each id, `signal_{id}`, in the order in which a language model takes them up."""
        return [f"signal_{i}" for i in (range(self.vocabulary_size) if self.order is None else self.order)]

    def to_huggingface(self) -> Tokenizer:
        """Return a `tokenizers.Tokenizer` with the same ids; words are letters, one lead each, parted by spaces.

        It merges as byte-pair encoding is defined, so that its ids are those of `method="bpe"`. With a boundary
        other than "lead" a record is one word.

        Raises:
            PhysiolectError: the package tokenizers is not installed.
        """
        from physiolect.tokenizers.huggingface import build_huggingface

        return build_huggingface(self._pairs, self._ids.of_tokens, self.alphabet)

    @cached_property
    def _letters(self) -> Letters:
        return Letters(self.percentiles, len(self.alphabet))

    @cached_property
    def _ids(self) -> IdTable:
        return IdTable(len(self.alphabet), self.first_letter, self.first_merge, len(self.merges))

    @cached_property
    def _pairs(self) -> PairEncoder:
        return PairEncoder(
            self._ids.tokens(np.array(self.merges, np.int64).reshape(-1, 2)), len(self.alphabet)
        )

    def _symbols(self, ids: ArrayLike) -> NDArray[np.uint16]:
        return self._pairs.decode(self._ids.tokens(ids))

    def _checked(self, signal: NDArray[Any], fs: float) -> NDArray[Any]:
        """Return the signal where it fits the settings."""
        signal = np.asarray(signal)
        if fs != self.fs:
            raise FormatError(
                f"the signal is sampled at {fs:g} Hz, but the tokenizer reads {self.fs:g} Hz",
                hint="change its rate first; adapt(recording, tokenizer.contract()) does all that is needed",
            )
        if signal.ndim != 2 or len(signal) != len(self.channels):
            raise FormatError(
                f"the signal has shape {signal.shape}, but the tokenizer reads {len(self.channels)} rows: "
                f"{', '.join(self.channels)}",
                hint="pass (channels, time); adapt(recording, tokenizer.contract()) puts leads in order",
            )
        if not np.isfinite(signal).all():
            raise FormatError(
                "the signal has missing or infinite samples", hint="bridge the gaps first (adapt does)"
            )
        return signal

    def _problems(self) -> list[str]:
        found = self._ids.problems(self.merges, self.order)
        low, high = self.percentiles
        if not (isfinite(high - low) and low <= high and self.range[0] < self.range[1]):
            found.append(f"percentiles {self.percentiles} enclose no range")
        if not 2 <= len(self.alphabet) <= 256 or len(set(self.alphabet)) < len(self.alphabet):
            found.append(f"alphabet '{self.alphabet}' is not 2 to 256 different letters")
        if not self.channels or len({canonical_channel(name).lower() for name in self.channels}) < len(
            self.channels
        ):
            found.append(f"channels {', '.join(self.channels) or '()'} are none, or name one lead twice")
        if not 0 < self.fs < float("inf"):
            found.append(f"fs is {self.fs}, but must be above 0 Hz")
        if not found:
            try:
                self.contract()
                self._pairs.lengths  # noqa: B018 (looks at every merge)
            except PhysiolectError as error:
                found.append(str(error))
        return found
