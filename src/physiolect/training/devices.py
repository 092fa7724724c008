"""Where to train."""

from __future__ import annotations

import torch

from physiolect.errors import ConfigError, check_option


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of this name; "auto" is a GPU where there is one.

    Raises:
        ConfigError: the name is unknown, or the device is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    check_option("device", name.partition(":")[0], ("cpu", "cuda", "mps", "xpu"))
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(
            f"'{name}' names no device", hint="write cpu, cuda, or cuda:1 for the second"
        ) from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device is {name}, but PyTorch sees no such GPU here", hint="leave --device out")
    return device
