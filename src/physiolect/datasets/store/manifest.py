"""What a store says of itself: its header, its manifest, and the names of its files.

A store made in n parts holds, for part i, the shards `shard-<i>-of-<n>-<k>.arrow` and a manifest, written
last: `manifest.json` where n is 1, else `manifest-<i>-of-<n>.json`. Nothing in them tells time or machine.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from physiolect import __version__
from physiolect.config import from_dict, to_dict
from physiolect.contract import InputContract, Remark
from physiolect.errors import ConfigError, FormatError
from physiolect.files import check_regular, replacing

FORMAT = "physiolect-store"
FORMAT_VERSION = 3  # 1 had no labels, splits, remarks or segments; 2 had no annotations

ENCODING = (
    "int16; value = samples * scale + offset, with a scale and an offset for each channel of each row; "
    "no value is further than scale / 2 from what was prepared"
)
"""How samples are kept, as a manifest states it."""

T = TypeVar("T")

_SHARD = re.compile(r"shard-(\d{5})-of-(\d{5})-(\d{5})\.arrow")
_MANIFEST = re.compile(r"manifest(?:-(\d{5})-of-(\d{5}))?\.json")


@dataclass(frozen=True)
class Part:
    """Which share of the work a run does, and so which files of a store are its own.

    Raises:
        ConfigError: the number does not lie in 1 to count.
    """

    number: int = 1
    """From 1."""
    count: int = 1
    """How many parts the work is split into."""

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count < 100_000:
            raise ConfigError(
                f"part {self.number}/{self.count} does not lie in 1/{self.count} to {self.count}/{self.count}",
                hint="split the work into n parts with 1/n, 2/n … n/n",
            )

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def shard_name(self, k: int) -> str:
        """Return the file name of this part's k-th shard, from 0."""
        return f"shard-{self.number:05}-of-{self.count:05}-{k:05}.arrow"

    @property
    def manifest_name(self) -> str:
        """File name of this part's manifest."""
        return "manifest.json" if self.count == 1 else f"manifest-{self.number:05}-of-{self.count:05}.json"

    @property
    def lock_name(self) -> str:
        """File name of the lock that whoever writes this part holds."""
        return f".part-{self.number:05}-of-{self.count:05}.lock"


@dataclass(frozen=True)
class Header:
    """What all shards and parts of one store agree on; a run goes on only under the same header."""

    contract: InputContract
    """What every row keeps to."""
    provenance: dict[str, Any] = field(default_factory=dict)
    """What the store was made from and how, as plain values."""
    physiolect: str = __version__
    """Version that made it."""
    format: str = FORMAT
    version: int = FORMAT_VERSION

    def differences(self, other: Header) -> list[str]:
        """Name what differs from another header, each as "name: mine there, theirs here"."""
        mine, theirs = (
            {**to_dict(header.contract), **header.provenance, "physiolect": header.physiolect}
            for header in (self, other)
        )
        return [
            f"{key}: {mine.get(key)} there, {theirs.get(key)} here"
            for key in sorted(mine.keys() | theirs.keys())
            if mine.get(key) != theirs.get(key)
        ]


@dataclass(frozen=True)
class Rejection:
    """A file, or a stretch of one, that did not enter the store."""

    source: str
    reason: str

    def __str__(self) -> str:
        return self.reason if self.source in self.reason else f"{self.source}: {self.reason}"


@dataclass(frozen=True)
class ShardHeader:
    """What a shard says of itself, in the metadata of its Arrow schema: enough to go on after it."""

    header: Header
    part: Part
    files: tuple[str, ...]
    """Files dealt with since the shard before, kept or rejected."""
    rejected: tuple[Rejection, ...] = ()
    remarks: tuple[Remark, ...] = ()
    dropped: int = 0
    taken: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    max_error: float = 0.0


@dataclass(frozen=True)
class Shard:
    """One shard, as a manifest lists it."""

    name: str
    rows: int
    samples: int
    """Samples over all channels."""
    bytes: int
    """Size of the file."""
    sha256: str
    max_error: float
    """Half of the largest step in it: no sample is further from what was prepared, in its channel's unit."""


