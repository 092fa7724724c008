"""Made questions with one right answer each: sums, and look-ups in a short list. They come and go as tokens."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import ConfigError

SYMBOLS = tuple("0123456789abcdefghij+?")
"""Every symbol of questions and answers."""
_KEYS = "abcdefghij"
_MOST_ENTRIES = 4


class Question(NamedTuple):
    """A question and its answer."""

    question: str
    """A sum such as "37+5", or a list and a key such as "a17c4?c"."""
    answer: str
    """The sum, or what stands behind the key: digits."""


def made_questions(n: int, *, seed: int = 0, most: int = 99) -> list[Question]:
    """Return different questions, half of them sums, in random order.

    Args:
        n: how many.
        seed: another seed gives others.
        most: largest number of a sum or a list.

    Raises:
        ConfigError: there are not so many different sums.
    """
    if not 1 <= n // 2 <= (most + 1) ** 2 or most < 1:
        raise ConfigError(
            f"{n} questions with numbers up to {most} cannot all differ",
            hint=f"ask for at most {2 * (most + 1) ** 2}, and for at least 2",
        )
    rng = np.random.default_rng(seed)
    pairs = rng.choice((most + 1) ** 2, n // 2, replace=False)
    sums = [
        Question(f"{a}+{b}", str(a + b))
        for a, b in zip((pairs // (most + 1)).tolist(), (pairs % (most + 1)).tolist(), strict=True)
    ]
    lists: dict[str, Question] = {}
    while len(lists) < n - len(sums):
        made = _make_list(rng, most)
        lists[made.question] = made
    every = [*sums, *lists.values()]
    return [every[i] for i in rng.permutation(n).tolist()]


def _make_list(rng: np.random.Generator, most: int) -> Question:
    size = int(rng.integers(1, _MOST_ENTRIES + 1))
    keys = rng.permutation(list(_KEYS))[:size].tolist()
    numbers = rng.integers(0, most + 1, size).tolist()
    asked = int(rng.integers(size))
    entries = "".join(f"{key}{number}" for key, number in zip(keys, numbers, strict=True))
    return Question(f"{entries}?{keys[asked]}", str(numbers[asked]))


def as_ids(texts: list[str], *, first: int, length: int | None = None) -> NDArray[np.int64]:
    """Return symbols as ids (n, length), filled up with 0 on the right.

    Args:
        texts: made of SYMBOLS.
        first: id of the first symbol.
        length: of the rows; None takes that of the longest text.
    """
    number = {symbol: first + i for i, symbol in enumerate(SYMBOLS)}
    rows = np.zeros((len(texts), length or max(map(len, texts))), np.int64)
    for row, text in zip(rows, texts, strict=True):
        row[: len(text)] = [number[symbol] for symbol in text]
    return rows


def as_text(ids: tuple[int, ...], *, first: int) -> str:
    """Return the symbols that ids stand for."""
    return "".join(SYMBOLS[each - first] for each in ids)
