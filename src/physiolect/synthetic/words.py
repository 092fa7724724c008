"""Made neural activity of speech: sentences of 50 words in 39 phonemes, whose articulation drives each channel.

A channel's activity is a fixed mixture of thirteen articulatory features of the phoneme being spoken (where and how it
is made, voicing, the height and place of vowels), smoothed over neighbouring phonemes, plus noise. Blocks of sentences
have offsets of their own; days have other gains, offsets and slightly turned mixtures. Sentences follow a word bigram.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from physiolect.errors import ConfigError

BIN_S = 0.02
"""Seconds of a bin of activity."""
PAUSE = "|"
"""Symbol between words; it counts as no phoneme."""

_FEATURES: dict[str, str] = {
    "P": "lips stop", "B": "lips stop voice", "T": "tongue stop", "D": "tongue stop voice", "K": "back stop",
    "G": "back stop voice", "CH": "tongue stop hiss", "JH": "tongue stop hiss voice", "F": "lips hiss",
    "V": "lips hiss voice", "TH": "tongue hiss lips", "DH": "tongue hiss lips voice", "S": "tongue hiss",
    "Z": "tongue hiss voice", "SH": "tongue hiss back", "ZH": "tongue hiss back voice", "HH": "hiss",
    "M": "lips nose voice", "N": "tongue nose voice", "NG": "back nose voice", "L": "tongue voice",
    "R": "tongue back voice",
    "W": "lips back voice round", "Y": "tongue voice high front", "IY": "vowel voice high front long",
    "IH": "vowel voice high front", "EH": "vowel voice front", "EY": "vowel voice front long high",
    "AE": "vowel voice front low", "AA": "vowel voice low long", "AO": "vowel voice low round long",
    "OW": "vowel voice round long", "UH": "vowel voice high round", "UW": "vowel voice high round long",
    "AH": "vowel voice low", "ER": "vowel voice tongue back", "AY": "vowel voice low front long",
    "AW": "vowel voice low round front", "OY": "vowel voice round front long",
}  # fmt: skip
PHONEMES = tuple(_FEATURES)
"""39 phonemes, in ARPAbet's letters."""
SYMBOLS = (*PHONEMES, PAUSE)
"""What a sentence is written in."""

_PRONOUNCED = """am AE M|are AA R|bad B AE D|bring B R IH NG|clean K L IY N|closer K L OW S ER
comfortable K AH M F T ER B AH L|coming K AH M IH NG|computer K AH M P Y UW T ER|do D UW
faith F EY TH|family F AE M L IY|feel F IY L|glasses G L AE S IH Z|going G OW IH NG|good G UH D
goodbye G UH D B AY|have HH AE V|hello HH EH L OW|help HH EH L P|here HH IY R|hope HH OW P|how HH AW
hungry HH AH NG G R IY|i AY|is IH Z|it IH T|like L AY K|music M Y UW Z IH K|my M AY|need N IY D
no N OW|not N AA T|nurse N ER S|okay OW K EY|outside AW T S AY D|please P L IY Z|right R AY T
success S AH K S EH S|tell T EH L|that DH AE T|they DH EY|thirsty TH ER S T IY|tired T AY ER D
up AH P|very V EH R IY|what W AH T|where W EH R|yes Y EH S|you Y UW"""
WORDS: dict[str, tuple[str, ...]] = {
    each.split()[0]: tuple(each.split()[1:]) for each in _PRONOUNCED.replace("\n", "|").split("|")
}
"""50 words and their phonemes. They are those of Moses et al. 2021, whose sentences are not public."""

_MIDDLE_NOISE = 3.33
"""Standard deviation of the noise at noise=1: a linear decoder of single bins with their neighbours then names 40 % of
the phonemes (tests/test_words.py)."""
_FEATURE_NAMES = tuple(sorted({word for words in _FEATURES.values() for word in words.split()}))
_BRANCHES = 6
"""Words that mostly follow a word."""


@dataclass(frozen=True, eq=False)
class Sentence:
    """A sentence that somebody tried to say."""

    words: tuple[str, ...]
    phonemes: tuple[str, ...]
    """With a pause between words."""
    activity: NDArray[np.float32]
    """(channels, bins)."""
    spoken: NDArray[np.int64]
    """Number of the phoneme in each bin, (bins,); -1 where there is none."""
    block: int
    day: int


