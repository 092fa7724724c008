"""Compiling our own loops with numba, with its cache on disk where one can be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Return a function compiled at its first call, and kept for later processes where a folder can be written.

    It lets go of Python's lock while it runs. Importing numba takes most of a second, so modules that use this are
    themselves imported by the functions that need them.
    """
    import numba

    try:
        return cast(Function, numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # numba finds no folder for its cache: each process then compiles anew
        return cast(Function, numba.njit(nogil=True)(function))
