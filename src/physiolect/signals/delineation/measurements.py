"""What is measured on an ECG's waves: rate, intervals, axis and voltages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import ContractError
from physiolect.result import Result, make_frame
from physiolect.signals.delineation.beat_windows import Floats, cut_windows
from physiolect.signals.delineation.delineating import Delineation, delineate
from physiolect.signals.r_peaks import Signal

if TYPE_CHECKING:
    import pandas

VOLTAGES = ("P", "Q", "R", "S", "T", "ST")
"""The voltages that are measured, in the order of their columns."""

_BASELINE = (0.020, 0.004)  # seconds before the onset of QRS whose mean is voltage 0
_ST = 0.06  # seconds after the end of QRS
_LONGEST_RR = 3.0  # seconds; a longer interval may hide beats that were missed, and is left out of the rate
_LEAST_R = (
    0.05  # share of a complex's depth that R reaches; below it noise would decide whether a QS is a Q or an S
)
_LEAST_COMPLEX = 1e-3  # share of the limb leads' range below which there is no axis


@dataclass(frozen=True, eq=False, repr=False)
class Measurements(Result):
    """The measurements of an ECG: medians over its beats, NaN where there is nothing to measure."""

    n_beats: int
    rate: float
    """Beats a minute: 60 over the mean RR interval."""
    pr: float
    """From the onset of P to that of QRS, in ms, over leads."""
    qrs: float
    """Duration of QRS in ms, over leads."""
    qt: float
    """From the onset of QRS to the end of T, in ms, over leads."""
    qtc_bazett: float
    """QT / sqrt(RR), RR the mean in seconds; in ms. Too long at fast rates."""
    qtc_fridericia: float
    """QT / cbrt(RR), RR the mean in seconds; in ms."""
    axis: float
    """Axis of QRS in the frontal plane, in degrees from -180 to 180: 0 is towards I, 90 towards aVF. NaN without two
    limb leads."""
    p_share: float
    """Share of the beats with a P wave."""
    leads: tuple[str, ...]
    voltages: Floats
    """(leads, 6) P, Q, R, S, T and ST in the signal's unit, against the level before QRS (`VOLTAGES`). Q and S are 0 or
    below. A complex without R, of 5 % of its depth at least, has its depth as S. ST is 60 ms after the end of QRS."""
    unit: str | None = None
    """Unit of the voltages."""

    @property
    def summary(self) -> str:
        """The measurements, line under line."""
        lines = [
            f"{self.n_beats} beats, {self.rate:.0f} a minute"
            if np.isfinite(self.rate)
            else f"{self.n_beats} beats"
        ]
        for name, value in (("PR", self.pr), ("QRS", self.qrs), ("QT", self.qt)):
            lines.append(f"{name:4}{value:.0f} ms" if np.isfinite(value) else f"{name:4}not measured")
        if np.isfinite(self.qtc_bazett):
            lines.append(f"QTc {self.qtc_bazett:.0f} ms (Bazett), {self.qtc_fridericia:.0f} ms (Fridericia)")
        if np.isfinite(self.axis):
            lines.append(f"axis {self.axis:.0f} degrees")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return all measurements, ready for JSON; None where there is nothing to measure."""
        numbers = ("rate", "pr", "qrs", "qt", "qtc_bazett", "qtc_fridericia", "axis", "p_share")
        units = {"rate": "_per_min", "axis": "_deg", "p_share": ""}
        return {
            "n_beats": self.n_beats,
            **{f"{name}{units.get(name, '_ms')}": _plain(getattr(self, name)) for name in numbers},
            "unit": self.unit,
            "voltages": {
                lead: {wave: _plain(value) for wave, value in zip(VOLTAGES, row, strict=True)}
                for lead, row in zip(self.leads, self.voltages, strict=True)
            },
        }

    def to_frame(self) -> pandas.DataFrame:
        """Return the voltages as a pandas DataFrame: a row a lead.

        Raises:
            PhysiolectError: pandas is not installed.
        """
        return make_frame({"lead": list(self.leads), **dict(zip(VOLTAGES, self.voltages.T, strict=True))})


def measure(
    signal: Signal,
    fs: float,
    leads: Sequence[str],
    *,
    unit: str | None = None,
    waves: Delineation | None = None,
) -> Measurements:
    """Measure an ECG.

    Args:
        signal: (leads, time); missing samples are NaN.
        fs: sampling rate in Hz, at least 50.
        leads: a standard name each ("I", "aVF", "V1"); the axis needs two of I, II, III and aVF.
        unit: unit of the signal.
        waves: what `delineate` found in it; None delineates it.

    Raises:
        ContractError: the shape or rate is none of an ECG, or there is not one name a lead.

    Source:
        Axis: the areas of QRS in I and aVF, with Goldberger's lead made as long as Einthoven's. QTc: Bazett, Heart
        7:353, 1920; Fridericia, Acta Med Scand 53:469, 1920.
    """
    signal = np.asarray(signal)
    if len(leads) != len(signal):
        raise ContractError(f"{len(leads)} names for {len(signal)} leads", hint="name every lead once")
    waves = delineate(signal, fs) if waves is None else waves
    k = 1000 / fs
    onset, _, end = waves.qrs.over_leads.T
    rr = _mean_interval(signal, fs, waves)
    qt = _median((waves.t.over_leads[:, 2] - onset) * k)
    has_p = np.isfinite(waves.p.over_leads[:, 0])
    level = _levels(signal, fs, waves)
    return Measurements(
        n_beats=len(waves),
        rate=60 / rr,
        pr=_median((onset - waves.p.over_leads[:, 0]) * k),
        qrs=_median((end - onset) * k),
        qt=qt,
        qtc_bazett=qt / float(np.sqrt(rr)),
        qtc_fridericia=qt / float(np.cbrt(rr)),
        axis=_axis(signal, fs, leads, waves, level),
        p_share=float(has_p.mean()) if len(waves) else float("nan"),
        leads=tuple(leads),
        voltages=_voltages(signal, fs, waves, level),
        unit=unit,
    )


