"""`physiolect explain INPUT --checkpoint CHECKPOINT --view VIEW --out DIR`: what a model looks at in a recording."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from physiolect.commands.settings import Computing, Reading, folder_problems
from physiolect.commands.terminal import listening, say, show
from physiolect.files import check_writable

if TYPE_CHECKING:
    from physiolect.contract import InputContract
    from physiolect.recording import Recording

EXAMPLE = "physiolect explain mitdb/201 --checkpoint ECGPT_AF_1k_iters.zip --view attention --out why"

_NEEDS_RHYTHM = ("probing", "similarity")
"""Views that leave out P waves by the rhythm, which may have been marked before --start."""
_OPTIONS = (
    "layer",
    "head",
    "combine",
    "reference",
    "tokens",
    "windows",
    "span",
    "replace",
    "beats",
    "rhythm",
    "seed",
)
"""Settings that go to the library as they are."""
_NOT_SETTINGS = ("input", "checkpoint", "out", "view")
"""What the summary names apart from the settings."""


@dataclass(frozen=True)
class Config(Reading, Computing):
    """What `physiolect explain` is asked."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("input",)

    input: str
    """The recording; its last window is explained, or the one that ends at --stop."""
    checkpoint: str
    """The model: a checkpoint's folder, a published HeartGPT file, "ecg", or owner/name on the Hub."""
    view: Literal[
        "attention", "heads", "similarity", "change", "probing", "gradients", "faithfulness", "beat", "cross"
    ]
    """attention: where a query looks. heads: what each head of a layer looks at. similarity: tokens of one level at
    different parts of the beat. change: attention of a fine-tuned model less that of --base. probing: which heads
    respond to which wave of the beat. gradients: what each part of the signal adds to the output, by integrated
    gradients. faithfulness: whether maps of important samples are true of the model. beat: of a model that reads
    heartbeats, what of one heartbeat counts. cross: of a model that writes sequences, where it looks for each symbol,
    in the last trial or window."""
    out: str
    """Folder for the figure, the numbers, for heads and waves a table, and a summary, VIEW.json; views may share it."""
    row: int | None = None
    """Of a table of single heartbeats in the layout of Kaggle's: the line to explain, counted from 0 (a header is not
    counted)."""
    base: str | None = None
    """With --view change, the model that the checkpoint was fine-tuned from."""
    layer: int | Literal["all"] | None = None
    """A layer, counted from 1, or "all" (default: the last)."""
    head: int | Literal["all"] | None = None
    """A head, counted from 1, or "all" (default: all)."""
    query: float | Literal["last"] | None = None
    """The moment or heartbeat whose attention is shown, in seconds of the recording, or "last" (default: last; of an
    encoder what its output is about: the window, the likeliest beat, the most unusual heartbeat)."""
    combine: Literal["sum", "mean"] | None = None
    """How layers and heads are combined in the bands (default: sum)."""
    reference: float | None = None
    """With --view similarity, the moment of the token that others are compared with (default: chosen)."""
    tokens: tuple[float, ...] | None = None
    """With --view similarity, moments of the others in seconds (default: chosen, of one level)."""
    windows: int | None = None
    """With --view probing or faithfulness, how many of the last windows are used (default: 20, or 1)."""
    span: float | None = None
    """With --view gradients or faithfulness of a model that continues signals: explain its forecast of the last so many
    seconds."""
    replace: Literal["interpolation", "median"] | None = None
    """What replaces a deleted sample: a line between those kept, or the median level (default: a line)."""
    beats: str | None = None
    """For a checkpoint that reads heartbeats: a beats checkpoint, which finds them (default: those that the recording
    marks, or those found by their slope)."""
    rhythm: str | None = None
    """For heartbeats: a rhythm checkpoint, whose probability describes each beat."""
    no_score: bool = False
    """Leave out the line under the figure that says how faithful the picture is, which takes some seconds."""
    seed: int = 0
    """Of random orders, weights and shifts."""
    format: Literal["png", "pdf", "svg"] = "png"
    """Of the figure, which is 8.5 cm wide, a column of a paper; of several leads or heartbeats it is ECG paper."""
    numbers: Literal["npz", "mat"] = "npz"
    """Of the file of numbers."""
    json: bool = False
    """Print the summary as JSON on stdout."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        from physiolect.explanation.views.question import option_problems

        beside = (
            "start",
            "stop",
            "fs",
            "channel",
            "lead",
            "names",
            "unit",
            "variable",
            "modality",
            "annotator",
        )
        useless = [
            f"--{name}" for name in beside if self.row is not None and getattr(self, name) not in (None, ())
        ]
        return [
            *([f"{' and '.join(useless)} cannot be used with --row"] if useless else []),
            *([f"--row is {self.row}, but must be at least 0"] if (self.row or 0) < 0 else []),
            *self.reading_problems(self.input),
            *self.computing_problems(),
            *option_problems(self.view, {**vars(self), "query": self.moment}, "--{}".format),
            *folder_problems(self.out),
        ]

    @property
    def moment(self) -> float | None:
        """The query in seconds; None means the last sample."""
        return None if isinstance(self.query, str) else self.query


def run(config: Config) -> None:
    """Explain, and write what there is to see."""
    from physiolect.checkpoint import load_checkpoint
    from physiolect.explanation import explain
    from physiolect.report.explanation import write_explanation
    from physiolect.training import choose_device

    check_writable(Path(config.out))
    device = choose_device(config.device)
    models = {
        name: load_checkpoint(path)
        for name, path in (("checkpoint", config.checkpoint), ("base", config.base))
        if path is not None
    }
    for model in models.values():
        model.model.to(device)
    whole = config.view in _NEEDS_RHYTHM and config.start is not None
    recording = _read(config, models["checkpoint"].contract, None if whole else config.start)
    with listening() as terminal:
        found = explain(
            models["checkpoint"],
            recording,
            view=config.view,
            base=models.get("base"),
            channel=config.chosen,
            query=config.moment,
            score=not config.no_score,
            start=config.start if whole else None,
            first=0.0 if whole else config.start or 0.0,
            threads=config.threads,
            on_event=terminal,
            **{name: getattr(config, name) for name in _OPTIONS},
        )
    names = {"input": config.input, "checkpoint": config.checkpoint}
    if config.base is not None:
        names["base"] = config.base
    settings: dict[str, Any] = {k: v for k, v in asdict(config).items() if k not in _NOT_SETTINGS}
    held = write_explanation(
        found, config.out, format=config.format, numbers=config.numbers, about=names, settings=settings
    )
    say("\n".join(f"wrote {file}" for file in held["files"]))
    show(json.dumps(held, indent=2) if config.json else found.summary)


def _read(config: Config, contract: InputContract, start: float | None) -> Recording:
    """Return the recording, or one row of a table of heartbeats, of which the model reads the beginning."""
    if config.row is None:
        read = config.read(config.input, start=start, for_modality=contract.modality)
        return replace(config.with_lead(read), source=config.input)
    from physiolect.datasets.public.heartbeats import read_beat

    recording, name = read_beat(Path(config.input), config.row)
    longest = min(recording.n_samples, int(contract.max_samples * recording.fs / contract.fs))
    cut = (
        ""
        if longest == recording.n_samples
        else f"; the first {longest} of its {recording.n_samples} samples"
    )
    say(f"heartbeat {config.row} of {config.input}, labelled {name}{cut}")
    return recording.slice(0, longest, by="samples")
