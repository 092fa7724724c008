"""Personal data: what a reader leaves out of texts, and the keyed hash that may stand for a patient's id."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable

from physiolect.recording import Annotations

NOTE = '"'
"""WFDB's symbol of a mark that is a text alone: a machine's statement or measurement."""

_ABOUT_PERSONS = re.compile(
    r"\b(confirmed|reviewed|signed|referred|ordered|overread|read|edited|verified|interpreted|dictated)\b.*\bby\b"
    r"|\b(dr|md|m\.d|prof|mrs?|ms|physician|technician|operator|patient (name|id)|name|dob|mrn|ssn)\b[.:]",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\b\d{1,4}[-/.]\d{1,2}[-/.]\d{2,4}\b"
    r"|\b\d{1,2}[- ]?(JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)[A-Z]*[- ,]*\d{2,4}\b"
    r"|\b(19|20)\d{6}\b",
    re.IGNORECASE,
)
_MOST_NOTES = 500
_LONGEST_NOTE = 300


def patient_hash(identity: str, key: str) -> str:
    """Return a pseudonym of a patient's id: the same for the same id and key, and useless without the key.

    Args:
        identity: The id as the file states it; "" gives "".
        key: The secret of whoever makes the data set.
    """
    plain = identity.strip()
    if not plain:
        return ""
    return hmac.new(key.encode(), plain.encode(), hashlib.sha256).hexdigest()[:16]


def clean_texts(texts: Iterable[str], personal: Iterable[str] = ()) -> list[str]:
    """Return texts without dates, and without those that speak of a person.

    Args:
        texts: Statements and comments of a file.
        personal: What the file states of the patient (names, ids): a text that holds one is left out.
    """
    words = [word.strip().lower() for word in personal]
    words = [word for word in words if len(word) > 2]
    kept = []
    for text in texts:
        plain = " ".join("".join(c if c.isprintable() else " " for c in text[:4096]).split())
        if not plain or _ABOUT_PERSONS.search(plain) or any(word in plain.lower() for word in words):
            continue
        kept.append(_DATE.sub("(date)", plain)[:_LONGEST_NOTE])
        if len(kept) == _MOST_NOTES:
            break
    return kept


def with_notes(marks: Annotations, notes: Iterable[str]) -> Annotations:
    """Return marks preceded by notes, which stand at the first sample."""
    texts = tuple(notes)
    return Annotations(
        [*(0 for _ in texts), *marks.sample.tolist()],  # type: ignore[arg-type]
        (*(NOTE for _ in texts), *marks.symbol),
        (*texts, *marks.note),
    )
