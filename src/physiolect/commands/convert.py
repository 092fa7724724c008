"""`physiolect convert SRC DST`: published weights or tokenizers become ours, and a checkpoint published weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from physiolect.commands.terminal import say
from physiolect.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from physiolect.checkpoint import Checkpoint

EXAMPLE = "physiolect convert ECGPT_560k_iters.zip ecgpt"


@dataclass(frozen=True)
class Config:
    """What `physiolect convert` is asked."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("src", "dst")

    src: str
    """A published HeartGPT file (.zip, .pth), a checkpoint to write as one, or an ECG-Byte tokenizer (.pkl)."""
    dst: str
    """Folder of the new checkpoint or tokenizer; for a checkpoint, a .pth or .zip file for the authors' code."""
    task: Literal["rhythm", "beats"] | None = None
    """What a detection head of your own training detects; the authors' five files are known."""
    percentiles: tuple[float, ...] | None = None
    """The 1st and 99th percentile, in mV, that an ECG-Byte tokenizer was trained with: its file does not tell."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = []
        if self.task is not None and Path(self.src).is_dir():
            found.append("--task is for .zip and .pth files; a checkpoint knows its own")
        if _is_tokenizer(self.src) != (self.percentiles is not None):
            found.append(
                "--percentiles P1 P99 go with an ECG-Byte tokenizer (.pkl), which does not hold them"
            )
        elif self.percentiles is not None and len(self.percentiles) != 2:
            found.append(f"--percentiles are two numbers, but {len(self.percentiles)} are given")
        return found


def run(config: Config) -> None:
    """Convert one way or the other, and prove the result."""
    from physiolect.checkpoint import EMBEDDED
    from physiolect.models.published.weights_file import SUFFIXES

    source, target = Path(config.src), Path(config.dst)
    if config.percentiles is not None:
        _import_tokenizer(source, target, (config.percentiles[0], config.percentiles[1]))
        return
    from_file = source.is_file() or (source.suffix.lower() in SUFFIXES and not source.is_dir())
    to_file = target.suffix.lower() in SUFFIXES and not target.is_dir()
    if from_file and not to_file:
        _import(source, target, config.task)
    elif to_file and not from_file:
        _export(config.src, target)
    elif from_file:
        raise ConfigError(f"{source} and {target} are both files of weights", hint="make DST a folder's name")
    elif source.is_dir() or config.src in EMBEDDED:
        raise ConfigError(
            f"{source} is a checkpoint already",
            hint="to write it for the authors' code, let DST end in .pth or .zip",
        )
    else:
        raise CheckpointError(
            f"there is no file or checkpoint '{source}'",
            hint="give a HeartGPT .zip or .pth, or a checkpoint's folder",
        )


def _is_tokenizer(source: str) -> bool:
    return Path(source).suffix.lower() in (".pkl", ".pickle")


def _import_tokenizer(source: Path, target: Path, percentiles: tuple[float, float]) -> None:
    from physiolect.tokenizers import FILE_NAME, EcgByteTokenizer, save_tokenizer

    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise CheckpointError(
            f"{target} holds something already", hint="name a new folder, or remove it first"
        )
    tokenizer = EcgByteTokenizer.from_published(source, percentiles=percentiles)
    target.mkdir(parents=True, exist_ok=True)
    save_tokenizer(tokenizer, target / FILE_NAME)
    say(
        f"{target / FILE_NAME}: {len(tokenizer.merges)} merges of ECG-Byte's; leads {', '.join(tokenizer.channels)}"
    )


def _import(source: Path, target: Path, task: Literal["rhythm", "beats"] | None) -> None:
    from physiolect.checkpoint import check_target, load_checkpoint, load_published

    check_target(target)
    if target.is_dir() and any(target.iterdir()):
        raise CheckpointError(
            f"{target} holds a checkpoint already", hint="name a new folder, or remove it first"
        )
    checkpoint = load_published(source, task=task)
    for line in checkpoint.run["keys"]:
        say(f"  {line}")
    name = checkpoint.run["published_as"]
    say(f"{source}: " + (f"the authors' {name}" if name else "weights that are none of the authors' five"))
    checkpoint.save(target)
    proof = load_checkpoint(target).verify()
    say(f"{target}: {_summary(checkpoint)}")
    say(f"verified: {proof}")


def _export(source: str, target: Path) -> None:
    from physiolect.checkpoint import export_published, load_checkpoint, load_published

    if target.exists():
        raise CheckpointError(f"{target} exists already", hint="name another file, or remove it first")
    checkpoint = load_checkpoint(source)
    checkpoint.verify()
    export_published(checkpoint, target)
    written = load_published(target, task=checkpoint.task.name)
    say(f"{target}, read back:")
    for line in written.run["keys"]:
        say(f"  {line}")
    written.fingerprint = checkpoint.fingerprint
    say(f"{source}: {_summary(checkpoint)}")
    say(f"{target}: the same weights for the authors' code; tokenizer and contract stay behind")
    say(f"verified: {written.verify()}")


def _summary(checkpoint: Checkpoint) -> str:
    from physiolect.contract import ANY_CHANNEL

    c = checkpoint.contract
    lengths = f"{c.max_samples} samples ({c.max_samples / c.fs:g} s)"
    if c.min_samples < c.max_samples:
        lengths = f"{c.min_samples} to {lengths}"
    channels = "any one channel" if c.channels == (ANY_CHANNEL,) else ", ".join(c.channels)
    return (
        f"{checkpoint.task} model of {checkpoint.model.n_parameters():,} parameters; "
        f"reads {c.modality or 'any modality'} at {c.fs:g} Hz, {lengths} of {channels}"
    )
