"""Continuing a signal: sampling, caches, and the loop over tokens."""

from physiolect.generation.continuation import Continuation
from physiolect.generation.decoding import decode, outgrows_cache
from physiolect.generation.generating import count_tokens, generate
from physiolect.generation.sampling import Sampling
from physiolect.generation.steps import release_graphs
from physiolect.generation.stretch import Stretch, read_stretch
from physiolect.generation.truth import recorded_truth

__all__ = [
    "Continuation",
    "Sampling",
    "Stretch",
    "count_tokens",
    "decode",
    "generate",
    "outgrows_cache",
    "read_stretch",
    "recorded_truth",
    "release_graphs",
]
