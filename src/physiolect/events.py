"""What long work reports to whoever called it: messages and progress, through one callback."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from physiolect.errors import Cancelled


@dataclass(frozen=True)
class Message:
    """A sentence for the user."""

    text: str


@dataclass(frozen=True)
class Progress:
    """How much of a piece of work is done."""

    what: str
    """What is counted, such as "windows of record 100"."""
    done: int
    total: int | None = None
    """None while it is unknown."""
    note: str = ""
    """What else there is to say of it, such as "12.5 MB"."""


@dataclass(frozen=True)
class Metrics:
    """Where a training run stands."""

    step: int
    """Updates done."""
    steps: int
    """Updates of the whole run."""
    text: str
    """The metrics in words: "loss 1.204 nats, 9,410 tokens/s"."""
    values: Mapping[str, float] = field(default_factory=dict)
    """Name -> number, as in metrics.jsonl."""


Event: TypeAlias = Message | Progress | Metrics
Listener: TypeAlias = Callable[[Event], object]
"""Is called with each event; returning True asks the work to stop.

Training then saves and returns an unfinished result; other work raises `errors.Cancelled`.
"""


class Tell(Protocol):
    """Reports how much is done, and of how much where that was not known before."""

    def __call__(self, done: int, total: int | None = None, /) -> None: ...


class Reporter:
    """Passes events on to a listener, and remembers whether it asked to stop.

    Args:
        listener: gets every event; None drops them.
    """

    def __init__(self, listener: Listener | None = None) -> None:
        self._listener = listener
        self.stopping = False

    def send(self, event: Event) -> bool:
        """Pass an event on; returns whether the listener has asked to stop, so that this can be a listener itself."""
        if self._listener is not None and self._listener(event) is True:
            self.stopping = True
        return self.stopping

    def say(self, text: str) -> None:
        """Pass a sentence on."""
        self.send(Message(text))

    def progress(self, what: str, total: int | None = None, *, note: str = "") -> Tell:
        """Return what reports the progress of a piece of work; it raises Cancelled where the listener asked to stop."""

        def tell(done: int, now: int | None = None, /) -> None:
            self.send(Progress(what, done, total if now is None else now, note))
            if self.stopping:
                raise Cancelled(
                    f"stopped by the caller at {what}", hint="call again to start over or to resume"
                )

        return tell
