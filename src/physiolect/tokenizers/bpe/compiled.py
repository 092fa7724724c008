"""How loops are compiled; whoever imports this waits for numba, so it is imported where a loop is about to run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a loop at its first use and keep it on disk; where nothing can be written there, in memory alone.

    The loop releases the interpreter's lock. It must share no state, so that threads may run it side by side.
    """
    try:
        return numba.njit(function, cache=True, nogil=True)
    except RuntimeError:  # numba's word for finding no folder to write to
        return numba.njit(function, nogil=True)
