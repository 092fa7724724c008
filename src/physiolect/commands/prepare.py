"""`physiolect prepare INPUT ... --out STORE`: recordings become a store to train on."""

from __future__ import annotations

import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, ClassVar, NoReturn

from physiolect.config import load
from physiolect.errors import ConfigError, PhysiolectError, check_option, did_you_mean
from physiolect.recording import Modality, canonical_channel
from physiolect.signals.quality import RemarkKind

if TYPE_CHECKING:
    from rich.console import Console

    from physiolect.contract import InputContract
    from physiolect.datasets.preparing.preparation import File, Preparation, Prepared
    from physiolect.datasets.store.manifest import Manifest, Part

EXAMPLE = "physiolect prepare mitdb/ more/*.mat --out store --channel MLII"
_MANY = 12
"""How many channels are named in a line."""
_SPEAK_EVERY = 30.0
"""Seconds between two lines of progress where there is no terminal to draw a bar on."""


@dataclass(frozen=True)
class Config:
    """Turn recordings, of any mixture of files and folders, into a store to train on."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("inputs",)

    inputs: list[str]
    """Files and folders of recordings."""
    out: str
    """Folder of the store; give an unfinished one again to go on with it."""
    contract: str = "heartgpt-ecg"
    """What every row must be made to fit: a preset, a YAML file, a checkpoint's folder, or an ECG-Byte tokenizer's."""
    channel: str | None = None
    """The one channel to take: a name or alias, which the model will then ask for too, or a number from 0."""
    every_channel: bool = False
    """Take every channel as a row of its own: all leads of a recording, all records of a matrix."""
    fs: float | None = None
    """Sampling rate in Hz of files that state none."""
    modality: Modality | None = None
    """What was measured, for files that do not tell."""
    variable: str | None = None
    """Variable that holds the signal, for MAT and NPZ files with several."""
    unit: str | None = None
    """Unit of the channels of which a file states none, such as mV."""
    names: tuple[str, ...] = ()
    """Names of all channels, in their order, of files that name none."""
    patients: str | None = None
    """CSV with the columns recording,patient, so that no patient is ever on both sides of a split."""
    labels: str | None = None
    """CSV with the columns recording,label, one line a label: every row of a recording carries its labels."""
    dataset: str | None = None
    """Public dataset that the folders hold as it is published, which brings its patients, labels and split."""
    label_set: str | None = None
    """Which labels of the dataset, where it has several: superclass, subclass or scp of ptbxl, say."""
    split: str = ""  # not None, which is how the command line reads the word "none"
    """Which published split of the dataset, where it has to be named: de-chazal of mitbih, say; or none."""
    segment: int | None = None
    """Samples, at the contract's rate, of the segments that recordings are cut into; what is left over is dropped."""
    derive_limb: bool = False
    """Compute limb leads that are missing (III, aVR, aVL, aVF) out of I and II."""
    zero_missing: bool = False
    """Put zeros in the place of leads that are missing, or zeros already, instead of leaving the recording out."""
    refuse: tuple[RemarkKind, ...] = ()
    """Leave out recordings of which this is remarked, instead of only telling."""
    workers: int = 0
    """Processes to work with; 0 is one a processor."""
    scheduler: str | None = None
    """Address of a Dask scheduler, as tcp://host:port, whose workers do the work and see the same disk."""
    shard: str | None = None
    """Which share of the work this run does, as i/n with i from 1 to n; other machines do the others into one store."""
    strict: bool = False
    """Stop at the first recording that does not fit, instead of listing it and going on."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        from physiolect.datasets.preparing.prepare import list_files

        found = []
        # a folder is gone through once, when its recordings are wanted
        given = [path for path in self.inputs if self.dataset is None and not Path(path).is_dir()]
        checks: list[Callable[[], object]] = [partial(list_files, [path]) for path in given]
        for check in (*checks, self.input_contract, self.part):
            try:
                check()
            except PhysiolectError as error:
                found.append(f"{error} ({error.hint})" if error.hint else str(error))
        if not self.inputs:
            found.append("no recordings are named")
        if self.fs is not None and not 0 < self.fs < float("inf"):
            found.append(f"--fs is {self.fs}, but it must be above 0 Hz")
        for name, path in (("patients", self.patients), ("labels", self.labels)):
            if path is not None and not Path(path).is_file():
                found.append(f"there is no file '{path}' of {name}")
        if self.segment is not None and self.segment < 1:
            found.append(f"--segment is {self.segment}, but it must be 1 sample or more")
        elif self.segment is not None and not found and self.segment < self.input_contract().min_samples:
            least = self.input_contract().min_samples
            found.append(
                f"--segment is {self.segment}, but the contract takes {least} samples or more at a time"
            )
        found += self._lead_problems()
        found += self._dataset_problems()
        return found + self._worker_problems()

    def _worker_problems(self) -> list[str]:
        found = []
        if self.workers < 0:
            found.append(f"--workers is {self.workers}, but it must be 0 or more")
        if self.scheduler is not None and not re.fullmatch(r"[a-z]+://.+", self.scheduler):
            found.append(f"--scheduler is '{self.scheduler}', but it must be an address as tcp://host:8786")
        if self.scheduler is not None and self.workers:
            found.append(
                "--workers are processes here, and --scheduler has workers elsewhere: name one of them"
            )
        return found

    def _dataset_problems(self) -> list[str]:
        if self.dataset is None:
            named = {"--label-set": self.label_set, "--split": self.split}
            return [f"{option} needs a --dataset" for option, value in named.items() if value]
        from physiolect.datasets.public.catalogue import DATASETS

        found = []
        if self.patients or self.labels:
            found.append("--dataset brings patients and labels of its own: leave --patients and --labels out")
        try:
            check_option("--dataset", self.dataset, DATASETS)
            dataset = DATASETS[self.dataset]
            if self.label_set and not dataset.labels:
                raise ConfigError(
                    f"--label-set is '{self.label_set}', but {dataset.name} has no labels of whole recordings",
                    hint="leave it out: beats and rhythms come with the rows, as marks",
                )
            for folder in self.inputs:
                dataset.check(Path(folder), self.label_set, self.split or None)
        except PhysiolectError as error:
            found.append(f"{error} ({error.hint})")
        return found

    def _lead_problems(self) -> list[str]:
        from physiolect.contract import ANY_CHANNEL

        found = []
        if self.every_channel and self.channel is not None:
            found.append("--channel takes one channel and --every-channel takes all: name one of them")
        try:
            named = ANY_CHANNEL not in self.input_contract().channels
        except PhysiolectError:  # told elsewhere
            return found
        if self.every_channel and named:
            found.append("--every-channel needs a --contract of one channel of any name")
        if (self.derive_limb or self.zero_missing) and not named:
            found.append("--derive-limb and --zero-missing need a --contract that names its leads")
        return found

    def input_contract(self) -> InputContract:
        """Return the contract that is named; one that takes any channel asks for `channel` where that is a name.

        Raises:
            ConfigError: there is no such preset or file, or its settings are wrong or do not go with `channel`.
        """
        from physiolect.contract import ANY_CHANNEL, CONTRACTS

        contract = CONTRACTS.get(self.contract) or _contract_in(Path(self.contract))
        if contract is not None:
            if self.channel is not None and len(contract.channels) > 1:
                raise ConfigError(
                    f"--channel is '{self.channel}', but the contract takes {len(contract.channels)} channels",
                    hint="leave --channel out",
                )
            a_name = None if (self.channel or "0").isdecimal() else self.channel
            if a_name and contract.channels == (ANY_CHANNEL,):
                return replace(contract, channels=(canonical_channel(a_name),))
            return contract
        raise ConfigError(
            f"--contract '{self.contract}' is no preset and holds no contract "
            f"({did_you_mean(self.contract, CONTRACTS)})",
            hint="name a preset, a YAML file of a contract's settings, or the folder of a checkpoint or tokenizer",
        )

    def recipe(self) -> Preparation:
        """Return how each file is read and made to fit."""
        from physiolect.datasets.preparing.preparation import Preparation

        return Preparation(
            self.input_contract(),
            channel=self.channel,
            every_channel=self.every_channel,
            fs=self.fs,
            modality=self.modality,
            variable=self.variable,
            unit=self.unit,
            names=self.names,
            derive_limb=self.derive_limb,
            zero_missing=self.zero_missing,
            segment=self.segment,
            refuse=self.refuse,
        )

    def files(self) -> tuple[list[File], list[str]]:
        """Return the files to prepare, and remarks on what was found."""
        from physiolect.datasets.preparing.prepare import known_files, list_files, read_labels, read_patients
        from physiolect.datasets.public.catalogue import DATASETS, recognise

        if self.dataset is None:
            files, told = known_files(
                list_files(self.inputs),
                read_patients(self.patients) if self.patients else None,
                read_labels(self.labels) if self.labels else None,
            )
            known = {name for name in map(recognise, self.inputs) if name}
            notes = [
                f"this looks like {name}: --dataset {name} would take each recording once, with its patient, labels "
                "and split"
                for name in sorted(known)
            ]
            return files, notes + told
        from physiolect.datasets.preparing.public_files import public_files

        dataset, fs = DATASETS[self.dataset], self.input_contract().fs
        files, missing = public_files(
            dataset, *self.inputs, labels=self.label_set, split=self.split or None, fs=fs
        )
        notes = [f"{dataset.title} ({dataset.licence}); cite: {dataset.citation}"]
        if missing:
            notes.append(f"{missing} of its recordings are listed, but not there")
        return files, notes

    def about(self) -> dict[str, str | None]:
        """Return what the store is to tell of the dataset it was made from."""
        if self.dataset is None:
            return {}
        from physiolect.datasets.public.catalogue import DATASETS

        dataset = DATASETS[self.dataset]
        facts = {"origin": dataset.origin, "licence": dataset.licence, "citation": dataset.citation}
        # as they were settled: naming the default is the same as leaving it out
        label_set = self.label_set or next(iter(dataset.labels), None)
        split = None if self.split == "none" else self.split or dataset.split
        return {"dataset": self.dataset, **facts, "label_set": label_set, "published_split": split}

    def part(self) -> Part:
        """Return the share of the work that is named.

        Raises:
            ConfigError: it is no share.
        """
        from physiolect.datasets.store.manifest import Part

        if self.shard is None:
            return Part()
        match = re.fullmatch(r"(\d{1,5})/(\d{1,5})", self.shard)
        if match is None:
            raise ConfigError(f"--shard is '{self.shard}', which is not i/n", hint="1/4 is the first of four")
        return Part(int(match[1]), int(match[2]))


def _contract_in(path: Path) -> InputContract | None:
    """Return the contract that a file, or a checkpoint's or a tokenizer's folder, holds; None where there is none."""
    from physiolect.contract import InputContract
    from physiolect.tokenizers import FILE_NAME, EcgByteTokenizer, load_tokenizer

    for folder in (path, path / "best", path / "last"):
        if (folder / "contract.yaml").is_file():
            return load(InputContract, folder / "contract.yaml")
    if (path / FILE_NAME).is_file() or path.name == FILE_NAME:
        tokenizer = load_tokenizer(path)
        return tokenizer.contract() if isinstance(tokenizer, EcgByteTokenizer) else None
    return load(InputContract, path) if path.is_file() else None


def run(config: Config) -> int:
    """Prepare the store; 130 or 143 where the user, or the machine, stopped it."""
    from rich.console import Console

    from physiolect.datasets.preparing.prepare import prepare_store

    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    with console.status("looking for recordings"):
        files, notes = config.files()
    for note in notes:
        console.print(note)
    with _Progress(console) as progress:
        try:
            with _terminable():
                manifest = prepare_store(
                    files,
                    config.out,
                    config.recipe(),
                    inputs=[Path(path).absolute().name for path in config.inputs],
                    workers=config.workers,
                    scheduler=config.scheduler,
                    part=config.part(),
                    strict=config.strict,
                    about=config.about(),
                    watcher=progress,
                )
        except (KeyboardInterrupt, _Terminated) as stop:
            progress.stop()
            console.print(
                f"stopped; what is finished is kept in {config.out}: run the same command again to go on"
            )
            return 143 if isinstance(stop, _Terminated) else 130
    console.print(summary(manifest, config.out))
    return 0


def summary(manifest: Manifest, out: str) -> str:
    """Say in a few lines what a store, or a part of it, holds."""
    rows = sum(shard.rows for shard in manifest.shards)
    samples = sum(shard.samples for shard in manifest.shards)
    hours = samples / manifest.header.contract.fs / 3600
    size = sum(shard.bytes for shard in manifest.shards) / 1e6
    share = "" if manifest.part.count == 1 else f" (part {manifest.part})"
    lines = [
        f"{out}{share}: {rows} rows out of {manifest.files} files, {hours:.2f} channel-hours, {size:.1f} MB"
    ]
    if rows:
        unit = f" {manifest.header.contract.unit}" if manifest.header.contract.unit else ", each in its unit,"
        lines.append(f"samples lie within {manifest.max_error:.2g}{unit} of what was prepared")
    if manifest.left_out:
        others = sum(manifest.left_out.values())
        lines.append(
            f"took {_counts(manifest.taken)} and left {others} other channels out ({_counts(manifest.left_out)}), "
            "as the contract takes one: --channel names it, --every-channel takes each as a row"
        )
    where = manifest.part.manifest_name
    if manifest.dropped:
        lost = manifest.dropped / manifest.header.contract.fs
        lines.append(f"{lost:.4g} s at the ends of recordings filled no segment and were dropped")
    if manifest.remarks:
        counts = Counter(kind for _, kind in {(remark.source, remark.kind) for remark in manifest.remarks})
        told = ", ".join(f"{kind} {counts[kind]}" for kind in sorted(counts))
        lines.append(f"quality, in recordings: {told}; the remarks are in {where}")
    if manifest.rejected:
        lines.append(f"{len(manifest.rejected)} left out; the reasons are in {where}")
    return "\n".join(lines)


def _counts(channels: Mapping[str, int]) -> str:
    """Name the commonest channels and how many recordings have each: "II 12, MLII 3"."""
    named = sorted(channels.items(), key=lambda item: (-item[1], item[0]))
    more = f" and {len(named) - _MANY} more" if len(named) > _MANY else ""
    return ", ".join(f"{name} {count}" for name, count in named[:_MANY]) + more


class _Progress:
    """Shows how far the work is: a bar that moves with every file that ends, or now and then a line.

    It is a `datasets.outcomes.Watcher`.
    """

    def __init__(self, console: Console) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._console = console
        columns = (
            SpinnerColumn(),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
        )
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("")
        self._done = self._files = 0
        self._spoke = time.monotonic()

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._bar.stop()

    def begin(self, finished: int, files: int) -> None:
        self._done, self._files = finished, files
        self._bar.update(self._task, total=files, completed=finished)
        if finished:
            self._console.print(f"going on: {finished} of {files} files were finished before")

    def ended(self, outcome: Prepared) -> None:
        self._done += 1
        self._bar.update(self._task, completed=self._done, description="")
        for rejection in outcome.rejected:
            self._console.print(f"left out: {rejection}")
        self._speak()

    def lost(self, note: str) -> None:
        self._console.print(f"note: {note}")

    def waiting(self, name: str, seconds: float) -> None:
        self._bar.update(self._task, description=f"waiting for {name} ({seconds:.0f} s)")
        self._speak(f", waiting for {name} ({seconds:.0f} s)")

    def _speak(self, more: str = "") -> None:
        """Say where there is no bar how far the work is, unless that was said not long ago."""
        if self._bar.disable and time.monotonic() - self._spoke >= _SPEAK_EVERY:
            self._spoke = time.monotonic()
            self._console.print(f"{self._done} of {self._files} files{more}")


class _Terminated(BaseException):
    """SIGTERM arrived."""


@contextmanager
def _terminable() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that it ends the work as Ctrl-C does."""

    def stop(signum: int, frame: FrameType | None) -> NoReturn:
        raise _Terminated

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread, where signals do not arrive anyway
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
