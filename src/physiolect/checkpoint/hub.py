"""Checkpoints on the Hugging Face Hub, by `owner/name` and by nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from physiolect.checkpoint.checkpoint import (
    CONFIG_FILE,
    CONTRACT_FILE,
    FINGERPRINT_FILE,
    RUN_FILE,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
)
from physiolect.checkpoint.text_side import FILES as TEXT_FILES
from physiolect.errors import CheckpointError

FILES = (WEIGHTS_FILE, CONFIG_FILE, CONTRACT_FILE, TOKENIZER_FILE, FINGERPRINT_FILE, RUN_FILE)
"""All that is ever fetched, with the text's side: no code, no pickles, no state of training."""

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_OF_FILES = (".zip", ".pth", ".pt", ".safetensors", ".yaml", ".json")


def is_hub_name(name: str) -> bool:
    """Say whether a name is `owner/name` and cannot be a mistyped path: no folder here is called `owner`."""
    is_path = Path(name).parent.exists() or name.lower().endswith(_OF_FILES)
    return bool(_NAME.fullmatch(name)) and not is_path


def download(name: str) -> Path:
    """Fetch a checkpoint folder from the Hub, or find it in the local cache; weights and settings only.

    Raises:
        CheckpointError: it cannot be had.
    """
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=[*FILES, *TEXT_FILES]))
    except Exception as error:  # the library raises its own, its HTTP client's and the system's errors
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"the Hub did not give '{name}': {reason}",
            hint="check the name and the connection; a local checkpoint is a folder, which this is not",
        ) from error
