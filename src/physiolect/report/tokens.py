"""Tokens as pictures in files."""

from __future__ import annotations

from pathlib import Path

from physiolect.datasets import Encoded
from physiolect.evaluation import MeasuredTokenizer
from physiolect.files import replacing, writing


def write_measured_tokenizer(result: MeasuredTokenizer, folder: str | Path) -> list[Path]:
    """Write tokens.png and, where a store was measured, use.png.

    Args:
        result: from `measure_tokenizer`.
        folder: is made where it is missing.

    Returns:
        the files.

    Raises:
        WriteError: the folder cannot be written to, or the disk is full.
    """
    folder = Path(folder)
    with writing(folder, hint="name a folder that may be written to"):
        folder.mkdir(parents=True, exist_ok=True)
    figures = {} if result.use is None else {"use.png": result.plot_use()}
    figures["tokens.png"] = result.plot()
    for name, figure in figures.items():
        with replacing(folder / name) as path:
            figure.savefig(path)
    return [folder / name for name in figures]


def write_track(result: Encoded, file: str | Path, *, start: float = 0.0, seconds: float = 5.0) -> None:
    """Draw which token covers which stretch of a recording, into a file.

    Args:
        result: from `encode`.
        file: .png, .svg or .pdf.
        start: seconds into the recording at which the picture begins.
        seconds: how much of it is drawn.

    Raises:
        ConfigError: `start` lies beyond the recording.
        WriteError: the file cannot be written, or the disk is full.
    """
    figure = result.plot(start=start, seconds=seconds)
    with replacing(Path(file)) as path:
        figure.savefig(path)
