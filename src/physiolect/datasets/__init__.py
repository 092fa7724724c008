"""Prepared data: a store on disk, its splits, and windows out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from physiolect.datasets.amplitude import amplitude_percentiles
from physiolect.datasets.catalogue import DATASETS
from physiolect.datasets.examples import Examples, make_examples
from physiolect.datasets.manifest import Part, is_store
from physiolect.datasets.public import Entry, PublicDataset
from physiolect.datasets.rows import Row
from physiolect.datasets.selection import select_rows
from physiolect.datasets.splits import choose_rows, published_split, row_groups, split_rows
from physiolect.datasets.store import Store, open_store
from physiolect.datasets.tokens import TokenRow, TokenStore, write_tokens
from physiolect.datasets.writer import StoreWriter

if TYPE_CHECKING:
    from physiolect.datasets.loader import WindowLoader

__all__ = [
    "DATASETS",
    "Entry",
    "Examples",
    "Part",
    "PublicDataset",
    "Row",
    "Store",
    "StoreWriter",
    "TokenRow",
    "TokenStore",
    "WindowLoader",
    "amplitude_percentiles",
    "choose_rows",
    "is_store",
    "make_examples",
    "open_store",
    "published_split",
    "row_groups",
    "select_rows",
    "split_rows",
    "write_tokens",
]


def __getattr__(name: str) -> object:
    """Import the loader at its first use: it needs torch, which a process that prepares files does not."""
    if name != "WindowLoader":
        raise AttributeError(f"module 'physiolect.datasets' has no attribute '{name}'")
    from physiolect.datasets.loader import WindowLoader

    return WindowLoader
