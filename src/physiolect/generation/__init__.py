"""Continuing a signal: sampling, caches, and the loop over tokens."""

from physiolect.generation.decoding import decode
from physiolect.generation.generate import Continuation, generate
from physiolect.generation.sampling import Sampling

__all__ = ["Continuation", "Sampling", "decode", "generate"]
