"""Where to compute, and how precisely."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
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


WIDE = 256
"""Features from which a model trains faster by oneDNN; in narrower ones attention loses more than products gain."""


@contextmanager
def fast_products(device: torch.device, width: int) -> Iterator[None]:
    """Let float32 products run faster meanwhile: in TF32 on a GPU, and on a CPU by oneDNN where it keeps float32.

    PyTorch's usual library for a CPU uses half of what some processors can do (AMD's with AVX-512), and oneDNN all of
    it. The way to oneDNN is a setting that allows bf16 inside products, of which processors with AMX make use.

    Args:
        device: where a model trains.
        width: features of the model's residual stream.
    """
    before = torch.get_float32_matmul_precision()
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    elif device.type == "cpu" and width >= WIDE and _onednn_keeps_float32():
        torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@cache
def _onednn_keeps_float32() -> bool:
    """Say whether products are as exact as in float32 where bf16 is allowed, by making one."""
    steps = torch.arange(128 * 128, dtype=torch.float64).view(128, 128)
    a, b = (steps * 0.37).sin(), (steps * 0.61).cos()
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        error = (a.float() @ b.float() - a @ b).abs().max()
    finally:
        torch.set_float32_matmul_precision(before)
    return bool(error < 1e-4)  # of sums near 10; in bf16 it is near 0.1
