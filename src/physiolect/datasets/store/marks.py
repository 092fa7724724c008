"""Marks of stretches: those that lie in each, and the rhythm that holds where it begins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from physiolect.recording import Annotations

RHYTHM = "+"
"""Symbol of a mark from which a rhythm holds until the next such mark: WFDB's change of rhythm, noted "(AFIB"."""


def marks_within(marks: Annotations, stretches: Sequence[tuple[int, int]]) -> list[Annotations]:
    """Return the marks of each stretch, counted from its start.

    A rhythm that began before a stretch and holds at its start is told by a mark of its symbol and note at sample 0,
    unless the rhythm changes there anyway.

    Args:
        marks: Marks of the whole recording.
        stretches: First sample and the one after the last, of each.
    """
    order = np.argsort(marks.sample, kind="stable")
    sample = marks.sample[order]
    changes = np.flatnonzero([marks.symbol[k] == RHYTHM for k in order])
    found = []
    for start, stop in stretches:
        first, end = np.searchsorted(sample, (start, stop))
        within = order[first:end]
        at = marks.sample[within] - start
        before = np.searchsorted(changes, first)  # changes of rhythm in front of the stretch
        here = changes[before : before + 1]
        if before and not (len(here) and sample[here[0]] == start):
            within = np.concatenate([order[changes[before - 1 : before]], within])
            at = np.concatenate([[0], at])
        found.append(
            Annotations(at, tuple(marks.symbol[k] for k in within), tuple(marks.note[k] for k in within))
        )
    return found
