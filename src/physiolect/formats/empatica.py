"""What lies beside the signals of an Empatica E4 session: when its wearer pressed the button."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from physiolect.errors import FormatError
from physiolect.formats.boundary import parsing
from physiolect.formats.text_cells import is_number

SIGNALS = ("bvp", "acc", "eda", "temp", "hr")
"""Files of a session that hold a signal, by their names in small letters."""
BUTTON = "button"
"""Symbol of a mark where the button was pressed."""
_TAGS = "tags.csv"
_MOST_BYTES = 1 << 20


def tag_times(path: Path, start: object) -> tuple[float, ...]:
    """Return when the button was pressed, in seconds after a recording of the session began, in order.

    Args:
        path: File of a signal; the tags lie beside it.
        start: When it begins, with its zone.
    """
    beside = path.with_name(_TAGS)
    if path.stem.lower() not in SIGNALS or not isinstance(start, datetime) or start.tzinfo is None:
        return ()
    try:
        with parsing(beside, "tags"):
            if not beside.is_file() or beside.stat().st_size > _MOST_BYTES:
                return ()
            lines = beside.read_text("ascii", "replace").split()
    except FormatError:
        return ()  # the signal does not depend on it
    return tuple(sorted(float(line) - start.timestamp() for line in lines if is_number(line)))
