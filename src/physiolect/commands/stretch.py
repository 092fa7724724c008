"""The stretch of a recording that a verb looks at, as --start and --stop give it."""

from __future__ import annotations

from math import inf, isinf


def stretch_problems(source: str, start: float | None, stop: float | None) -> list[str]:
    """List what is wrong with a stretch in seconds; None means the recording's beginning, or its end."""
    if isinf(start or 0.0) or isinf(stop or 0.0):
        return [f"the stretch does not lie in {source}: --start and --stop are seconds, not inf"]
    if 0 <= (start or 0.0) < (inf if stop is None else stop):
        return []
    end = "the end" if stop is None else format(stop, "g")
    return [
        f"--start {start or 0:g} and --stop {end} enclose nothing: they count seconds from 0, and start comes first"
    ]
