"""Conversations about ECGs in the layout of LLaVA's instruction sets: several turns about pictures or signals.

A row is {id, image or ecg, conversations or conversation: turns}, a turn {from, value} or {role, content}. One file of
the kind was at hand (PULSE's test of reports); the other spellings are known from descriptions and from code that
reads them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from physiolect.datasets.public.dataset import Entry
from physiolect.datasets.questions.question import (
    MOST_CHARACTERS,
    Question,
    Stretch,
    cleaned,
    refusal,
)
from physiolect.datasets.questions.readers.corpora import Corpus
from physiolect.datasets.questions.strict_json import first_row, json_rows, parse
from physiolect.errors import FormatError

_ROLES = {"human": "question", "user": "question", "gpt": "answer", "assistant": "answer", "model": "answer"}
_PLACEHOLDER = re.compile(r"<\|?(?:image|ecg|signal|video)s?(?:[_ -]?\d+)?\|?>\s*", re.IGNORECASE)
_RECORDINGS = ("ecg", "ecgs", "signal", "image", "images")
"""Fields that name recordings; the first that is there counts."""
_TURNS = ("conversations", "conversation")
_MOST_TURNS = 200


def is_llava(path: Path) -> bool:
    """Return whether a JSON file's first row is a conversation."""
    if path.suffix.lower() not in (".json", ".jsonl", ".ndjson") or not path.is_file():
        return False
    row = first_row(path)
    return isinstance(row, dict) and any(name in row for name in _TURNS)


def read_llava(path: Path | str, corpus: Corpus, skipped: Counter[str]) -> Iterator[Question]:
    """Iterate over the questions of a file of conversations, a question a turn.

    Placeholders such as `<image>` and `<ecg>` are removed. The field `ecg` (or `image`) names the recording: by its
    path below the folder or, in PTB-XL and MIMIC-IV-ECG, by the number in the path or in the picture's name.

    Args:
        path: a JSON list or JSON lines.
        corpus: the recordings.
        skipped: counts, by reason, what was left out.

    Raises:
        FormatError: a row is broken; the message names it.
    """
    path = Path(path)
    for number, (where, row) in enumerate(json_rows(path), 1):
        turns = _turns(row, where)
        entries = _entries(row, where, corpus)
        if not entries or not all(entries):
            skipped[
                "conversations without their recording" if entries else "conversations that name no recording"
            ] += 1
            continue
        found = [entry for entry in entries if entry is not None]
        pairs = _pairs(turns, where, skipped)
        name = str(row.get("id", number))[:100]
        for question, answer in pairs:
            yield Question(
                recordings=tuple(Stretch(entry.name) for entry in found),
                question=question,
                answer=(answer,),
                type="conversation" if len(pairs) > 1 else "text",
                template=path.stem,
                patient=tuple(dict.fromkeys(entry.patient for entry in found if entry.patient)),
                source=path.name,
                dataset=corpus.dataset,
                conversation=cleaned(f"{number} {name}") if len(pairs) > 1 else "",
            )


def _turns(row: Any, where: str) -> list[tuple[str, str]]:
    """Return the turns of a row: which side, and its text without placeholders."""
    held = next((row[name] for name in _TURNS if name in row), None) if isinstance(row, dict) else None
    if isinstance(held, str):  # some publish the list as text
        held = parse(held, where)
    if not isinstance(held, list) or not held:
        raise refusal(
            where, "has no list of turns", "its field 'conversations' holds {from, value} or {role, content}"
        )
    if len(held) > _MOST_TURNS:
        raise refusal(where, f"has {len(held):,} turns, and {_MOST_TURNS} are the most")
    found = []
    for turn in held:
        role = turn.get("from", turn.get("role")) if isinstance(turn, dict) else None
        text = _text(turn.get("value", turn.get("content"))) if isinstance(turn, dict) else None
        if not isinstance(role, str) or text is None:
            raise refusal(where, "has a turn that is neither {from, value} nor {role, content}")
        if len(text) > MOST_CHARACTERS:
            raise refusal(
                where, f"has a turn of {len(text):,} characters, and {MOST_CHARACTERS:,} are the most"
            )
        side = _ROLES.get(role.strip().lower())
        if side is None and role.strip().lower() != "system":
            raise refusal(where, f"has a turn of {role[:40]!r}, which is neither a person nor a model")
        if side:
            found.append((side, cleaned(_PLACEHOLDER.sub("", text))))
    return found


def _text(value: Any) -> str | None:
    """Return the text of a turn: itself, or the text parts of a list of parts."""
    if isinstance(value, list):
        if not all(isinstance(part, dict) for part in value):
            return None
        texts = [part.get("text", "") for part in value if part.get("type", "text") == "text"]
        return "\n".join(texts) if all(isinstance(text, str) for text in texts) else None
    return value if isinstance(value, str) else None


def _pairs(turns: list[tuple[str, str]], where: str, skipped: Counter[str]) -> list[tuple[str, str]]:
    sides = [side for side, _ in turns]
    if sides != ["question", "answer"] * (len(sides) // 2) + ["question"] * (len(sides) % 2):
        raise refusal(where, "has turns that are not question, answer, question, answer …")
    texts = [text for _, text in turns]
    pairs = list(zip(texts[::2], texts[1::2], strict=False))
    if len(texts) % 2:
        skipped["questions without an answer"] += 1
    whole = [(question, answer) for question, answer in pairs if question and answer]
    if len(whole) < len(pairs):
        skipped["turns with an empty question or answer"] += len(pairs) - len(whole)
    return whole


def _entries(row: dict[str, Any], where: str, corpus: Corpus) -> list[Entry | None]:
    value = next((row[name] for name in _RECORDINGS if row.get(name)), None)
    if value is None:
        return []
    names = value if isinstance(value, list) else [value]
    if len(names) > 16 or not all(isinstance(name, str) for name in names):
        raise refusal(where, "names its recordings by something else than up to 16 paths")
    try:
        return [corpus.find_named(name) for name in names]
    except FormatError as error:
        raise refusal(where, f"names a recording outside the folder: {error}") from error
