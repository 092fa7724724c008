"""Signals to token ids and back; a tokenizer is one human-readable file, `signal_tokenizer.json`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from physiolect.config import from_dict
from physiolect.errors import FormatError
from physiolect.tokenizers.levels import LevelScale, LevelTokenizer

__all__ = ["FILE_NAME", "LevelScale", "LevelTokenizer", "load_tokenizer", "save_tokenizer"]

FILE_NAME = "signal_tokenizer.json"

_KINDS: dict[str, type[LevelTokenizer]] = {"levels": LevelTokenizer}


def save_tokenizer(tokenizer: LevelTokenizer, path: str | Path) -> None:
    """Write a tokenizer to a JSON file."""
    (kind,) = (name for name, cls in _KINDS.items() if type(tokenizer) is cls)
    Path(path).write_text(json.dumps({"kind": kind, **asdict(tokenizer)}, indent=2) + "\n", encoding="utf-8")


def load_tokenizer(path: str | Path) -> LevelTokenizer:
    """Read a tokenizer from its JSON file.

    Raises:
        FormatError: the file is missing or no tokenizer of ours.
        ConfigError: a setting is unknown, of the wrong type or out of range.
    """
    hint = f"pass a {FILE_NAME} written by physiolect"
    try:
        fields = json.loads(Path(path).read_text(encoding="utf-8"))
        cls = _KINDS[fields.pop("kind")]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(
            f"{path} is no signal tokenizer ({type(error).__name__}: {error})", hint=hint
        ) from error
    return from_dict(cls, fields, str(path))
