"""Where to compute, and how precisely."""

from __future__ import annotations

from typing import Literal

import torch

from physiolect.errors import ConfigError, check_option


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of this name, cpu or cuda; "auto" is a GPU where there is one.

    Others are left out because the tokenizer, which runs there too, needs float64.

    Raises:
        ConfigError: the name is unknown, or the device is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.partition(":")[0] in ("mps", "xpu"):
        raise ConfigError(
            f"device is {name}, but the tokenizer needs float64, which only cpu and cuda are sure to have",
            hint="pass cpu or cuda, or leave device out",
        )
    check_option("device", name.partition(":")[0], ("cpu", "cuda"))
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(
            f"'{name}' names no device", hint="write cpu, cuda, or cuda:1 for the second"
        ) from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device is {name}, but PyTorch sees no such GPU here", hint="leave device out")
    return device


Precision = Literal["auto", "float32", "bf16"]


def choose_precision(name: Precision, device: torch.device) -> torch.dtype:
    """Return the type in which products and attention are computed.

    In training (autocast) norms and losses, weights, gradients and the optimiser stay in float32. "auto" is bf16 on
    a GPU made for it (compute capability 8.0), and float32 elsewhere; a CPU made for it must be asked.

    Raises:
        ConfigError: the name is unknown, or bf16 is asked of a device that is not made for it.
    """
    check_option("precision", name, ("auto", "float32", "bf16"))
    on_gpu = device.type == "cuda"
    able = torch.cuda.get_device_capability(device) >= (8, 0) if on_gpu else _multiplies_bf16()
    if name == "bf16" and not able:
        raise ConfigError(
            f"precision is bf16, but {device} is not made for it",
            hint="leave precision out, or take a GPU, or a CPU, made for it",
        )
    return torch.bfloat16 if name == "bf16" or (name == "auto" and on_gpu and able) else torch.float32


def _multiplies_bf16() -> bool:
    """Say whether the CPU has instructions for products of bf16; others emulate them, slowly."""
    asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in asked)
