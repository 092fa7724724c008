"""`physiolect download NAME`: an open dataset from PhysioNet, whole or in part."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from physiolect.errors import ConfigError, PhysiolectError, did_you_mean

if TYPE_CHECKING:
    from rich.progress import Progress

    from physiolect.datasets.public.dataset import PublicDataset
    from physiolect.datasets.public.download import Watch

EXAMPLE = "physiolect download ptbxl --only records100"
_PROJECT = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}/[0-9][0-9a-z._-]{0,30}")


@dataclass(frozen=True)
class Config:
    """Fetch an open dataset from PhysioNet; the same command goes on after an interruption."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("name",)

    name: str
    """The dataset: ptbxl, mimic-iv-ecg, cinc2021, cinc2020 or mitbih, or any PROJECT/VERSION of PhysioNet."""
    out: str | None = None
    """Folder for it; one of the dataset's name by default."""
    only: tuple[str, ...] = ()
    """Folders, files or patterns to fetch; what is needed to read them comes along."""
    records: int | None = None
    """Fetch so many records only, the first ones."""
    connections: int = 4
    """Connections at a time."""
    base_url: str | None = None
    """Where projects lie on a mirror; PhysioNet's own address by default."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = []
        try:
            self.project()
        except PhysiolectError as error:
            found.append(f"{error} ({error.hint})")
        if self.records is not None and self.records < 1:
            found.append(f"--records is {self.records}, but it must be 1 or more")
        if not 1 <= self.connections <= 16:
            found.append(f"--connections is {self.connections}, but it must lie between 1 and 16")
        if self.base_url is not None and not _is_address(self.base_url):
            found.append(f"--base-url is '{self.base_url}', which is no address of a web server")
        if self.out is not None and Path(self.out).exists() and not Path(self.out).is_dir():
            found.append(f"--out '{self.out}' is not a folder")
        return found

    def project(self) -> str:
        """Return the project and version that are named.

        Raises:
            ConfigError: there is no such dataset, or PhysioNet does not have it.
        """
        from physiolect.datasets.public.catalogue import DATASETS

        dataset = self.dataset()
        if dataset is None:
            if _PROJECT.fullmatch(self.name):
                return self.name
            open_ones = [name for name, each in DATASETS.items() if each.physionet]
            raise ConfigError(
                f"there is no dataset '{self.name}'",
                hint=f"another of PhysioNet's goes by PROJECT/VERSION; {did_you_mean(self.name, open_ones)}",
            )
        if dataset.physionet is None:
            raise ConfigError(
                f"{dataset.title} is handed out by {dataset.origin}, not by PhysioNet",
                hint=f"fetch it there, so that a folder holds {dataset.layout}; then "
                f"`physiolect prepare FOLDER --dataset {dataset.name}`",
            )
        return dataset.physionet

    def dataset(self) -> PublicDataset | None:
        """Return what is known of the dataset; None where only its project is named."""
        from physiolect.datasets.public.catalogue import DATASETS

        projects = {each.physionet: each for each in DATASETS.values() if each.physionet}
        return DATASETS.get(self.name) or projects.get(self.name)


def _is_address(url: str) -> bool:
    """Tell whether something is the address of a web server."""
    try:
        address = urlsplit(url)
        return address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:  # its port, or its IPv6 address, is none
        return False


def run(config: Config) -> int:
    """Fetch the dataset; 130 where the user stopped it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from physiolect.datasets.public.download import PHYSIONET, Selection, download

    base_url = config.base_url or PHYSIONET
    dataset, project = config.dataset(), config.project()
    out = Path(config.out or (dataset.name if dataset else project.partition("/")[0]))
    selection = Selection(config.only, config.records, dataset.tables if dataset else ())
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    console.print(f"fetching {project} from {base_url} into {out}")
    received = TextColumn("{task.fields[megabytes]:.1f} MB")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        received,
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        try:
            done = download(
                project,
                out,
                selection,
                base_url=base_url,
                connections=config.connections,
                watch=_bar(progress),
            )
        except KeyboardInterrupt:
            progress.stop()
            console.print(f"stopped; what came in is kept in {out}: run the same command again to go on")
            return 130
    console.print(f"{out}: {done.fetched} files fetched, {done.kept} were there already; every hash is right")
    if dataset is not None:
        console.print(f"{dataset.title} ({dataset.licence}); cite: {dataset.citation}")
        console.print(f"next: physiolect prepare {out} --dataset {dataset.name} --out STORE")
    return 0


def _bar(progress: Progress) -> Watch:
    """Return what shows on a bar how a download goes."""
    from threading import Lock

    from physiolect.datasets.public.download import Watch

    class Bar(Watch):
        def __init__(self) -> None:
            self._task = progress.add_task("fetching", total=None, megabytes=0.0)
            self._lock, self._bytes = Lock(), 0

        def read(self, lines: int) -> None:
            progress.update(self._task, description=f"reading the index: {lines:,} lines")

        def listed(self, files: int) -> None:
            progress.update(self._task, total=files, description="fetching")

        def received(self, n_bytes: int) -> None:
            with self._lock:  # several threads tell
                self._bytes += n_bytes
                progress.update(self._task, megabytes=self._bytes / 1e6)

        def failed(self, note: str) -> None:
            progress.console.print(note)

        def finished(self) -> None:
            progress.advance(self._task)

    return Bar()