def _mean_interval(signal: Signal, fs: float, waves: Delineation) -> float:
    """Return the mean RR in seconds of intervals that lie in no gap; NaN where there is none."""
    rr = np.diff(waves.r_peaks) / fs
    gone = np.concatenate([[0], np.cumsum(np.isnan(signal).all(axis=0))])
    missing = gone[np.ceil(waves.r_peaks[1:]).astype(np.int64)] > gone[waves.r_peaks[:-1].astype(np.int64)]
    known = rr[~missing & (rr <= _LONGEST_RR)]
    return float(known.mean()) if len(known) else float("nan")


def _levels(signal: Signal, fs: float, waves: Delineation) -> Floats:
    """Return the mean just before each complex, (beats, leads)."""
    before, after = (round(seconds * fs) for seconds in _BASELINE)
    onset = waves.qrs.onset
    steps = np.arange(-max(before, after + 1), -after)
    return np.asarray(_samples(signal, onset[..., np.newaxis] + steps).mean(axis=-1))


def _samples(signal: Signal, index: Floats) -> Floats:
    """Return samples of each lead at index (beats, leads, n), NaN where that is NaN or outside."""
    known = (index >= 0) & (index <= signal.shape[1] - 1)
    where = np.rint(np.where(known, index, 0)).astype(np.int64)
    lead = np.arange(len(signal))[np.newaxis, :, np.newaxis]
    return np.where(known, signal[lead, where].astype(np.float64), np.nan)


def _voltages(signal: Signal, fs: float, waves: Delineation, level: Floats) -> Floats:
    """Return the median P, Q, R, S, T and ST of each lead, (leads, 6)."""
    if not len(waves):
        return np.full((len(signal), len(VOLTAGES)), np.nan)
    single = [
        _samples(signal, index[..., np.newaxis])[..., 0] - level
        for index in (waves.p.peak, waves.t.peak, waves.qrs.end + _ST * fs)
    ]
    q, r, s = _complex_voltages(signal, waves, level)
    parts = (single[0], q, r, s, single[1], single[2])
    return np.stack([[_median(lead) for lead in part.T] for part in parts], axis=1)


def _complex_voltages(signal: Signal, waves: Delineation, level: Floats) -> tuple[Floats, Floats, Floats]:
    """Return Q, R and S of each beat and lead, (beats, leads) each."""
    window, inside = _complexes(signal, waves, level)
    known = np.isfinite(level) & inside.any(axis=-1)
    upward = np.where(inside, window, -np.inf)
    top = upward.argmax(axis=-1)[..., np.newaxis]
    j = np.arange(window.shape[-1])
    r = np.maximum(upward.max(axis=-1), 0.0)
    downward = np.where(inside, window, np.inf)
    has_r = (r > _LEAST_R * -downward.min(axis=-1))[..., np.newaxis]
    q = np.minimum(np.where((j < top) & has_r, downward, 0.0).min(axis=-1), 0.0)
    s = np.minimum(np.where((j > top) | ~has_r, downward, np.inf).min(axis=-1), 0.0)
    return tuple(np.where(known, part, np.nan) for part in (q, r, s))  # type: ignore[return-value]


def _complexes(signal: Signal, waves: Delineation, level: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return each complex above its level, and which samples lie within it, (beats, leads, window) each."""
    first = np.nan_to_num(np.floor(waves.qrs.over_leads[:, 0])).astype(np.int64)
    longest = np.nanmax(waves.qrs.end - waves.qrs.onset, initial=0)
    margin = round(0.06 * waves.fs)
    window = cut_windows(np.asarray(signal, np.float64), first, margin, int(longest) + 2 * margin)
    j = (first - margin)[:, np.newaxis, np.newaxis] + np.arange(window.shape[-1])
    inside = (j >= waves.qrs.onset[..., np.newaxis]) & (j <= waves.qrs.end[..., np.newaxis])
    return window - level[..., np.newaxis], inside & np.isfinite(window)


def _axis(signal: Signal, fs: float, leads: Sequence[str], waves: Delineation, level: Floats) -> float:
    """Return the axis of QRS in degrees; NaN without two limb leads or without complexes in them."""
    if not len(waves):
        return float("nan")
    window, inside = _complexes(signal, waves, level)
    areas = np.where(inside, window, 0.0).sum(axis=-1) / fs
    areas[~np.isfinite(level)] = np.nan
    area = {name: _median(areas[:, row]) for row, name in enumerate(leads)}
    one, foot = _frontal(area)
    largest = np.nanmax(np.abs(np.where(inside, window, 0.0)), initial=0.0)
    if not np.hypot(one, foot) > _LEAST_COMPLEX * largest / fs:
        return float("nan")
    return float(np.degrees(np.arctan2(foot, one)))


def _frontal(lead: dict[str, float]) -> tuple[float, float]:
    """Return the heart's vector towards I and towards the feet, out of any two limb leads; NaN without two."""
    one, two, three, foot = (lead.get(name, float("nan")) for name in ("I", "II", "III", "aVF"))
    if np.isfinite(one):
        options = (foot, two - one / 2, three + one / 2)
        foot = next((value for value in options if np.isfinite(value)), float("nan"))
    elif np.isfinite(two):
        one = two - three if np.isfinite(three) else 2 * (two - foot)
        foot = two - one / 2
    elif np.isfinite(three):
        one = 2 * (foot - three)
    return one, foot * 2 / np.sqrt(3)


def _median(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
