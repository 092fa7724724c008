"""Prepared data: a store on disk, its splits, and windows out of it."""

from physiolect.datasets.loader import WindowLoader
from physiolect.datasets.manifest import Part, is_store
from physiolect.datasets.percentiles import store_percentiles
from physiolect.datasets.rows import Row
from physiolect.datasets.splits import row_groups, split_rows
from physiolect.datasets.store import Store, open_store
from physiolect.datasets.tokens import TokenRow, TokenStore, write_tokens
from physiolect.datasets.writer import StoreWriter

__all__ = [
    "Part",
    "Row",
    "Store",
    "StoreWriter",
    "TokenRow",
    "TokenStore",
    "WindowLoader",
    "is_store",
    "open_store",
    "row_groups",
    "split_rows",
    "store_percentiles",
    "write_tokens",
]
