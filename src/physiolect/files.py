"""Safe writing: a file or folder is whole or not there, and one run at a time writes to a folder."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import socket
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from physiolect.errors import PhysiolectError, WriteError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FULL_WORDS = ("no space left", "disk quota exceeded", "not enough space")
_FOLDER_HINT = "name a folder that may be written to"
_USUAL_HINT = "name a file in a folder that exists, or write .npz"


@contextmanager
def writing(path: Path, *, hint: str = _USUAL_HINT) -> Iterator[None]:
    """Turn what a library or the file system raises while `path` is written into a WriteError.

    Args:
        path: the file or folder that is written.
        hint: what to do where the disk is not full.

    Raises:
        WriteError: the folder does not exist or may not be written to, the disk is full, or the content does not fit
            the format.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with explaining_full_disk(path):
                yield
    except (OSError, ValueError, TypeError, IndexError) as error:
        if isinstance(error, FileNotFoundError) and not path.parent.exists():
            raise WriteError(
                f"{path} cannot be written: the folder {path.parent} does not exist",
                hint="make the folder first, or name another",
            ) from error
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:160]
        raise WriteError(f"{path} cannot be written: {reason}", hint=hint) from error


@contextmanager
def explaining_full_disk(path: Path) -> Iterator[None]:
    """Turn what any library raises where the disk is full into a WriteError, and let other errors pass.

    Args:
        path: the file or folder that is written.

    Raises:
        WriteError: the disk, or the user's share of it, is full.
    """
    try:
        yield
    except PhysiolectError:
        raise
    except Exception as error:
        if not is_disk_full(error):
            raise
        raise WriteError(
            f"the disk is full: {path} could not be written",
            hint="free some space and run the same command again",
        ) from error


def is_disk_full(error: BaseException) -> bool:
    """Return whether an error of any library means that the disk, or the user's share of it, is full."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    text = str(error).lower()  # safetensors and Arrow put the system's words into errors of their own
    return any(words in text for words in _FULL_WORDS)


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Give a temporary path beside `path` and move it there at the end, so that no half file is ever seen.

    Args:
        path: the file; an older one is replaced.
        durable: wait until the content is on the disk.

    Raises:
        WriteError: see `writing`.
    """
    temporary = temporary_name(path)
    with writing(path):
        temporary.touch()  # where nothing can be written, this fails before any work
    try:
        with explaining_full_disk(path):
            yield temporary
            if durable:
                with open(temporary, "rb") as file:
                    os.fsync(file.fileno())
        with writing(path):
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


class GrowingFile:
    """A file that is appended to; what was appended is in it at once, without a buffer.

    Args:
        path: the file; its folder is made, and its content stays.

    Raises:
        WriteError: see `writing`; a failed `append` may leave a part at the end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with writing(path, hint=_FOLDER_HINT):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)

    def append(self, data: bytes) -> None:
        """Append some bytes."""
        with writing(self._path, hint=_FOLDER_HINT):
            while data:
                data = data[self._file.write(data) :]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Give an empty temporary folder beside `path` and put it in its place at the end.

    Whenever this is interrupted, `path` or `path`.old is whole; `whole_folder` finds which.

    Raises:
        WriteError: see `writing`.
    """
    fresh, old = path.with_name(path.name + ".partial"), path.with_name(path.name + ".old")
    with writing(path, hint=_FOLDER_HINT):
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
    try:
        with explaining_full_disk(path):
            yield fresh
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    with writing(path, hint=_FOLDER_HINT):
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
            path.rename(old)
        fresh.rename(path)
        shutil.rmtree(old, ignore_errors=True)


def whole_folder(path: Path) -> Path:
    """Return the folder to read: the older one where a write was interrupted between its two renames."""
    if path.exists():
        return path
    old = path.with_name(path.name + ".old")
    return old if old.is_dir() else path


def temporary_name(path: Path) -> Path:
    """Return a name beside a file's, of the same extension, to write it under; no two runs get the same."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp{path.suffix}")


def check_regular(path: Path, refusal: type[PhysiolectError]) -> None:
    """Refuse a pipe, a socket or a device: reading one would wait, or never end. A link's target is judged.

    What does not exist, and what is a folder, is left to the caller.

    Raises:
        PhysiolectError: of the kind `refusal`.
    """
    try:
        kind = path.stat().st_mode
    except (OSError, ValueError):
        return
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        raise refusal(f"{path} is no regular file", hint="name a file")


def check_writable(folder: Path) -> None:
    """Refuse a folder that cannot be written to, or made, before any long work; nothing is left behind.

    Raises:
        WriteError: it cannot be made or written to.
    """
    there = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    with writing(folder, hint=_FOLDER_HINT):
        probe = temporary_name(there / "probe")
        probe.touch()
        probe.unlink()


class Lock:
    """A file that one process at a time holds locked, and that is gone afterwards.

    The kernel takes the lock from a process that dies, however it dies, so that a file left behind keeps nobody
    out. On a network's disk it holds between machines where the disk's server sees to it, as that of NFS does. Where
    there are no such locks at all (Windows, Lustre without its option `flock`), nobody is kept out.

    Args:
        path: the file.
        what: what it guards, for the message to whoever is kept out.
        hint: what they can do.

    Raises:
        WriteError: another process holds it.
    """

    def __init__(
        self, path: Path, what: str, *, hint: str = "wait for it, or end it and run the same command again"
    ) -> None:
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
            raise WriteError(f"another run is writing {what}: {holder.strip()}", hint=hint)
        try:
            with writing(path):
                os.write(self._file, f"process {os.getpid()} on {socket.gethostname()}".ljust(80).encode())
        except BaseException:
            self.release()
            raise
        if self.holds is None:
            os.close(self._file)
            path.unlink(missing_ok=True)
            self._file = None

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def release(self) -> None:
        """Release it; nothing happens where that was done before."""
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = None


def lock_folder(folder: Path) -> Lock:
    """Make a folder and keep other runs out of it: a lock on a file beside it, `.NAME.lock`.

    The lock lies beside the folder, so that the folder itself can be replaced as a whole.

    Raises:
        WriteError: another run writes to it, or it cannot be made.
    """
    folder = folder.resolve()
    with writing(folder, hint=_FOLDER_HINT):
        folder.parent.mkdir(parents=True, exist_ok=True)
        return Lock(folder.with_name(f".{folder.name}.lock"), f"{folder}")


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
