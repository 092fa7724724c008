"""Where to train."""

from __future__ import annotations

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
            hint="pass cpu or cuda, or leave --device out",
        )
    check_option("device", name.partition(":")[0], ("cpu", "cuda"))
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(
            f"'{name}' names no device", hint="write cpu, cuda, or cuda:1 for the second"
        ) from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device is {name}, but PyTorch sees no such GPU here", hint="leave --device out")
    return device
