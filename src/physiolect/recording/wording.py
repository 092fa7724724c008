"""Lengths and units of a recording as text."""

from __future__ import annotations

from collections.abc import Sequence

_LISTED = 12
"""How many names are listed: the leads of an ECG."""


def seconds_text(value: float) -> str:
    """Return a length or a position in time as text, to five digits: "2.5 s", "86,400 s"."""
    return f"{value:,.0f} s" if abs(value) >= 10_000 else f"{value:.5g} s"


def names_text(names: Sequence[str], most: int = _LISTED) -> str:
    """Return names as a list that stays readable: "AF7, AF3, F1 … and 42 more"."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" … and {more} more" if more > 0 else "")


def unit_text(unit: str | tuple[str | None, ...] | None) -> str:
    """Return the unit of all channels, or one each, as text."""
    if isinstance(unit, tuple) and len(unit) > _LISTED:
        return "units " + ", ".join(f"{each or '?'} x {unit.count(each)}" for each in dict.fromkeys(unit))
    if isinstance(unit, tuple):
        return "units " + ", ".join(u or "?" for u in unit)
    return unit or "unit unknown"
