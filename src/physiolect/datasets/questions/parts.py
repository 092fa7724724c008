"""Which questions train and which validate: all questions about a patient stand on one side."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

from physiolect.datasets.questions.question import Question
from physiolect.datasets.questions.sharing import refuse_shared, side_of_questions
from physiolect.errors import ConfigError


def split_questions(
    questions: Sequence[Question], fraction: float, seed: int
) -> tuple[list[Question], list[Question]]:
    """Return the questions that train and those that validate, by patient, each in order.

    Patients that a comparison brings together stand on one side, with all that they are compared with. A group
    validates if a hash of the seed and its name falls below `fraction`, or as the only one that can.

    Args:
        questions: all of them.
        fraction: share of the groups that validate, on average; above 0 and below 1.
        seed: another seed makes another split.

    Raises:
        ConfigError: the fraction is out of range, or there are fewer than two groups.
    """
    if not 0 < fraction < 1:
        raise ConfigError(
            f"the share of questions for validation is {fraction}, but it must lie between 0 and 1",
            hint="0.1 keeps a tenth of the patients for validation",
        )
    leader = _joined(question.groups for question in questions)
    leaders = sorted({leader(question.groups[0]) for question in questions})
    if len(leaders) < 2:
        raise ConfigError(
            f"the questions are about {len(leaders)} group of patients, and a split needs two",
            hint="comparisons join the patients that they compare: leave some out, or add questions",
        )
    draws = {name: _uniform(seed, name) for name in leaders}
    validating = {name for name in leaders if draws[name] < fraction} or {min(leaders, key=draws.__getitem__)}
    if len(validating) == len(leaders):
        validating.discard(max(leaders, key=draws.__getitem__))
    sides: tuple[list[Question], list[Question]] = ([], [])
    for question in questions:
        sides[leader(question.groups[0]) in validating].append(question)
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
        [side_of_questions(sides[0], "the training part")], side_of_questions(sides[1], "the validation part")
    )
    return sides[0], sides[1]


def _joined(groups: Iterable[tuple[str, ...]]) -> Callable[[str], str]:
    """Return what gives each name the first name of all that are joined with it."""
    parent: dict[str, str] = {}

    def leader(name: str) -> str:
        while (up := parent.setdefault(name, name)) != name:
            parent[name] = name = parent[up]
        return name

    for names in groups:
        first, *others = names
        for other in others:
            one, two = sorted((leader(first), leader(other)))
            parent[two] = one
    return leader


def _uniform(seed: int, name: str) -> float:
    digest = hashlib.blake2b(f"{seed} {name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
