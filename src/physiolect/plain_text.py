"""Text that came out of files, made safe for a terminal."""

from __future__ import annotations

import unicodedata

_KEPT = "\n\t"


def escape_controls(text: str) -> str:
    """Return a text in which control characters other than line breaks and tabs are written out."""
    if all(c in _KEPT or c.isprintable() for c in text):
        return text
    return "".join(
        c.encode("unicode_escape").decode()
        if c not in _KEPT and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        else c
        for c in text
    )
