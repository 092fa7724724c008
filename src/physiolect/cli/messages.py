"""What goes wrong, told on stderr as `error:` and, on its own line, `hint:`."""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from physiolect.errors import ConfigError, PhysiolectError
from physiolect.plain_text import escape_controls

_PACKAGE = str(Path(__file__).parents[1])

_OS_ERRORS = {
    errno.ENOENT: ("{path} does not exist", "check the path"),
    errno.EACCES: ("no permission for {path}", "check who may read and write it"),
    errno.EPERM: ("no permission for {path}", "check who may read and write it"),
    errno.EROFS: ("{path} is on a disk that cannot be written", "write somewhere else"),
    errno.EISDIR: ("{path} is a folder, but a file is needed", "name a file in it"),
    errno.ENOTDIR: ("{path} is a file, or lies under one, but a folder is needed", "name a folder"),
    errno.EEXIST: ("{path} exists already", "name another, or remove it first"),
    errno.ENOTEMPTY: ("the folder {path} is not empty", "name another, or empty it first"),
    errno.ENAMETOOLONG: ("the name {path} is too long", "choose a shorter one"),
    errno.ENOSPC: ("the disk is full, writing {path}", "free some space and run the same command again"),
    errno.EDQUOT: ("your disk quota is used up, writing {path}", "free some space and run it again"),
    errno.EMFILE: ("too many files are open, at {path}", "raise the limit (ulimit -n), or use fewer workers"),
}
"""What the operating system refuses -> a sentence and a hint."""


def report(error: BaseException, *, debug: bool) -> int:
    """Tell the user of an error and return the exit code it means."""
    if isinstance(error, BrokenPipeError):  # whoever read our output has had enough: no error of anybody
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    if debug:
        import traceback

        traceback.print_exception(error)
    message, hint, code = explain(error)
    print(escape_controls(f"error: {message}\nhint: {hint}"), file=sys.stderr)
    return code


def explain(error: BaseException) -> tuple[str, str, int]:
    """Return what is wrong, what to do about it, and the exit code."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted by Ctrl-C", "run the same command again", 130
    if isinstance(error, PhysiolectError):
        code = 2 if isinstance(error, ConfigError) else 1
        return str(error), error.hint or "run with --help for what is possible", code
    if isinstance(error, OSError) and error.errno is not None:
        path = f"'{error.filename}'" if error.filename else "a file"
        if error.errno not in _OS_ERRORS:
            return f"{(error.strerror or 'it failed').lower()}: {path}", "check the path and the disk", 1
        message, hint = _OS_ERRORS[error.errno]
        return message.format(path=path), hint, 1
    if isinstance(error, MemoryError) or _lacks_memory(error):
        return "there is not enough memory", "use a smaller input, batch or number of workers", 1
    first_line = str(error).partition("\n")[0]
    return (
        f"unexpected {type(error).__name__}: {first_line}",
        "this is a fault of ours: run again with --debug and report what it prints",
        1,
    )


def _lacks_memory(error: BaseException) -> bool:
    """Tell PyTorch's errors for want of memory, which on a CPU have no type of their own."""
    words = ("can't allocate memory", "not enough memory", "out of memory")
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)


@contextmanager
def own_warnings_as_notes(*, everybody: bool = False) -> Iterator[None]:
    """Print the package's own warnings as `note:`, and those of other libraries only if told `everybody`."""

    def show(message: Warning | str, category: type[Warning], filename: str, *_: Any, **__: Any) -> None:
        if everybody or filename.startswith(_PACKAGE):
            print(escape_controls(f"note: {message}"), file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
