"""Text that came out of files, made safe for a terminal."""

from __future__ import annotations

import unicodedata


def escape_controls(text: str, *, keep: str = "\n\t") -> str:
    """Return a text in which control characters are escaped, except those in `keep`."""
    if text.isprintable() or all(c in keep or c.isprintable() for c in text):
        return text
    return "".join(
        c.encode("unicode_escape").decode()
        if c not in keep and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        else c
        for c in text
    )
