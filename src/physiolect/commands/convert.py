"""`physiolect convert SRC DST`: published weights or tokenizers become ours, ours published weights or ONNX."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from physiolect.commands.terminal import say
from physiolect.tasks import DetectedTaskName

EXAMPLE = "physiolect convert ECGPT_560k_iters.zip ecgpt"


@dataclass(frozen=True)
class Config:
    """Turn published weights or tokenizers into ours, and a checkpoint into published weights or ONNX."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("src", "dst")

    src: str
    """A published HeartGPT file (.zip, .pth), a checkpoint to write as one, or an ECG-Byte tokenizer (.pkl)."""
    dst: str
    """Folder of the new checkpoint or tokenizer; of a checkpoint, a .pth or .zip for the authors' code, or .onnx."""
    task: DetectedTaskName | None = None
    """What a detection head of your own training detects; the authors' five files are known."""
    percentiles: tuple[float, ...] | None = None
    """The 1st and 99th percentile, in mV, that an ECG-Byte tokenizer was trained with; its file does not state them."""
    verbose: bool = False
    """List what became of each array of weights, instead of counting them."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        from physiolect.checkpoint.conversion import conversion_problems

        return conversion_problems(self.src, self.task, self.percentiles)


def run(config: Config) -> None:
    """Convert one way or the other, and prove the result."""
    from physiolect.checkpoint.conversion import convert

    converted = convert(config.src, config.dst, task=config.task, percentiles=config.percentiles)
    if config.verbose:
        for key in converted.keys:
            say(f"  {key}")
    say(converted.summary)
