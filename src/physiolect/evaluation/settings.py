"""The settings of an evaluation, which the library call and the command share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from physiolect.tasks import TASKS, Kind, Scope, Task, TaskName

Baselines = Literal["all", "light", "none"]
OfVectors = Literal["linear-probe", "zero-shot"]
"""What evaluates a model on classes that it was not trained for: a linear model on its frozen features, or the
distance of its vectors from those of the classes' names."""
EvaluationProtocol = Literal["k-fold", "leave-one-out", "given", "linear-probe", "zero-shot"]
"""Folds of `physiolect.evaluation.protocol`, or one of these."""


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """How models are evaluated."""

    task: TaskName
    """The task that is evaluated."""
    baselines: Baselines = "all"
    """Baselines to compare with: all; light leaves out those that take long; or none."""
    protocol: EvaluationProtocol = "k-fold"
    """Folds in which baselines are trained: by patient, or by recording without patients; given uses the
    store's splits. linear-probe and zero-shot evaluate a model on classes that it was not trained for."""
    k: int = 5
    """Number of folds, for k-fold."""
    labels: str | None = None
    """Table of labels (.csv, .parquet) with a column recording (default: the store's marks or labels)."""
    column: str | None = None
    """Column of the table that holds the labels."""
    classes: tuple[str, ...] = ()
    """For linear-probe and zero-shot, the classes in order (default: all that occur)."""
    several: bool = False
    """For linear-probe and zero-shot, a window may belong to several classes at once."""
    prompts: str | None = None
    """For zero-shot, a YAML file of class: text, or list of texts (default: our wordings)."""
    text_tower: str | None = None
    """For zero-shot, folder of the text tower that the model learned with, where it has moved."""
    positive: tuple[str, ...] = ()
    """Names of the rhythm to detect (default: atrial fibrillation: AFIB, AF)."""
    negative: tuple[str, ...] = ()
    """Names of the opposite rhythm (default: sinus rhythm: N, sinus)."""
    test_on: tuple[str, ...] = ()
    """Splits, recordings or patients that are evaluated (default: all)."""
    leave_out: tuple[str, ...] = ()
    """Splits, recordings or patients that are not evaluated."""
    without: tuple[str, ...] = ()
    """For heartbeats, recordings or patients: the figures are also given without each of them."""
    beats: str | None = None
    """For a rhythm model that reads heartbeats, a beats checkpoint that finds them (default: the store's marks)."""
    rhythm: str | None = None
    """For heartbeats, the rhythm checkpoint, or cross-validated run, whose probability describes each beat."""
    channel: str | None = None
    """Channel to use, where rows have several: a name, or a number from 0."""
    stride: int | None = None
    """Samples from one window to the next (default: the length of a window)."""
    max_per_episode: int | None = None
    """Most windows of an episode of the opposite rhythm; for other tasks, of a row."""
    detector: str | None = None
    """Library detector of beats: xqrs, neurokit (ECG), elgendi (PPG) (default: xqrs or elgendi)."""
    skip: float = 0.0
    """Seconds at the start of each record that are not evaluated, for beats and decode; EC57 leaves out 300."""
    adapt: Literal["none", "running", "recording"] = "none"
    """For decode, statistics of channels: those of training; running, causal and without labels; or those of each whole
    row."""
    targets: tuple[str, ...] = ()
    """For decode, the store's targets in the order of the model's outputs, where names are exchanged (default: by
    name)."""
    continuations: int = 0
    """Windows of which the last fifth is continued and compared with the signal, for forecast."""
    threshold: float = 0.5
    """Probability from which a window counts as the rhythm."""
    resamples: int = 2000
    """Bootstrap resamples of the patients."""
    seed: int = 0
    """Seed of folds, resamples, random weights and the windows that max-per-episode draws."""
    batch_size: int = 64
    """Windows that pass a model at once."""
    device: str = "auto"
    """Where to compute: auto, cpu, cuda …"""
    threads: int = 1
    """Processor threads; another number changes results by rounding."""

    def setting_problems(self, called: Callable[[str], str] = str) -> list[str]:
        """List everything that is wrong with the settings.

        Args:
            called: returns how the caller writes a setting's name.
        """
        names = ("k", "stride", "max_per_episode", "resamples", "batch_size", "threads")
        counts = {name: getattr(self, name) for name in names}
        found = [
            f"{called(name)} is {value}, but must be at least 1"
            for name, value in counts.items()
            if value is not None and value < 1
        ]
        if not 0 < self.threshold < 1:
            found.append(f"{called('threshold')} is {self.threshold:g}, but must be between 0 and 1")
        if not 0 <= self.seed < 2**63:
            found.append(f"{called('seed')} is {self.seed}, but must be from 0 to 2^63 - 1")
        if self.continuations < 0 or self.skip < 0:
            found.append(f"{called('continuations')} and {called('skip')} cannot be negative")
        for name, kind, scope in _OF_ONE_KIND:
            task = TASKS[self.task]
            if getattr(self, name) and (task.kind, task.scope) != (kind, scope):
                found.append(f"{called(name)} is for {called('task')} {_names(kind, scope)}")
        for name in ("classes", "several", "prompts", "text_tower"):
            zero_shot = name in ("prompts", "text_tower")
            if getattr(self, name) and self.protocol not in (
                ("zero-shot",) if zero_shot else get_args(OfVectors)
            ):
                wanted = "zero-shot" if zero_shot else "linear-probe or zero-shot"
                found.append(f"{called(name)} is for {called('protocol')} {wanted}")
        if self.skip and TASKS[self.task].labels not in ("beats", "targets"):
            found.append(f"{called('skip')} is for {called('task')} beats and decode")
        if self.adapt != "none" and TASKS[self.task].labels != "targets":
            found.append(f"{called('adapt')} is for {called('task')} decode")
        if self.targets and TASKS[self.task].labels != "targets":
            found.append(f"{called('targets')} is for {called('task')} decode")
        if (self.labels is None) != (self.column is None):
            found.append(f"{called('labels')} and {called('column')} go together")
        return found

    @property
    def asked(self) -> Task:
        """The task."""
        return TASKS[self.task]

    @property
    def chosen_channel(self) -> str | int | None:
        """The channel by name or number."""
        return int(self.channel) if self.channel and self.channel.isdecimal() else self.channel


_OF_ONE_KIND: Sequence[tuple[str, Kind, Scope]] = (
    ("continuations", "token", "position"),
    ("without", "one-of", "position"),
    ("rhythm", "one-of", "position"),
    ("beats", "binary", "window"),
)
"""Settings for tasks of one kind and scope."""


def _names(kind: Kind, scope: Scope) -> str:
    return ", ".join(name for name, task in TASKS.items() if (task.kind, task.scope) == (kind, scope))
