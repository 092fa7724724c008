"""Continuing a signal: sampling, caches, and the loop over tokens."""

from physiolect.generation.continuation import Continuation, generate
from physiolect.generation.decoding import decode, outgrows_cache
from physiolect.generation.sampling import Sampling
from physiolect.generation.steps import release_graphs
from physiolect.generation.truth import recorded_truth

__all__ = [
    "Continuation",
    "Sampling",
    "decode",
    "generate",
    "outgrows_cache",
    "recorded_truth",
    "release_graphs",
]
