"""One file over HTTP: whole and as its publisher says, or not there at all; what was begun is gone on with."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from threading import Event
from urllib.error import HTTPError

from physiolect import __version__
from physiolect.datasets.store.manifest import sha256_of
from physiolect.errors import DownloadError

_CHUNK = 1 << 18
_PROGRESS = 1 << 20
"""Bytes that make a dropped connection count as the first again."""
_PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Answers that another try may mend."""
_LONGEST_PAUSE = 60.0
_MOST, _MOST_UNTOLD = 1 << 40, 1 << 34
"""Bytes of a file beyond which it is given up, and of one whose length its server does not tell."""


class FileRefusedError(DownloadError):
    """One file cannot be had, though others may."""


class FileMissingError(FileRefusedError):
    """The server has no such file."""


class Stopped(Exception):  # noqa: N818 - no error: the user had enough
    """Fetching was stopped from outside."""


class _Dropped(Exception):  # noqa: N818
    """The network failed in a way that another try may mend."""


@dataclass(frozen=True)
class _Job:
    """One file to fetch, and who hears of it; the fields are `Fetcher.fetch`'s."""

    url: str
    part: Path
    on_bytes: Callable[[int], None]
    on_retry: Callable[[str], None]
    most: int
    hashed: bool
    """Whether its hash will be looked at."""


