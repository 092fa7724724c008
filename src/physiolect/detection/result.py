"""What the results of detection share: the recording that was judged, and how it was adapted."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physiolect.contract import AdaptationReport
from physiolect.recording import Recording, clock_time
from physiolect.result import Result, make_frame

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class DetectionResult(Result):
    """What a detector found in a recording."""

    task: str
    """Name of the model's task."""
    recording: Recording
    """What was judged, as recorded: the channels that the model takes."""
    fs: float
    """Rate in Hz at which the model saw it: the contract's."""
    report: AdaptationReport
    """How the recording was adapted."""
    first: float = 0.0
    """When the recording begins, in seconds of the one it was cut from; tables and figures count from there."""
    interrupted: bool = False
    """Ctrl-C came first; what was judged by then is here."""

    @property
    def recording_fs(self) -> float:
        """The recording's own rate in Hz."""
        return self.recording.fs

    @property
    def channel(self) -> str:
        """The channels that were judged, in words."""
        return ", ".join(self.recording.channels)

    @property
    @abstractmethod
    def anything_judged(self) -> bool:
        """Whether any part of the recording was judged."""

    @property
    def summary(self) -> str:
        """What was found, line under line."""
        head = f"{self.task} of {self.recording.source or 'the recording'}, {self.channel}"
        span = f"{self.first:g} to {self.first + self.recording.duration:g} s"
        return "\n".join([f"{head}, {span}", *(f"  {name:12}{text}" for name, text in self._lines())])

    def to_dict(self) -> dict[str, Any]:
        """Return counts, shares and stretches, ready for JSON."""
        return {
            "task": self.task,
            "read": {"start": self.first, "stop": self.first + self.recording.duration},
            "channel": self.channel,
            "fs": self.recording.fs,
            "adaptation": {**self.report.to_dict(), "start": self.first},
            "interrupted": self.interrupted,
        }

    def _clock_times(self, seconds: NDArray[np.float64]) -> dict[str, list[str]]:
        """Return the column clock_time of moments in seconds of the recording, where it states when it began."""
        start = self.recording.start_time
        if start is None:
            return {}
        return {"clock_time": [clock_time(start, each) for each in seconds.tolist()]}

    @abstractmethod
    def columns(self) -> dict[str, Any]:
        """Return the columns of the table by name."""

    def to_frame(self) -> pandas.DataFrame:
        """Return the table as a pandas DataFrame.

        Raises:
            PhysiolectError: pandas is not installed.
        """
        return make_frame(self.columns())

    @abstractmethod
    def plot(self) -> Figure:
        """Draw the recording with what was found in it."""

    @property
    def _title(self) -> str:
        """What stands above a figure."""
        return " · ".join(filter(None, [Path(self.recording.source).name, self.channel]))

    @abstractmethod
    def _lines(self) -> Iterator[tuple[str, str]]:
        """Yield name and text of each line of the summary."""
