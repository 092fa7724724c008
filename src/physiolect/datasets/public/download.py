"""A dataset from PhysioNet by its index: chosen files, each checked against its hash.

A published version lies at BASE/PROJECT/VERSION/ with `SHA256SUMS.txt`, a line "hash path" for each of its files.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from posixpath import splitext
from urllib.parse import quote

from physiolect.datasets.public.connections import Connections
from physiolect.datasets.public.dataset import inside
from physiolect.datasets.public.fetch import Fetcher, FileMissingError, FileRefusedError, Stopped
from physiolect.datasets.store.manifest import sha256_of
from physiolect.errors import ConfigError, DownloadError
from physiolect.files import explaining_full_disk, lock_folder, writing

PHYSIONET = "https://physionet.org/files"
INDEX = "SHA256SUMS.txt"
_LINE = re.compile(r"([0-9a-fA-F]{64})[ \t]+\*?(.{1,1000})")
_PART = re.compile(r"\..*\.part")
"""What unfinished files are called here."""
_LONGEST_NAME = 255 - len("..part")
"""Bytes that a file's name may have, so that its part has one too."""
_INDEX_BYTES = 1 << 30
"""More than any index has: a million files take a tenth of it."""
_SHOWN = 12
"""How many names of an index are shown to the one who chose none of them."""
_TELL_EVERY = 50_000
"""Lines of an index between two signs of life."""
_LOOK_EVERY = 0.5
"""Seconds between two looks at files that are being fetched."""
_BESIDE = ("LICENSE.txt", "RECORDS")
"""What is fetched whatever is chosen, where there is such a file."""


class Watch:
    """What is told while files are fetched; does nothing unless methods are overridden. Threads call it."""

    def read(self, lines: int) -> None:
        """So many lines of the index were looked through."""

    def listed(self, files: int) -> None:
        """So many files are going to be looked after."""

    def received(self, n_bytes: int) -> None:
        """So many bytes came in, or, below zero, were thrown away."""

    def failed(self, note: str) -> None:
        """Something failed that is going to be tried again."""

    def waiting(self) -> None:
        """No file was finished for a moment; the thread that called `download` calls it."""

    def finished(self) -> None:
        """One more file is as it should be, or was given up."""


@dataclass(frozen=True)
class Selection:
    """Which files of a dataset are wanted; without any choice all are."""

    only: tuple[str, ...] = ()
    """Folders, files or patterns ("records100", "*.csv")."""
    records: int | None = None
    """So many WFDB records of these, the first in the index."""
    beside: tuple[str, ...] = ()
    """Files that are wanted whatever is chosen."""

    def covers(self, path: str) -> bool:
        """Tell whether a path is one of `only`, in one of its folders or of one of its patterns."""
        return not self.only or any(_covers(each, path) for each in self.only)


def _covers(chosen: str, path: str) -> bool:
    return path.startswith(f"{chosen.rstrip('/')}/") or fnmatchcase(path, chosen)


@dataclass(frozen=True)
class Downloaded:
    """What a download came to."""

    fetched: int
    """Files that came over the network."""
    kept: int
    """Files that were there, and as they should be."""


def download(
    project: str,
    out: Path,
    selection: Selection,
    *,
    base_url: str = PHYSIONET,
    connections: int = 4,
    fetcher: Fetcher | None = None,
    watch: Watch | None = None,
) -> Downloaded:
    """Fetch a published version into a folder; what is there with the right hash is left alone.

    Args:
        project: "project/version".
        out: Folder of the dataset; made where it is missing.
        selection: Which of its files.
        base_url: Where projects lie.
        connections: Connections at a time.
        fetcher: What fetches a file.
        watch: Who is told how it goes.

    Raises:
        DownloadError: there is no such version, its index is damaged, nothing fits the selection or a part of it,
            some files could not be had, or the network is down. What was fetched is kept.
        WriteError: another download writes to the folder, it cannot be made, or the disk is full.
    """
    fetcher, watch = fetcher or Fetcher(), watch or Watch()
    root, index = f"{base_url.rstrip('/')}/{project}", out / INDEX
    with lock_folder(out), explaining_full_disk(out):
        with writing(out, hint="name a folder that may be written to"):
            out.mkdir(parents=True, exist_ok=True)
        # The index is fetched anew each time: one that lies here may be of another dataset or version.
        index.with_name(f".{INDEX}.part").unlink(missing_ok=True)
        try:
            fetcher.fetch(
                f"{root}/{INDEX}", index, on_bytes=watch.received, on_retry=watch.failed, most=_INDEX_BYTES
            )
        except FileMissingError as error:
            raise DownloadError(
                f"there is no {project} at {base_url}, or it has no {INDEX}",
                hint="check the project's name and version on its page",
            ) from error
        wanted = _Wanted(index, selection, watch)
        watch.listed(wanted.count)
        return _Work(root, out, fetcher, watch).fetch_all(wanted.lines(), connections)


