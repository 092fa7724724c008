"""The heartbeats of a recording, each with its class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physiolect.detection.result import DetectionResult
from physiolect.recording import Annotations

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SYMBOLS = frozenset("NSVFQ")
"""Classes of AAMI, which are symbols of WFDB too."""
_UNKNOWN = "?"
_HOUR = 3600.0


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class HeartbeatResult(DetectionResult):
    """The heartbeats of a recording, how likely each class is, and how many there are an hour."""

    task: str = "heartbeats"
    classes: tuple[str, ...]
    """Names, such as N, S, V, F."""
    times: NDArray[np.float64]
    """(beats,) when each beat is, in seconds of the recording."""
    probability: NDArray[np.float32]
    """(beats, classes); NaN where a beat was not judged."""
    rhythm: NDArray[np.float32] | None = None
    """(beats,) probability of the rhythm around each beat that the model was given; None where it had none."""

    @property
    def samples(self) -> NDArray[np.int64]:
        """Positions in samples at the recording's own rate, (beats,)."""
        last = self.recording.n_samples - 1
        return np.minimum(np.rint(self.times * self.recording_fs).astype(np.int64), last)

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Which beats were judged, (beats,)."""
        return np.isfinite(self.probability[:, 0])

    @property
    def anything_judged(self) -> bool:
        """Whether any beat was judged."""
        return bool(self.judged.any())

    @property
    def decided(self) -> NDArray[np.int64]:
        """Number of the likeliest class of each beat, (beats,); -1 where it was not judged."""
        return np.where(self.judged, np.nan_to_num(self.probability, nan=-1).argmax(1), -1)

    @property
    def names(self) -> tuple[str, ...]:
        """Name of the class of each beat; "" where it was not judged."""
        names = (*self.classes, "")
        return tuple(names[k] for k in self.decided.tolist())

    @property
    def counts(self) -> dict[str, int]:
        """Beats of each class."""
        decided = self.decided
        return {name: int((decided == k).sum()) for k, name in enumerate(self.classes)}

    def hours(self) -> dict[str, NDArray[np.int64]]:
        """Return the beats of each class in each hour of the recording, (hours,)."""
        n = max(1, int(np.ceil(self.recording.duration / _HOUR)))
        hour, decided = (self.times // _HOUR).astype(np.int64), self.decided
        return {name: np.bincount(hour[decided == k], minlength=n)[:n] for k, name in enumerate(self.classes)}

    def annotations(self) -> Annotations:
        """Return marks at the recording's own rate with AAMI's symbols; "?" for other names, with the name as note."""
        names = self.names
        return Annotations(
            self.samples,
            tuple(name if name in _SYMBOLS else _UNKNOWN for name in names),
            tuple("" if name in _SYMBOLS else name or "not judged" for name in names),
        )

    def columns(self) -> dict[str, Any]:
        """Return the table of beats: time_s, sample at the recording's own rate, class, and probability of each."""
        found: dict[str, Any] = {
            "time_s": self.times + self.first,
            "sample": self.samples + round(self.first * self.recording_fs),
            "class": list(self.names),
        }
        found |= {f"p_{name}": self.probability[:, k] for k, name in enumerate(self.classes)}
        return found if self.rhythm is None else found | {"p_rhythm": self.rhythm}

    def to_dict(self) -> dict[str, Any]:
        """Return counts, ready for JSON."""
        return super().to_dict() | {
            "beats": len(self.times),
            "judged": int(self.judged.sum()),
            "classes": self.counts,
            "per_hour": {name: counts.tolist() for name, counts in self.hours().items()},
        }

    def plot(self) -> Figure:
        """Draw the intervals over time by class, and beats of each class in the first channel."""
        from physiolect.plots import heartbeats_figure

        return heartbeats_figure(
            self.recording.signal[0], fs=self.recording_fs, samples=self.samples, decided=self.decided,
            classes=self.classes, start=self.first, unit=self.recording.units[0], title=self._title,
        )  # fmt: skip

    def _lines(self) -> Iterator[tuple[str, str]]:
        n, judged = len(self.times), int(self.judged.sum())
        yield "beats", f"{n:,}" + (f"; {n - judged:,} not judged" if judged < n else "")
        hours = self.recording.duration / _HOUR
        for name, count in self.counts.items():
            share = f" ({count / judged:.2%})" if judged else ""
            rate = f", {count / hours:,.0f} an hour" if hours >= 1 else ""
            yield name, f"{count:,}{share}{rate}"
