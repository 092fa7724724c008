"""Questions about single recordings, with the answers that follow from what is known of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from physiolect.datasets.questions.generated.balance import balanced, drawn
from physiolect.datasets.questions.generated.comparing import comparisons
from physiolect.datasets.questions.generated.known import NUMBERS, WAVES, Known, Wave
from physiolect.datasets.questions.generated.phrasing import Phrasing
from physiolect.datasets.questions.question import NO, NONE, YES, Question
from physiolect.recording import LEADS

_HALF_SPAN = 0.06
"""Seconds before and after its middle that a span asked about reaches."""
_APART = 0.05
"""Seconds that a span without a wave keeps from it."""


def make_questions(known: Sequence[Known], *, seed: int = 0, compare: bool = True) -> list[Question]:
    """Return balanced questions about recordings (`balanced`), with comparisons of two.

    Args:
        known: what is known of each recording.
        seed: of wordings, negatives and pairs.
        compare: also make questions about two recordings of one part of the split.
    """
    makers = [_findings, _kinds, _classes, _leads, _numbers, _moments, _waves]
    made: list[Question] = []
    for maker in makers:
        made += maker(known, Phrasing(seed, maker.__name__))
    if compare:
        made += comparisons(known, Phrasing(seed, "comparisons"))
    return balanced(made, seed)


def _findings(known: Sequence[Known], phrase: Phrasing) -> Iterator[Question]:
    """Ask for each finding in as many recordings without as with it, in each part of the split."""
    sides: dict[tuple[str, str], tuple[list[Known], list[Known]]] = defaultdict(lambda: ([], []))
    for each in known:
        for about, shown in each.statements.items():
            if each.may_ask(about):
                sides[about, each.split][shown].append(each)
    for (about, _), (without, with_it) in sides.items():
        count = min(len(without), len(with_it))
        for holders, answer in ((without, NO), (with_it, YES)):
            for each in drawn(holders, count, phrase.rng):
                yield phrase.verify([each], "finding", about, answer)


def _kinds(known: Sequence[Known], phrase: Phrasing) -> Iterator[Question]:
    values: dict[str, list[str]] = {}
    for each in known:
        for name, value in each.kinds.items():
            values.setdefault(name, [])
            if value not in values[name]:
                values[name].append(value)
    for each in known:
        for name, value in each.kinds.items():
            others = [other for other in values[name] if other != value]
            if not each.may_ask(name) or not others:
                continue
            yield phrase.query([each], "kind", name, (value,), tuple(values[name]))
            other = others[phrase.rng.integers(len(others))]
            options = (value, other) if phrase.rng.random() < 0.5 else (other, value)
            yield phrase.choose([each], "one of two", name, (value,), options)


def _classes(known: Sequence[Known], phrase: Phrasing) -> Iterator[Question]:
    names = tuple(sorted({name for each in known for name in each.classes or ()}))
    for each in known:
        if each.classes is not None and each.may_ask("classes"):
            yield phrase.query([each], "classes", "", each.classes or (NONE,), (*names, NONE))


def _leads(known: Sequence[Known], phrase: Phrasing) -> Iterator[Question]:
    sides: dict[tuple[str, str, str], tuple[list[Known], list[Known]]] = defaultdict(lambda: ([], []))
    for each in known:
        for about, leads in each.leads.items():
            if not each.may_ask(about):
                continue
            shown = tuple(f"lead {lead}" for lead in leads) or (NONE,)
            choices = (*(f"lead {lead}" for lead in LEADS), NONE)
            yield phrase.query([each], "leads of a finding", about, shown, choices)
            for lead in each.lead_names:
                sides[about, lead, each.split][lead in leads].append(each)
    for (about, lead, _), (without, with_it) in sides.items():
        count = min(len(without), len(with_it))
        for holders, answer in ((without, NO), (with_it, YES)):
            for each in drawn(holders, count, phrase.rng):
                yield phrase.verify([each], "finding in a lead", about, answer, lead=lead)


def _numbers(known: Sequence[Known], phrase: Phrasing) -> Iterator[Question]:
    for each in known:
        for about, value in each.numbers.items():
            if each.may_ask(about) and np.isfinite(value):
                yield phrase.number([each], about, number_text(about, value))


def _moments(known: Sequence[Known], phrase: Phrasing) -> Iterator[Question]:
    for each in known:
        choices = (*(f"second {k}" for k in range(int(np.ceil(each.seconds)))), NONE)
        for about, times in each.moments.items():
            answer = tuple(dict.fromkeys(f"second {int(time)}" for time in sorted(times))) or (NONE,)
            if set(answer) <= set(choices):
                yield phrase.query([each], "second of an event", about, answer, choices)


def _waves(known: Sequence[Known], phrase: Phrasing) -> Iterator[Question]:
    """Ask, in each recording, for one wave of each kind, and for a span with it and one without."""
    for each in known:
        for name in WAVES:
            own = [wave for wave in each.waves if wave.name == name]
            if not own:
                continue
            wave = own[phrase.rng.integers(len(own))]
            yield phrase.wave([each], wave.name, time=f"{wave.peak:.2f}", lead=wave.lead)
            elsewhere = [
                other
                for other in each.waves
                if other.name != name and other.lead == wave.lead and _far(other, own, wave.lead)
            ]
            if not elsewhere:
                continue
            other = elsewhere[phrase.rng.integers(len(elsewhere))]
            for span, answer in ((wave, YES), (other, NO)):
                middle, half = (span.onset + span.end) / 2, _HALF_SPAN
                start, stop = f"{max(0.0, middle - half):.2f}", f"{middle + half:.2f}"
                yield phrase.verify(
                    [each], "wave in a span", name, answer, lead=wave.lead, start=start, stop=stop
                )


def _far(other: Wave, own: Sequence[Wave], lead: str) -> bool:
    """Return whether a span at a wave keeps clear of all waves of another kind in that lead."""
    middle = (other.onset + other.end) / 2
    return all(
        abs(middle - (wave.onset + wave.end) / 2) > _HALF_SPAN + (wave.end - wave.onset) / 2 + _APART
        for wave in own
        if wave.lead == lead
    )


def number_text(about: str, value: float) -> str:
    """Return a number of `NUMBERS` as an answer: "72 per minute"."""
    unit, decimals = NUMBERS[about]
    return f"{value:.{decimals}f} {unit}".rstrip()
