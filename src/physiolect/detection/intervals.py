"""How fast a heart beats and how evenly, out of when it beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Intervals:
    """Intervals between neighbouring beats; NaN where there are too few."""

    count: int
    """How many there are."""
    rate: float
    """Beats a minute: 60 over the mean interval."""
    mean: float
    """In seconds."""
    sd: float
    """Standard deviation in seconds (of the sample: n - 1)."""
    rmssd: float
    """Square root of the mean squared difference of neighbouring intervals, in seconds."""

    def to_dict(self) -> dict[str, float | int | None]:
        """Return the numbers ready for JSON, which knows no NaN."""
        return {
            "count": self.count,
            **{
                name: None if np.isnan(value) else round(value, 6)
                for name, value in (
                    ("rate_bpm", self.rate), ("mean_s", self.mean), ("sd_s", self.sd), ("rmssd_s", self.rmssd)
                )
            },
        }  # fmt: skip


def summarise_intervals(times: ArrayLike, breaks: Sequence[float] = ()) -> Intervals:
    """Return rate and variability of beats.

    All intervals count: ectopic, missed and false beats are not taken out, although the standard's "NN" asks for it.
    Times on a grid of 1 / fs spread an even rhythm by up to that much; `BeatResult.peak_times` are finer.

    Args:
        times: of the beats in seconds, in order, (n,).
        breaks: moments across which no interval counts, for what lies there is unknown.

    Source: Task Force of ESC and NASPE, "Heart rate variability", Circulation 93:1043, 1996, table 1 (SDNN, RMSSD).
    """
    beats = np.asarray(times, float)
    pieces = np.split(beats, np.searchsorted(beats, sorted(breaks)))
    intervals = [np.diff(piece) for piece in pieces]
    every = np.concatenate(intervals)
    changes = np.concatenate([np.diff(each) for each in intervals])
    mean = float(every.mean()) if every.size else np.nan
    return Intervals(
        count=every.size,
        rate=60 / mean,
        mean=mean,
        sd=float(every.std(ddof=1)) if every.size > 1 else np.nan,
        rmssd=float(np.sqrt(np.square(changes).mean())) if changes.size else np.nan,
    )
