"""Signals to token ids and back; a tokenizer is one human-readable file, `signal_tokenizer.json`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from physiolect.config import from_dict
from physiolect.errors import FormatError
from physiolect.files import check_regular, replacing
from physiolect.tokenizers.beats import BEAT_TOKENIZERS, BeatTokenizer
from physiolect.tokenizers.ecg_byte import EcgByteTokenizer
from physiolect.tokenizers.levels import LevelScale, LevelTokenizer

__all__ = [
    "BEAT_TOKENIZERS",
    "FILE_NAME",
    "BeatTokenizer",
    "EcgByteTokenizer",
    "LevelScale",
    "LevelTokenizer",
    "SignalTokenizer",
    "load_tokenizer",
    "save_tokenizer",
]

FILE_NAME = "signal_tokenizer.json"
_MOST_BYTES = 16 << 20

SignalTokenizer = LevelTokenizer | EcgByteTokenizer | BeatTokenizer

_KINDS: dict[str, type[SignalTokenizer]] = {
    "levels": LevelTokenizer,
    "ecg_byte": EcgByteTokenizer,
    "beats": BeatTokenizer,
}


def save_tokenizer(tokenizer: SignalTokenizer, path: str | Path) -> None:
    """Write a tokenizer to a JSON file: a setting a line, and a merge a line."""
    (kind,) = (name for name, cls in _KINDS.items() if type(tokenizer) is cls)
    lines = [f'"{name}": {_json(value)}' for name, value in {"kind": kind, **asdict(tokenizer)}.items()]
    with replacing(Path(path)) as temporary:
        temporary.write_text("{\n  " + ",\n  ".join(lines) + "\n}\n", encoding="utf-8")


def load_tokenizer(path: str | Path) -> SignalTokenizer:
    """Read a tokenizer from its JSON file, or from the folder that file lies in.

    Raises:
        FormatError: the file is missing or no tokenizer of ours.
        ConfigError: a setting is unknown, of the wrong type or out of range.
    """
    hint = f"pass a {FILE_NAME} written by physiolect; of the ECG-Byte authors' pickles `physiolect convert` makes one"
    path = Path(path) / FILE_NAME if Path(path).is_dir() else Path(path)
    check_regular(path, FormatError)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("it is too large")
        fields = json.loads(path.read_text(encoding="utf-8"))
        cls = _KINDS[fields.pop("kind")]
    except FileNotFoundError as error:
        raise FormatError(f"there is no signal tokenizer {path}", hint=hint) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(f"{path} is no signal tokenizer, or a damaged one", hint=hint) from error
    return from_dict(cls, fields, str(path))


def _json(value: Any) -> str:
    """Return a value in JSON on one line, or a list of lists with one of them a line."""
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):
        return "[\n    " + ",\n    ".join(map(json.dumps, value)) + "\n  ]"
    return json.dumps(value, ensure_ascii=False)
