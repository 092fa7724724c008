"""One run at a time: a lock that the system itself takes back when its process dies."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from physiolect.errors import FormatError


class Lock:
    """A file that one process at a time holds locked, and that is gone afterwards.

    The kernel takes the lock from a process that dies, however it dies, so that a file left behind keeps nobody
    out. On a network's disk it holds between machines where the disk's server sees to it, as that of NFS does. Where
    there are no such locks at all (Windows, Lustre without its option `flock`), nobody is kept out.

    Args:
        path: The file.
        what: What it guards, for the one who is kept out.

    Raises:
        FormatError: another process holds it.
    """

    def __init__(self, path: Path, what: str) -> None:
        self._path = path
        self._file: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        self.holds = _locked(self._file)
        """Whether others are kept out; None where there are no such locks."""
        # a holder removes the file before it lets go of it: what we locked may have no name any more
        while self.holds and not _is_at(self._file, path):
            os.close(self._file)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            self.holds = _locked(self._file)
        if self.holds is False:
            holder = os.read(self._file, 200).decode(errors="replace") or "a process that has just begun"
            os.close(self._file)
            raise FormatError(
                f"another run is writing {what}: {holder}",
                hint="wait for it, or end it and run the same command again: finished shards are kept",
            )
        os.write(self._file, f"process {os.getpid()} on {socket.gethostname()}".ljust(80).encode())
        if self.holds is None:
            os.close(self._file)
            path.unlink(missing_ok=True)
            self._file = None

    def release(self) -> None:
        """Let go of it; nothing happens where that was done before."""
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = None


def _locked(file: int) -> bool | None:
    """Lock an open file for this process; return False where another has it, None where there are no locks."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return None
    return True


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
