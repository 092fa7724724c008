"""Who prepares files: this process, or several beside it that may die without harm."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.resource_tracker import ensure_running
from threading import current_thread, main_thread
from typing import Protocol

from physiolect.datasets.preparing.preparation import File, Preparation, Prepared, prepare_file
from physiolect.errors import PhysiolectError

_PATIENCE = 5.0
"""Seconds that a process has to end when it is asked to, before it is made to."""


@dataclass(frozen=True)
class Lost:
    """A file whose worker was killed while it worked on it."""

    file: File
    why: str
    """How it ended: "was killed by SIGKILL"."""
    final: bool = False
    """Whether it was tried often enough already."""


class Workers(Protocol):
    """Whoever prepares files, one after another in each slot; the files come back in any order, each once."""

    @property
    def slots(self) -> int:
        """How many files they can have at a time."""

    def give(self, file: File) -> None:
        """Give them a file; no more than there are slots."""

    def take(self, seconds: float) -> list[Prepared | Lost]:
        """Return what has ended, waiting so many seconds at most for the first."""

    def close(self) -> None:
        """End them at once, whatever they are doing."""


class Here:
    """This process: it prepares a file when its outcome is asked for."""

    slots = 1

    def __init__(self, recipe: Preparation) -> None:
        self._recipe = recipe
        self._given: list[File] = []

    def give(self, file: File) -> None:
        """Note the file."""
        self._given.append(file)

    def take(self, seconds: float) -> list[Prepared | Lost]:
        """Prepare what was given."""
        given, self._given = self._given, []
        return [prepare_file(file, self._recipe) for file in given]

    def close(self) -> None:
        """Do nothing."""


class WorkerProcesses:
    """Processes of this machine, each with a pipe of its own.

    A process has one file at a time, so that it is known which one it died of, and its end closes its pipe, which
    is noticed at once; so does the end of this process, upon which they end too. They are spawned, not forked: a
    fork of a process with threads (torch, progress bars) may hang.

    Args:
        recipe: How files are prepared.
        count: How many processes.
    """

    def __init__(self, recipe: Preparation, count: int) -> None:
        self._recipe = recipe
        self._count = count
        self._idle: list[_Process] = []
        self._busy: dict[Connection, _Process] = {}

    @property
    def slots(self) -> int:
        """One a process."""
        return self._count

    def give(self, file: File) -> None:
        """Give a file to a process that has none, starting one where there are too few."""
        worker = self._idle.pop() if self._idle else _Process(self._recipe)
        if not worker.alive:  # killed while it had nothing to do
            worker.end()
            worker = _Process(self._recipe)
        worker.give(file)
        self._busy[worker.pipe] = worker

    def take(self, seconds: float) -> list[Prepared | Lost]:
        """Return what has ended, waiting so many seconds at most for the first.

        Raises:
            PhysiolectError: a process cannot start, or ended of itself.
        """
        outcomes: list[Prepared | Lost] = []
        for pipe in wait(list(self._busy), seconds):
            assert isinstance(pipe, Connection)
            worker = self._busy[pipe]
            outcome = worker.outcome()
            if outcome is None:
                continue
            del self._busy[pipe]
            if not isinstance(outcome, Lost):
                self._idle.append(worker)
            outcomes.append(outcome)
        return outcomes

    def close(self) -> None:
        """End all processes."""
        workers = [*self._idle, *self._busy.values()]
        for worker in workers:
            worker.ask_to_end()
        for worker in workers:
            worker.end()
        self._idle, self._busy = [], {}


class _Process:
    """One process and this side of its pipe."""

    def __init__(self, recipe: Preparation) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, recipe), daemon=True)
        self._file: File | None = None
        self._ready = False
        with _undisturbed():
            self._process.start()
        theirs.close()  # so that theirs alone holds that end open

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def give(self, file: File) -> None:
        self._file = file
        with suppress(OSError):  # it is dead: reading will say so
            self.pipe.send(file)

    def outcome(self) -> Prepared | Lost | None:
        """Return what it made of its file, or that it was killed; None where it only says that it is ready.

        Raises:
            PhysiolectError: it ended before it was ready, or was not killed: then it is not the file's fault.
        """
        assert self._file is not None
        try:
            outcome: Prepared | None = self.pipe.recv()
        except (EOFError, OSError):
            how = self.end()
            if not self._ready:
                raise PhysiolectError(
                    f"a worker process cannot start: it {how}",
                    hint="what it said stands above; a script that prepares with several workers does so under "
                    'if __name__ == "__main__":',
                ) from None
            if (self._process.exitcode or 0) >= 0:
                raise PhysiolectError(
                    f"the worker process that prepared {self._file.name} {how}, though nobody killed it",
                    hint="what it said stands above; finished shards are kept, and --workers 1 may tell more",
                ) from None
            return Lost(self._file, how)
        self._ready = True
        return outcome

    def ask_to_end(self) -> None:
        self._process.terminate()

    def end(self) -> str:
        """See it out, and say how it ended."""
        self._process.join(_PATIENCE)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
        self.pipe.close()
        code = self._process.exitcode or 0
        if code >= 0:
            return f"ended with code {code}"
        return f"was killed by {signal.Signals(-code).name}"


def _serve(pipe: Connection, recipe: Preparation) -> None:
    """Say that all is ready, and prepare one file after another until nobody is there to take them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, OSError):
        pipe.send(None)
        while True:
            pipe.send(prepare_file(pipe.recv(), recipe))


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep Ctrl-C and SIGTERM waiting while a process is begun, and Ctrl-C from that process for good.

    Half begun it would complain of its orders; and a terminal sends Ctrl-C to the workers too, where it is for the
    process that gathers their results to act on.
    """
    came: list[int] = []
    handlers = {}
    if current_thread() is main_thread():  # elsewhere no signal disturbs
        for number in (signal.SIGTERM, signal.SIGINT):
            if callable(signal.getsignal(number)):
                handlers[number] = signal.signal(number, lambda number, frame: came.append(number))
    masked = hasattr(signal, "pthread_sigmask")  # not on Windows
    if masked:
        ensure_running()  # multiprocessing would start it with the first process, and end the masking
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if masked:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for caught in came:
        signal.raise_signal(caught)


def processors() -> int:
    """Return how many processors this process may use, which on a cluster is less than what the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
