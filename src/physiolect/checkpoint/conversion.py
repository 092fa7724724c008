"""Between others' files and ours: weights and tokenizers in, weights out, each proved after it is written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from physiolect.checkpoint import EMBEDDED, load_checkpoint
from physiolect.checkpoint.checkpoint import Checkpoint, check_target
from physiolect.checkpoint.published import export_published, load_published
from physiolect.config import in_python, refuse
from physiolect.contract import ANY_CHANNEL
from physiolect.errors import CheckpointError, ConfigError
from physiolect.files import lock_folder, writing
from physiolect.models.published.weights_file import SUFFIXES
from physiolect.result import Result, make_frame
from physiolect.tasks import DetectedTaskName

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, repr=False)
class Conversion(Result):
    """What was converted."""

    out: Path
    """The folder or file that was written."""
    lines: tuple[str, ...]
    """What it is, and how it was verified."""
    keys: tuple[str, ...] = ()
    """What became of each array of weights: its name in the published file, its name here, its shape."""

    @property
    def summary(self) -> str:
        """What it is, and how it was verified."""
        return "\n".join(self.lines)

    def to_frame(self) -> pandas.DataFrame:
        """Return a table of `keys`.

        Raises:
            PhysiolectError: pandas is not installed.
        """
        return make_frame({"key": list(self.keys)})


def conversion_problems(src: str, task: str | None, percentiles: Sequence[float] | None) -> list[str]:
    """List everything that is wrong with the settings of `convert`."""
    found = []
    if task is not None and Path(src).is_dir():
        found.append("--task is for .zip and .pth files; a checkpoint knows its own")
    tokenizer = Path(src).suffix.lower() in (".pkl", ".pickle")
    if tokenizer and percentiles is None:
        found.append("--percentiles P1 P99 are missing: the file of an ECG-Byte tokenizer does not hold them")
    elif not tokenizer and percentiles is not None:
        found.append("--percentiles are for an ECG-Byte tokenizer (.pkl) alone")
    elif percentiles is not None and len(percentiles) != 2:
        found.append(f"--percentiles are two numbers, but {len(percentiles)} are given")
    return found


def convert(
    src: str | os.PathLike[str],
    dst: str | os.PathLike[str],
    *,
    task: DetectedTaskName | None = None,
    percentiles: Sequence[float] | None = None,
) -> Conversion:
    """Make a checkpoint of published weights, published weights of a checkpoint, or a tokenizer of ECG-Byte's.

    Args:
        src: A published HeartGPT file (.zip, .pth), a checkpoint, or an ECG-Byte tokenizer (.pkl).
        dst: Folder of the new checkpoint or tokenizer; for a checkpoint, a .pth or .zip file, or a .onnx file, which
            runs without PyTorch.
        task: What a detection head of your own training detects; the authors' five files are known.
        percentiles: The 1st and 99th percentile, in mV, that an ECG-Byte tokenizer was trained with.

    Raises:
        ConfigError: settings are wrong, or both are files or both are folders.
        CheckpointError: `src` cannot be read or `dst` holds something already.
        WriteError: another run is writing to `dst`, it cannot be written, or the disk is full.
    """
    if problems := conversion_problems(os.fspath(src), task, percentiles):
        refuse([in_python(each) for each in problems], "convert")
    source, target = Path(src), Path(dst)
    if percentiles is not None:
        return _import_tokenizer(source, target, (percentiles[0], percentiles[1]))
    if target.suffix.lower() == ".onnx" and not target.is_dir():
        return _export_onnx(os.fspath(src), target)
    from_file = source.is_file() or (source.suffix.lower() in SUFFIXES and not source.is_dir())
    to_file = target.suffix.lower() in SUFFIXES and not target.is_dir()
    if from_file and not to_file:
        return _import(source, target, task)
    if to_file and not from_file:
        return _export(os.fspath(src), target)
    if from_file:
        raise ConfigError(f"{source} and {target} are both files of weights", hint="make DST a folder's name")
    if source.is_dir() or os.fspath(src) in EMBEDDED:
        raise ConfigError(
            f"{source} is a checkpoint already",
            hint="to write it for the authors' code, let DST end in .pth or .zip; for ONNX, in .onnx",
        )
    raise CheckpointError(
        f"there is no file or checkpoint '{source}'",
        hint="give a HeartGPT .zip or .pth, or a checkpoint's folder",
    )


def _import_tokenizer(source: Path, target: Path, percentiles: tuple[float, float]) -> Conversion:
    from physiolect.tokenizers import FILE_NAME, EcgByteTokenizer, save_tokenizer

    with lock_folder(target):
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise CheckpointError(
                f"{target} holds something already", hint="name a new folder, or remove it first"
            )
        tokenizer = EcgByteTokenizer.from_published(source, percentiles=percentiles)
        with writing(target):
            target.mkdir(parents=True, exist_ok=True)
            save_tokenizer(tokenizer, target / FILE_NAME)
    merges, leads = len(tokenizer.merges), ", ".join(tokenizer.channels)
    return Conversion(target, (f"{target / FILE_NAME}: {merges} merges of ECG-Byte's; leads {leads}",))


def _import(source: Path, target: Path, task: DetectedTaskName | None) -> Conversion:
    check_target(target)
    with lock_folder(target):
        if target.is_dir() and any(target.iterdir()):
            raise CheckpointError(
                f"{target} holds a checkpoint already", hint="name a new folder, or remove it first"
            )
        checkpoint = load_published(source, task=task)
        checkpoint.save(target)
    proof = load_checkpoint(target).verify()
    name, keys = checkpoint.run["published_as"], tuple(checkpoint.run["keys"])
    lines = (
        f"{source}: " + (f"the authors' {name}" if name else "weights that are none of the authors' five"),
        _counted(keys),
        f"{target}: {_described(checkpoint)}",
        f"verified: {proof}",
    )
    return Conversion(target, lines, keys)


def _export(source: str, target: Path) -> Conversion:
    if target.exists():
        raise CheckpointError(f"{target} exists already", hint="name another file, or remove it first")
    checkpoint = load_checkpoint(source)
    checkpoint.verify()
    export_published(checkpoint, target)
    written = load_published(target, task=checkpoint.task.name)
    written.fingerprint = checkpoint.fingerprint
    keys = tuple(written.run["keys"])
    lines = (
        f"{source}: {_described(checkpoint)}",
        f"{target}: the same weights for the authors' code; tokenizer and contract stay behind",
        f"read back: {_counted(keys)}",
        f"verified: {written.verify()}",
    )
    return Conversion(target, lines, keys)


def _export_onnx(source: str, target: Path) -> Conversion:
    from physiolect.checkpoint.onnx import export_onnx

    if target.exists():
        raise CheckpointError(f"{target} exists already", hint="name another file, or remove it first")
    checkpoint = load_checkpoint(source)
    checkpoint.verify()
    deviation = export_onnx(checkpoint, target)
    lines = (
        f"{source}: {_described(checkpoint)}",
        f"{target}: the model; its metadata hold contract, outputs and tokenizer",
        f"verified: under onnxruntime its outputs differ by at most {deviation:.1g}",
    )
    return Conversion(target, lines)


def _counted(keys: Sequence[str]) -> str:
    """Return how many arrays of weights have found their place; `Conversion.keys` lists them."""
    arrows = [key for key in keys if " -> " in key]
    others = [key for key in keys if " -> " not in key]
    return "; ".join([f"{len(arrows)} arrays of weights, each under its new name", *others])


def _described(checkpoint: Checkpoint) -> str:
    c = checkpoint.contract
    lengths = f"{c.max_samples} samples ({c.max_samples / c.fs:g} s)"
    if c.min_samples < c.max_samples:
        lengths = f"{c.min_samples} to {lengths}"
    channels = "any one channel" if c.channels == (ANY_CHANNEL,) else ", ".join(c.channels)
    return (
        f"{checkpoint.task} model of {checkpoint.model.n_parameters():,} parameters; "
        f"reads {c.modality or 'any modality'} at {c.fs:g} Hz, {lengths} of {channels}"
    )
