"""From any mixture of files and folders to a store: in parallel, in order, and past what cannot be read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import cast

from physiolect.config import as_names, in_python
from physiolect.config import refuse as refuse_settings
from physiolect.contract import InputContract
from physiolect.datasets.preparing.outcomes import Silent, Watcher, in_order
from physiolect.datasets.preparing.preparation import File, Preparation
from physiolect.datasets.preparing.reporting import ReportingWatcher
from physiolect.datasets.preparing.result import PreparedStore
from physiolect.datasets.preparing.settings import PrepareSettings, find_files
from physiolect.datasets.preparing.workers import Here, WorkerProcesses, Workers, processors
from physiolect.datasets.store.manifest import Manifest, Part, Rejection
from physiolect.datasets.store.writer import SHARD_BYTES, StoreWriter
from physiolect.errors import FormatError
from physiolect.events import Listener, Reporter
from physiolect.recording import Modality
from physiolect.signals.quality import RemarkKind


def prepare(
    inputs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], out: str | os.PathLike[str], *,
    contract: str | os.PathLike[str] | InputContract | None = None, channel: str | int | None = None,
    lead: str | None = None, every_channel: bool = False, fs: float | None = None, modality: Modality | None = None,
    variable: str | None = None, unit: str | None = None, names: str | Sequence[str] = (), patients: str | None = None,
    labels: str | None = None, dataset: str | None = None, label_set: str | None = None, split: str = "",
    segment: int | None = None, derive_limb: bool = False, zero_missing: bool = False,
    refuse: RemarkKind | Sequence[RemarkKind] = (), workers: int = 0, scheduler: str | None = None,
    annotator: str | Sequence[str] = (), shard: str | None = None, strict: bool = False,
    targets: str | Sequence[str] = (), lag: float = 0.0, blocks: Sequence[float] = (), gap: float = 6.0,
    trials: bool = False, bands: str | Sequence[str] = (), common_average: bool = False, notch: float | None = None,
    bin_rate: float = 20.0,
    verbose: bool = False, on_event: Listener | None = None,
) -> PreparedStore:  # fmt: skip
    """Turn recordings into a store to train on; an unfinished store of the same settings is continued.

    Files that a model wrote are skipped and counted. A file that does not fit is left out, with its reason.

    Args:
        inputs: Files and folders of recordings.
        out: Folder of the store.
        contract: What every row is made to fit: a contract, a preset, a YAML file, or a checkpoint's or tokenizer's
            folder. Default: the dataset's own, or "heartgpt-ecg".
        channel: The one channel to take, by name, alias or number from 0; trained models will ask for that name.
        lead: What the channel is, such as "II", where files do not name it so; trained models will ask for that name.
        every_channel: Take every channel as a row of its own.
        fs: Sampling rate in Hz of files that state none.
        modality: "ecg", "ppg" or "ecog", for files that do not state it.
        variable: Which variable of MAT and NPZ files holds the signal.
        unit: Unit of channels whose file states none.
        names: Names of all channels, in the files' order, where they name none or others.
        annotator: Which annotation files of WFDB records to read, by extension, one or several; by default the first
            there is of atr, qrs and ecg.
        patients: CSV with the columns recording,patient.
        labels: CSV with the columns recording,label.
        dataset: The public dataset that the inputs are, which brings patients, labels and split.
        label_set: Which labels of that dataset.
        split: Which published split of that dataset; "none" for none.
        segment: Cut recordings into segments of so many samples at the contract's rate.
        derive_limb: Compute missing limb leads from I and II.
        zero_missing: Put zeros in the place of missing leads.
        refuse: Leave out recordings with these quality remarks.
        workers: Processes; 0 means one for each processor.
        scheduler: Address of a Dask scheduler whose workers do the work instead.
        shard: Which share of the work to do: "1/4" is the first of four.
        strict: Raise at the first recording that does not fit.
        targets: Channels that are kept beside the signals, and that a model will decode, such as "Force_x". Without a
            contract the signals are all other channels of the first recording.
        lag: Seconds by which targets lie after the signal that they go with.
        blocks: Shares of each recording's time that train, validate and test, such as 0.7, 0.15, 0.15.
        gap: Seconds that are left out between blocks; at least as long as what a model sees.
        trials: Make each trial a row, labelled with its target.
        bands: Bands in Hz, such as "70-150": electrodes become their power in dB, in bins. Everything is causal.
        common_average: Subtract the mean of all electrodes from each before that.
        notch: Line noise in Hz that is filtered out, with its harmonics, before that.
        bin_rate: Bins a second of band power.
        verbose: Report every file that is left out, not only the first ones.
        on_event: Receives messages and progress, and can stop the work; finished shards are kept.

    Raises:
        PhysiolectError: settings are wrong, nothing could be prepared, the store cannot be written, or `Cancelled`.
    """
    settings = PrepareSettings(
        inputs=_paths(inputs), contract=os.fspath(contract) if isinstance(contract, str | os.PathLike) else contract,
        channel=None if channel is None else str(channel), lead=lead,
        every_channel=every_channel, fs=fs, modality=modality,
        variable=variable, unit=unit, names=as_names(names),
        annotator=as_names(annotator), patients=patients, labels=labels, dataset=dataset,
        label_set=label_set, split=split, segment=segment, derive_limb=derive_limb, zero_missing=zero_missing,
        refuse=cast(tuple[RemarkKind, ...], as_names(refuse)), workers=workers, scheduler=scheduler, shard=shard,
        strict=strict, targets=as_names(targets), lag=lag, blocks=tuple(blocks), gap=gap, trials=trials,
        bands=as_names(bands), common_average=common_average, notch=notch, bin_rate=bin_rate,
    )  # fmt: skip
    return _prepare(settings, Path(out), verbose, Reporter(on_event))


def _paths(inputs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> tuple[str, ...]:
    """Return one path or several as texts."""
    listed = [inputs] if isinstance(inputs, str | os.PathLike) else inputs
    return tuple(os.fspath(each) for each in listed)


def _prepare(settings: PrepareSettings, out: Path, verbose: bool, reporter: Reporter) -> PreparedStore:
    """Check the settings, find the files, and prepare them."""
    if problems := settings.problems():
        refuse_settings([in_python(each) for each in problems], "prepare")
    reporter.progress("looking for recordings")(0)
    found = find_files(settings)
    for note in found.notes:
        reporter.say(note)
    watcher = ReportingWatcher(reporter, verbose=verbose)
    try:
        manifest = prepare_store(
            found.files,
            out,
            settings.recipe(),
            inputs=[Path(path).absolute().name for path in settings.inputs],
            workers=settings.workers,
            scheduler=settings.scheduler,
            part=settings.part(),
            strict=settings.strict,
            about=settings.about(),
            watcher=watcher,
        )
    finally:
        watcher.count_unlisted()
    return PreparedStore(out, manifest, found.outputs, found.notices)


def prepare_store(
    files: Sequence[File],
    out: str | os.PathLike[str],
    recipe: Preparation,
    *,
    inputs: Sequence[str] = (),
    workers: int = 0,
    scheduler: str | None = None,
    part: Part | None = None,
    strict: bool = False,
    shard_bytes: int = SHARD_BYTES,
    about: Mapping[str, str | None] | None = None,
    watcher: Watcher | None = None,
) -> Manifest:
    """Prepare files into a store; an unfinished store of the same arguments is continued.

    The same files and recipe give the same bytes, whoever works and however often that is interrupted.

    Args:
        files: All files of all parts.
        out: Folder of the store.
        recipe: How files are read and made to fit.
        inputs: What the user named, kept as provenance.
        workers: Processes; 0 is one a processor, 1 works in this process.
        scheduler: Address of a Dask scheduler whose workers prepare the files instead; they must see the same paths.
        part: Which share of the files to prepare; each part needs the same `files`.
        strict: Stop at the first file, or stretch of one, that does not fit.
        shard_bytes: Size of samples at which a shard is closed.
        about: More about where they come from, kept as provenance.
        watcher: Is called while the work goes on.

    Returns:
        What this part of the store holds.

    Raises:
        FormatError: nothing could be prepared, or `strict` and something could not, now or by an earlier run, or
            `out` holds something else or is being written, or two files have one name.
        PhysiolectError: workers cannot start or die one after another, or the cluster cannot be worked with.
    """
    part, watcher = part or Part(), watcher or Silent()
    _refuse_shared_names(files)
    listed = {"inputs": sorted(set(inputs)), "files": len(files), "files_sha256": _digest(files)}
    facts = {**listed, **recipe.provenance(), **(about or {})}
    with StoreWriter(out, recipe.contract, provenance=facts, part=part, shard_bytes=shard_bytes) as writer:
        if strict:
            _refuse(writer.rejected)  # by earlier runs, which were not strict
        if not writer.complete:
            share = files[part.number - 1 :: part.count]
            mine = [file for file in share if file.name not in writer.finished]
            crew = _workers(recipe, min(workers or processors(), len(mine)), scheduler)
            _write(writer, mine, crew, watcher, strict=strict)
            if part.count == 1 and not writer.n_rows:
                raise _nothing(len(files), "files")
        manifest = writer.finish()
    if (
        manifest.files and not manifest.shards
    ):  # the part counts as done, or the other parts would be lost too
        raise _nothing(manifest.files, f"files of part {part}")
    return manifest


def _write(
    writer: StoreWriter, files: Sequence[File], crew: Workers, watcher: Watcher, *, strict: bool
) -> None:
    """Add what each file gives, in the order of the files, and send the workers home."""
    finished = len(writer.finished)
    watcher.begin(finished, finished + len(files))
    with closing(crew):
        for file, prepared in zip(files, in_order(files, crew, watcher), strict=True):
            if strict:
                _refuse(prepared.rejected)
            writer.add(
                file.name,  # not the worker's copy of it, which would be kept too
                prepared.rows,
                prepared.rejected,
                remarks=prepared.remarks,
                dropped=prepared.dropped,
                taken=prepared.taken,
                left_out=prepared.left_out,
            )


def _refuse(rejected: Sequence[Rejection]) -> None:
    if rejected:
        raise FormatError(str(rejected[0]), hint="mend the file, leave it out, or prepare without --strict")


def _nothing(count: int, files: str) -> FormatError:
    return FormatError(
        f"none of {count} {files} could be prepared",
        hint="the reasons were reported before; check --contract, --channel, --variable and --fs; --derive-limb and "
        "--zero-missing replace missing leads",
    )


def _workers(recipe: Preparation, count: int, scheduler: str | None) -> Workers:
    """Return who is to prepare the files."""
    if scheduler is not None:
        from physiolect.datasets.preparing.cluster import Cluster

        return Cluster(recipe, scheduler)
    return WorkerProcesses(recipe, count) if count > 1 else Here(recipe)


def _refuse_shared_names(files: Sequence[File]) -> None:
    seen: dict[str, File] = {}
    for file in files:
        first = seen.setdefault(file.name, file)
        if first is not file:
            raise FormatError(
                f"{first.path} and {file.path} would both be '{file.name}' in the store",
                hint="give one of them, or prepare them into stores of their own",
            )


def _digest(files: Sequence[File]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(json.dumps(file.identity()).encode() + b"\n")
    return digest.hexdigest()
