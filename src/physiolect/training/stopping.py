"""Ending a run in good order: signals and deadlines."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from physiolect.training.processes import LostProcessError


class Stop:
    """Whether a signal or the clock has asked the run to end."""

    def __init__(self, minutes: float | None) -> None:
        self.signal: int | None = None
        self._deadline = time.monotonic() + 60 * minutes if minutes else None

    def asked(self) -> bool:
        return self.signal is not None or (self._deadline is not None and time.monotonic() > self._deadline)


@contextmanager
def stop_signals(minutes: float | None, *, on_signal: Callable[[], object] | None = None) -> Iterator[Stop]:
    """Let Ctrl-C and SIGTERM end the run after the update under way; a second one ends it at once.

    Outside the main thread, where signals do not arrive, only the clock ends it.

    Args:
        minutes: end the run after so long, too.
        on_signal: called when the first signal arrives.
    """
    stop = Stop(minutes)

    def note(number: int, _: object) -> None:
        if stop.signal is not None:
            raise KeyboardInterrupt
        stop.signal = number
        if on_signal is not None:
            on_signal()

    heard = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.signal(number, note) for number in heard}
    try:
        yield stop
    except LostProcessError:
        before.clear()  # the launcher now ends who is left, who should be heard first
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
