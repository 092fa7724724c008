"""The library wfdb, imported quietly, and its annotation codes."""

from __future__ import annotations

import warnings
from types import ModuleType


def library() -> ModuleType:
    """Import wfdb without the warnings it draws from pandas."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import wfdb
    return wfdb


def codes() -> dict[int, str]:
    """Return the symbol of each annotation code."""
    table = library().io.annotation.ann_label_table
    return {int(n): str(s) for n, s in zip(table["label_store"], table["symbol"], strict=True) if s.strip()}
