"""A continuation: several ways in which a signal may go on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.contract import AdaptationReport
from physiolect.generation.decoding import Mode
from physiolect.recording import Recording
from physiolect.result import Result, make_frame

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

    from physiolect.plots import Trace

QUANTILES = {"median": 0.5, "q05": 0.05, "q25": 0.25, "q75": 0.75, "q95": 0.95}
"""Columns of a table of several continuations, and their levels."""


@dataclass(frozen=True, eq=False, repr=False)
class Continuation(Result):
    """What a model expects to come next, several times over."""

    ids: NDArray[np.int64]
    """Token ids (samples, n)."""
    signal: NDArray[np.float32]
    """The same in the recording's unit (samples, n)."""
    fs: float
    """Sampling rate in Hz: the contract's."""
    context: Recording
    """What the model saw: the adapted recording, one channel, in the contract's unit."""
    report: AdaptationReport
    """How the recording was adapted."""
    mode: Mode
    """ "exact", or "hop" (approximate)."""
    interrupted: bool = False
    """Ctrl-C came first; what there was by then is here."""
    truth: NDArray[np.float32] | None = None
    """What was recorded after the context, up to (n,) in the recording's unit; None where nothing was."""
    past_context: bool = False
    """Whether it goes on past what a cache remembers exactly, where the modes differ."""
    first: float = 0.0
    """When the recording begins, in seconds of the one it was cut from; tables and figures count from there."""
    length: float = 0.0
    """Seconds of the recording, with what was recorded after the context."""
    recorded: Recording | None = None
    """The same channel at the recording's own rate, from the beginning of the context on; for figures."""
    tokens_per_second: float = 0.0
    """How fast it was made, all samples together."""

    @property
    def unit(self) -> str | None:
        """Unit of `signal`: the recording's."""
        return self.report.units[0]

    @property
    def seen(self) -> NDArray[np.float32]:
        """The context in the recording's unit, (time,)."""
        return self.report.restore(self.context.signal)[0].astype(np.float32)

    @property
    def start(self) -> float:
        """When the continuation begins, in seconds."""
        return self.first + self.report.start + self.context.duration

    @property
    def time(self) -> NDArray[np.float64]:
        """When each token is, in seconds, (n,)."""
        return self.start + np.arange(self.signal.shape[1]) / self.fs

    @property
    def approximate(self) -> bool:
        """Whether mode "hop" made it differ from an exact continuation."""
        return self.mode == "hop" and self.past_context

    @property
    def summary(self) -> str:
        """What was generated, from which context, and how the recording was adapted, line under line."""
        n_samples, n_tokens = self.ids.shape
        channel, context = self.context.channels[0], self.start - self.context.duration
        kind = "approximate (hop)" if self.approximate else "exact"
        lines = [
            f"continuation of {self.context.source or 'the recording'}, {channel}, from {self.start:g} s: "
            f"{n_samples} x {n_tokens / self.fs:g} s at {self.fs:g} Hz in {self.unit or 'an unknown unit'}, {kind}, "
            f"{self.tokens_per_second:,.0f} tokens/s",
            f"context: {channel}, {context:g} to {self.start:g} s, {self.context.n_samples} tokens, "
            f"of the stretch that was read, {self.first:g} to {self.first + self.length:g} s",
            str(self.report),
        ]
        if self.interrupted:
            lines.append(f"interrupted after {n_tokens} tokens, which are kept")
        return "\n".join(lines)

    def quantiles(self, levels: ArrayLike = (0.05, 0.25, 0.5, 0.75, 0.95)) -> NDArray[np.float32]:
        """Return quantiles over the samples, (levels, n) in the recording's unit."""
        return np.quantile(self.signal, np.asarray(levels), axis=0).astype(np.float32)

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the table: time_s, generated_1, generated_2 … and, of several, their median and quantiles."""
        table: dict[str, NDArray[Any]] = {"time_s": self.time}
        table |= {f"generated_{i + 1}": row for i, row in enumerate(self.signal)}
        if len(self.signal) > 1:
            table |= dict(zip(QUANTILES, self.quantiles(list(QUANTILES.values())), strict=True))
        return table

    def to_frame(self) -> pandas.DataFrame:
        """Return the table as a pandas DataFrame; `attrs["unit"]` is the unit of all columns but the time.

        Raises:
            PhysiolectError: pandas is not installed.
        """
        frame = make_frame(self.columns())
        frame.attrs["unit"] = self.unit
        return frame

    def to_dict(self) -> dict[str, Any]:
        """Return what was generated, and from what, ready for JSON."""
        n_samples, n_tokens = self.ids.shape
        begin = self.start - self.context.duration
        return {
            "read": {"start": self.first, "stop": self.first + self.length},
            "channel": self.context.channels[0],
            "modality": self.context.modality,
            "unit": self.unit,
            "fs": self.fs,
            "adaptation": {**self.report.to_dict(), "start": begin},
            "context": {"start": begin, "stop": self.start, "tokens": self.context.n_samples},
            "continuation": {
                "seconds": n_tokens / self.fs, "tokens": n_tokens, "samples": n_samples,
                "recorded_tokens": 0 if self.truth is None else len(self.truth),
            },
            "mode": self.mode,
            "past_context": self.past_context,
            "approximate": self.approximate,
            "interrupted": self.interrupted,
            "tokens_per_second": round(self.tokens_per_second, 1),
        }  # fmt: skip

    def plot(self) -> Figure:
        """Draw the context and its continuations, beside what was recorded; an ECG in mV lies on ECG paper.

        An ECG is drawn at its own rate, moved so that its median in the context is that of `seen`.
        """
        from physiolect.plots import continuation_figure

        parts = [Path(self.context.source).name, self.context.channels[0], f"continued at {self.start:g} s"]
        return continuation_figure(
            self.seen, self.signal, fs=self.fs, unit=self.unit, truth=self.truth, trace=self.trace(),
            title=" · ".join(filter(None, [*parts, "approximate" if self.approximate else ""])),
        )  # fmt: skip

    def trace(self) -> Trace | None:
        """Return an ECG as it was recorded, in seconds after the last sample of the context; None of other signals."""
        from physiolect.plots import Trace

        if self.recorded is None or self.context.modality != "ecg":
            return None
        begin = (self.context.n_samples - 1) / self.fs
        time = np.arange(self.recorded.n_samples) / self.recorded.fs - begin
        values = self.recorded.signal[0].astype(np.float64)
        values += np.median(self.seen) - np.nanmedian(values[time <= 0])
        return Trace(time, values, is_ecg=True)
