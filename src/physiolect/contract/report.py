"""What adapting a recording did, and why it could not be done."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import ContractError


@dataclass(frozen=True)
class AdaptationReport:
    """What was done to a recording to make it fit a contract."""

    steps: tuple[str, ...]
    """What was changed, in order, with numbers."""
    notices: tuple[str, ...]
    """What was assumed, or is worth a second look."""
    start: float
    """Where the window begins, in seconds from the start of the original recording."""
    units: tuple[str | None, ...]
    """Unit of each channel before it was adapted."""
    scale: tuple[float, ...]
    """Of each channel: amplitude in `units` = adapted * scale + offset."""
    offset: tuple[float, ...]
    """Of each channel, in `units`."""

    def __str__(self) -> str:
        lines = [f"- {step}" for step in self.steps] or ["- nothing had to change"]
        return "\n".join([*lines, *(f"! {notice}" for notice in self.notices)])

    def restore(self, signal: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return adapted amplitudes (..., channels, time) in the units of the recording."""
        return signal * np.array(self.scale)[:, np.newaxis] + np.array(self.offset)[:, np.newaxis]

    def to_dict(self) -> dict[str, object]:
        """Return the report as plain lists and numbers, ready for JSON."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }


@dataclass
class Findings:
    """What comes to light while a recording is adapted; refusals are gathered and told together."""

    steps: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    """Reasons, and the hint that goes with each."""
    reading: tuple[str, ...] = ()
    """What reading the recording met: channels left out may be those that are missed."""
    first: float = 0.0
    """When the recording begins, in seconds of the one it was cut from."""

    def refuse(self, reason: str, hint: str) -> None:
        """Note a reason why the recording cannot be adapted."""
        self.refusals[reason] = hint

    def error(self) -> ContractError:
        """Return all refusals as one error."""
        hints = dict.fromkeys(self.refusals.values())  # each once, in order
        return ContractError("; ".join(self.refusals), hint="; ".join([*hints, *self.reading]))
