"""`physiolect tokenize track INPUT --tokenizer TOK --out FILE`: which token covers which stretch of a recording."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

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
    """Compute III, aVR, aVL and aVF out of I and II where they are missing."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = []
        if not 0 <= self.start < float("inf"):
            found.append(f"--start is {self.start:g}, but must be 0 s or later")
        if not 0 < self.seconds <= 60:
            found.append(f"--seconds is {self.seconds:g}, but must be above 0 and at most 60")
        if self.fs is not None and not 0 < self.fs < float("inf"):
            found.append(f"--fs is {self.fs:g}, but must be above 0 Hz")
        if Path(self.out).suffix.lower() not in (".png", ".svg", ".pdf"):
            found.append(f"--out is '{self.out}', but must end in .png, .svg or .pdf")
        return found


def run(config: Config) -> None:
    """Encode a recording and draw a stretch of it."""
    from physiolect.commands.terminal import say
    from physiolect.commands.tokenize.reading import ecg_byte, read_for
    from physiolect.errors import ConfigError
    from physiolect.files import replacing
    from physiolect.plots import token_track_figure

    tokenizer = ecg_byte(config.tokenizer)
    signal = read_for(
        tokenizer, config.input, fs=config.fs, unit=config.unit, names=config.names, derive_limb=config.derive_limb
    )  # fmt: skip
    seconds = signal.shape[1] / tokenizer.fs
    if config.start >= seconds:
        raise ConfigError(
            f"--start is {config.start:g}, but {config.input} lasts {seconds:g} s", hint="begin earlier"
        )
    found = tokenizer.encode_with_spans(signal, fs=tokenizer.fs)
    title = f"{Path(config.input).name} · {len(found.ids):,} tokens for {signal.size:,} samples"
    figure = token_track_figure(
        signal,
        found.spans,
        fs=tokenizer.fs,
        channels=tokenizer.channels,
        unit=tokenizer.unit,
        start=config.start,
        seconds=config.seconds,
        title=title,
    )
    with replacing(Path(config.out)) as path:
        figure.savefig(path)
    say(title)
    say(f"wrote {config.out}")
