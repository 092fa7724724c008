"""How one file becomes rows: read, its leads arranged, made to fit, looked over and cut."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from physiolect.contract import (
    ANY_CHANNEL,
    InputContract,
    Remark,
    adapt,
    arrange_leads,
    available_leads,
    name_lead,
    quality_remarks,
    select_channels,
    split_at_gaps,
    with_features,
)
from physiolect.contract.channels import rows_of
from physiolect.datasets.preparing.dead_leads import without_dead
from physiolect.datasets.preparing.targets import Beside, rows_of_pieces, silent_units, with_targets
from physiolect.datasets.public.dataset import Entry, Read
from physiolect.datasets.store.manifest import Rejection
from physiolect.datasets.store.marks import marks_within
from physiolect.datasets.store.rows import Row
from physiolect.errors import ContractError, FormatError, PhysiolectError
from physiolect.formats import read_recordings
from physiolect.recording import Modality, Recording, canonical_channel
from physiolect.signals import segments
from physiolect.signals.quality import RemarkKind


@dataclass(frozen=True)
class Preparation:
    """How each file is read and made to fit."""

    contract: InputContract
    channel: str | None = None
    """The one channel to take, by name, alias or number; None leaves it to the contract."""
    lead: str | None = None
    """What the one channel is, where files do not name it so."""
    every_channel: bool = False
    """Take each channel as a row of its own, under a contract of one channel of any name."""
    fs: float | None = None
    """Rate in Hz of files that state none."""
    modality: Modality | None = None
    """What files measure whose channels do not tell."""
    variable: str | None = None
    """Which variable of a MAT or NPZ file holds the signal."""
    unit: str | None = None
    """Unit of the channels of which a file states none."""
    names: tuple[str, ...] = ()
    """Names of all channels of files, where they name none or others."""
    derive_limb: bool = False
    """Compute missing limb leads out of I and II."""
    zero_missing: bool = False
    """Let leads that are still missing be zeros."""
    segment: int | None = None
    """Cut what fits into rows of so many samples, dropping what is left at the end; None keeps it whole."""
    refuse: tuple[RemarkKind, ...] = ()
    """Leave out recordings of which one of these is remarked."""
    annotator: tuple[str, ...] = ()
    """Extensions of the WFDB annotation files to read; default: the first that exists of atr, qrs and ecg."""
    beside: Beside = field(default_factory=Beside)
    """Targets beside the signals, and how a recording's time is cut."""

    def provenance(self) -> dict[str, object]:
        """Return what a store keeps of it beside its contract, as plain values."""
        return {
            "channel": self.channel,
            "every_channel": self.every_channel,
            "fs": self.fs,
            "modality": self.modality,
            "variable": self.variable,
            "unit": self.unit,
            "names": list(self.names),
            "derive_limb": self.derive_limb,
            "zero_missing": self.zero_missing,
            "segment": self.segment,
            "refuse": sorted(self.refuse),
            **({"annotator": list(self.annotator)} if self.annotator else {}),
            **({"lead": self.lead} if self.lead else {}),
            **self.beside.provenance(),
        }

    @property
    def wanted(self) -> tuple[str, ...] | None:
        """Names of the channels that the contract asks for; None where it takes any one."""
        if (
            ANY_CHANNEL in self.contract.channels or self.contract.features is not None
        ):  # made of the file's channels
            return None
        return (*self.contract.channels, *self.beside.targets)


@dataclass(frozen=True, slots=True)
class File:
    """One file to prepare; there may be a million of them, so that its path is kept as text."""

    name: str
    """What the store calls it: free of where on this machine it lies."""
    place: str | os.PathLike[str]
    """Where it lies."""
    patient: str | None = None
    labels: tuple[str, ...] = ()
    """What the recording shows, for every row of it."""
    split: str | None = None
    """Which part of a published split the recording belongs to."""
    members: tuple[Entry, ...] = ()
    """Recordings in it that are to be prepared, each with a patient, labels and split of its own; none means all."""
    opened: Callable[[Path], AbstractContextManager[Read]] | None = None
    """Opens the file and gives what reads its members."""
    given: Callable[[], Recording] | None = None
    """Reads the one recording that is meant, where it is one of many in its file."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", os.fspath(self.place))

    @property
    def path(self) -> Path:
        """Where it lies."""
        return Path(self.place)

    def identity(self) -> list[str | list[str | None] | None]:
        """Return all that what is made of it depends on, but for its content and place, as plain values."""
        members = [[each.name, each.patient, each.split, *each.labels] for each in self.members]
        return [self.name, self.patient, self.split, *self.labels, *members]


@dataclass(frozen=True)
class Prepared:
    """What a file gave."""

    file: File
    rows: tuple[Row, ...]
    rejected: tuple[Rejection, ...]
    remarks: tuple[Remark, ...] = ()
    """What is remarkable about its recordings, kept or not."""
    dropped: int = 0
    """Samples in time, at the contract's rate, that fill no segment."""
    taken: Mapping[str, int] = field(default_factory=dict)
    """Channel -> recordings that gave a row with it."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Channel -> recordings that gave rows without it."""


