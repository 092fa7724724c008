"""Questions of which no answer is right more often than others, so that an answer without the signal earns nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import TypeVar

import numpy as np

from physiolect.datasets.questions.question import Question

Item = TypeVar("Item")
_FEW = 3
"""Choices up to which all answers come equally often."""


def balanced(questions: Sequence[Question], seed: int) -> list[Question]:
    """Return the questions, in their order, without those by which one answer would be commoner than the others.

    Within each template, what it is about, and each part of a split: where there are at most three choices, every
    answer that occurs comes equally often; elsewhere the commonest answer comes no more often than the second. What
    has one answer only is left out: its words would give the answer away.

    Args:
        questions: of any templates.
        seed: of what is left out.
    """
    groups: dict[Hashable, dict[tuple[str, ...], list[int]]] = defaultdict(lambda: defaultdict(list))
    for place, question in enumerate(questions):
        key = (question.template, question.about, question.dataset, question.split)
        groups[key][tuple(sorted(question.answer))].append(place)
    rng = np.random.default_rng(seed)
    kept: list[int] = []
    for answers in groups.values():
        sizes = sorted(map(len, answers.values()), reverse=True)
        if len(sizes) < 2:
            continue
        few = 0 < len(questions[next(iter(answers.values()))[0]].choices) <= _FEW
        limit = sizes[-1] if few else sizes[1]
        for places in answers.values():
            kept += drawn(places, limit, rng)
    return [questions[place] for place in sorted(kept)]


def drawn(items: Sequence[Item], most: int, rng: np.random.Generator) -> list[Item]:
    """Return the items or, of more than `most`, as many of them at random, in their order."""
    if len(items) <= most:
        return list(items)
    return [items[place] for place in np.sort(rng.choice(len(items), most, replace=False)).tolist()]
