"""Where other people's parsers and the file system end and our own errors begin."""

from __future__ import annotations

import os
import tempfile
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


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what a library or the file system raises over writing `path` into a FormatError.

    Raises:
        FormatError: the folder does not exist or may not be written to, or the content does not fit the format.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (OSError, ValueError, TypeError, IndexError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:160]
        raise FormatError(
            f"{path} cannot be written: {reason}", hint="name a file in a folder that exists, or write .npz"
        ) from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` and move it there at the end, so that no half file is ever seen.

    Raises:
        FormatError: the folder does not exist or may not be written to.
    """
    with writing(path):
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with writing(path):
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
