"""Preparing as events: progress, files left out, and what is waited for."""

from __future__ import annotations

from physiolect.datasets.preparing.outcomes import Watcher
from physiolect.datasets.preparing.preparation import Prepared
from physiolect.events import Reporter

_LISTED = 5
"""Files left out that are listed; a count stands for the others."""


class ReportingWatcher(Watcher):
    """Passes on what happens to a reporter.

    Args:
        reporter: Receives messages and progress; where its listener asks to stop, `Cancelled` ends the work.
        verbose: List every file that is left out.
    """

    def __init__(self, reporter: Reporter, *, verbose: bool) -> None:
        self._reporter, self._verbose = reporter, verbose
        self._done = self._files = self._rejected = 0

    def begin(self, finished: int, files: int) -> None:
        """Report how many of the files earlier runs finished."""
        self._done, self._files = finished, files
        if finished:
            self._reporter.say(f"continuing: {finished} of {files} files were finished before")
        self._tell()

    def ended(self, outcome: Prepared) -> None:
        """Report that a file is done, and what of it was left out."""
        self._done += 1
        for rejection in outcome.rejected:
            self._rejected += 1
            if self._verbose or self._rejected <= _LISTED:
                self._reporter.say(f"left out: {rejection}")
        self._tell()

    def lost(self, note: str) -> None:
        """Report that a worker was killed."""
        self._reporter.say(f"note: {note}")

    def waiting(self, name: str, seconds: float) -> None:
        """Report the oldest file in work where it takes long."""
        self._tell(f"waiting for {name} ({seconds:.0f} s)")

    def _tell(self, note: str = "") -> None:
        self._reporter.progress("files", self._files, note=note)(self._done)

    def count_unlisted(self) -> None:
        """Report how many files and stretches were left out without a message."""
        if not self._verbose and self._rejected > _LISTED:
            self._reporter.say(f"left out: {self._rejected - _LISTED} more; --verbose lists all")