def read_index(path: Path) -> Iterator[tuple[str, str]]:
    """Iterate over the files that an index lists, and their SHA-256.

    Raises:
        DownloadError: it is no such index, is cut short, or lists a name that no file can have here.
        FormatError: a path in it leads out of the dataset's folder.
    """
    again = "the publisher's server or a proxy cuts or alters it: try again, or another network"
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(iter(lambda: file.readline(2000), "")):
            match = _LINE.fullmatch(line.rstrip("\r\n"))
            if match is None:
                raise DownloadError(
                    f"line {number + 1} of {path} is not a hash and a path: {line[:60]!r}",
                    hint="the address answers with something else than an index: a page to log in, perhaps",
                )
            if not line.endswith("\n"):
                raise DownloadError(f"{path} is cut short in line {number + 1}", hint=again)
            listed = inside(match[2])
            if any(len(step.encode()) > _LONGEST_NAME or _PART.fullmatch(step) for step in listed.split("/")):
                raise DownloadError(
                    f"line {number + 1} of {path} names no usable file: {listed[:60]!r}", hint=again
                )
            if listed != INDEX:
                yield listed, match[1].lower()


class _Wanted:
    """The lines of an index that a selection leaves, read from the disk as they are needed: there may be millions."""

    def __init__(self, index: Path, selection: Selection, watch: Watch) -> None:
        self._index, self._selection = index, selection
        self._records: set[str] = set()
        tops: dict[str, None] = {}
        idle = list(selection.only)  # what nothing has fitted yet
        self.count = 0
        for path, _ in self._listed(watch):
            if len(tops) < _SHOWN:
                tops[path.partition("/")[0]] = None
            self.count += self._wants(path)
            idle = [each for each in idle if not _covers(each, path)]
            few = len(self._records) < (selection.records or 0)
            if few and path.endswith(".hea") and selection.covers(path):
                self._records.add(splitext(path)[0])
        if idle or not tops or (selection.records and not self._records):
            fitting = ", ".join(idle or selection.only)
            what = f"that fits {fitting}" if fitting else "that is a record"
            shown = ", ".join(tops)
            raise DownloadError(f"{index} lists nothing {what}", hint=f"it lists {shown or 'nothing at all'}")
        if selection.records is not None:  # a header may come after the samples it belongs to
            self.count = sum(self._wants(path) for path, _ in self._listed(watch))

    def _listed(self, watch: Watch) -> Iterator[tuple[str, str]]:
        for lines, entry in enumerate(read_index(self._index)):
            if lines % _TELL_EVERY == 0:
                watch.read(lines)
            yield entry

    def lines(self) -> Iterator[tuple[str, str]]:
        return (line for line in read_index(self._index) if self._wants(line[0]))

    def _wants(self, path: str) -> bool:
        if path in _BESIDE or path in self._selection.beside:
            return True
        if self._selection.records is not None:
            return splitext(path)[0] in self._records
        return self._selection.covers(path)


class _Work:
    """Fetches many files over several connections."""

    def __init__(self, root: str, out: Path, fetcher: Fetcher, watch: Watch) -> None:
        self._root, self._out, self._fetcher, self._watch = root, out, fetcher, watch
        self._home = out.resolve()
        self._fetched = self._kept = 0
        self._refused: list[FileRefusedError] = []

    def fetch_all(self, lines: Iterator[tuple[str, str]], connections: int) -> Downloaded:
        pool = Connections(connections)
        ahead: deque[tuple[str, Future[bool]]] = deque()
        try:
            for path, sha256 in lines:
                name = path.lower()  # two names on one disk may be one file
                if any(name == other for other, _ in ahead):  # listed twice: never two threads on one file
                    self._take(ahead)
                ahead.append((name, pool.submit(self._one, path, sha256)))
                if len(ahead) >= 4 * connections:
                    self._take(ahead, leave=4 * connections - 1)
            self._take(ahead)
        except BaseException:
            self._fetcher.stopped.set()
            raise
        finally:
            pool.close()
        if self._refused:
            first, others = self._refused[0], len(self._refused) - 1
            more = f", and {others} more files" if others else ""
            raise DownloadError(
                f"{first}{more}; the other {self._fetched + self._kept} files are there", hint=first.hint
            )
        return Downloaded(self._fetched, self._kept)

    def _take(self, ahead: deque[tuple[str, Future[bool]]], *, leave: int = 0) -> None:
        """Wait for the oldest files under way until only `leave` of them are left."""
        while len(ahead) > leave:
            _, future = ahead.popleft()
            while not wait([future], _LOOK_EVERY).done:
                self._watch.waiting()
            try:
                if future.result():
                    self._fetched += 1
                else:
                    self._kept += 1
            except FileRefusedError as error:
                self._refused.append(error)
            self._watch.finished()

    def _one(self, path: str, sha256: str) -> bool:
        """Fetch a file and return True, or False where it is there already."""
        if self._fetcher.stopped.is_set():
            raise Stopped
        place = self._out / path
        if not place.parent.resolve().is_relative_to(self._home):
            raise ConfigError(
                f"{place.parent} leads out of {self._out} by a link",
                hint="remove the link, or name another --out",
            )
        if place.is_file() and sha256_of(place) == sha256:
            return False
        url, watch = f"{self._root}/{quote(path)}", self._watch
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.is_dir():
                raise IsADirectoryError
            self._fetcher.fetch(url, place, sha256, watch.received, on_retry=watch.failed)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise FileRefusedError(
                f"{place} would have to be a file and a folder at once",
                hint="remove what is there, and try again",
            ) from error
        return True
