"""Transformers that read and continue physiological signals."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from physiolect.checkpoint import Checkpoint, load_checkpoint
    from physiolect.contract import InputContract, adapt
    from physiolect.datasets import open_store
    from physiolect.detection import BeatResult, RhythmResult, detect_beats, detect_rhythm
    from physiolect.formats import read_recording, read_recordings
    from physiolect.generation import Continuation, generate
    from physiolect.learning.cross_validate import cross_validate
    from physiolect.learning.finetune import finetune
    from physiolect.learning.pretrain import pretrain
    from physiolect.recording import Annotations, Recording

_HOME = {
    "Annotations": "recording",
    "BeatResult": "detection",
    "Checkpoint": "checkpoint",
    "Continuation": "generation",
    "InputContract": "contract",
    "Recording": "recording",
    "RhythmResult": "detection",
    "adapt": "contract",
    "cross_validate": "learning",
    "detect_beats": "detection",
    "detect_rhythm": "detection",
    "finetune": "learning",
    "generate": "generation",
    "load_checkpoint": "checkpoint",
    "open_store": "datasets",
    "pretrain": "learning",
    "read_recording": "formats",
    "read_recordings": "formats",
}

__all__ = [  # noqa: RUF022 (the order a user meets them in)
    "read_recording",
    "read_recordings",
    "Recording",
    "Annotations",
    "InputContract",
    "adapt",
    "open_store",
    "load_checkpoint",
    "Checkpoint",
    "pretrain",
    "finetune",
    "cross_validate",
    "generate",
    "Continuation",
    "detect_rhythm",
    "RhythmResult",
    "detect_beats",
    "BeatResult",
]


def __getattr__(name: str) -> object:
    """Import a public name at its first use, so that `import physiolect` itself costs nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'physiolect' has no attribute '{name}'")
    value = getattr(import_module(f"physiolect.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
