"""One table of the results for several recordings."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from physiolect.detection import BeatResult, HeartbeatResult, HolterResult, PulseResult, RhythmResult
from physiolect.files import replacing
from physiolect.generation import Continuation

_FIRST = ("input", "results", "error")
"""The first columns; `formats.outputs` recognises the table by them."""


@dataclass(frozen=True)
class InputRow:
    """A line of the table."""

    input: str
    """The recording, as the user named it."""
    results: Path | None = None
    """The folder of its results; None where they were not written."""
    error: str = ""
    """Why there is no result; "" where there is one."""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    """Column -> what was found."""


def input_numbers(
    result: RhythmResult | BeatResult | HeartbeatResult | HolterResult | PulseResult | Continuation,
) -> dict[str, Any]:
    """Return what the table has of one recording."""
    facts = result.to_dict()
    about = {
        "channel": facts["channel"],
        "start_s": facts["read"]["start"],
        "stop_s": facts["read"]["stop"],
        "interrupted": facts["interrupted"],
    }
    if isinstance(result, RhythmResult):
        return (
            about
            | {
                name: facts["windows"][key]
                for name, key in (
                    ("windows", "count"),
                    ("judged", "judged"),
                    ("rhythm", "rhythm"),
                    ("positive", "positive"),
                    ("positive_share", "positive_share"),
                )
            }
            | {"median_probability": facts["windows"]["median_probability"]}
        )
    if isinstance(result, BeatResult):
        unjudged = sum(each["stop"] - each["start"] for each in facts["unjudged"])
        rates = {name: facts["intervals"][name] for name in ("rate_bpm", "sd_s", "rmssd_s")}
        return (
            about
            | {"beats": facts["beats"], "confidence": facts["confidence"]["category"], **rates}
            | {"not_judged_s": unjudged}
        )
    if isinstance(result, HeartbeatResult):
        return about | {"beats": facts["beats"], "judged": facts["judged"], **facts["classes"]}
    if isinstance(result, PulseResult):
        return about | {"pulses": facts["pulses"], "rate_bpm": facts["intervals"]["rate_bpm"]}
    if isinstance(result, HolterResult):
        rates = {name: facts[name] for name in ("rate_bpm", "lowest_bpm", "highest_bpm")}
        return (
            about
            | {"beats": facts["beats"], **facts["classes"], **rates}
            | {"rhythm": facts["rhythm"]["name"], "rhythm_share": facts["rhythm"]["share"]}
            | {"pauses": len(facts["pauses"]), "not_judged_s": facts["not_judged_s"]}
        )
    ahead = facts["continuation"]
    return about | {
        "unit": facts["unit"], "continued_at_s": facts["context"]["stop"], "seconds": ahead["seconds"],
        "samples": ahead["samples"], "recorded_tokens": ahead["recorded_tokens"],
        "approximate": facts["approximate"], "tokens_per_second": facts["tokens_per_second"],
    }  # fmt: skip


def write_inputs(rows: Iterable[InputRow], path: str | os.PathLike[str]) -> Path:
    """Write the table as CSV, one line a recording; an empty cell is a number that is not known.

    Raises:
        WriteError: it cannot be written.
    """
    rows, path = list(rows), Path(path)
    names = list(dict.fromkeys(name for row in rows for name in row.numbers))
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*_FIRST, *names])
        for row in rows:
            numbers = [row.numbers.get(name) for name in names]
            writer.writerow([row.input, row.results or "", row.error, *map(_cell, numbers)])
    return path


def _cell(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else value
