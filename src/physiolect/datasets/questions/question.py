"""A question about one or more recordings, with its answer, and how both are checked when they come out of a file."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from physiolect.datasets.public.dataset import inside
from physiolect.errors import FormatError

MOST_CHARACTERS = 20_000
"""Of a question, or of one item of an answer."""
_MOST_NAME = 500
_MOST_ITEMS = {"recordings": 16, "answer": 200, "choices": 1000, "patient": 16}
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What no text needs: control characters but tab and line feed, changes of direction, halves of characters."""
_JSON_NAMES = {bool: "true or false", int: "a number", float: "a number", str: "a text", dict: "a mapping"}

YES, NO, NONE = "yes", "no", "none"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A recording, or a part of it."""

    recording: str
    """A path below the folder of recordings, with or without extension, or a store's name of it (`Row.source`)."""
    start: float = 0.0
    """Seconds into the recording."""
    stop: float | None = None
    """Seconds into the recording; None means to its end."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question about recordings, and its answer."""

    recordings: tuple[Stretch, ...]
    question: str
    answer: tuple[str, ...]
    """One text, or the items of a list, in no order. ("none",) is the empty list."""
    type: str = ""
    """Which recordings and which answer, in ECG-QA's words: "single-verify", "comparison_consecutive-query";
    "single-number" where the answer is a number, "report" where it is free text."""
    template: str = ""
    """What the question is an instance of: results are reported by template."""
    about: str = ""
    """What fills the template: "atrial fibrillation", "lead V1"."""
    choices: tuple[str, ...] = ()
    """Every item that a valid answer may have; empty where any text may be an answer."""
    patient: tuple[str, ...] = ()
    """Patients of the recordings; several where a question compares them, none where they are unknown."""
    source: str = ""
    """Where the question comes from: "ecg-qa", "ludb's marks"."""
    dataset: str = ""
    """Public dataset of the recordings, as `physiolect prepare --dataset` calls it; empty where unknown."""
    split: str = ""
    """Part of a published split: "train", "fold 9"."""
    conversation: str = ""
    """Turns of one conversation share this name, and follow one another in a file."""

    @property
    def answer_text(self) -> str:
        """The answer as one text: its items, separated by commas."""
        return ", ".join(self.answer)

    @property
    def groups(self) -> tuple[str, ...]:
        """What must stay on one side of a split: the patients, or the recordings where a patient is unknown."""
        names = self.patient or tuple(each.recording for each in self.recordings)
        prefix = f"{self.dataset}/" if self.dataset else ""
        return tuple(dict.fromkeys(prefix + name.removeprefix(prefix) for name in names))

    def to_dict(self) -> dict[str, Any]:
        """Return the row of a file: empty fields are left out, a list of one is its item."""
        row: dict[str, Any] = {
            "recordings": [_plain_stretch(each) for each in self.recordings],
            "question": self.question,
            "answer": list(self.answer) if len(self.answer) != 1 else self.answer[0],
            "type": self.type,
            "template": self.template,
            "about": self.about,
            "choices": list(self.choices),
            "patient": list(self.patient) if len(self.patient) != 1 else self.patient[0],
            "source": self.source,
            "dataset": self.dataset,
            "split": self.split,
            "conversation": self.conversation,
        }
        return {name: value for name, value in row.items() if value not in ("", [])}


