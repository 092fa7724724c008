"""What workers make of files: told as it ends, handed on in the files' order."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Sequence
from typing import Protocol

from physiolect.datasets.preparing.preparation import File, Prepared
from physiolect.datasets.preparing.workers import Lost, Workers
from physiolect.datasets.store.manifest import Rejection
from physiolect.errors import PhysiolectError

AHEAD_BYTES = 256 * 2**20
"""Size of samples that may wait for one slow file; beyond it, nothing new is begun before that file ends."""

_TICK = 0.5
"""Seconds between two looks at what goes on."""
_QUIET = 5.0
"""Seconds without a finished file after which is told what is waited for."""
_MOST_LOST = 5
"""Files in a row that may kill a worker that has nothing beside them to share its memory with."""


class Watcher(Protocol):
    """Hears of the work while it goes on; a child need not listen to everything."""

    def begin(self, finished: int, files: int) -> None:
        """Hear how many of the files earlier runs finished."""
        return

    def ended(self, outcome: Prepared) -> None:
        """Hear of a file as it ends, in any order."""
        return

    def lost(self, note: str) -> None:
        """Hear of a worker that was killed."""
        return

    def waiting(self, name: str, seconds: float) -> None:
        """Hear that nothing ended for a while, which file is the oldest in work, and for how long."""
        return


class Silent(Watcher):
    """Hears and says nothing."""


def in_order(
    files: Sequence[File], workers: Workers, watcher: Watcher | None = None
) -> Generator[Prepared, None, None]:
    """Yield each file's outcome once, in the order of the files.

    A file whose worker is killed is tried once more with nothing beside it, since most are killed for want of
    memory; then it is rejected.

    Args:
        files: What to prepare, each of another name.
        workers: Who prepares it.
        watcher: Hears of it.

    Raises:
        PhysiolectError: one worker after another is killed.
    """
    work = _Work(files, workers, watcher or Silent())
    for file in files:
        while file.name not in work.finished:
            work.give()
            work.take()
        work.give()  # workers go on while the one who asks is busy with this outcome
        yield work.hand_over(file)


class _Work:
    """Which files wait, are in work, or have ended before one that comes first."""

    def __init__(self, files: Sequence[File], workers: Workers, watcher: Watcher) -> None:
        self.finished: dict[str, Prepared] = {}
        self._held = 0  # bytes of samples in `finished`
        self._todo = deque(files)
        self._again: deque[File] = deque()
        self._retried: set[str] = set()
        self._begun: dict[str, float] = {}  # what is in work, and since when
        self._alone = False
        self._lost_in_a_row = 0
        self._workers, self._watcher = workers, watcher
        self._last = time.monotonic()

    def give(self) -> None:
        """Give out what may be given out."""
        if self._again:
            if not self._begun:
                self._alone = True
                self._begin(self._again.popleft())
            return
        while (
            self._todo
            and not self._alone
            and self._held < AHEAD_BYTES
            and len(self._begun) < self._workers.slots
        ):
            self._begin(self._todo.popleft())

    def take(self) -> None:
        """Take in what has ended, or tell what is waited for."""
        outcomes = self._workers.take(_TICK)
        now = time.monotonic()
        if outcomes:
            self._last = now
        elif self._begun and now - self._last >= _QUIET:
            name = min(self._begun, key=self._begun.__getitem__)
            self._watcher.waiting(name, now - self._begun[name])
        for outcome in outcomes:
            del self._begun[outcome.file.name]
            if isinstance(outcome, Lost):
                rejected = self._give_up(outcome)
                if rejected is None:
                    continue
                outcome = rejected
            else:
                self._lost_in_a_row = 0
            self._alone = False
            self._finish(outcome)

    def hand_over(self, file: File) -> Prepared:
        """Return a finished file's outcome, and forget it."""
        outcome = self.finished.pop(file.name)
        self._held -= _size(outcome)
        return outcome

    def _begin(self, file: File) -> None:
        self._begun[file.name] = time.monotonic()
        self._workers.give(file)

    def _finish(self, outcome: Prepared) -> None:
        self.finished[outcome.file.name] = outcome
        self._held += _size(outcome)
        self._watcher.ended(outcome)

    def _give_up(self, lost: Lost) -> Prepared | None:
        """Return that a file is rejected, or None where it is to be tried again."""
        name = lost.file.name
        if not lost.final and name not in self._retried:
            self._retried.add(name)
            self._again.append(lost.file)
            self._watcher.lost(
                f"the worker process that prepared {name} {lost.why}, perhaps for want of memory; "
                "the file is tried once more with nothing beside it"
            )
            return None
        self._lost_in_a_row += 1
        if self._lost_in_a_row >= _MOST_LOST:
            raise PhysiolectError(
                f"worker processes die one after another: that of {name} {lost.why}",
                hint="see that there is memory to spare, and run the same command again: finished shards are kept",
            )
        reason = f"every worker process that prepared it {lost.why}, perhaps for want of memory"
        return Prepared(lost.file, (), (Rejection(name, reason),))


def _size(outcome: Prepared) -> int:
    return sum(row.samples.nbytes for row in outcome.rows)
