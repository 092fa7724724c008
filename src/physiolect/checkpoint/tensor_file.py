"""Files of tensors (safetensors): whether one is whole, who may read it, and the state of a training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from physiolect.errors import CheckpointError
from physiolect.files import whole_folder

if TYPE_CHECKING:
    from torch import Tensor

STATE_FOLDER, _STATE_FILE = "state", "training.safetensors"

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


def save_state(folder: Path, state: Mapping[str, Tensor]) -> None:
    """Write the tensors to resume training from beside a checkpoint that is being written."""
    from safetensors.torch import save_file

    (folder / STATE_FOLDER).mkdir()
    save_file(dict(state), str(folder / STATE_FOLDER / _STATE_FILE))


def load_state(path: str | Path) -> dict[str, Tensor]:
    """Read what `save` was given to resume from.

    Raises:
        CheckpointError: the checkpoint holds no training state, or a damaged one.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = whole_folder(Path(path)) / STATE_FOLDER / _STATE_FILE
    if not file.is_file():
        raise CheckpointError(
            f"{path} holds no training state to resume from", hint="resume from a run's folder"
        )
    check_whole(file)
    try:
        return dict(load_file(str(file)))
    except SafetensorError as error:
        raise CheckpointError(
            f"{file} is damaged ({error})",
            hint="the weights beside it can still be used, but not resumed from",
        ) from error


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