def question_of(row: object, where: str) -> Question:
    """Return the question in a row of a file.

    Args:
        row: what JSON or Parquet holds.
        where: of the row, for messages: "line 3 of qa.jsonl".

    Raises:
        FormatError: a field is missing, unknown, of a wrong type, too long, or holds control characters; a recording
            lies outside the folder.
    """
    if not isinstance(row, Mapping):
        raise refusal(
            where, f"is {_kind(row)}, but must be a mapping", "a row is {recordings, question, answer, …}"
        )
    row = {name: value for name, value in row.items() if value is not None}
    known = set(Question.__slots__)
    if unknown := [name for name in row if name not in known]:
        raise refusal(
            where,
            f"has the unknown field {str(unknown[0])[:80]!r}",
            f"the fields are {', '.join(Question.__slots__)}",
        )
    for name in ("recordings", "question", "answer"):
        if not row.get(name):
            raise refusal(where, f"has no {name}", "each row needs recordings, a question and an answer")
    texts = {
        name: checked_text(row[name], name, where, most=MOST_CHARACTERS if name == "question" else _MOST_NAME)
        for name in known - _MOST_ITEMS.keys() & row.keys()
    }
    lists = {name: _texts(row[name], name, where) for name in ("answer", "choices", "patient") if name in row}
    held = row["recordings"] if isinstance(row["recordings"], list | tuple) else [row["recordings"]]
    if len(held) > _MOST_ITEMS["recordings"]:
        raise refusal(where, f"has {len(held)} recordings, and {_MOST_ITEMS['recordings']} are the most")
    return Question(**texts, **lists, recordings=tuple(_stretch(each, where) for each in held))  # type: ignore[arg-type]


def refusal(where: str, problem: str, hint: str = "mend or remove that row") -> FormatError:
    """Return the error that refuses a row."""
    return FormatError(f"{where} {problem}", hint=hint)


def checked_text(value: object, name: str, where: str, *, most: int = MOST_CHARACTERS) -> str:
    """Return a text of a row.

    Raises:
        FormatError: it is none, too long, or holds control characters.
    """
    if not isinstance(value, str):
        raise refusal(where, f"has {_kind(value)} as {name}, but it must be a text")
    if len(value) > most:
        raise refusal(where, f"has {len(value):,} characters as {name}, and {most:,} are the most")
    if found := _CONTROLS.search(value):
        raise refusal(where, f"has the control character {found[0]!r} in {name}")
    return value


def cleaned(text: str) -> str:
    """Return a text of somebody else's file, with its control characters replaced by spaces."""
    return _CONTROLS.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def _texts(value: object, name: str, where: str) -> tuple[str, ...]:
    items = value if isinstance(value, list | tuple) else [value]
    if len(items) > _MOST_ITEMS[name]:
        raise refusal(where, f"has {len(items):,} items as {name}, and {_MOST_ITEMS[name]:,} are the most")
    texts = tuple(checked_text(each, name, where) for each in items)
    if name == "answer" and not any(text.strip() for text in texts):
        raise refusal(where, "has an empty answer", 'write "none" where the answer is an empty list')
    return texts


def _stretch(value: object, where: str) -> Stretch:
    if isinstance(value, str):
        return Stretch(_inside(value, where))
    if not isinstance(value, Mapping) or not set(value) <= set(Stretch.__slots__) or "recording" not in value:
        raise refusal(
            where,
            f"has {_kind(value)} as a recording, but it must be a path or {{recording, start, stop}}",
        )
    times = [_seconds(value.get(name), name, where) for name in ("start", "stop")]
    start, stop = times[0] or 0.0, times[1]
    if stop is not None and stop <= start:
        raise refusal(where, f"has a stretch from {start:g} to {stop:g} s, which encloses nothing")
    return Stretch(_inside(checked_text(value["recording"], "recording", where), where), start, stop)


def _inside(name: str, where: str) -> str:
    checked_text(name, "recordings", where, most=_MOST_NAME)
    try:
        return inside(name)
    except FormatError as error:
        raise refusal(
            where, f"names the recording {name[:200]!r}, which does not lie in the folder of recordings"
        ) from error


def _seconds(value: object, name: str, where: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refusal(where, f"has {_kind(value)} as {name}, but it must be a number of seconds")
    if not 0 <= value < 1e9 or not math.isfinite(value):
        raise refusal(where, f"has {name} {value!r:.40}, but it must be a number of seconds, 0 or more")
    return float(value)


def _plain_stretch(stretch: Stretch) -> str | dict[str, Any]:
    if not stretch.start and stretch.stop is None:
        return stretch.recording
    whole = {"recording": stretch.recording, "start": stretch.start, "stop": stretch.stop}
    return {name: value for name, value in whole.items() if value is not None}


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    return _JSON_NAMES.get(type(value), "a list" if isinstance(value, list | tuple) else type(value).__name__)
