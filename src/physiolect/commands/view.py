"""`physiolect view RECORDING --out FILE`: an ECG on paper, true to scale."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from physiolect.commands.settings import above_zero, stretch_problems
from physiolect.commands.terminal import say
from physiolect.recording import Modality

EXAMPLE = "physiolect view rest.xml --layout 3x4 --out rest.pdf"
_FORMATS = (".png", ".svg", ".pdf")


@dataclass(frozen=True)
class Config:
    """Draw a recording on ECG paper, true to scale: 25 mm a second, 10 mm a millivolt."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("recording",)

    recording: str
    """A recording of any format that is read."""
    out: str
    """File to write: .pdf, .svg or .png (254 dots an inch). Print at 100 % to keep the scale."""
    layout: Literal["3x4", "6x2", "12x1", "strip"] | None = None
    """3x4 has a rhythm strip; strip draws the file's channels line after line (default: 3x4 for twelve leads, else
    strip)."""
    rhythm: str = "II"
    """Lead of the rhythm strip."""
    speed: float = 25.0
    """Paper speed in mm/s."""
    gain: float = 10.0
    """Gain in mm/mV."""
    marks: bool = True
    """Write the symbols of beats that the file marks."""
    start: float | None = None
    """Begin at this moment of the recording, in seconds."""
    stop: float | None = None
    """Stop at this moment of the recording, in seconds."""
    channels: tuple[str, ...] | None = None
    """Only these channels, by name, alias or number from 0."""
    fs: float | None = None
    """Sampling rate in Hz, for a file that states none."""
    modality: Modality | None = None
    """What was measured, for a file that does not state it."""
    variable: str | None = None
    """Variable, series or stream of a file that holds several."""
    unit: str | None = None
    """Unit, such as mV, of channels whose file states none."""
    names: tuple[str, ...] = ()
    """Names of all channels, in their order, for a file that names none."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = above_zero({"fs": self.fs}) + stretch_problems(self.recording, self.start, self.stop)
        for name, value, low, high in (("speed", self.speed, 5, 50), ("gain", self.gain, 1, 100)):
            if not low <= value <= high:
                found.append(f"--{name} is {value:g}, but must be from {low} to {high}")
        if Path(self.out).suffix.lower() not in _FORMATS:
            found.append(f"--out '{self.out}' does not end in {', '.join(_FORMATS)}")
        return found


def run(config: Config) -> None:
    """Write the figure."""
    from physiolect.files import replacing
    from physiolect.formats import read_recording
    from physiolect.plots import Paper, ecg_paper_figure, sheet_notes

    recording = read_recording(
        config.recording, channels=config.channels, fs=config.fs, start=config.start, stop=config.stop,
        modality=config.modality, variable=config.variable, unit=config.unit, names=config.names,
    )  # fmt: skip
    for notice in recording.notices:
        say(notice)
    paper = Paper(config.speed, config.gain)
    figure = ecg_paper_figure(
        recording, layout=config.layout, rhythm=config.rhythm, paper=paper, marks=config.marks
    )
    for note in sheet_notes(recording, layout=config.layout, rhythm=config.rhythm, paper=paper):
        say(f"! {note}{_remedy(note)}")
    out = Path(config.out)
    with replacing(out) as path:
        figure.savefig(path, format=out.suffix[1:].lower(), metadata=_undated(out))
    width, height = (round(inches * 25.4) for inches in figure.get_size_inches())
    say(f"wrote {out}: {width} x {height} mm, {config.speed:g} mm/s, {config.gain:g} mm/mV")


def _remedy(note: str) -> str:
    """Return which option draws what a note says is left out."""
    remedies = {
        "first ": " (--start draws another stretch)",
        "not drawn": " (--layout strip draws all channels)",
    }
    return next((words for begin, words in remedies.items() if note.startswith(begin)), "")


def _undated(out: Path) -> dict[str, None] | None:
    """Return what removes the date of writing, so that the same recording gives the same file."""
    return {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(out.suffix.lower())
