"""Fetching an open dataset by its name, and what to do with it next."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from urllib.parse import urlsplit

from physiolect.config import in_python, refuse
from physiolect.datasets.public.catalogue import DATASETS
from physiolect.datasets.public.dataset import PublicDataset
from physiolect.datasets.public.download import PHYSIONET, Downloaded, Selection, Watch, download
from physiolect.errors import ConfigError, PhysiolectError, did_you_mean
from physiolect.events import Listener, Reporter
from physiolect.result import Result

_PROJECT = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}/[0-9][0-9a-z._-]{0,30}")


@dataclass(frozen=True, repr=False)
class DownloadedDataset(Result):
    """A dataset, or the part of it that was chosen, on this disk."""

    out: Path
    """Folder of the dataset."""
    counts: Downloaded
    """Files that were fetched, and files that were there already."""
    dataset: PublicDataset | None
    """What is known of it; None for a project of PhysioNet that Physiolect does not know."""

    @property
    def summary(self) -> str:
        """How many files were fetched, its citation, and how to prepare it."""
        counts, dataset = self.counts, self.dataset
        lines = [
            f"{self.out}: {counts.fetched} files fetched, {counts.kept} were there already; every hash is right"
        ]
        if dataset is not None:
            lines.append(f"{dataset.title} ({dataset.licence}); cite: {dataset.citation}")
            lines.append(f"next: physiolect prepare {self.out} --dataset {dataset.name} --out STORE")
        return "\n".join(lines)


def download_dataset(
    name: str,
    out: str | os.PathLike[str] | None = None,
    *,
    only: Sequence[str] = (),
    records: int | None = None,
    connections: int = 4,
    base_url: str | None = None,
    on_event: Listener | None = None,
) -> DownloadedDataset:
    """Fetch an open dataset from PhysioNet; the same call resumes an interrupted download.

    Args:
        name: The dataset: ptbxl, mimic-iv-ecg, cinc2021, cinc2020 or mitbih, or any PROJECT/VERSION of PhysioNet.
        out: Folder for it; None means a folder of the dataset's name.
        only: Folders, files or patterns to fetch; what is needed to read them comes along.
        records: Fetch so many records only, the first ones.
        connections: Connections at a time.
        base_url: Where projects lie on a mirror; None means PhysioNet.
        on_event: Receives messages and progress, and can stop the download; fetched files are kept.

    Raises:
        ConfigError: settings are wrong, or PhysioNet does not have the dataset.
        DownloadError: the network, the server or the index is at fault; fetched files are kept.
        WriteError: another download writes to the folder, it cannot be written, or the disk is full.
        Cancelled: the listener asked to stop.
    """
    if problems := download_problems(name, out, records, connections, base_url):
        refuse([in_python(each) for each in problems], "download")
    reporter = Reporter(on_event)
    project, dataset = project_of(name), _known(name)
    place, source = (
        Path(out or (dataset.name if dataset else project.partition("/")[0])),
        base_url or PHYSIONET,
    )
    selection = Selection(tuple(only), records, dataset.tables if dataset else ())
    reporter.say(f"fetching {project} from {source} into {place}")
    counts = download(
        project, place, selection, base_url=source, connections=connections, watch=_Reporting(reporter)
    )
    return DownloadedDataset(place, counts, dataset)


def download_problems(
    name: str, out: str | os.PathLike[str] | None, records: int | None, connections: int, base_url: str | None
) -> list[str]:
    """List everything that is wrong with the settings of `download_dataset`."""
    found = []
    try:
        project_of(name)
    except PhysiolectError as error:
        found.append(f"{error} ({error.hint})")
    if records is not None and records < 1:
        found.append(f"--records is {records}, but must be 1 or more")
    if not 1 <= connections <= 16:
        found.append(f"--connections is {connections}, but must be from 1 to 16")
    if base_url is not None and not _is_address(base_url):
        found.append(f"--base-url is '{base_url}', which is no address of a web server")
    if out is not None and Path(out).exists() and not Path(out).is_dir():
        found.append(f"--out '{out}' is not a folder")
    return found


def project_of(name: str) -> str:
    """Return the PROJECT/VERSION of PhysioNet that is named.

    Raises:
        ConfigError: there is no such dataset, or PhysioNet does not have it.
    """
    dataset = _known(name)
    if dataset is None:
        if _PROJECT.fullmatch(name):
            return name
        open_ones = [each for each, known in DATASETS.items() if known.physionet]
        raise ConfigError(
            f"there is no dataset '{name}'",
            hint=f"another of PhysioNet's goes by PROJECT/VERSION; {did_you_mean(name, open_ones)}",
        )
    if dataset.physionet is None:
        raise ConfigError(
            f"{dataset.title} is handed out by {dataset.origin}, not by PhysioNet",
            hint=f"fetch it there, so that a folder holds {dataset.layout}; then "
            f"`physiolect prepare FOLDER --dataset {dataset.name}`",
        )
    return dataset.physionet


def _known(name: str) -> PublicDataset | None:
    """Return what is known of the dataset; None where only its project is named."""
    projects = {each.physionet: each for each in reversed(DATASETS.values()) if each.physionet}
    return DATASETS.get(name) or projects.get(name)


def _is_address(url: str) -> bool:
    """Return whether something is the address of a web server."""
    try:
        address = urlsplit(url)
        return address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:  # its port or its IPv6 address is wrong
        return False


class _Reporting(Watch):
    """Passes on how a download goes; messages about retries come from the threads that fetch."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._lock = Lock()
        self._done = self._files = self._bytes = 0

    def read(self, lines: int) -> None:
        """Report how much of the index was looked through."""
        self._reporter.progress("lines of the index")(lines)

    def listed(self, files: int) -> None:
        """Report how many files there are to fetch."""
        self._files = files
        self.waiting()

    def received(self, n_bytes: int) -> None:
        """Count what came in."""
        with self._lock:
            self._bytes += n_bytes

    def failed(self, note: str) -> None:
        """Report what is going to be tried again."""
        with self._lock:
            self._reporter.say(note)

    def waiting(self) -> None:
        """Report files and bytes; ends the download where the listener asked to stop."""
        tell = self._reporter.progress("files", self._files, note=f"{self._bytes / 1e6:.1f} MB")
        with self._lock:
            tell(self._done)

    def finished(self) -> None:
        """Report one more file."""
        self._done += 1
        self.waiting()
