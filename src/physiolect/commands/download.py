"""`physiolect download NAME`: an open dataset from PhysioNet, whole or in part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from physiolect.commands.terminal import listening, say

EXAMPLE = "physiolect download ptbxl --only records100"


@dataclass(frozen=True)
class Config:
    """Fetch an open dataset from PhysioNet; the same command resumes an interrupted download."""

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
        from physiolect.datasets.public.download_dataset import download_problems

        return download_problems(self.name, self.out, self.records, self.connections, self.base_url)


def run(config: Config) -> int:
    """Fetch the dataset; 130 where the user stopped it."""
    from physiolect.datasets.public.download_dataset import download_dataset

    with listening() as terminal:
        try:
            fetched = download_dataset(**vars(config), on_event=terminal)
        except KeyboardInterrupt:
            terminal.clear()
            say("stopped; fetched files are kept: run the same command again to resume")
            return 130
    say(fetched.summary)
    return 0
