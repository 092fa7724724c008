"""What a model is asked: each task once, with its kind, its scope and its words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from physiolect.errors import ConfigError, did_you_mean

Kind: TypeAlias = Literal["token", "binary", "one-of", "several", "number", "vector", "sequence"]
"""What an answer is: the next token's id, yes or no, one class of several, any of several classes, a number, a vector,
or a sequence of tokens."""

Scope: TypeAlias = Literal["window", "position"]
"""What an answer is about: a window as a whole, or each of its positions."""

LabelSource: TypeAlias = Literal[
    "signal", "rhythms", "beats", "heartbeats", "classes", "numbers", "targets", "symbols"
]
"""Where labels come from: the signal itself, marks of rhythm, marks of beats, the classes of these marks, labels of
recordings, a table's column of numbers, channels that lie beside the signal, or a string of symbols: a row's label, a
table's, or the classes of its beats. Rhythms and classes are also read from a table."""


@dataclass(frozen=True)
class Task:
    """A question that a model is trained to answer."""

    name: str
    """What users write."""
    kind: Kind
    """What an answer is; a task of kind "one-of" becomes "several" where a window may be of several classes."""
    scope: Scope
    """What an answer is about."""
    labels: LabelSource
    """Where labels come from."""
    does: str
    """What a model of this task does, as the end of a sentence: "finds beats"."""

    @property
    def detected(self) -> bool:
        """Whether `detect` does it: answers yes or no, or one class of several at a position, are marks in time."""
        return self.kind == "binary" or (self.kind == "one-of" and self.scope == "position")

    def __str__(self) -> str:
        return self.name


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("forecast", "token", "position", "signal", "continues signals"),
        Task("embed", "vector", "window", "signal", "turns windows into vectors"),
        Task("rhythm", "binary", "window", "rhythms", "detects a rhythm"),
        Task("beats", "binary", "position", "beats", "finds beats"),
        Task("heartbeats", "one-of", "position", "heartbeats", "sorts heartbeats into classes"),
        Task("decode", "number", "position", "targets", "decodes force or movement at every step"),
        Task("translate", "sequence", "window", "symbols", "writes a sequence of symbols for a window"),
        Task("classify", "one-of", "window", "classes", "sorts windows into classes"),
        Task("regress", "number", "window", "numbers", "estimates a number for a window"),
    )
}
"""Every task by name. Rooms above dispatch on kind and scope, in one dict each, and never on a name."""

if TYPE_CHECKING:
    TaskName: TypeAlias = str
    LabelledTaskName: TypeAlias = str
    DetectedTaskName: TypeAlias = str
else:
    TaskName = Literal[tuple(TASKS)]
    """Name of any task, as settings state it."""
    LabelledTaskName = Literal[tuple(name for name, task in TASKS.items() if task.labels != "signal")]
    """Name of a task that is learned from labels."""
    DetectedTaskName = Literal[tuple(name for name, task in TASKS.items() if task.detected)]
    """Name of a task that `detect` does."""


def find_task(task: str | Task) -> Task:
    """Return a task by its name.

    Raises:
        ConfigError: there is no such task.
    """
    if isinstance(task, Task):
        return task
    if task not in TASKS:
        raise ConfigError(
            f"task is '{task}', which is not one of {', '.join(TASKS)}", hint=did_you_mean(task, TASKS)
        )
    return TASKS[task]
