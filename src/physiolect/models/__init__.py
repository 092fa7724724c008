"""Families of models, built from the same layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from physiolect.models.families import MODELS

__all__ = ["MODELS"]


def __getattr__(name: str) -> object:
    """Import the families at their first use: telling a weights file by its name needs no torch."""
    if name != "MODELS":
        raise AttributeError(f"module 'physiolect.models' has no attribute '{name}'")
    from physiolect.models.families import MODELS

    return MODELS
