"""What a view found: a figure, its numbers, and a few words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from physiolect.explanation.views.question import View
from physiolect.explanation.window import Window
from physiolect.result import Result, make_frame

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

_COUNTING = "layers and heads from 1, samples from 0, times in seconds of the recording"


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Explanation(Result):
    """What a view found in the last window, or windows, of a recording."""

    view: View
    source: str
    """Name of the recording."""
    windows: tuple[Window, ...]
    """The windows that were looked at, in order of time; what belongs to one window is of the last."""
    numbers: dict[str, Any]
    """Arrays by name."""
    facts: dict[str, Any]
    """What the view found, ready for JSON."""
    lines: tuple[str, ...]
    """The same in words."""
    draw: Callable[[], Figure]
    """Draws the figure."""
    columns: Mapping[str, Any] = field(default_factory=dict)
    """A table by columns: one row a token (sample, patch, heartbeat), or what the view counts."""
    listed: bool = False
    """Whether the table is a result of its own, and not only samples beside their numbers."""

    @property
    def window(self) -> Window:
        """The last window, which is drawn."""
        return self.windows[-1]

    @property
    def summary(self) -> str:
        """What was explained, and what was found, line by line."""
        begin, end = self.windows[0].time[0], self.window.time[-1]
        many = f", {len(self.windows)} windows" if len(self.windows) > 1 else ""
        what = f"{self.view} of {self.source or 'a recording'}, {self.window.channels_in_words}"
        head = f"{what}, {begin:.2f} to {end:.2f} s{many}"
        return "\n".join([head, *self.lines])

    def to_frame(self) -> pandas.DataFrame:
        """Return the table: heads and landmarks, methods, numbers of a beat, or a row for each sample, patch or beat.

        Raises:
            PhysiolectError: pandas is not installed.
        """
        return make_frame(self.columns)

    def to_dict(self) -> dict[str, Any]:
        """Return window, channel, findings and adaptation, ready for JSON."""
        window = self.window
        return {
            "view": self.view,
            "window": {
                "start": float(window.time[0]),
                "stop": float(window.time[-1]),
                "samples": window.signal.shape[-1],
                **({} if window.token == "sample" else {"token": window.token, "tokens": window.n_tokens}),
            },
            "channel": window.channel,
            "fs": window.fs,
            "unit": window.unit,
            "counting": _COUNTING,
            **self.facts,
            "adaptation": window.report.to_dict(),
        }

    def plot(self) -> Figure:
        """Draw the view in a figure 8.5 cm wide, or on a sheet of ECG paper."""
        return self.draw()