def made_sentences(
    n: int,
    *,
    n_channels: int = 64,
    noise: float = 1.0,
    day: int = 0,
    per_block: int = 50,
    seed: int = 0,
) -> list[Sentence]:
    """Return sentences of 3 to 8 words with the activity that goes with them, in blocks.

    Args:
        n: how many.
        n_channels: of the activity.
        noise: 0 for none; 1 is the middle level, at which a linear decoder names 40 % of the phonemes.
        day: each day has other gains and offsets, slightly other tuning, and other sentences.
        per_block: sentences of a block; offsets differ from block to block.
        seed: another seed is another speaker.

    Raises:
        ConfigError: a setting is out of range.
    """
    if min(n, n_channels, per_block) < 1 or not noise >= 0:
        raise ConfigError(
            f"{n} sentences, {n_channels} channels, {per_block} a block or noise {noise:g} is out of range",
            hint="one or more of each, and noise from 0",
        )
    speaker, today = np.random.default_rng(seed), np.random.default_rng([seed, day, 11])
    drift = np.random.default_rng([seed, day, 12])
    tuning = speaker.standard_normal((len(_FEATURE_NAMES), n_channels)) / 2
    follows = _bigram(np.random.default_rng(50))
    gain = np.ones(n_channels)
    offset = np.zeros(n_channels)
    if day:
        gain = np.exp(0.3 * drift.standard_normal(n_channels))
        offset = 1.5 * drift.standard_normal(n_channels)
        tuning = tuning + 0.2 * drift.standard_normal(tuning.shape)
    found, own = [], np.zeros(n_channels)
    for i in range(n):
        if i % per_block == 0:
            own = 0.7 * today.standard_normal(n_channels)
        words = _draw_words(today, follows)
        phonemes, spoken, driven = _articulate(today, words)
        activity = gain * (driven @ tuning) + offset + own
        activity = activity + noise * _MIDDLE_NOISE * _noise(today, *activity.shape)
        found.append(Sentence(words, phonemes, activity.T.astype(np.float32), spoken, i // per_block, day))
    return found


def phonemes_of(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return how words are pronounced, with a pause between them."""
    spoken: list[str] = []
    for word in words:
        spoken += [*([PAUSE] if spoken else []), *WORDS[word]]
    return tuple(spoken)


def _bigram(rng: Generator) -> NDArray[np.float64]:
    """Return how likely each word follows each, (50, 50); the same for every speaker, since it is the language."""
    n = len(WORDS)
    odds = np.full((n, n), 0.1 / n)
    for row in odds:
        row[rng.choice(n, _BRANCHES, replace=False)] += 0.9 * rng.dirichlet(np.ones(_BRANCHES))
    return odds / odds.sum(1, keepdims=True)


def _draw_words(rng: Generator, follows: NDArray[np.float64]) -> tuple[str, ...]:
    names = tuple(WORDS)
    at = int(rng.integers(len(names)))
    drawn = [at]
    for _ in range(int(rng.integers(3, 9)) - 1):
        at = int(rng.choice(len(names), p=follows[at]))
        drawn.append(at)
    return tuple(names[each] for each in drawn)


def _articulate(
    rng: Generator, words: tuple[str, ...]
) -> tuple[tuple[str, ...], NDArray[np.int64], NDArray[np.float64]]:
    """Return phonemes, the phoneme of each bin (bins,), and articulatory features over time (bins, features)."""
    phonemes = phonemes_of(words)
    table = np.array(
        [[name in _FEATURES[each].split() for name in _FEATURE_NAMES] for each in PHONEMES], float
    )
    spoken = [-1] * int(rng.integers(5, 12))
    for each in phonemes:
        number = -1 if each == PAUSE else PHONEMES.index(each)
        long = number >= 0 and "long" in _FEATURES[each]
        spoken += [number] * int(rng.integers(4, 8) + 2 * long)
    spoken += [-1] * int(rng.integers(5, 12))
    places = np.array(spoken)
    driven = np.where(places[:, None] >= 0, table[places], 0.0)
    return phonemes, places, gaussian_filter1d(driven, 1.5, axis=0)


def _noise(rng: Generator, n: int, n_channels: int) -> NDArray[np.float64]:
    """Return noise (n, channels) of variance 1 that channels share in part."""
    shared = rng.standard_normal((n, 3)) @ np.random.default_rng(3).standard_normal((3, n_channels)) / 3**0.5
    found: NDArray[np.float64] = 0.9 * rng.standard_normal((n, n_channels)) + 0.44 * shared
    return found
