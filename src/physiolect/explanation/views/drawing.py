"""What figures of views share: the signal at the recording's own rate, a map on its time, and the sheet of leads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physiolect.contract.units import conversion_factor
from physiolect.explanation.window import BeatWindow, LevelWindow, Window
from physiolect.recording import Annotations, canonical_channel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_USUAL = "II"
"""The lead that is drawn where a figure has room for one."""


def needs_sheet(window: Window) -> bool:
    """Return whether the map lies on a sheet of leads, and not on one short signal."""
    return isinstance(window, BeatWindow) or len(window.channels) > 1


def grid(window: Window) -> NDArray[np.float64]:
    """Return the moments of the samples of `window.signal`, in seconds of the recording, (T,)."""
    return window.start + np.arange(window.signal.shape[-1]) / window.fs


def on_grid(window: Window, values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return what samples get of a map of tokens (..., N): that of their token, mean over leads, (..., T)."""
    if isinstance(window, LevelWindow):
        return np.asarray(values, np.float64)
    n_rows = len(np.unique(window.token_rows))
    each = np.asarray(values, np.float64).reshape(*values.shape[:-1], n_rows, -1).mean(-2)  # (..., n)
    spans, time = window.token_spans[: each.shape[-1]], grid(window)
    token = np.clip(np.searchsorted(spans[:, 0], time, side="right") - 1, 0, len(spans) - 1)
    inside = (time >= spans[token, 0]) & (time <= spans[token, 1])
    found: NDArray[np.float64] = np.where(inside, each[..., token], 0.0)
    return found


def over_leads(window: Window) -> str:
    """Return what the title of a figure adds where a map has tokens of several leads and is drawn on one."""
    n = len(np.unique(window.token_rows))
    return f"\nmaps: mean over {n} leads" if n > 1 else ""


def usual_row(window: Window) -> int:
    """Return which channel is drawn, or searched for waves, where there is room for one: II, or the first."""
    names = [canonical_channel(name) for name in window.channels]
    return names.index(_USUAL) if _USUAL in names else 0


def own_rate(window: Window, row: int) -> tuple[NDArray[np.float64], NDArray[np.float64], str | None]:
    """Return an ECG at its own rate, other signals at the model's: seconds, values, and the unit, mV of a voltage."""
    recording, unit = window.recording, window.recording.units[row]
    if recording.modality not in ("ecg", None):
        return grid(window), np.atleast_2d(window.signal)[row].astype(np.float64), unit
    time = window.start + np.arange(recording.n_samples) / recording.fs
    values = recording.signal[row].astype(np.float64)
    factor = None if unit is None else conversion_factor(unit, "mV")
    return (time, values, unit) if factor is None else (time, values * factor, "mV")


def drawn(window: Window) -> dict[str, Any]:
    """Return the signal of a figure that is as wide as a column: `signal`, `time`, `trace` and `unit`."""
    from physiolect.plots import Trace

    row = usual_row(window)
    time, values, unit = own_rate(window, row)
    known = np.isfinite(values)
    moments = grid(window)
    signal = np.interp(moments, time[known], values[known]) if known.any() else np.zeros(len(moments))
    is_ecg = window.recording.modality in ("ecg", None)
    name = window.channels[row] if len(window.channels) > 1 else ""
    return {"signal": signal, "time": moments, "trace": Trace(time, values, is_ecg, name), "unit": unit}


def sheet(
    window: Window,
    values: NDArray[np.floating],
    *,
    what: str,
    title: str,
    evidence: str,
    queries: tuple[float, ...] = (),
    letters: tuple[str, ...] = (),
) -> Figure:
    """Draw a map of tokens on the sheet of leads, true to scale.

    Args:
        window: what was looked at.
        values: (N,) of its tokens.
        what: they are.
        title: above the sheet.
        evidence: a line below it.
        queries: moments that are marked, in seconds of the recording.
        letters: of heartbeats, what is written above each in place of the recording's marks.
    """
    from dataclasses import replace

    from physiolect.plots import Shades, shaded_sheet_figure

    recording = window.recording
    if letters:
        assert isinstance(window, BeatWindow)
        samples = np.rint((window.beats - window.start) * recording.fs).astype(np.int64)
        recording = replace(recording, annotations=Annotations(samples, letters, ("",) * len(letters)))
    shades = Shades(
        window.token_spans - window.start, window.token_rows, np.asarray(values, np.float64),
        tuple(each - window.start for each in queries),
    )  # fmt: skip
    end = window.start + recording.duration
    title = f"{title}, {window.start:.2f} to {end:.2f} s"
    return shaded_sheet_figure(recording, shades, what=what, title=title, evidence=evidence)
