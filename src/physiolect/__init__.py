"""Transformers that read and continue physiological signals."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from physiolect.checkpoint import Checkpoint, load_checkpoint
    from physiolect.contract import InputContract, adapt
    from physiolect.datasets import Encoded, EncodedStore, PreparedStore, encode, open_store, prepare
    from physiolect.detection import (
        BeatResult,
        HeartbeatResult,
        HolterResult,
        RhythmResult,
        detect,
        detect_beats,
        detect_heartbeats,
        detect_rhythm,
    )
    from physiolect.evaluation import EvaluationResult, evaluate
    from physiolect.explanation import Explanation, explain
    from physiolect.formats import read_recording, read_recordings
    from physiolect.generation import Continuation, generate
    from physiolect.learning import CrossValidation, TrainedTokenizer, TrainingResult, train_tokenizer
    from physiolect.learning.cross_validate import cross_validate
    from physiolect.learning.finetune import finetune
    from physiolect.learning.pretrain import pretrain
    from physiolect.recording import Annotations, Recording

_HOME = {
    "read_recording": "formats",
    "read_recordings": "formats",
    "Recording": "recording",
    "Annotations": "recording",
    "InputContract": "contract",
    "adapt": "contract",
    "prepare": "datasets",
    "PreparedStore": "datasets",
    "open_store": "datasets",
    "train_tokenizer": "learning",
    "TrainedTokenizer": "learning",
    "encode": "datasets",
    "Encoded": "datasets",
    "EncodedStore": "datasets",
    "load_checkpoint": "checkpoint",
    "Checkpoint": "checkpoint",
    "pretrain": "learning",
    "finetune": "learning",
    "TrainingResult": "learning",
    "cross_validate": "learning",
    "CrossValidation": "learning",
    "generate": "generation",
    "Continuation": "generation",
    "detect": "detection",
    "detect_rhythm": "detection",
    "RhythmResult": "detection",
    "detect_beats": "detection",
    "BeatResult": "detection",
    "detect_heartbeats": "detection",
    "HeartbeatResult": "detection",
    "HolterResult": "detection",
    "evaluate": "evaluation",
    "EvaluationResult": "evaluation",
    "explain": "explanation",
    "Explanation": "explanation",
}
"""Public name -> the room that holds it, in the order a user meets them."""

__all__ = [  # noqa: RUF022 (the order a user meets them in)
    "read_recording",
    "read_recordings",
    "Recording",
    "Annotations",
    "InputContract",
    "adapt",
    "prepare",
    "PreparedStore",
    "open_store",
    "train_tokenizer",
    "TrainedTokenizer",
    "encode",
    "Encoded",
    "EncodedStore",
    "load_checkpoint",
    "Checkpoint",
    "pretrain",
    "finetune",
    "TrainingResult",
    "cross_validate",
    "CrossValidation",
    "generate",
    "Continuation",
    "detect",
    "detect_rhythm",
    "RhythmResult",
    "detect_beats",
    "BeatResult",
    "detect_heartbeats",
    "HeartbeatResult",
    "HolterResult",
    "evaluate",
    "EvaluationResult",
    "explain",
    "Explanation",
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