@dataclass(frozen=True)
class Manifest:
    """What one part of a store holds."""

    header: Header
    part: Part
    files: int
    """Files dealt with, kept or rejected."""
    shards: tuple[Shard, ...]
    rejected: tuple[Rejection, ...] = ()
    remarks: tuple[Remark, ...] = ()
    """What is remarkable about recordings, kept or rejected."""
    dropped: int = 0
    """Samples in time that were left over where recordings were cut into segments."""
    taken: dict[str, int] = field(default_factory=dict)
    """Channel -> recordings it was taken from."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Channel -> recordings that have it beside those taken, and were read whole."""
    encoding: str = ENCODING

    @property
    def max_error(self) -> float:
        """Half of the largest step: no sample is further from what was prepared, in its channel's unit."""
        return max((shard.max_error for shard in self.shards), default=0.0)

    def write(self, folder: Path) -> None:
        """Write it into its folder in one step."""
        text = json.dumps(to_dict(self), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        path = folder / self.part.manifest_name
        with replacing(path, durable=True) as temporary:
            temporary.write_text(text, encoding="utf-8")


def parse(cls: type[T], text: str | bytes, where: str) -> T:
    """Return a Manifest or ShardHeader out of its JSON.

    Raises:
        FormatError: it is damaged, incomplete, or of another format or version.
    """
    try:
        content = json.loads(text)
        header = content["header"]
        kind, version = header["format"], header["version"]
        if (kind, version) == (FORMAT, FORMAT_VERSION):
            return from_dict(cls, content, where)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ConfigError) as error:
        raise FormatError(
            f"{where} is damaged or not of a store",
            hint="restore the folder as `physiolect prepare` wrote it, or prepare it anew",
        ) from error
    raise FormatError(
        f"{where} is of format {kind} {version}, and this physiolect reads {FORMAT} {FORMAT_VERSION}",
        hint="prepare it anew, or install the version of physiolect that made it",
    )


def read_manifest(path: Path) -> Manifest:
    """Read one part's manifest.

    Raises:
        FormatError: it is damaged, or no manifest of a store.
    """
    check_regular(path, FormatError)
    manifest = parse(Manifest, path.read_bytes(), str(path))
    part = manifest.part
    # A name out of a file that anybody may have written must not lead out of the folder.
    foreign = [shard.name for k, shard in enumerate(manifest.shards) if shard.name != part.shard_name(k)]
    if foreign or path.name != part.manifest_name:
        raise FormatError(
            f"{path} speaks of {', '.join(map(repr, foreign)) or f'part {part}'}, which is not its own",
            hint="restore the folder as `physiolect prepare` wrote it, or prepare it anew",
        )
    return manifest


def read_manifests(folder: Path) -> list[Manifest]:
    """Read the manifests of all parts of a store, in order.

    Raises:
        FormatError: the folder is no store, or an unfinished one, or parts are missing or do not fit.
    """
    names = sorted(os.listdir(folder)) if folder.is_dir() else []
    manifests = [read_manifest(folder / name) for name in names if _MANIFEST.fullmatch(name)]
    if not manifests:
        if not folder.exists():
            raise FormatError(
                f"{folder} is not a store: there is no such folder",
                hint=f"make it with `physiolect prepare INPUT --out {folder}`",
            )
        if any(_SHARD.fullmatch(name) for name in names):
            raise FormatError(
                f"the store {folder} is unfinished",
                hint="run the same `physiolect prepare` again: finished shards are kept",
            )
        raise FormatError(
            f"{folder} is not a store: it holds no manifest.json",
            hint="make one with `physiolect prepare INPUT --out STORE`",
        )
    count = manifests[0].part.count
    first = manifests[0].header
    if any(manifest.part.count != count or manifest.header != first for manifest in manifests):
        raise FormatError(
            f"the parts of the store {folder} were made with different inputs or settings",
            hint="prepare it anew into an empty folder",
        )
    missing = sorted(set(range(1, count + 1)) - {manifest.part.number for manifest in manifests})
    if missing:
        raise FormatError(
            f"the store {folder} is unfinished: part {', '.join(map(str, missing))} of {count} is missing",
            hint=f"run the same `physiolect prepare` with --shard {missing[0]}/{count}",
        )
    return manifests


def is_store(path: str | os.PathLike[str]) -> bool:
    """Return whether a folder holds a store, finished or not, going by its file names alone."""
    folder = Path(path)
    return folder.is_dir() and any(is_store_file(name) for name in os.listdir(folder))


def is_store_file(name: str) -> bool:
    """Return whether a store could have a file of this name."""
    return part_of(name) is not None


def part_of(name: str) -> tuple[int, int] | None:
    """Return the number and the count of parts that the name of a store's file tells; None where it is none."""
    match = _SHARD.fullmatch(name) or _MANIFEST.fullmatch(name)
    return (int(match[1] or 1), int(match[2] or 1)) if match else None


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
