"""`physiolect tokenize track INPUT --tokenizer TOK --out FILE`: which token covers which stretch of a recording."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from physiolect.commands.settings import above_zero

EXAMPLE = "physiolect tokenize track recording.hea --tokenizer tokenizer --seconds 4 --out track.png"


@dataclass(frozen=True)
class Config:
    """Draw which token covers which stretch of a recording."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("input",)

    input: str
    """A recording."""
    tokenizer: str
    """Folder or signal_tokenizer.json of an ECG-Byte tokenizer."""
    out: str
    """Picture to write: .png, .svg or .pdf."""
    start: float = 0.0
    """Seconds into the recording at which the picture begins."""
    seconds: float = 5.0
    """How much of it is drawn; all of it is encoded."""
    fs: float | None = None
    """Sampling rate in Hz, for a recording whose file states none."""
    unit: str | None = None
    """Unit of the channels of which a recording's file states none, such as mV."""
    names: tuple[str, ...] = ()
    """Names of all channels, in their order, of a recording whose file names none."""
    derive_limb: bool = False
    """Compute III, aVR, aVL and aVF from I and II where they are missing."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = above_zero({"fs": self.fs})
        if not 0 <= self.start < float("inf"):
            found.append(f"--start is {self.start:g}, but must be 0 s or later")
        if not 0 < self.seconds <= 60:
            found.append(f"--seconds is {self.seconds:g}, but must be above 0 and at most 60")
        if Path(self.out).suffix.lower() not in (".png", ".svg", ".pdf"):
            found.append(f"--out is '{self.out}', but must end in .png, .svg or .pdf")
        return found


def run(config: Config) -> None:
    """Encode a recording and draw a stretch of it."""
    from physiolect.commands.terminal import listening, say
    from physiolect.datasets import encode
    from physiolect.formats import read_recording
    from physiolect.report.tokens import write_track

    recording = read_recording(config.input, fs=config.fs, unit=config.unit, names=config.names)
    with listening() as terminal:
        found = encode(config.tokenizer, recording, derive_limb=config.derive_limb, on_event=terminal)
    write_track(found, config.out, start=config.start, seconds=config.seconds)
    say(found.title)
    say(f"wrote {config.out}")
