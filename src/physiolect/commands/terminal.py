"""What every verb tells the user beside its data: lines on stderr, and how far long work is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Tell(Protocol):
    """Tells how much is done, and of how much where that was not known before."""

    def __call__(self, done: int, total: int | None = None, /) -> None: ...


def say(line: str) -> None:
    """Tell the user, beside the data on stdout."""
    print(line, file=sys.stderr)


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Tell]:
    """Yield what tells how much is done; it shows on a terminal, from the first time on."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    text = TextColumn("{task.description}", markup=False)
    bar = Progress(text, *columns, console=console, transient=True, disable=not console.is_terminal)
    task = bar.add_task(what, total=total)

    def tell(done: int, total: int | None = None, /) -> None:
        bar.start()  # not before: what is read first has a bar of its own, and there can be one at a time
        bar.update(task, completed=done, total=total)

    try:
        yield tell
    finally:
        if bar.live.is_started:
            bar.stop()
