"""Questions about two recordings, of one patient or of two, that follow from what is known of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from physiolect.datasets.questions.generated.balance import drawn
from physiolect.datasets.questions.generated.known import NUMBERS, Known
from physiolect.datasets.questions.generated.phrasing import Phrasing
from physiolect.datasets.questions.question import NO, NONE, YES, Question

_FIRST, _SECOND = "first ECG", "second ECG"
_MARGINS = {"heart rate": 5.0, "PR interval": 20.0, "QRS duration": 15.0, "QT interval": 25.0}
"""What two recordings must differ by before it is asked which is larger; other numbers: a tenth."""
_MOST_PAIRS = 2000
"""Of one finding, in one part of a split."""


def comparisons(known: Sequence[Known], phrase: Phrasing) -> Iterator[Question]:
    """Iterate over questions about pairs; both recordings are of the same dataset and part of the split."""
    parts: dict[tuple[str, str], list[Known]] = defaultdict(list)
    for each in known:
        parts[each.dataset, each.split].append(each)
    for part in parts.values():
        if len(part) > 1:
            yield from _findings(part, phrase)
            for one, other in _pairs(part, phrase.rng):
                yield from _of_pair(one, other, phrase)


def _pairs(part: Sequence[Known], rng: np.random.Generator) -> Iterator[tuple[Known, Known]]:
    """Iterate over pairs: each recording with the next of its patient, and with another at random."""
    by_patient: dict[str, list[Known]] = defaultdict(list)
    for each in part:
        if each.patient:
            by_patient[each.patient].append(each)
    for own in by_patient.values():
        yield from pairwise(own)
    for one, place in zip(part, rng.permutation(len(part)).tolist(), strict=True):
        if part[place].stretch != one.stretch:
            yield one, part[place]


def _findings(part: Sequence[Known], phrase: Phrasing) -> Iterator[Question]:
    """Ask for each finding in both, and newly in the second, with as many pairs for "yes" as for "no"."""
    names = sorted({name for each in part for name in each.statements})
    for about in names:
        able = [each for each in part if about in each.statements and each.may_ask(about)]
        with_it = [each for each in able if each.statements[about]]
        without = [each for each in able if not each.statements[about]]
        if len(with_it) < 2 or not without:
            continue
        count = min(len(with_it) // 2, len(without), _MOST_PAIRS)
        some = [with_it[place] for place in phrase.rng.permutation(len(with_it)).tolist()]
        lacking = drawn(without, count, phrase.rng)
        for k in range(count):
            one, two, none = some[2 * k], some[2 * k + 1], lacking[k]
            mixed = [one, none] if k % 2 else [none, one]
            yield phrase.verify([one, two], "both show", about, YES)
            yield phrase.verify(mixed, "both show", about, NO)
            yield phrase.verify([none, one], "new in the second", about, YES)
            yield phrase.verify([one, none] if k % 2 else [one, two], "new in the second", about, NO)


def _of_pair(one: Known, other: Known, phrase: Phrasing) -> Iterator[Question]:
    for about in sorted(one.kinds.keys() & other.kinds.keys()):
        if one.may_ask(about) and other.may_ask(about):
            same = YES if one.kinds[about] == other.kinds[about] else NO
            yield phrase.verify([one, other], "same kind", about, same)
    for about in sorted(one.numbers.keys() & other.numbers.keys()):
        left, right = one.numbers[about], other.numbers[about]
        margin = _MARGINS.get(about, 0.1 * max(abs(left), abs(right)))
        if (
            one.may_ask(about)
            and other.may_ask(about)
            and abs(left - right) > max(margin, 10.0 ** -NUMBERS[about][1])
        ):
            answer = _FIRST if left > right else _SECOND
            yield phrase.choose([one, other], "which is larger", about, (answer,), (_FIRST, _SECOND))
    names = [
        name
        for name in one.statements
        if name in other.statements and one.may_ask(name) and other.may_ask(name)
    ]
    if names:
        new = tuple(name for name in names if other.statements[name] and not one.statements[name])
        yield phrase.query([one, other], "findings that are new", "", new or (NONE,), (*sorted(names), NONE))
