"""What the results of library calls share: a short repr, a summary in words, a page for notebooks, a table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from physiolect.errors import require

if TYPE_CHECKING:
    import pandas


class Result(ABC):
    """What a library call returns; the command line prints the same `summary`."""

    @property
    @abstractmethod
    def summary(self) -> str:
        """What was found, in a few lines of plain text."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.summary.partition(chr(10))[0]})"

    def _repr_html_(self) -> str:
        return f"<b>{escape(type(self).__name__)}</b><pre>{escape(self.summary)}</pre>"


def make_frame(columns: Mapping[str, Any]) -> pandas.DataFrame:
    """Return a pandas DataFrame of columns by name.

    Raises:
        PhysiolectError: pandas is not installed.
    """
    return require("pandas", extra="tables").DataFrame(dict(columns))
