"""Threads for work that waits for others, and that may have to be left alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread

_PATIENCE = 1.0
"""Seconds that work has to end in when it is given up."""


class Connections:
    """A few threads that do what is submitted; none is waited for that hangs on a silent server.

    The threads of a `ThreadPoolExecutor` are joined before Python ends, however long a connection's silence lasts.
    """

    def __init__(self, count: int) -> None:
        self._given: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads = [Thread(target=self._work, name="download", daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Callable[..., bool], *args: str) -> Future[bool]:
        """Have work done when a thread is free."""
        future: Future[bool] = Future()

        def do() -> None:
            try:
                future.set_result(work(*args))
            except BaseException as error:
                future.set_exception(error)

        self._given.put(do)
        return future

    def close(self) -> None:
        """Let the threads end once nothing is left to do; wait a second, for those that can."""
        for _ in self._threads:
            self._given.put(None)
        end = time.monotonic() + _PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _work(self) -> None:
        while (do := self._given.get()) is not None:
            do()
