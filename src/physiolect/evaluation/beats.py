"""How well beats are found: matched one to one within a tolerance, per record and over all of them.

What is counted follows ANSI/AAMI EC57: a detected beat is right if it lies within 150 ms of a reference beat that no
other detected beat is matched to. Near the ends of what is judged a beat's partner may lie outside, so that a beat
within the tolerance of an end which has no partner counts neither as missed nor as false; matched ones count. The
standard lets a detector learn for the first five minutes; `skip` leaves them out, and is 0 unless asked for, since our
recordings are mostly shorter. Pooled figures are the standard's "gross" ones: counts are added up over records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.errors import PhysiolectError
from physiolect.evaluation.bootstrap import Bootstrap, Estimate

TOLERANCE = 0.15
"""Seconds. Source: ANSI/AAMI EC57."""
LEARNING = 300.0
"""Seconds that EC57 lets a detector learn in."""


@dataclass(frozen=True, eq=False)
class BeatMatch:
    """How the beats of one record were found."""

    right: int
    """Detected beats with a reference beat of their own."""
    missed: int
    """Reference beats without a detected one."""
    false: int
    """Detected beats without a reference one."""
    at_ends: int
    """Beats of either kind that count as nothing, being without a partner within the tolerance of an end."""
    errors: NDArray[np.float64]
    """(right,) detected minus reference, in seconds."""

    @property
    def sensitivity(self) -> float:
        """Share of the reference beats that were found."""
        return _ratio(self.right, self.right + self.missed)

    @property
    def ppv(self) -> float:
        """Share of the detected beats that are right."""
        return _ratio(self.right, self.right + self.false)

    @property
    def f1(self) -> float:
        """Harmonic mean of the two."""
        return _ratio(2 * self.right, 2 * self.right + self.missed + self.false)

    def to_dict(self) -> dict[str, Any]:
        """Return counts, rates and timing error, ready for JSON."""
        rates = {name: getattr(self, name) for name in ("sensitivity", "ppv", "f1")}
        ms = 1000 * self.errors
        known = len(ms) > 0
        return {
            "right": self.right, "missed": self.missed, "false": self.false, "at_ends": self.at_ends,
            **{name: None if np.isnan(value) else value for name, value in rates.items()},
            "timing_mean_ms": float(ms.mean()) if known else None,
            "timing_sd_ms": float(ms.std()) if known else None,
            "timing_median_abs_ms": float(np.median(np.abs(ms))) if known else None,
        }  # fmt: skip


def match_beats(
    reference: ArrayLike,
    detected: ArrayLike,
    *,
    duration: float,
    tolerance: float = TOLERANCE,
    skip: float = 0.0,
) -> BeatMatch:
    """Match detected to reference beats, the nearest pairs first, each beat at most once.

    Args:
        reference: moments of the reference beats in seconds, (m,).
        detected: moments of the detected beats in seconds, (k,).
        duration: end of what is judged, in seconds.
        tolerance: greatest distance of a pair, in seconds, itself included.
        skip: seconds at the beginning that are not judged; `LEARNING` is what EC57 allows.

    Raises:
        PhysiolectError: moments are not finite, or nothing is left to judge.
    """
    true, found = (np.sort(np.asarray(each, np.float64).ravel()) for each in (reference, detected))
    if not (np.isfinite(true).all() and np.isfinite(found).all()):
        raise PhysiolectError("moments of beats must be finite", hint="leave out what is not known")
    if not skip < duration:
        raise PhysiolectError(
            f"{skip:g} s are left out of a record of {duration:g} s, and nothing is left",
            hint="skip less, or take longer records",
        )
    true, found = (each[(each >= skip) & (each <= duration)] for each in (true, found))
    of_true, of_detected = _pairs(true, found, tolerance)
    lost = np.delete(true, of_true)
    extra = np.delete(found, of_detected)
    inside = [(each >= skip + tolerance) & (each <= duration - tolerance) for each in (lost, extra)]
    missed, false = (int(each.sum()) for each in inside)
    return BeatMatch(
        right=len(of_true),
        missed=missed,
        false=false,
        at_ends=len(lost) + len(extra) - missed - false,
        errors=found[of_detected] - true[of_true],
    )


def measure_beats(matches: Sequence[BeatMatch], draws: Bootstrap) -> dict[str, Estimate]:
    """Measure all records together, with intervals by group.

    Args:
        matches: one a record.
        draws: of the records' groups.

    Returns:
        "sensitivity", "ppv", "f1" of added counts (EC57's gross figures); "mean sensitivity", "mean ppv" and "mean f1"
        over records (its averages), of those where they exist; "timing_mean_ms", "timing_sd_ms" and
        "timing_median_abs_ms", the last of beats all together.

    Raises:
        PhysiolectError: there are not as many matches as groups.
    """
    if len(matches) != len(draws.row_group):
        raise PhysiolectError(
            f"{len(matches)} records but {len(draws.row_group)} groups", hint="name the group of each record"
        )
    ms = [1000 * each.errors for each in matches]
    columns = [
        [each.right, each.missed, each.false, e.sum(), (e**2).sum()]
        for each, e in zip(matches, ms, strict=True)
    ]
    right, missed, false, error, square = draws.sums(columns).T
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = error / right
        values = {
            "sensitivity": right / (right + missed),
            "ppv": right / (right + false),
            "f1": 2 * right / (2 * right + missed + false),
        }
        for name in ("sensitivity", "ppv", "f1"):
            each = np.array([getattr(match, name) for match in matches])
            known = np.isfinite(each)
            total, count = draws.sums(np.stack([np.where(known, each, 0), known], axis=1)).T
            values[f"mean {name}"] = total / count
        values["timing_mean_ms"] = mean
        values["timing_sd_ms"] = np.sqrt(np.maximum(square / right - mean**2, 0))
    values["timing_median_abs_ms"] = _medians(ms, draws)
    return {name: draws.estimate(value) for name, value in values.items()}


def _pairs(
    true: NDArray[np.float64], found: NDArray[np.float64], tolerance: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of matched reference and detected beats, in order."""
    reach = tolerance + 1e-9  # 0.15 s is within the tolerance, whatever floats make of it
    first, last = np.searchsorted(found, true - reach), np.searchsorted(found, true + reach, side="right")
    near = last - first
    i = np.repeat(np.arange(len(true)), near)
    j = np.arange(near.sum()) - np.repeat(np.cumsum(near) - near, near) + np.repeat(first, near)
    order = np.argsort(np.abs(true[i] - found[j]), kind="stable")
    free_true, free_detected = np.ones(len(true), bool), np.ones(len(found), bool)
    pairs = []
    for a, b in zip(i[order].tolist(), j[order].tolist(), strict=True):
        if free_true[a] and free_detected[b]:
            free_true[a] = free_detected[b] = False
            pairs.append((a, b))
    numbers = np.array(sorted(pairs), np.int64).reshape(-1, 2)
    return numbers[:, 0], numbers[:, 1]


def _medians(ms: Sequence[NDArray[np.float64]], draws: Bootstrap) -> NDArray[np.float64]:
    """Return the median absolute error of all beats, in all and in each resample."""
    errors = np.abs(np.concatenate(ms)) if ms else np.empty(0)
    if not len(errors):
        return np.full(1 + len(draws.times), np.nan)
    group = np.repeat(draws.row_group, [len(each) for each in ms])
    # ms: a resample's median is rounded to it, so that memory does not grow with the number of beats
    step = 0.1
    bins = np.rint(errors / step).astype(np.int64)
    held = np.zeros((draws.n_groups, bins.max() + 1))
    np.add.at(held, (group, bins), 1)
    drawn = (draws.times @ held).cumsum(1)  # (resamples, bins)
    middle = (drawn >= drawn[:, -1:] / 2).argmax(1) * step
    return np.append(np.median(errors), np.where(drawn[:, -1] > 0, middle, np.nan))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
