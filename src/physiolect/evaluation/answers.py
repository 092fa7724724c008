"""Answers in words against true ones: exact match as ECG-QA defines it, F1 of lists, numbers, and string comparison.

Exact match decides every valid answer of a template by itself; a question counts where all decisions agree. Of an
answer in words this is a comparison of sets: the order of a list does not matter, and "none" is the empty set. An
empty answer, or one with words that are no valid answer, is wrong. Source: Oh et al. 2023, arXiv 2306.15681.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from physiolect.datasets.questions.question import NONE, Question
from physiolect.errors import ConfigError

_SPACE = re.compile(r"\s+")
_JOINTS = re.compile(r"(?:[\s,;/.\n]|\band\b|&)*")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_ENDS = " \t\n.,;:!\"'"


@dataclass(frozen=True)
class AnswerScore:
    """One answer against the truth; 0 to 1."""

    exact: float
    """Whether the sets of items are equal; of a number, whether it is the true one."""
    same_text: float
    """Whether the texts are equal, as others compare: items in the order that they have."""
    f1: float
    """Of the items of the set; 1 where both sets are empty."""
    number_error: float | None = None
    """How far the first number is from the true one, where the answer is a number; None where there is none."""


def score_answer(question: Question, given: str) -> AnswerScore:
    """Return how right an answer is.

    Args:
        question: with its true answer and, where they are known, its valid answers.
        given: what was answered, in words.
    """
    true = _set_of(question.answer)
    found = parse_answer(given, question.choices)
    same = bool(normal(given)) and normal(given) == normal(question.answer_text)
    if question.type.endswith("-number"):
        error = number_error(question.answer_text, given)
        return AnswerScore(float(error == 0), float(same), float(error == 0), error)
    if same and not question.choices:  # a true item may hold a comma
        found = true
    if found is None:
        return AnswerScore(0.0, float(same), 0.0)
    return AnswerScore(float(found == true), float(same), list_f1(true, found))


def parse_answer(text: str, choices: Sequence[str] = ()) -> frozenset[str] | None:
    """Return the set of items that an answer in words names; "none" is the empty set.

    Args:
        text: the answer.
        choices: valid items; without them the text is split at commas and semicolons.

    Returns:
        None where the answer is empty, holds anything but valid items, or "none" beside an item.
    """
    plain = normal(text)
    if not plain:
        return None
    if not choices:
        return _set_of(part for part in re.split(r"[,;]", plain) if part.strip())
    pattern = _any_of(tuple(choices))
    items, place = [], 0
    while place < len(plain):
        found = pattern.match(plain, place)
        if found is None:
            return None
        items.append(found[0])
        joint = _JOINTS.match(plain, found.end())
        place = joint.end() if joint else found.end()
    if normal(NONE) in items and len(set(items)) > 1:
        return None
    return _set_of(items)


@lru_cache(maxsize=1024)
def _any_of(choices: tuple[str, ...]) -> re.Pattern[str]:
    """Return a pattern of the choices, longer ones first: a short one may begin a long one."""
    names = sorted({normal(choice) for choice in choices} - {""}, key=lambda name: (-len(name), name))
    return re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in names))


def normal(text: str) -> str:
    """Return a text in lower case, with single spaces and without punctuation at its ends."""
    return _SPACE.sub(" ", text).strip(_ENDS).casefold()


def list_f1(true: frozenset[str], found: frozenset[str]) -> float:
    """Return F1 of two sets of items; 1 where both are empty, 0 where one is."""
    if not true and not found:
        return 1.0
    return 2 * len(true & found) / (len(true) + len(found))


def number_error(true: str, given: str) -> float | None:
    """Return how far the first number of an answer is from the true one; None where it names none."""
    numbers = [_NUMBER.search(text) for text in (true, given)]
    if numbers[0] is None or numbers[1] is None:
        return None
    return abs(float(numbers[0][0]) - float(numbers[1][0]))


def majority_answers(train: Iterable[Question]) -> dict[str, str]:
    """Return the commonest answer of each template in the training questions; of equals, the first in the alphabet."""
    counts: dict[str, dict[tuple[str, ...], int]] = defaultdict(lambda: defaultdict(int))
    for question in train:
        counts[question.template][tuple(sorted(question.answer))] += 1
    return {
        template: ", ".join(min((-count, answer) for answer, count in answers.items())[1])
        for template, answers in counts.items()
    }


def mean_scores(
    questions: Sequence[Question], given: Sequence[str], *, by: str = "template"
) -> dict[str, Mapping[str, float]]:
    """Return, by template or type and for "all", the number of answers and the means of their scores.

    Args:
        questions: what was asked.
        given: an answer each; "" where there was none, which is wrong and is not left out.
        by: "template" or "type".

    Raises:
        ConfigError: there is not one answer a question.
    """
    if len(questions) != len(given):
        raise ConfigError(
            f"there are {len(questions)} questions and {len(given)} answers",
            hint="give '' where there is no answer",
        )
    groups: dict[Hashable, list[AnswerScore]] = defaultdict(list)
    for question, text in zip(questions, given, strict=True):
        score = score_answer(question, text)
        for name in ("all", getattr(question, by)):
            groups[name].append(score)
    return {str(name): _means(scores) for name, scores in groups.items()}


def _means(scores: Sequence[AnswerScore]) -> dict[str, float]:
    return {
        "n": float(len(scores)),
        **{
            name: sum(getattr(each, name) for each in scores) / len(scores)
            for name in ("exact", "same_text", "f1")
        },
    }


def _set_of(items: Iterable[str]) -> frozenset[str]:
    return frozenset(normal(item) for item in items) - {normal(NONE)}
