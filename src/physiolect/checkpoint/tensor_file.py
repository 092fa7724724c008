"""Files of tensors (safetensors): whether one is whole, and who may read it."""

from __future__ import annotations

import json
from pathlib import Path

from physiolect.errors import CheckpointError

_LONGEST_HEADER = 100_000_000
"""Bytes; safetensors itself reads no longer one."""


def check_whole(file: Path) -> None:
    """Refuse a file that ends before the tensors that its header states; other damage is left to the reader.

    Raises:
        CheckpointError: the file is truncated.
    """
    held = file.stat().st_size
    needed = _stated_bytes(file)
    if held < needed:
        raise CheckpointError(
            f"{file} is truncated: it holds {held:,} of the {needed:,} bytes that it should",
            hint="copy or download it again; if a full disk cut it off, use an earlier checkpoint",
        )


def let_others_read(file: Path, like: Path) -> None:
    """Give a file the mode of one written the usual way, by the umask; safetensors lets its owner alone read."""
    file.chmod(like.stat().st_mode & 0o777)


def _stated_bytes(file: Path) -> int:
    """Return how long the file must be by its header; no more than it is where it has none that can be read."""
    size = file.stat().st_size
    if size < 8:
        return 0 if size else 8
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        begun = opened.read(min(length, _LONGEST_HEADER))
    if length > _LONGEST_HEADER:
        return 8
    if len(begun) < length:
        return 8 + length if begun[:1] in (b"{", b"") else 8
    try:
        tensors = json.loads(begun)
        ends = [int(each["data_offsets"][1]) for name, each in tensors.items() if name != "__metadata__"]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return 8
    return 8 + length + max(ends, default=0)