def prepare_file(file: File, recipe: Preparation) -> Prepared:
    """Read one file and make it fit; what does not is a rejection with its reason, never an exception."""
    if file.members:
        return _prepare_members(file, recipe)
    work = _Work(file, recipe)
    try:
        recordings = _read(file.path, recipe) if file.given is None else [_narrowed(file.given(), recipe)]
        for k, recording in enumerate(recordings):
            source = file.name if len(recordings) == 1 else f"{file.name}#{k}"
            work.take(replace(recording, source=source))
    except (PhysiolectError, OSError) as error:
        work.rejected.append(_rejection(file, str(error)))
    except MemoryError:
        work.rejected.append(_rejection(file, "there is not enough memory for it"))
    except Exception as error:
        # One file out of a hundred thousand must not end a night's work, even if the fault is ours: it is told.
        reason = f"unexpected {type(error).__name__}: {error} (please report this)"
        work.rejected.append(_rejection(file, reason))
    return Prepared(
        file,
        tuple(work.rows),
        tuple(work.rejected),
        tuple(work.remarks),
        work.dropped,
        work.taken,
        work.left_out,
    )


class _Work:
    """What comes out of a file while its recordings are taken one by one."""

    def __init__(self, file: File, recipe: Preparation) -> None:
        self.file, self.recipe = file, recipe
        self.rows: list[Row] = []
        self.rejected: list[Rejection] = []
        self.remarks: list[Remark] = []
        self.dropped = 0
        self.taken: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()

    def take(self, recording: Recording) -> None:
        """Add what a recording gives as rows, and what does not fit as rejections."""
        if self.recipe.every_channel:
            for number in range(len(recording.channels)):
                self.taken.update(self._give_rows(recording, number))
            return
        # the one channel that is asked for is the only one that was read
        taken = self._give_rows(recording, None if self.recipe.channel is None else 0)
        self.taken.update(taken)
        if taken and len(self.recipe.contract.channels) == 1:
            names = {canonical_channel(name) for name in taken}
            self.left_out.update(name for name in recording.channels if canonical_channel(name) not in names)

    def _give_rows(self, recording: Recording, channel: int | None) -> tuple[str, ...]:
        """Add a recording's stretches between long gaps as rows; return the channels where there were any.

        Args:
            recording: What there is.
            channel: The one channel to take, by number; None leaves it to the contract.
        """
        contract, source, before = self.recipe.contract, recording.source, len(self.rows)
        remarks: list[Remark] = []
        try:
            recording = whole = with_features(recording, contract)
            if self.recipe.zero_missing:
                recording = without_dead(recording, contract, remarks)
            if self.recipe.derive_limb or self.recipe.zero_missing:
                recording, contract = self._arrange(recording, remarks)
            # A gap in a channel that nobody asked for must not cut the others.
            recording = select_channels(recording, contract, channel)
        except ContractError as error:
            self.rejected.append(Rejection(source, str(error)))
            return ()
        remarks += [Remark(source, "reading", notice) for notice in recording.notices]
        remarks += silent_units(recording) if recording.modality == "spikes" else quality_remarks(recording)
        self.remarks += remarks
        refused = [remark.note for remark in remarks if remark.kind in self.recipe.refuse]
        if refused:
            self.rejected.append(Rejection(source, "; ".join(refused)))
            return ()
        stretches = split_at_gaps(recording, contract.max_gap)
        spans = [(first := round(start * recording.fs), first + each.n_samples) for start, each in stretches]
        marks = marks_within(recording.annotations, spans)
        for (start, stretch), within in zip(stretches, marks, strict=True):
            try:
                marked = replace(stretch, annotations=within)
                adapted, report = adapt(
                    marked, contract, None if channel is None else 0, window="all", first=start
                )
                if contract != self.recipe.contract:
                    adapted = arrange_leads(adapted, self.recipe.contract.channels, zero_missing=True)
                begin = start + report.start
                if self.recipe.beside.targets:
                    adapted = with_targets(adapted, whole, self.recipe.beside, begin)
                self.rows += self._cut(adapted, begin)
            except PhysiolectError as error:
                end = start + stretch.duration
                where = source if len(stretches) == 1 else f"{source}, {start:.1f} to {end:.1f} s"
                self.rejected.append(Rejection(where, str(error)))
        if not stretches:
            self.rejected.append(Rejection(source, "every sample is missing"))
        return recording.channels if len(self.rows) > before else ()

    def _arrange(self, recording: Recording, remarks: list[Remark]) -> tuple[Recording, InputContract]:
        """Return the recording with the leads that there are, and the contract for these.

        Zeros come last: filters and scales have no business with them. `remarks` receives which leads are not the
        recording's own.
        """
        recipe, leads = self.recipe, self.recipe.contract.channels
        there = available_leads(recording, leads, derive_limb=recipe.derive_limb)
        derived = [lead for lead in there if not rows_of(recording, lead)]
        zeros = [lead for lead in leads if lead not in there]
        if derived:
            note = f"{', '.join(derived)} computed from I and II"
            remarks.append(Remark(recording.source, "derived", note))
        if not recipe.zero_missing:
            return arrange_leads(recording, leads, derive_limb=recipe.derive_limb), recipe.contract
        if zeros and there:
            remarks.append(Remark(recording.source, "zeros", f"zeros in place of {', '.join(zeros)}"))
        if not there:
            names = ", ".join(recipe.contract.channels)
            raise ContractError(
                f"the recording has none of {names}",
                hint="is it an ECG with named leads, and the right contract?",
            )
        arranged = arrange_leads(recording, there, derive_limb=recipe.derive_limb)
        return arranged, replace(recipe.contract, channels=there)

    def _cut(self, adapted: Recording, start: float) -> list[Row]:
        """Return what fits as one row, or as one a segment; each has the file's patient and labels."""
        length, beside = self.recipe.segment, self.recipe.beside
        file = self.file
        as_row = partial(
            Row.from_recording,
            source=adapted.source,
            patient=file.patient,
            labels=file.labels,
            split=file.split,
        )
        if beside.blocks or beside.trials:
            return rows_of_pieces(adapted, beside, start, as_row)
        if length is None:
            return [as_row(adapted, start=start)]
        pieces = segments(adapted.signal, length)
        if not len(pieces):
            raise ContractError(
                f"{adapted.n_samples} samples at {adapted.fs:g} Hz fill no segment of {length}",
                hint="give a shorter segment",
            )
        marks = marks_within(
            adapted.annotations, [(k * length, (k + 1) * length) for k in range(len(pieces))]
        )
        rows = [
            as_row(replace(adapted, signal=piece, annotations=mark), start=start + k * length / adapted.fs)
            for k, (piece, mark) in enumerate(zip(pieces, marks, strict=True))
        ]
        self.dropped += adapted.n_samples % length
        return rows


