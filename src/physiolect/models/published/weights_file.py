"""Weights files as PyTorch writes them, read without executing anything they hold.

Loading this module costs no PyTorch: whether a file is one is told by its name.
"""

from __future__ import annotations

import io
import pickle  # for the name of an error alone
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from physiolect.errors import CheckpointError
from physiolect.files import check_regular

if TYPE_CHECKING:
    from torch import Tensor

SUFFIXES = (".zip", ".pth", ".pt")
"""What such a file ends in; a `.zip` holds one of the others."""

MAX_BYTES = 1 << 30
"""Largest weights file that is unpacked; the published ones hold 66 MB, masks included."""


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Read a `.pth` state dict, or the one inside a `.zip`, without executing anything it holds.

    Raises:
        CheckpointError: the file is missing, too large, or holds anything but named tensors.
    """
    import torch

    path = Path(path)
    hint = "pass a HeartGPT .pth state dict, or the .zip it is published in"
    if not path.exists():
        raise CheckpointError(f"there is no {path}", hint=hint)
    check_regular(path, CheckpointError)
    try:
        data = _unzip(path)
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except pickle.UnpicklingError as error:  # PyTorch's own words advise to switch the safety off
        raise CheckpointError(
            f"{path} holds no readable weights: what asks for more than tensors is not opened", hint=hint
        ) from error
    except Exception as error:  # the unpickler of a hostile file raises nearly anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path} holds no readable weights ({reason})", hint=hint) from error
    if not isinstance(state, dict) or not all(
        isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in state.items()
    ):
        raise CheckpointError(f"{path} holds something else than named tensors", hint=hint)
    _check_tensors(state, 2 * len(data) + (1 << 20), path)
    return dict(state)


def _check_tensors(state: dict[str, Tensor], most: int, path: Path) -> None:
    """Refuse tensors that are no plain real numbers, are empty, or are larger than what is stored of them.

    Raises:
        CheckpointError: one is; nothing was computed with any.
    """
    import torch

    hint = "the file is incomplete or altered: fetch it again"
    total = 0
    for name, tensor in state.items():
        kind = "complex" if tensor.is_complex() else str(tensor.dtype).removeprefix("torch.")
        if tensor.device.type != "cpu" or tensor.layout != torch.strided or tensor.is_quantized:
            raise CheckpointError(f"{path}: '{name}' is no plain tensor", hint=hint)
        if not (tensor.is_floating_point() or tensor.dtype == torch.bool):
            raise CheckpointError(f"{path}: '{name}' holds {kind} numbers, not real ones", hint=hint)
        size, stored = tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes()
        if not size:
            raise CheckpointError(f"{path}: '{name}' is empty: {tuple(tensor.shape)}", hint=hint)
        total += size
        if size > stored or total > most:
            raise CheckpointError(
                f"{path}: '{name}' of shape {tuple(tensor.shape)} is more than the file holds", hint=hint
            )


def _unzip(path: Path) -> bytes:
    """Return the bytes of the `.pth`: the file itself, which is a zip of another layout, or the one in a `.zip`."""
    data = path.read_bytes() if path.stat().st_size <= MAX_BYTES else b""
    inside = _members(path, data)
    weights = [info.filename for info in inside if info.filename.endswith((".pth", ".pt"))]
    if len(weights) == 1:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            data = archive.read(weights[0])
        _members(path, data)
    return data


def _members(path: Path, data: bytes) -> list[zipfile.ZipInfo]:
    """List the files in a zip (none where it is no zip), refusing one that unpacks to too much."""
    file = io.BytesIO(data)
    inside = zipfile.ZipFile(file).infolist() if zipfile.is_zipfile(file) else []
    size = max(path.stat().st_size, sum(info.file_size for info in inside))
    if size > MAX_BYTES:
        raise CheckpointError(
            f"{path} unpacks to {size} bytes, more than the {MAX_BYTES} allowed",
            hint="pass the weights alone",
        )
    return [info for info in inside if not info.is_dir()]
