"""`physiolect explain INPUT --checkpoint CHECKPOINT --view VIEW --out DIR`: why a model says what it says."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, dataclass, replace
from math import inf, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from physiolect.commands.settings import stretch_problems
from physiolect.commands.terminal import say
from physiolect.errors import FormatError
from physiolect.files import check_writable
from physiolect.recording import Annotations, Modality, Recording

if TYPE_CHECKING:
    from physiolect.commands.explain.views import Shown
    from physiolect.explanation import Window

EXAMPLE = "physiolect explain mitdb/201 --checkpoint ECGPT_AF_1k_iters.zip --view attention --out why"

View = Literal["attention", "heads", "similarity", "change", "probing", "faithfulness"]
_SERVES: dict[str, tuple[str, ...]] = {
    "base": ("change",),
    "layer": ("attention", "heads", "change"),
    "head": ("attention", "heads", "change"),
    "query": ("attention", "change", "faithfulness"),
    "combine": ("attention",),
    "reference": ("similarity",),
    "tokens": ("similarity",),
    "windows": ("probing", "faithfulness"),
    "span": ("faithfulness",),
    "replace": ("faithfulness",),
}
"""Option -> the views it is for."""


@dataclass(frozen=True)
class Config:
    """What `physiolect explain` is asked."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("input",)

    input: str
    """The recording; its last window is explained, or the one that ends at --stop."""
    checkpoint: str
    """The model: a checkpoint's folder, a published HeartGPT file, "ecg", or owner/name on the Hub."""
    view: View
    """attention: where a query looks. heads: what each head of a layer looks at. similarity: tokens of one level at
    different parts of the beat. change: attention of a fine-tuned model less that of --base. probing: which heads
    respond to which wave of the beat. faithfulness: whether maps of important samples are true of the model."""
    out: str
    """Folder for the figure, the numbers, for heads and waves a table, and a summary, VIEW.json; views may share it."""
    base: str | None = None
    """With --view change, the model that the checkpoint was fine-tuned from."""
    layer: str | None = None
    """A layer, counted from 1, or "all" (default: the last)."""
    head: str | None = None
    """A head, counted from 1, or "all" (default: all)."""
    query: str | None = None
    """The moment whose attention is shown, in seconds of the recording, or "last" (default: last)."""
    combine: Literal["sum", "mean"] | None = None
    """How layers and heads are put together in the bands (default: sum)."""
    reference: float | None = None
    """With --view similarity, the moment of the token that others are compared with (default: chosen)."""
    tokens: tuple[float, ...] | None = None
    """With --view similarity, moments of the others in seconds (default: chosen, of one level)."""
    windows: int | None = None
    """With --view probing or faithfulness, how many of the last windows to look at (default: 20, or 1)."""
    span: float | None = None
    """With --view faithfulness of a model that continues signals: explain its forecast of the last so many seconds."""
    replace: Literal["interpolation", "median"] | None = None
    """What takes a deleted sample's place: a line between those kept, or the median level (default: a line)."""
    no_score: bool = False
    """Leave out the line under the figure that says how faithful the picture is, which takes some seconds."""
    fs: float | None = None
    """Sampling rate in Hz, for a file that states none."""
    channel: str | None = None
    """The channel to look at, by name, alias or number from 0; otherwise the contract chooses."""
    modality: Modality | None = None
    """What was measured, for a file that does not tell."""
    variable: str | None = None
    """Which variable of a MAT or NPZ file is the signal."""
    start: float | None = None
    """Look at nothing before this moment of the recording, in seconds."""
    stop: float | None = None
    """Look at nothing after this moment of the recording, in seconds."""
    seed: int = 0
    """Of random orders, weights and shifts."""
    format: Literal["png", "pdf", "svg"] = "png"
    """Of the figure, which is 8.5 cm wide: a column of a paper."""
    numbers: Literal["npz", "mat"] = "npz"
    """Of the file of numbers."""
    device: str = "auto"
    """Where to compute: auto, cpu, cuda …"""
    threads: int = 1
    """Processor threads; models this small gain little from more, and stall where other work runs beside them."""
    json: bool = False
    """Print the summary as JSON on stdout."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = [
            f"--{name} is {value:g}, but must be above 0"
            for name, value in (("fs", self.fs), ("span", self.span))
            if value is not None and not 0 < value < inf
        ]
        found += [
            f"--{name} is {value}, but must be at least 1"
            for name, value in (("windows", self.windows), ("threads", self.threads))
            if value is not None and value < 1
        ]
        found += [
            f"--{name} is '{value}', but must be a number from 1 on, or all"
            for name, value in (("layer", self.layer), ("head", self.head))
            if value not in (None, "all") and not (str(value).isdecimal() and int(str(value)) > 0)
        ]
        if self.query not in (None, "last") and _seconds(str(self.query)) is None:
            found.append(f"--query is '{self.query}', but must be a moment in seconds, or last")
        if self.layer == "all" and self.view in ("heads", "change"):
            found.append(f"--layer is all, but --view {self.view} is of one layer")
        found += stretch_problems(self.input, self.start, self.stop)
        if not 0 <= self.seed < 2**63:
            found.append(f"--seed is {self.seed}, but must be from 0 to {2**63 - 1}")
        if self.view == "change" and self.base is None:
            found.append(
                "--base is missing: --view change needs the model that the checkpoint was fine-tuned from"
            )
        found += [
            f"--{name} is for --view {' or '.join(views)}, not {self.view}"
            for name, views in _SERVES.items()
            if getattr(self, name) is not None and self.view not in views
        ]
        if Path(self.out).exists() and not Path(self.out).is_dir():
            found.append(f"--out '{self.out}' is a file, but a folder is needed")
        return found

    @property
    def layers(self) -> list[int] | None:
        """The layer asked for, from 1; None is all."""
        return [int(self.layer)] if self.layer not in (None, "all") else None

    @property
    def heads(self) -> list[int] | None:
        """The head asked for, from 1; None is all."""
        return [int(self.head)] if self.head not in (None, "all") else None

    @property
    def moment(self) -> float | None:
        """The query in seconds; None is the last sample."""
        return None if self.query in (None, "last") else _seconds(str(self.query))


def run(config: Config) -> None:
    """Explain, and write what there is to see."""
    import torch

    from physiolect.checkpoint import load_checkpoint
    from physiolect.commands.explain.views import VIEWS
    from physiolect.training import choose_device

    check_writable(Path(config.out))
    torch.set_num_threads(config.threads)
    device = choose_device(config.device)
    checkpoint = load_checkpoint(config.checkpoint)
    checkpoint.model.to(device)
    recording = _read(config)
    shown = VIEWS[config.view](config, checkpoint, recording)
    say(str(shown.window.report))
    summary = _summary(config, shown)
    summary["files"] = _write(Path(config.out), config, shown, summary)
    say("\n".join(f"wrote {file}" for file in summary["files"]))
    print(
        json.dumps(summary, indent=2)
        if config.json
        else "\n".join([_headline(config, shown.window), *shown.lines])
    )


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None


def _read(config: Config) -> Recording:
    from physiolect.formats import read_recording

    about: dict[str, Any] = {
        "fs": config.fs, "modality": config.modality, "variable": config.variable,
        "start": config.start, "stop": config.stop,
    }  # fmt: skip
    try:
        recording = read_recording(config.input, **about)
    except FormatError:
        if config.channel is None or config.channel.isdigit():
            raise
        # channels of other rates may stand beside the one that is wanted
        about["channels"] = [config.channel]
        recording = read_recording(config.input, **about)
    start = config.start or 0.0
    if config.view not in ("probing", "similarity") or round(start * recording.fs) < 1:
        return recording
    earlier = read_recording(config.input, **{**about, "start": None, "stop": start})
    return _with_rhythm(recording, earlier)


def _with_rhythm(recording: Recording, earlier: Recording) -> Recording:
    """Return the recording with the rhythm that holds where it begins marked there, if it began before."""
    import numpy as np

    from physiolect.datasets.store.marks import marks_within

    earlier_marks, marks = earlier.annotations, recording.annotations
    joined = Annotations(
        np.concatenate([earlier_marks.sample, marks.sample + earlier.n_samples]),
        (*earlier_marks.symbol, *marks.symbol),
        (*earlier_marks.note, *marks.note),
    )
    stretch = (earlier.n_samples, earlier.n_samples + recording.n_samples)
    return replace(recording, annotations=marks_within(joined, [stretch])[0])


def _headline(config: Config, window: Window) -> str:
    return (
        f"{config.view} of {config.input}, {window.channel}, {window.time[0]:.2f} to {window.time[-1]:.2f} s"
    )


def _summary(config: Config, shown: Shown) -> dict[str, Any]:
    window = shown.window
    return {
        "input": config.input,
        "checkpoint": config.checkpoint,
        "view": config.view,
        "window": {
            "start": float(window.time[0]),
            "stop": float(window.time[-1]),
            "samples": len(window.ids),
        },
        "channel": window.channel,
        "fs": window.fs,
        "unit": window.unit,
        "counting": "layers and heads from 1, samples from 0, times in seconds of the recording",
        **shown.told,
        "adaptation": window.report.to_dict(),
        "settings": {
            k: v for k, v in asdict(config).items() if k not in ("input", "checkpoint", "out", "view")
        },
    }


def _write(out: Path, config: Config, shown: Shown, summary: dict[str, Any]) -> list[str]:
    """Write figure, numbers and summary, each whole or not at all, the summary last."""
    import numpy as np

    from physiolect.files import replacing

    out.mkdir(parents=True, exist_ok=True)
    files = [out / f"{config.view}.{config.format}", out / f"{config.view}.{config.numbers}"]
    with replacing(files[0]) as path:
        shown.figure.savefig(path)
    with replacing(files[1]) as path:
        if config.numbers == "npz":
            np.savez(path, **shown.numbers)
        else:
            from scipy.io import savemat

            savemat(path, shown.numbers, oned_as="row")
    if shown.table:
        files.append(out / f"{config.view}.csv")
        with replacing(files[-1]) as path, path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(shown.table)
    files.append(out / f"{config.view}.json")
    told = [str(file) for file in files]
    with replacing(files[-1]) as path:
        path.write_text(json.dumps({**summary, "files": told}, indent=2) + "\n", encoding="utf-8")
    return told