class Fetcher:
    """Fetches files, several at a time if several threads ask.

    Args:
        timeout: Seconds of silence after which a connection counts as dropped.
        tries: How often in a row a file may fail, without getting a mebibyte further, before it is given up.
        pause: Seconds before the second try; each further pause is twice as long.
    """

    def __init__(self, *, timeout: float = 20.0, tries: int = 6, pause: float = 1.0) -> None:
        self.stopped = Event()
        """Set it to end all fetching; parts are kept."""
        self._timeout, self._tries, self._pause = timeout, tries, pause
        self._opener = urllib.request.OpenerDirector()  # no files, no FTP: HTTP alone
        for handler in (
            urllib.request.ProxyHandler,
            urllib.request.HTTPHandler,
            urllib.request.HTTPSHandler,
            urllib.request.HTTPRedirectHandler,
            urllib.request.HTTPDefaultErrorHandler,
            urllib.request.HTTPErrorProcessor,
            urllib.request.UnknownHandler,
        ):
            self._opener.add_handler(handler())

    def fetch(
        self,
        url: str,
        path: Path,
        sha256: str | None = None,
        on_bytes: Callable[[int], None] = lambda _: None,
        *,
        on_retry: Callable[[str], None] = lambda _: None,
        most: int = _MOST,
    ) -> None:
        """Fetch a file under its name in one step; an unfinished one waits beside it as `.NAME.part`.

        Whether a file is whole is told by its length, the end mark of its chunks, or its hash.

        Args:
            url: Where it is.
            path: Where it goes; its folder must be there.
            sha256: What its bytes must hash to, in hexadecimal; None takes any.
            on_bytes: Called with the number of bytes that came in, negative where some had to be thrown away.
            on_retry: Called with what failed, before another try.
            most: Bytes that it may have.

        Raises:
            FileRefusedError: the server has no such file, or what it has is too large, or hashes to something else,
                twice.
            DownloadError: the server refuses everything, cannot be reached, or gives no means of telling whether the
                file is whole.
            Stopped: `stopped` was set.
        """
        part = path.with_name(f".{path.name}.part")
        found = ""
        for _ in range(2):
            # A part from another day may be at fault: the second time, the file is fetched from its start.
            try:
                self._complete(_Job(url, part, on_bytes, on_retry, most, hashed=sha256 is not None))
            except FileRefusedError:
                part.unlink(missing_ok=True)
                raise
            found = sha256_of(part) if sha256 is not None else ""
            if sha256 is None or found == sha256.lower():
                part.replace(path)
                return
            on_bytes(-part.stat().st_size)
            part.unlink()
        raise FileRefusedError(
            f"{url} hashes to {found[:12]}… where its index says {(sha256 or '')[:12]}…, twice over",
            hint="something alters it on its way, or the publisher's index is wrong: try another network, or tell them",
        )

    def _complete(self, job: _Job) -> None:
        """Fetch what is missing of a part, trying again where that may help."""
        url, part, failures = job.url, job.part, 0
        while True:
            before, wait = _size(part), 0.0
            try:
                if self._append(job):
                    return
                reason = "the connection ended early"
            except HTTPError as error:
                with error:
                    if error.code == 416 and before:
                        if _total(error.headers.get("Content-Range", "")) == before:
                            return  # it was whole already
                        part.unlink()
                    elif error.code not in _PASSING:
                        raise _refusal(error.code, url) from error
                    reason = f"the server answered {error.code} ({error.reason})"
                    after = error.headers.get("Retry-After", "")
                    wait = float(after) if after.isdecimal() else 0.0
            except _Dropped as error:
                reason = str(error)
            failures = 1 if _size(part) - before >= _PROGRESS else failures + 1
            if failures >= self._tries:
                raise DownloadError(
                    f"{url} cannot be fetched: {reason}, {failures} times in a row",
                    hint="check the network, or a proxy's settings; the same command goes on where this one stopped",
                )
            pause = min(max(wait, self._pause * 2 ** (failures - 1)), _LONGEST_PAUSE)
            job.on_retry(f"{url}: {reason}; trying again in {pause:.0f} s")
            if self.stopped.wait(pause):
                raise Stopped

    def _append(self, job: _Job) -> bool:
        """Ask once for what is missing of a part, and return whether the file is whole."""
        url, part = job.url, job.part
        have = _size(part)
        headers = {"User-Agent": f"physiolect/{__version__}", "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        with _network():
            response: HTTPResponse = self._opener.open(
                urllib.request.Request(url, headers=headers), timeout=self._timeout
            )
        with response:
            if self.stopped.is_set():
                raise Stopped
            goes_on = response.status == 206
            if goes_on and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                part.unlink(missing_ok=True)  # another stretch than was asked for
                return False
            if have and not goes_on:
                job.on_bytes(-have)
                have = 0
            length = response.length  # None for chunks, and where the connection's end is the file's
            if length is None and not (job.hashed or response.chunked):
                raise DownloadError(
                    f"{url} comes without its length, so that nobody can tell whether it is whole",
                    hint="try another network, or without a proxy",
                )
            most = min(job.most, _MOST_UNTOLD) if length is None else job.most
            _bound(url, have + (length or 0), most)
            with part.open("ab" if goes_on else "wb") as file:
                while chunk := _read(response):
                    if self.stopped.is_set():
                        raise Stopped
                    file.write(chunk)
                    job.on_bytes(len(chunk))
                    _bound(url, file.tell(), most)
                return length is None or file.tell() == have + length


def _read(response: HTTPResponse) -> bytes:
    with _network():
        return response.read1(_CHUNK)


@contextmanager
def _network() -> Iterator[None]:
    """Tell the network's failures, which may pass, from the disk's."""
    try:
        yield
    except HTTPError:
        raise
    except ValueError as error:  # a redirection that urllib cannot take apart
        raise DownloadError(
            f"the server leads to an address that is none: {error}",
            hint="try later, or from another network",
        ) from error
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise _Dropped(str(reason) or type(error).__name__) from error


def _bound(url: str, size: int, most: int) -> None:
    if size > most:
        raise FileRefusedError(
            f"{url} is larger than the {most / 1e9:.3g} GB that are fetched of such a file",
            hint="something else than the dataset answers: check the address",
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _total(content_range: str) -> int | None:
    """Return the size in "bytes */1234"."""
    match = re.fullmatch(r"bytes \*/(\d{1,18})", content_range)
    return int(match[1]) if match else None


def _refusal(code: int, url: str) -> DownloadError:
    if code in (404, 410):
        return FileMissingError(
            f"{url} is not there ({code})", hint="check the name and version on the publisher's page"
        )
    if code in (401, 403):
        return DownloadError(
            f"{url} is not open to everybody ({code})",
            hint="it needs an account, and perhaps a signed agreement: fetch it from the publisher's page by hand",
        )
    return DownloadError(f"{url} was refused ({code})", hint="try later, or from another network")
