"""Prepared data: a store on disk, its splits, and windows out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from physiolect.datasets.examples.examples import Examples, make_examples, skipped_recordings
from physiolect.datasets.examples.selection import select_rows
from physiolect.datasets.examples.splits import (
    choose_rows,
    named_split,
    published_split,
    row_groups,
    split_rows,
)
from physiolect.datasets.preparing.encode import Encoded, EncodedStore, encode
from physiolect.datasets.preparing.prepare import prepare
from physiolect.datasets.preparing.result import PreparedStore
from physiolect.datasets.public.catalogue import DATASETS
from physiolect.datasets.public.dataset import Entry, PublicDataset
from physiolect.datasets.questions.preparing import PreparedQuestions, prepare_questions
from physiolect.datasets.questions.question import Question, Stretch
from physiolect.datasets.questions.question_files import read_questions, write_questions
from physiolect.datasets.store.amplitude import amplitude_percentiles
from physiolect.datasets.store.manifest import Part, is_store
from physiolect.datasets.store.rows import Row
from physiolect.datasets.store.store import Store, open_store
from physiolect.datasets.store.tokens import TokenRow, TokenStore, write_tokens
from physiolect.datasets.store.writer import StoreWriter

if TYPE_CHECKING:
    from physiolect.datasets.examples.loader import WindowLoader

__all__ = [
    "DATASETS",
    "Encoded",
    "EncodedStore",
    "Entry",
    "Examples",
    "Part",
    "PreparedQuestions",
    "PreparedStore",
    "PublicDataset",
    "Question",
    "Row",
    "Store",
    "StoreWriter",
    "Stretch",
    "TokenRow",
    "TokenStore",
    "WindowLoader",
    "amplitude_percentiles",
    "choose_rows",
    "encode",
    "is_store",
    "make_examples",
    "named_split",
    "open_store",
    "prepare",
    "prepare_questions",
    "published_split",
    "read_questions",
    "row_groups",
    "select_rows",
    "skipped_recordings",
    "split_rows",
    "write_questions",
    "write_tokens",
]


def __getattr__(name: str) -> object:
    """Import the loader at its first use: it needs torch, which a process that prepares files does not."""
    if name != "WindowLoader":
        raise AttributeError(f"module 'physiolect.datasets' has no attribute '{name}'")
    from physiolect.datasets.examples.loader import WindowLoader

    return WindowLoader
