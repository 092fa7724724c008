"""The weights both sides of a benchmark run on."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor

from physiolect import load_checkpoint
from physiolect.models.gpt import GPT, GPT_PRESETS


def heartgpt() -> GPT:
    """Return the published ECG model where PHYSIOLECT_DATA has it, else one of its shape with seeded weights."""
    folder = os.environ.get("PHYSIOLECT_DATA")
    if folder:
        return load_checkpoint(Path(folder) / "heartgpt" / "Model_files" / "ECGPT_560k_iters.zip").model
    torch.manual_seed(0)
    return GPT(GPT_PRESETS["heartgpt-ecg"]).eval()


def ids(*shape: int) -> Tensor:
    """Return seeded token ids; what they are decides nothing about the time."""
    return torch.randint(0, 101, shape, generator=torch.Generator().manual_seed(0))
