"""What a view is asked: the model, the stretch of a recording, and the options that several views share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.errors import CheckpointError, ConfigError, ContractError, check_option
from physiolect.events import Reporter
from physiolect.explanation.attention import Combine, n_layers
from physiolect.explanation.beat_windows import BeatSource
from physiolect.explanation.cutting import cut_window, cut_windows
from physiolect.explanation.faithfulness import Faithfulness, measure_faithfulness
from physiolect.explanation.target import Target, choose_target
from physiolect.explanation.window import LevelWindow, Replacement, Window
from physiolect.recording import Recording

View = Literal[
    "attention", "heads", "similarity", "change", "probing", "gradients", "faithfulness", "beat", "cross"
]

SERVES: dict[str, tuple[View, ...]] = {
    "base": ("change",),
    "layer": ("attention", "heads", "change"),
    "head": ("attention", "heads", "change"),
    "query": ("attention", "change", "gradients", "faithfulness", "beat"),
    "combine": ("attention",),
    "reference": ("similarity",),
    "tokens": ("similarity",),
    "windows": ("probing", "faithfulness"),
    "span": ("gradients", "faithfulness"),
    "replace": ("faithfulness",),
}
"""Option -> the views it is for."""


def option_problems(
    view: str, options: Mapping[str, Any], spell: Callable[[str], str] = lambda name: name
) -> list[str]:
    """List everything that is wrong with the options of a view.

    Args:
        view: which.
        options: by name, as `explain` takes them; None is not given.
        spell: turns an option's name into what the user wrote it as.
    """
    found = []
    span, windows, query, seed = (options.get(name) for name in ("span", "windows", "query", "seed"))
    if span is not None and not 0 < span < inf:
        found.append(f"{spell('span')} is {span:g}, but must be above 0")
    if windows is not None and windows < 1:
        found.append(f"{spell('windows')} is {windows}, but must be at least 1")
    for name in ("layer", "head"):
        value = options.get(name)
        if value not in (None, "all") and not (isinstance(value, int) and value > 0):
            found.append(f"{spell(name)} is '{value}', but must be a number from 1 on, or all")
    if query is not None and not isfinite(query):
        found.append(f"{spell('query')} is {query:g}, but must be a moment in seconds")
    if options.get("layer") == "all" and view in ("heads", "change"):
        found.append(f"{spell('layer')} is all, but {spell('view')} {view} is of one layer")
    if seed is not None and not 0 <= seed < 2**63:
        found.append(f"{spell('seed')} is {seed}, but must be from 0 to {2**63 - 1}")
    if view == "change" and options.get("base") is None:
        found.append(
            f"{spell('base')} is missing: {spell('view')} change needs the model that the checkpoint was "
            "fine-tuned from"
        )
    found += [
        f"{spell(name)} is for {spell('view')} {' or '.join(views)}, not {view}"
        for name, views in SERVES.items()
        if options.get(name) is not None and view not in views
    ]
    return found


def check_view(checkpoint: Checkpoint, view: View) -> None:
    """Refuse a view that a model cannot have.

    Raises:
        CheckpointError: it says which view to take.
    """
    if (view == "cross") != (checkpoint.outputs.kind == "sequence"):
        raise CheckpointError(
            f"view {view} is not of a model that {checkpoint.task.does}",
            hint="view cross, and no other, is of models that write sequences",
        )
    if view == "beat" and not checkpoint.reads_beats:
        raise CheckpointError(
            "view beat is of models that read heartbeats, but this one reads a window of signal",
            hint="use view attention or faithfulness: their maps lie on the signal",
        )
    if view == "probing" and checkpoint.reads_beats:
        raise CheckpointError(
            "view probing compares the waves of a heartbeat, but to this model a whole heartbeat is one token",
            hint="use view beat, whose map lies on the waves of one heartbeat",
        )
    if view == "similarity" and (checkpoint.reads_beats or checkpoint.tokenizer is None):
        raise CheckpointError(
            f"view similarity compares tokens of one level, but this model reads "
            f"{'heartbeats' if checkpoint.reads_beats else 'the signal itself, without levels'}",
            hint=f"use view {'beat' if checkpoint.reads_beats else 'probing'}, or attention",
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Question:
    """What a view is asked; `explain` describes the options.

    Raises:
        ConfigError: an option is out of range, or not for the view.
    """

    checkpoint: Checkpoint
    recording: Recording
    report: Reporter
    view: View
    channel: str | int | None
    first: float
    """When the recording begins, in seconds of the one it was cut from."""
    base: Checkpoint | None
    layer: int | Literal["all"] | None
    head: int | Literal["all"] | None
    query: float | None
    combine: Combine | None
    reference: float | None
    tokens: tuple[float, ...] | None
    windows: int | None
    span: float | None
    replace: Replacement | None
    score: bool
    seed: int
    source: BeatSource
    """Of a model that reads heartbeats: what is known of them."""

    def __post_init__(self) -> None:
        check_option("view", self.view, get_args(View))
        for name, value, allowed in (
            ("combine", self.combine, Combine),
            ("replace", self.replace, Replacement),
        ):
            if value is not None:
                check_option(name, value, get_args(allowed))
        if problems := option_problems(self.view, vars(self)):
            raise ConfigError("; ".join(problems), hint="correct these arguments, or leave them out")
        check_view(self.checkpoint, self.view)
        if not self.checkpoint.reads_beats and (
            self.source.beats is not None or self.source.rhythm is not None
        ):
            raise ConfigError(
                "beats or a rhythm were given, but the checkpoint reads the signal itself",
                hint="leave them out",
            )
        if self.replace is not None and self.checkpoint.reads_beats:
            raise ConfigError(
                "replace is for models that read a signal: a heartbeat is replaced by the average one of training",
                hint="leave replace out",
            )

    @property
    def heads(self) -> list[int] | None:
        """The heads, from 1; None means all."""
        return None if self.head in (None, "all") else [int(self.head)]

    @property
    def layers(self) -> list[int] | None:
        """The layers, from 1; None means all."""
        return None if self.layer == "all" else [self.one_layer]

    @property
    def one_layer(self) -> int:
        """The layer, from 1: the last one by default."""
        return self.layer if isinstance(self.layer, int) else n_layers(self.checkpoint)

    def window(self) -> Window:
        """Return the last window.

        Raises:
            ContractError: it cannot be used.
        """
        return cut_window(
            self.checkpoint, self.recording, channel=self.channel, first=self.first, query=self.query,
            source=self.source,
        )  # fmt: skip

    def moment(self, window: Window) -> float | None:
        """Return the moment whose attention is shown; None where it is that of the window as a whole.

        That is the one asked for; else the last sample of a model of levels, and of others what their output is about.
        """
        if self.query is not None or isinstance(window, LevelWindow):
            return float(window.time[window.sample(self.query)])
        if self.checkpoint.outputs.scope == "window":
            return None
        return float(window.time[choose_target(self.checkpoint, window).query])

    def query_words(self, moment: float | None) -> str:
        """Return in words whose attention is shown, given what `moment` returned."""
        if moment is not None:
            return f"query {moment:.2f} s"
        return (
            "query: the class token"
            if self.checkpoint.model.config.pooling == "class"
            else "mean over queries"
        )

    def last_windows(self, limit: int) -> tuple[Window, ...]:
        """Return those of the last `limit` windows that can be used.

        Raises:
            ContractError: all are flat, or miss samples.
        """
        found = cut_windows(
            self.checkpoint, self.recording, channel=self.channel, first=self.first, limit=limit, query=self.query,
            source=self.source,
        )  # fmt: skip
        if not found:
            raise ContractError(
                f"none of the last {limit} windows of {self.recording.source or 'the recording'} can be used: "
                "they are flat, or miss samples",
                hint="choose another stretch or channel",
            )
        return tuple(found)

    def faithfulness(
        self,
        window: Window,
        importance: NDArray[np.floating],
        query: float | None = None,
        target: Target | None = None,
    ) -> Faithfulness | None:
        """Return how faithful a map is to the model's output; None where no score is wanted.

        Args:
            window: what the map is of.
            importance: (N,) the map of its tokens.
            query: the moment whose output is followed, where the model has an output at every position.
            target: the output that is followed; None chooses it.
        """
        if not self.score:
            return None
        at_positions = self.checkpoint.outputs.scope == "position"
        target = target or choose_target(self.checkpoint, window, query=query if at_positions else None)
        maps = {"shown": importance.astype(np.float64)}
        tell = self.report.progress("changed windows, for the score")
        return measure_faithfulness(self.checkpoint, window, target, maps, seed=self.seed, tell=tell)["shown"]
