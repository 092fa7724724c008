"""What was detected in a recording, as numbers for JSON and in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from physiolect.detection import BeatResult, RhythmResult
from physiolect.tasks import TASKS, Scope

_LISTED = 10
"""More episodes than these are left to the JSON."""


def detection_summary(found: RhythmResult | BeatResult, first: float = 0.0) -> dict[str, Any]:
    """Return counts, shares and stretches, ready for JSON.

    Args:
        found: the result.
        first: where what was judged begins in the recording, in seconds; moments count from the recording's start.
    """
    return _rhythm(found, first) if isinstance(found, RhythmResult) else _beats(found, first)


def detection_words(summary: dict[str, Any]) -> str:
    """Return a summary in words, line under line.

    Args:
        summary: of `detection_summary`, with the keys "task", "input", "channel" and "read" (start and stop) beside it.
    """
    read = summary["read"]
    head = f"{summary['task']} of {summary['input']}, {summary['channel']}, {read['start']:g} to {read['stop']:g} s"
    lines = _LINES[TASKS[summary["task"]].scope](summary)
    return "\n".join([head, *(f"  {name:12}{text}" for name, text in lines)])


def _rhythm_lines(summary: dict[str, Any]) -> Iterator[tuple[str, str]]:
    windows, episodes = summary["windows"], summary["episodes"]
    count, judged = windows["count"], windows["judged"]
    reasons = ", ".join(sorted({each["reason"] for each in episodes if each["reason"]}))
    left = f"; {count - judged:,} not judged ({reasons})" if judged < count else ""
    yield "windows", f"{count:,} of {windows['seconds']:g} s, {windows['stride']:g} s apart{left}"
    if not judged:
        yield "AF", "not known: no window could be judged"
    elif count == 1:
        yield "AF", f"probability {windows['median_probability']:.3f}"
    else:
        yield "AF", f"{windows['af']:,} of {judged:,} windows ({windows['af_share']:.1%}) at 0.5 or above"
    found = [each for each in episodes if each["rhythm"] == "AFIB"] if count > 1 else []
    found.sort(key=lambda each: each["start"] - each["stop"])
    for number, each in enumerate(found[:_LISTED]):
        length = f"{each['stop'] - each['start']:g} s"
        yield "" if number else "longest", f"{each['start']:.2f} to {each['stop']:.2f} s, {length}"
    if len(found) > _LISTED:
        yield "", f"and {len(found) - _LISTED} more"


def _beat_lines(summary: dict[str, Any]) -> Iterator[tuple[str, str]]:
    sure, intervals = summary["confidence"], summary["intervals"]
    if summary["found"]:
        counts = ", ".join(f"{sure[name]:,} {name}" for name in ("high", "medium", "low"))
        yield "beats", f"{summary['beats']:,}: {counts}"
        yield "confidence", f"{sure['category']} (median {sure['median']:.2f})"
    else:
        yield "beats", "none found"
    if intervals["count"]:
        spread = (("SD", intervals["sd_s"]), ("RMSSD", intervals["rmssd_s"]))
        yield "rate", f"{intervals['rate_bpm']:.1f} beats a minute"
        yield (
            "intervals",
            f"{intervals['count']:,}: mean {intervals['mean_s']:.3f} s"
            + "".join(f", {name} {value:.3f} s" for name, value in spread if value is not None),
        )
    if summary["unjudged"]:
        total, n = sum(each["stop"] - each["start"] for each in summary["unjudged"]), len(summary["unjudged"])
        reasons = ", ".join(sorted({each["reason"] for each in summary["unjudged"]}))
        yield "not judged", f"{total:.2f} s in {n:,} stretch{'es' * (n > 1)} ({reasons})"


_LINES: dict[Scope, Callable[[dict[str, Any]], Iterator[tuple[str, str]]]] = {
    "window": _rhythm_lines,
    "position": _beat_lines,
}


def _rhythm(found: RhythmResult, first: float) -> dict[str, Any]:
    judged, af = int(found.judged.sum()), int(found.is_af.sum())
    return {
        "windows": {
            "count": len(found.time), "judged": judged, "seconds": found.window, "stride": found.stride,
            "af": af, "af_share": af / judged if judged else None,
            "median_probability": float(np.nanmedian(found.probability)) if judged else None,
        },
        "episodes": [
            {**asdict(each), "start": each.start + first, "stop": each.stop + first} for each in found.episodes()
        ],
    }  # fmt: skip


def _beats(found: BeatResult, first: float) -> dict[str, Any]:
    return {
        "found": found.found,
        "beats": len(found.samples),
        "confidence": {
            "category": found.category,
            "median": float(np.median(found.confidence)) if found.found else None,
            **{name: found.categories.count(name) for name in ("high", "medium", "low")},
        },
        "intervals": found.intervals.to_dict(),
        "unjudged": [
            {"start": each.start + first, "stop": each.stop + first, "reason": each.reason}
            for each in found.unjudged
        ],
    }
