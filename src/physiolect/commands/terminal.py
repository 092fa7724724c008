"""The terminal as a listener: sentences on stderr, and how far long work is."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from physiolect.events import Event, Message, Metrics, Progress, Tell
from physiolect.plain_text import escape_controls

if TYPE_CHECKING:
    from rich.progress import Progress as Bar


def say(line: str) -> None:
    """Write a line to stderr, beside the data on stdout."""
    print(escape_controls(line), file=sys.stderr)


def show(text: str) -> None:
    """Write text to stdout, its control characters escaped: names in it come out of files."""
    print(escape_controls(text))


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Tell]:
    """Yield a function that shows how much is done; the bar appears on a terminal at the first call."""
    with listening() as terminal:

        def tell(done: int, now: int | None = None, /) -> None:
            terminal(Progress(what, done, total if now is None else now))

        yield tell


@contextmanager
def listening() -> Iterator[Terminal]:
    """Yield a listener that writes messages to stderr and shows progress on a terminal."""
    terminal = Terminal()
    try:
        yield terminal
    finally:
        terminal.clear()


class Terminal:
    """Shows events: a message as a line, progress as one bar at a time, metrics as a bar or, now and then, a line."""

    def __init__(self) -> None:
        self._bar: Bar | None = None
        self._what = ""

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, Message):
            self._print(event.text)
        elif isinstance(event, Progress):
            self._show(
                event.what, event.done, event.total, escape_controls(f"{event.what} {event.note}".rstrip())
            )
        else:
            self._train(event)

    def clear(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _print(self, text: str) -> None:
        if self._bar is not None and self._bar.live.is_started:
            self._bar.console.print(escape_controls(text), markup=False, highlight=False, soft_wrap=True)
        else:
            say(text)

    def _show(self, what: str, done: int, total: int | None, description: str = "") -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bar

        if self._bar is None or what != self._what:
            self.clear()
            console = Console(stderr=True)
            columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
            text = TextColumn("{task.description}", markup=False)
            self._bar = Bar(text, *columns, console=console, transient=True, disable=not console.is_terminal)
            self._what = what
            self._bar.add_task(description or what, total=total)
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=done, total=total, description=description or what)

    def _train(self, event: Metrics) -> None:
        """Show metrics: on a terminal as a bar; elsewhere, validation losses alone as lines."""
        if sys.stderr.isatty():
            self._show("updates", event.step, event.steps, event.text)
        elif "validation_loss" in event.values:
            say(f"step {event.step}: {event.text}")


class Terminated(BaseException):
    """SIGTERM arrived."""


@contextmanager
def terminable() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that it ends the work as Ctrl-C does."""

    def stop(signum: int, frame: FrameType | None) -> NoReturn:
        raise Terminated

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread, where signals do not arrive anyway
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