def _prepare_members(file: File, recipe: Preparation) -> Prepared:
    """Prepare the recordings of a file of many that are meant, one by one: what is wrong with one costs no other."""
    assert file.opened is not None
    found: list[Prepared] = []
    try:
        with file.opened(file.path) as read:
            for entry in file.members:
                one = File(entry.name, file.path, entry.patient, entry.labels, entry.split)
                found.append(prepare_file(replace(one, given=partial(read, entry)), recipe))
    except Exception as error:  # the file itself cannot be opened
        return Prepared(file, (), (_rejection(file, str(error)),))
    return Prepared(
        file,
        tuple(row for each in found for row in each.rows),
        tuple(rejection for each in found for rejection in each.rejected),
        tuple(remark for each in found for remark in each.remarks),
        sum(each.dropped for each in found),
        sum((Counter(each.taken) for each in found), Counter()),
        sum((Counter(each.left_out) for each in found), Counter()),
    )


def _rejection(file: File, reason: str) -> Rejection:
    """Return why a file was rejected, free of where it lies on this machine."""
    return Rejection(
        file.name, reason.replace(str(file.path), file.name).replace(f"{file.path.parent}{os.sep}", "")
    )


def _narrowed(recording: Recording, recipe: Preparation) -> Recording:
    """Return a recording with no more channels than are asked for by name."""
    named = None if recipe.derive_limb or recipe.zero_missing else recipe.wanted
    wanted = (recipe.channel,) if recipe.channel else named
    if recipe.lead is not None:
        return name_lead(recording, recipe.lead, recipe.channel)
    return recording if wanted is None else recording.select(wanted)


def _read(path: Path, recipe: Preparation) -> list[Recording]:
    """Return the recordings of a file, with no more channels than are asked for by name."""
    if recipe.lead is not None:
        return [name_lead(each, recipe.lead) for each in _read_channels(path, recipe, recipe.channel)]
    named = None if recipe.derive_limb or recipe.zero_missing else recipe.wanted
    if recipe.channel is None and named is not None:
        try:
            return _read_channels(path, recipe, named)
        except FormatError:  # all channels read, the contract says better what is missing
            return _read_channels(path, recipe, None)
    return _read_channels(path, recipe, recipe.channel)


def _read_channels(
    path: Path, recipe: Preparation, channels: str | tuple[str, ...] | None
) -> list[Recording]:
    read = partial(
        read_recordings, path, channels=channels, modality=recipe.modality, variable=recipe.variable,
        unit=recipe.unit, names=recipe.names, annotator=recipe.annotator or None,
        for_modality=recipe.contract.modality,
    )  # fmt: skip
    if recipe.fs is None:
        return list(read())
    try:
        return list(read(fs=recipe.fs))
    except FormatError as error:
        first = error
    try:
        return list(read())  # it may state another rate, which is then the right one
    except FormatError as error:
        raise FormatError(
            f"{first}; and without the rate that was given: {error}", hint=first.hint
        ) from error
