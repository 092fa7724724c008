"""Byte-pair encoding of integer sequences: the algorithm alone, which knows neither signals nor letters."""

from physiolect.tokenizers.bpe.encoding import (
    METHODS,
    MOST_SYMBOLS,
    Encoding,
    Method,
    PairEncoder,
    parents_of,
)
from physiolect.tokenizers.bpe.training import BOUNDARIES, Boundary, Merges, bytes_of, train_bpe

__all__ = [
    "BOUNDARIES",
    "METHODS",
    "MOST_SYMBOLS",
    "Boundary",
    "Encoding",
    "Merges",
    "Method",
    "PairEncoder",
    "bytes_of",
    "parents_of",
    "train_bpe",
]
