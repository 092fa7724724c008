"""How a store is prepared: the contract, how files are read, what comes with them, and who works."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import get_args

from physiolect.config import load
from physiolect.contract import ANY_CHANNEL, CONTRACTS, InputContract
from physiolect.datasets.preparing.listing import (
    check_input,
    find_inputs,
    known_files,
    read_labels,
    read_patients,
)
from physiolect.datasets.preparing.preparation import File, Preparation
from physiolect.datasets.preparing.public_files import public_files
from physiolect.datasets.preparing.targets import Beside, neural_contract
from physiolect.datasets.public.catalogue import DATASETS, recognise
from physiolect.datasets.store.manifest import Part
from physiolect.errors import ConfigError, PhysiolectError, check_option, did_you_mean
from physiolect.recording import MODALITIES, Modality, canonical_channel
from physiolect.signals.neural import NeuralFeatures
from physiolect.signals.quality import RemarkKind

DEFAULT_CONTRACT = "heartgpt-ecg"


@dataclass(frozen=True, kw_only=True)
class PrepareSettings:
    """The keywords of `prepare`, which describes them, in one object that checks them before any work."""

    inputs: Sequence[str]
    contract: str | InputContract | None
    channel: str | None
    lead: str | None
    every_channel: bool
    fs: float | None
    modality: Modality | None
    variable: str | None
    unit: str | None
    names: tuple[str, ...]
    annotator: tuple[str, ...]
    patients: str | None
    labels: str | None
    dataset: str | None
    label_set: str | None
    split: str
    segment: int | None
    derive_limb: bool
    zero_missing: bool
    refuse: tuple[RemarkKind, ...]
    workers: int
    scheduler: str | None
    shard: str | None
    strict: bool
    targets: tuple[str, ...] = ()
    lag: float = 0.0
    blocks: tuple[float, ...] = ()
    gap: float = 6.0
    trials: bool = False
    bands: tuple[str, ...] = ()
    common_average: bool = False
    notch: float | None = None
    bin_rate: float = 20.0

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = [] if self.inputs else ["no recordings are named"]
        for given in self.inputs:  # a folder is listed once, when its recordings are read
            if self.dataset is None and not Path(given).is_dir():
                found += _errors(partial(check_input, given))
        found += _errors(self.input_contract) + _errors(self.part)
        if self.fs is not None and not 0 < self.fs < float("inf"):
            found.append(f"--fs is {self.fs:g}, but must be above 0 Hz")
        if self.modality is not None:
            found += _errors(partial(check_option, "--modality", self.modality, MODALITIES))
        for kind in self.refuse:
            found += _errors(partial(check_option, "--refuse", kind, get_args(RemarkKind)))
        for name, path in (("patients", self.patients), ("labels", self.labels)):
            if path is not None and not Path(path).is_file():
                found.append(f"there is no file '{path}' of {name}")
        if self.segment is not None and self.segment < 1:
            found.append(f"--segment is {self.segment}, but must be 1 sample or more")
        elif self.segment is not None and not found and self.segment < self.input_contract().min_samples:
            least = self.input_contract().min_samples
            found.append(
                f"--segment is {self.segment}, but the contract takes {least} samples or more at a time"
            )
        found += self.beside.problems()
        if not self.bands and (self.common_average or self.notch is not None):
            found.append("--common-average and --notch come before band power: name --bands, such as 70-150")
        if self.bands and self.contract is not None:
            found.append("--contract says which features are computed: leave --bands out")
        if (self.blocks or self.trials) and self.segment is not None:
            found.append("--segment cuts recordings, and so do --blocks and --trials: leave --segment out")
        return found + self._lead_problems() + self._dataset_problems() + self._worker_problems()

    def _worker_problems(self) -> list[str]:
        found = []
        if self.workers < 0:
            found.append(f"--workers is {self.workers}, but must be 0 or more")
        if self.scheduler is not None and not re.fullmatch(r"[a-z]+://.+", self.scheduler):
            found.append(f"--scheduler is '{self.scheduler}', but must be an address such as tcp://host:8786")
        if self.scheduler is not None and self.workers:
            found.append(
                "--workers are processes here, and --scheduler has workers elsewhere: name one of them"
            )
        return found

    def _dataset_problems(self) -> list[str]:
        if self.dataset is None:
            named = {"--label-set": self.label_set, "--split": self.split}
            return [f"{option} needs a --dataset" for option, value in named.items() if value]
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
        found = []
        if self.every_channel and self.channel is not None:
            found.append("--channel takes one channel and --every-channel takes all: name one of them")
        try:
            named = ANY_CHANNEL not in self.input_contract().channels
        except PhysiolectError:  # listed elsewhere
            return found
        if self.lead is not None and self.every_channel:
            found.append("--lead names one channel and --every-channel takes all: name one of them")
        if self.lead is not None and self.names:
            found.append("--lead names one channel and --names all of them: name one of them")
        if self.every_channel and named:
            found.append("--every-channel needs a --contract of one channel of any name")
        if (self.derive_limb or self.zero_missing) and not named:
            found.append("--derive-limb and --zero-missing need a --contract that names its leads")
        return found

    def input_contract(self) -> InputContract:
        """Return the contract of every row.

        Raises:
            ConfigError: as for `resolve_contract`.
        """
        if self.contract is None and self.dataset is None and (self.targets or self.trials or self.bands):
            return neural_contract(
                self.inputs, self.beside, modality=self.modality, fs=self.fs, variable=self.variable
            )
        dataset = DATASETS.get(self.dataset or "")
        contract = self.contract or (dataset and dataset.contract) or DEFAULT_CONTRACT
        if self.lead is None:
            return resolve_contract(contract, self.channel)
        return resolve_contract(contract, self.lead, "--lead")

    @property
    def beside(self) -> Beside:
        """Targets, blocks and trials."""
        features = None
        if self.bands:
            features = NeuralFeatures(self.bands, self.common_average, self.notch, self.bin_rate)
        return Beside(self.targets, self.lag, self.blocks, self.gap, self.trials, features)

    def recipe(self) -> Preparation:
        """Return how each file is read and made to fit."""
        return Preparation(
            self.input_contract(),
            channel=self.channel,
            lead=self.lead,
            every_channel=self.every_channel,
            fs=self.fs,
            modality=self.modality,
            variable=self.variable,
            unit=self.unit,
            names=self.names,
            annotator=self.annotator,
            derive_limb=self.derive_limb,
            zero_missing=self.zero_missing,
            segment=self.segment,
            refuse=self.refuse,
            beside=self.beside,
        )

    def about(self) -> dict[str, str | None]:
        """Return what the store keeps about the public dataset it was made from."""
        if self.dataset is None:
            return {}
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
        if self.shard is None:
            return Part()
        match = re.fullmatch(r"(\d{1,5})/(\d{1,5})", self.shard)
        if match is None:
            raise ConfigError(f"--shard is '{self.shard}', which is not i/n", hint="1/4 is the first of four")
        return Part(int(match[1]), int(match[2]))


@dataclass(frozen=True)
class FoundFiles:
    """The files that settings mean."""

    files: list[File]
    notes: list[str]
    """What the user should know about them."""
    outputs: tuple[str, ...] = ()
    """Files that are skipped because a model wrote them."""
    notices: tuple[str, ...] = ()
    """Which other files of folders are skipped, a sentence a folder."""


def find_files(settings: PrepareSettings) -> FoundFiles:
    """Return the files to prepare.

    Raises:
        PhysiolectError: an input is missing or holds no recording, or a table does not fit.
    """
    if settings.dataset is None:
        found = find_inputs(settings.inputs)
        files, notes = known_files(
            found.files,
            read_patients(settings.patients) if settings.patients else None,
            read_labels(settings.labels) if settings.labels else None,
        )
        known = sorted({name for name in map(recognise, settings.inputs) if name})
        looks = [
            f"this looks like {name}: --dataset {name} would take each recording once, with its patient, labels "
            "and split"
            for name in known
        ]
        return FoundFiles(files, looks + notes, tuple(found.outputs), tuple(found.notices))
    dataset, fs = DATASETS[settings.dataset], settings.input_contract().fs
    files, missing = public_files(
        dataset, *settings.inputs, labels=settings.label_set, split=settings.split or None, fs=fs
    )
    notes = [f"{dataset.title} ({dataset.licence}); cite: {dataset.citation}"]
    if missing:
        notes.append(f"{missing} of its recordings are listed, but not there")
    return FoundFiles(files, notes)


def resolve_contract(
    contract: str | InputContract, channel: str | None, option: str = "--channel"
) -> InputContract:
    """Return the contract that is named; one that takes any channel asks for `channel` where that is a name.

    Args:
        contract: A contract, a preset, a YAML file, or the folder of a checkpoint or tokenizer.
        channel: The one channel to take, by name, alias or number.
        option: What named the channel, for errors.

    Raises:
        ConfigError: there is no such preset or file, or its settings are wrong or do not go with `channel`.
    """
    found = contract if isinstance(contract, InputContract) else CONTRACTS.get(contract)
    found = found or _contract_in(Path(str(contract)))
    if found is None:
        raise ConfigError(
            f"--contract '{contract}' is no preset and holds no contract ({did_you_mean(str(contract), CONTRACTS)})",
            hint="name a preset, a YAML file of a contract's settings, or the folder of a checkpoint or tokenizer",
        )
    if channel is not None and len(found.channels) > 1:
        raise ConfigError(
            f"{option} is '{channel}', but the contract takes {len(found.channels)} channels",
            hint=f"leave {option} out",
        )
    a_name = None if (channel or "0").isdecimal() else channel
    if a_name and found.channels == (ANY_CHANNEL,):
        return replace(found, channels=(canonical_channel(a_name),))
    return found


def _contract_in(path: Path) -> InputContract | None:
    """Return the contract that a file, or a checkpoint's or a tokenizer's folder, holds; None where there is none."""
    from physiolect.tokenizers import FILE_NAME, EcgByteTokenizer, load_tokenizer

    for folder in (path, path / "best", path / "last"):
        if (folder / "contract.yaml").is_file():
            return load(InputContract, folder / "contract.yaml")
    if (path / FILE_NAME).is_file() or path.name == FILE_NAME:
        tokenizer = load_tokenizer(path)
        return tokenizer.contract() if isinstance(tokenizer, EcgByteTokenizer) else None
    return load(InputContract, path) if path.is_file() else None


def _errors(check: Callable[[], object]) -> list[str]:
    """Return the error that a check raises, with its hint; [] where it passes."""
    try:
        check()
    except PhysiolectError as error:
        return [f"{error} ({error.hint})" if error.hint else str(error)]
    return []
