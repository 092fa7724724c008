"""Marks of stretches: none lost, none moved, and the rhythm known from the first sample on."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from physiolect.datasets.store.marks import RHYTHM, marks_within
from physiolect.recording import Annotations

MARKS = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from(["N", "V", RHYTHM]), st.text("(AN", max_size=2))
)


@settings(max_examples=300, deadline=None)
@given(MARKS, st.lists(st.integers(0, 60), min_size=2, max_size=6, unique=True).map(sorted))
def test_each_stretch_has_its_own_marks_and_the_rhythm_that_holds_at_its_start(
    marks: list[tuple[int, str, str]], bounds: list[int]
) -> None:
    marks.sort(key=lambda mark: mark[0])
    whole = Annotations(
        np.array([at for at, _, _ in marks], np.int64),
        tuple(symbol for _, symbol, _ in marks),
        tuple(note for _, _, note in marks),
    )
    stretches = list(pairwise(bounds))
    for (start, stop), found in zip(stretches, marks_within(whole, stretches), strict=True):
        told = list(found)
        own = [(at - start, symbol, note) for at, symbol, note in marks if start <= at < stop]
        rhythms = [(at, note) for at, symbol, note in marks if symbol == RHYTHM and at <= start]
        assert told[len(told) - len(own) :] == own
        assert len(told) - len(own) <= 1
        at_start = [note for at, symbol, note in told if symbol == RHYTHM and at == 0]
        if rhythms:
            assert at_start[-1] == rhythms[-1][1]
        else:
            assert not at_start


def test_a_rhythm_of_long_ago_is_told_once_a_segment_and_a_change_at_its_start_is_not_doubled() -> None:
    whole = Annotations(np.array([0, 30, 45]), (RHYTHM, RHYTHM, "N"), ("(N", "(AFIB", ""))
    found = marks_within(whole, [(10, 20), (30, 40), (40, 50)])
    assert [list(each) for each in found] == [
        [(0, RHYTHM, "(N")],
        [(0, RHYTHM, "(AFIB")],
        [(0, RHYTHM, "(AFIB"), (5, "N", "")],
    ]
    assert len(marks_within(Annotations(), [(0, 5)])[0]) == 0
