"""Where other people's parsers and the file system end and our own errors begin."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from physiolect.errors import FormatError, PhysiolectError

MAX_BYTES = 4 << 30
"""The most a file may declare or unpack to, in bytes; more is taken for a lying header or a bomb."""


@contextmanager
def parsing(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever a library raises over a broken file into a FormatError that names the file.

    Keep the block down to calls into the library: a hostile file makes a parser raise nearly anything,
    so everything is caught here.

    Raises:
        FormatError: the library raised, or the file cannot be opened.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except PhysiolectError:
        raise
    except PermissionError as error:
        raise FormatError(f"{path} may not be read", hint="check the file's permissions") from error
    except Exception as error:
        text = " ".join(str(error).split())[:160]
        reason = f"{type(error).__name__}: {text}" if text else type(error).__name__
        raise FormatError(
            f"{path} is not a readable {kind} file ({reason})",
            hint="the file may be damaged, cut short or of another format: fetch it again",
        ) from error
