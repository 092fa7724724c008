"""Which questions train and which validate: a patient's questions stand on one side."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from physiolect.datasets.questions.question import Question
from physiolect.datasets.questions.sharing import refuse_shared, side_of_questions
from physiolect.errors import ConfigError


def split_questions(
    questions: Iterable[Question], fraction: float, seed: int
) -> tuple[list[Question], list[Question]]:
    """Return the questions that train and those that validate, by patient, each in order.

    A patient, or a recording whose patient is unknown, validates if a hash of the seed and its name falls below
    `fraction`, so that other questions do not matter to it. Questions that compare patients of both sides are on
    neither.

    Args:
        questions: all of them.
        fraction: share of the patients that validate, on average; above 0 and below 1.
        seed: another seed makes another split.

    Raises:
        ConfigError: the fraction is out of range, or a side is empty.
    """
    if not 0 < fraction < 1:
        raise ConfigError(
            f"the share of questions for validation is {fraction}, but it must lie between 0 and 1",
            hint="0.1 keeps a tenth of the patients for validation",
        )
    sides: tuple[list[Question], list[Question]] = ([], [])
    for question in questions:
        validates = {drawn_below(seed, name, fraction) for name in question.groups}
        if len(validates) == 1:
            sides[validates.pop()].append(question)
    if not all(sides):
        empty = "train" if not sides[0] else "validate"
        raise ConfigError(
            f"no question is left to {empty} on", hint="choose another fraction or seed, or add patients"
        )
    return sides


def published_parts(
    questions: Iterable[Question], train: Iterable[str], validate: Iterable[str]
) -> tuple[list[Question], list[Question]]:
    """Return the questions of parts of a published split that train, and of those that validate.

    Raises:
        ConfigError: no question is of a part; a patient or ECG stands on both sides.
    """
    held = list(questions)
    there = sorted({question.split for question in held if question.split})
    sides = []
    for names in (frozenset(train), frozenset(validate)):
        if unknown := names - set(there):
            raise ConfigError(
                f"no question is of the part '{min(unknown)}'",
                hint=f"there are: {', '.join(there) or 'no parts'}",
            )
        sides.append([question for question in held if question.split in names])
    refuse_shared(
        [side_of_questions(sides[0], "the training part")],
        side_of_questions(sides[1], "the validation part"),
    )
    return sides[0], sides[1]


def drawn_below(seed: int, name: str, fraction: float) -> bool:
    """Return whether the hash of a seed and a name, between 0 and 1, falls below a fraction."""
    digest = hashlib.blake2b(f"{seed} {name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64 < fraction
