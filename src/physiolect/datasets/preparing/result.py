"""What preparing gave: the store, its counts, and what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from physiolect.datasets.store.manifest import Manifest, Rejection
from physiolect.result import Result, make_frame

if TYPE_CHECKING:
    import pandas

    from physiolect.contract import Remark
    from physiolect.datasets.store.store import Store

_MANY = 12
"""How many channels are named in a line."""
ROUNDING = "0.002 % of its channel's range in its row"
"""What rounding to int16 costs at most, in a channel of any unit; half a step of 65,534 is less."""
_NAMED = 3
"""How many files, and notices, are named."""


@dataclass(frozen=True, eq=False, repr=False)
class PreparedStore(Result):
    """A store, or the part of it that one run made."""

    path: Path
    """Folder of the store."""
    manifest: Manifest
    """All that is known of it."""
    skipped: tuple[str, ...] = ()
    """Files that were skipped because a model wrote them."""
    notices: tuple[str, ...] = ()
    """Which other files of folders were skipped, a sentence a folder."""

    @property
    def store(self) -> Store:
        """The store, opened; all its parts must be there."""
        from physiolect.datasets.store.store import open_store

        return open_store(self.path)

    @property
    def n_files(self) -> int:
        """Files that were prepared or rejected."""
        return self.manifest.files

    @property
    def n_rows(self) -> int:
        """Rows of the store."""
        return sum(shard.rows for shard in self.manifest.shards)

    @property
    def hours(self) -> float:
        """Hours of signal over all channels."""
        samples = sum(shard.samples for shard in self.manifest.shards)
        return samples / self.manifest.header.contract.fs / 3600

    @property
    def rejected(self) -> tuple[Rejection, ...]:
        """Files and stretches that are not in the store, each with its reason."""
        return tuple(self.manifest.rejected)

    @property
    def summary(self) -> str:
        """What the store, or the part of it, holds, in a few lines."""
        return "\n".join([*self._size_lines(), *self._quality_lines()])

    def to_frame(self) -> pandas.DataFrame:
        """Return a table with a line for each row of the store.

        Raises:
            PhysiolectError: pandas is not installed, or parts of the store are missing.
        """
        store = self.store
        return make_frame(
            {
                "recording": list(store.sources),
                "start_s": [store.row(row).start for row in range(len(store))],
                "seconds": store.lengths / store.contract.fs,
                "channels": [", ".join(store.channels(row)) for row in range(len(store))],
                "patient": list(store.patients),
                "labels": [", ".join(labels) for labels in store.labels],
                "split": list(store.splits),
            }
        )

    def _size_lines(self) -> list[str]:
        manifest = self.manifest
        size = sum(shard.bytes for shard in manifest.shards) / 1e6
        share = "" if manifest.part.count == 1 else f" (part {manifest.part})"
        lines = [
            f"{self.path}{share}: {self.n_rows} rows out of {manifest.files} files, {self.hours:.2f} channel-hours, "
            f"{size:.1f} MB"
        ]
        if self.n_rows:
            lines.append(f"stored as int16, no sample is off by more than {_error(manifest)}")
        if manifest.left_out:
            others = sum(manifest.left_out.values())
            lines.append(
                f"took {_counts(manifest.taken)} and left {others} other channels out ({_counts(manifest.left_out)}), "
                "as the contract takes one: --channel names it, --every-channel takes each as a row"
            )
        return lines

    def _quality_lines(self) -> list[str]:
        manifest, where = self.manifest, self.manifest.part.manifest_name
        lines = []
        if manifest.dropped:
            lost = manifest.dropped / manifest.header.contract.fs
            lines.append(f"{lost:.4g} s at the ends of recordings filled no segment and were dropped")
        if manifest.remarks:
            counts = Counter(
                kind for _, kind in {(remark.source, remark.kind) for remark in manifest.remarks}
            )
            found = ", ".join(f"{kind} {counts[kind]}" for kind in sorted(counts))
            lines.append(f"quality, in recordings: {found}; the remarks are in {where}")
            lines += _reading_lines(manifest.remarks)
        if manifest.rejected:
            lines.append(f"{len(manifest.rejected)} left out; the reasons are in {where}")
        if self.skipped:
            count = "1 file" if len(self.skipped) == 1 else f"{len(self.skipped)} files"
            names = _shortened(self.skipped)
            lines.append(f"{count} skipped: written by physiolect generate, detect or explain ({names})")
        return [*lines, *self.notices]


def _error(manifest: Manifest) -> str:
    """Return what rounding to int16 costs; a share of the range where units differ from channel to channel."""
    unit = manifest.header.contract.unit
    return f"{manifest.max_error:.2g} {unit}" if unit else ROUNDING


def _reading_lines(remarks: Sequence[Remark]) -> list[str]:
    """Return what was assumed or left out in reading, the commonest first, each with the recordings it is about."""
    about: dict[str, list[str]] = {}
    for remark in remarks:
        if remark.kind == "reading":
            about.setdefault(remark.note, []).append(remark.source)
    notes = sorted(about, key=lambda note: -len(about[note]))
    lines = [f"notice: {note} ({_shortened(about[note])})" for note in notes[:_NAMED]]
    return [*lines, f"and {len(notes) - _NAMED} other notices"] if len(notes) > _NAMED else lines


def _shortened(names: Sequence[str]) -> str:
    """Name the first few, and count the others."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def _counts(channels: Mapping[str, int]) -> str:
    """Name the commonest channels and how many recordings have each: "II 12, MLII 3"."""
    named = sorted(channels.items(), key=lambda item: (-item[1], item[0]))
    more = f" and {len(named) - _MANY} more" if len(named) > _MANY else ""
    return ", ".join(f"{name} {count}" for name, count in named[:_MANY]) + more
