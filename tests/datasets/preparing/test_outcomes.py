"""Outcomes: each file's once, told as it ends, handed on in order, whoever dies over it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physiolect.datasets import Row
from physiolect.datasets.preparing import outcomes
from physiolect.datasets.preparing.outcomes import Watcher, in_order
from physiolect.datasets.preparing.preparation import File, Prepared
from physiolect.datasets.preparing.workers import Lost
from physiolect.errors import PhysiolectError

FILES = [File(f"f{k:02}", Path(f"f{k:02}")) for k in range(20)]


class Scripted:
    """Workers that end what they were given in an order of our choosing, or die over it."""

    def __init__(
        self, slots: int, choose: Callable[[int], int], lost: Sequence[str] = (), rows: tuple[Row, ...] = ()
    ) -> None:
        self.slots, self._choose, self._rows = slots, choose, rows
        self._lost = list(lost)
        self.given: list[File] = []
        self.beside: dict[str, list[int]] = {}
        """How many files were in work when a file was begun, itself with them, at each of its tries."""
        self.most = 0

    def give(self, file: File) -> None:
        self.given.append(file)
        self.beside.setdefault(file.name, []).append(len(self.given))
        assert len(self.given) <= self.slots

    def take(self, seconds: float) -> list[Prepared | Lost]:
        if not self.given:
            return []
        file = self.given.pop(self._choose(len(self.given)))
        if file.name in self._lost:
            self._lost.remove(file.name)
            return [Lost(file, "was killed by SIGKILL")]
        return [Prepared(file, self._rows, ())]

    def close(self) -> None:
        pass


class Heard(Watcher):
    def __init__(self) -> None:
        self.ends: list[str] = []
        self.notes: list[str] = []
        self.waits: list[str] = []

    def ended(self, outcome: Prepared) -> None:
        self.ends.append(outcome.file.name)

    def lost(self, note: str) -> None:
        self.notes.append(note)

    def waiting(self, name: str, seconds: float) -> None:
        self.waits.append(name)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 7))
def test_in_whatever_order_files_end_and_whoever_dies_each_comes_once_in_order(
    data: st.DataObject, slots: int
) -> None:
    dying = data.draw(st.lists(st.sampled_from([file.name for file in FILES]), max_size=6))
    workers = Scripted(slots, lambda n: data.draw(st.integers(0, n - 1)), dying)
    heard = Heard()
    try:
        got = list(in_order(FILES, workers, heard))
    except PhysiolectError:
        pytest.fail("six deaths are no five files in a row that died twice")
    assert [outcome.file.name for outcome in got] == [file.name for file in FILES]
    assert sorted(heard.ends) == [file.name for file in FILES]
    assert {outcome.file.name for outcome in got if outcome.rejected} == {
        name for name in dying if dying.count(name) > 1
    }
    assert all(workers.beside[name][1] == 1 for name in set(dying))  # the second try is alone
    assert len(heard.notes) == len(set(dying))


def test_files_are_told_while_an_earlier_one_still_goes_on() -> None:
    heard = Heard()
    stream = in_order(FILES, Scripted(2, lambda n: n - 1), heard)  # the first file ends last
    assert next(stream).file.name == "f00"
    assert heard.ends == [*(file.name for file in FILES[1:]), "f00"]


def test_no_more_is_kept_for_a_slow_file_than_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Row(
        np.zeros((1, 500), np.int16),
        np.ones(1, np.float32),
        np.zeros(1, np.float32),
        ("II",),
        ("mV",),
        1,
        "x",
    )
    monkeypatch.setattr(outcomes, "AHEAD_BYTES", 5 * row.samples.nbytes)
    heard = Heard()
    assert next(in_order(FILES, Scripted(2, lambda n: n - 1, rows=(row,)), heard)).file.name == "f00"
    assert len(heard.ends) == 6  # five wait for the first


def test_what_is_waited_for_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "_QUIET", 0.0)

    class Slow(Scripted):
        def take(self, seconds: float) -> list[Prepared | Lost]:
            return super().take(seconds) if heard.waits else []

    heard = Heard()
    list(in_order(FILES[:3], Slow(3, lambda n: n - 1), heard))
    assert heard.waits == ["f00"]


def test_a_file_that_others_gave_up_is_not_tried_again() -> None:
    class Final(Scripted):
        def take(self, seconds: float) -> list[Prepared | Lost]:
            file = self.given.pop()
            return [Lost(file, "was killed", final=True) if file.name == "f01" else Prepared(file, (), ())]

    workers = Final(1, lambda n: 0)
    rejected = [rejection for outcome in in_order(FILES[:3], workers) for rejection in outcome.rejected]
    assert [rejection.source for rejection in rejected] == ["f01"]
    assert "was killed, perhaps for want of memory" in rejected[0].reason
    assert workers.beside["f01"] == [1]


def test_where_every_worker_dies_the_work_ends() -> None:
    workers = Scripted(3, lambda n: 0, 2 * [file.name for file in FILES])
    with pytest.raises(
        PhysiolectError, match="die one after another: that of f04 was killed by SIGKILL"
    ) as caught:
        list(in_order(FILES, workers))
    assert "memory" in (caught.value.hint or "")
