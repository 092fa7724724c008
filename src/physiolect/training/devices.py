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
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError("device is cuda, but PyTorch sees no GPU here", hint="leave --device out")
    return torch.device(name)
