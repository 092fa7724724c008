"""`physiolect decode INPUT --checkpoint CHECKPOINT`: force or movement out of neural signals, whole or as they come."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from physiolect.commands.settings import Computing, above_zero, folder_problems
from physiolect.commands.terminal import listening, say, show

if TYPE_CHECKING:
    from physiolect.checkpoint import Checkpoint

EXAMPLE = "physiolect decode day1.npz --checkpoint runs/force --adapt --out decoded"


@dataclass(frozen=True, kw_only=True)
class Config(Computing):
    """Decode force or movement from a recording of neural signals, or from lines as they come in."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("inputs",)

    inputs: list[str] = field(default_factory=list)
    """Recordings with the channels that the checkpoint's contract names; leave out with --stream."""
    checkpoint: str
    """A model that decodes: a folder made by finetune --task decode, or owner/name on the Hub."""
    adapt: bool = False
    """Let the mean and standard deviation of each channel follow the signal, causally and without labels: for another
    day than that of training (default: those of training)."""
    targets: tuple[str, ...] = ()
    """Channels that hold the true targets, in the checkpoint's order, where the recording names or orders them in
    another way (default: those of the checkpoint's names)."""
    stream: bool = False
    """Read a line of channels for each step from stdin ("nan" for a missing one), and answer each with a line of
    JSON."""
    fs: float | None = None
    """Sampling rate in Hz, for a file that states none."""
    out: str | None = None
    """Folder for decoded.csv, decoded.npz and decoded.png; of several recordings each gets a folder in it."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = self.computing_problems() + folder_problems(self.out) + above_zero({"fs": self.fs})
        if self.stream and self.inputs not in ([], ["-"]):
            found.append(f"INPUTS is '{' '.join(self.inputs)}', but --stream reads from stdin: leave one out")
        if not self.stream and not self.inputs:
            found.append("INPUTS is missing: name a recording, or give --stream")
        if self.stream and (self.out or self.targets):
            found.append("--out and --targets are for recordings: leave them out with --stream")
        return found


def run(config: Config) -> int:
    """Decode recordings, or lines."""
    from physiolect.checkpoint import load_checkpoint
    from physiolect.training import choose_device, using_threads

    checkpoint = load_checkpoint(config.checkpoint)
    with using_threads(config.threads, checkpoint.model):
        checkpoint.model.to(
            choose_device("cpu" if config.stream and config.device == "auto" else config.device)
        )
        return _stream(config, checkpoint) if config.stream else _recordings(config, checkpoint)


def _recordings(config: Config, checkpoint: Checkpoint) -> int:
    from pathlib import Path

    from physiolect.decoding import decode
    from physiolect.formats import read_recording

    for given in config.inputs:
        with listening() as terminal:
            recording = read_recording(given, fs=config.fs, modality=checkpoint.contract.modality)
            found = decode(
                recording, checkpoint, adapting="running" if config.adapt else "none", targets=config.targets,
                on_event=terminal,
            )  # fmt: skip
        show(found.summary)
        if config.out is not None:
            out = Path(config.out) if len(config.inputs) == 1 else Path(config.out) / Path(given).stem
            for file in found.write(out):
                say(f"wrote {file}")
    return 0


def _stream(config: Config, checkpoint: Checkpoint) -> int:
    """Answer each line of stdin."""
    import numpy as np

    from physiolect.decoding import DecoderStream, decode_lines

    stream = DecoderStream(checkpoint, adapting=config.adapt)
    contract = checkpoint.contract
    say(
        f"reading one line for each step of {1000 / contract.fs:g} ms: {len(contract.channels)} numbers, in the order "
        f"{', '.join(contract.channels[:3])} …"
    )
    latencies: list[float] = []
    gaps = 0
    try:
        for answer in decode_lines(stream, sys.stdin):
            print(json.dumps(answer), flush=True)
            latencies.append(answer["latency_ms"])
            gaps += any(name in answer for name in ("gap_steps", "error")) or answer.get(
                "missing_channels"
            ) == len(contract.channels)
    except KeyboardInterrupt:
        say("stopped")
    if latencies:
        middle, late = np.percentile(latencies, (50, 99)).tolist()
        say(
            f"{len(latencies)} steps, {gaps} of them in or after a gap; from line to answer {middle:.2f} ms (median), "
            f"{late:.2f} ms (99 %)"
        )
    return 0
