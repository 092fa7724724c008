"""Compiling our own loops with numba, with its cache on disk where one can be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

LANES = 16
"""Signals that a compiled loop takes side by side: twice as many as the widest registers of today's processors hold."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function compiled at its first call, and kept for later processes where a folder can be written.

    It lets go of Python's lock while it runs and must share no state, so that threads may run it side by side.
    Importing numba takes most of a second, so modules that use this are themselves imported by the functions that
    need them.
    """
    import numba

    try:
        return numba.njit(function, cache=True, nogil=True)
    except RuntimeError:  # numba finds no folder for its cache: each process then compiles anew
        return numba.njit(function, nogil=True)
