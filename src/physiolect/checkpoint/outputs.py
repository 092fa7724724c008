"""What the numbers of a model's head mean, and what a user gets of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

import torch
from torch import Tensor

from physiolect.errors import ConfigError
from physiolect.models.seq2seq_config import N_SPECIAL
from physiolect.tasks import TASKS, Kind, Scope

FIBRILLATION = ("AFIB", "AF")
"""Names of atrial fibrillation. Its opposite is sinus rhythm ("N") unless the checkpoint records another name."""


@dataclass(frozen=True)
class Outputs:
    """The task of a model, and what its outputs are."""

    task: str = "forecast"
    """Name of one of `physiolect.tasks.TASKS`: what the model was trained to answer."""
    classes: tuple[str, ...] = ()
    """Names of the outputs, in their order; for a rhythm, the name of what is asked for."""
    several: bool = False
    """A window may be of several classes at once (sigmoid), or is of exactly one (softmax)."""
    target: str | None = None
    """What a number is: "age"."""
    unit: str | None = None
    """Unit of the number."""
    mean: float = 0.0
    """The number is output * sd + mean."""
    sd: float = 1.0
    """See `mean`."""
    targets: tuple[str, ...] = ()
    """Of a model that decodes, the name of each output."""
    means: tuple[float, ...] = ()
    """Of each target: its number is output * sd + mean."""
    sds: tuple[float, ...] = ()
    """See `means`."""
    symbols: tuple[str, ...] = ()
    """Of a model that writes sequences, its symbols in the order of their ids."""
    negative: str = ""
    """For a rhythm, the name of its opposite: "N"; "" where it is not recorded."""

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ConfigError(
                f"the task '{self.task}' is unknown to this version",
                hint=f"install a newer physiolect; this one knows {', '.join(TASKS)}",
            )

    @property
    def kind(self) -> Kind:
        """What an answer is."""
        return "several" if self.several else TASKS[self.task].kind

    @property
    def scope(self) -> Scope:
        """What an answer is about."""
        return TASKS[self.task].scope

    @property
    def answers(self) -> tuple[str, str]:
        """What a binary answer is called, no and yes: ("N", "AFIB"), in WFDB's words for rhythms."""
        yes = (
            self.classes[0] if self.classes else "AFIB" if TASKS[self.task].labels == "rhythms" else self.task
        )
        sinus = "N" if yes in FIBRILLATION else f"not {yes}"
        return self.negative or sinus, yes

    def problems(self, n_outputs: int | None) -> list[str]:
        """List what does not fit a head of this many outputs; None means one a token id."""
        found = []
        if self.classes and (len(self.classes) != n_outputs or len(set(self.classes)) < len(self.classes)):
            found.append(f"{n_outputs} outputs, but the classes are {', '.join(self.classes)}")
        least = {"one-of": 2, "several": 1}.get(self.kind, 0)
        if len(self.classes) < least:
            found.append(f"{len(self.classes)} classes, but at least {least} are needed")
        if self.several and TASKS[self.task].kind != "one-of":
            found.append(f"several classes at once are not for the task {self.task}")
        if self.symbols or self.kind == "sequence":
            return found + self._symbol_problems(n_outputs)
        if self.targets or (self.kind, self.scope) == ("number", "position"):
            return found + self._target_problems(n_outputs)
        if self.kind in ("binary", "number") and n_outputs not in (None, 1):
            found.append(f"{n_outputs} outputs, but {self.task} has one")
        if self.kind == "token" and n_outputs is not None:
            found.append(f"task {self.task} needs one output a token id, and n_outputs is {n_outputs}")
        if not (self.sd > 0 and isfinite(self.mean + self.sd)):
            found.append(f"sd is {self.sd}, but must be above 0")
        return found

    def _target_problems(self, n_outputs: int | None) -> list[str]:
        found = []
        if (self.kind, self.scope) != ("number", "position"):
            found.append(f"targets are for a model that decodes, and not for the task {self.task}")
        if not len(self.targets) == len(self.means) == len(self.sds) == n_outputs:
            found.append(
                f"{n_outputs} outputs, but {len(self.targets)} targets, {len(self.means)} means and {len(self.sds)} sds"
            )
        if not all(sd > 0 and isfinite(mean + sd) for mean, sd in zip(self.means, self.sds, strict=False)):
            found.append("an sd of the targets is not above 0")
        return found

    def _symbol_problems(self, n_outputs: int | None) -> list[str]:
        if self.kind != "sequence":
            return [f"symbols are for a model that writes sequences, and not for the task {self.task}"]
        n = len(self.symbols)
        if n == 0 or len(set(self.symbols)) < n or n_outputs != n + N_SPECIAL:
            return [f"{n_outputs} outputs, but {n} symbols with padding, start and end are {n + N_SPECIAL}"]
        return []

    def spell(self, ids: tuple[int, ...]) -> tuple[str, ...]:
        """Return the symbols that the ids of an answer stand for."""
        return tuple(self.symbols[each - N_SPECIAL] for each in ids)

    def read(self, logits: Tensor) -> Tensor:
        """Return what a user gets of a model's outputs.

        Args:
            logits: (B, T or 1, K), as models return them.

        Returns:
            float32; of a window without T. binary: probabilities (B, T); one-of, several: probabilities of the classes
            (B, T, K); number: in its unit, (B, T), or (B, T, K) of several targets; token: probabilities of the ids
            (B, T, K); vector: (B, T, K); sequence: probabilities of the first symbol's ids (B, K).
        """
        if self.targets:
            return (
                logits.float() * logits.new_tensor(self.sds).float() + logits.new_tensor(self.means).float()
            )
        found = _READ[self.kind](logits.float(), self)
        return found[:, -1] if self.scope == "window" else found


_READ: dict[Kind, Callable[[Tensor, Outputs], Tensor]] = {
    "token": lambda logits, _: torch.softmax(logits, -1),
    "vector": lambda logits, _: logits,
    "sequence": lambda logits, _: torch.softmax(logits, -1),
    "binary": lambda logits, _: torch.sigmoid(logits[..., 0]),
    "one-of": lambda logits, _: torch.softmax(logits, -1),
    "several": lambda logits, _: torch.sigmoid(logits),
    "number": lambda logits, outputs: logits[..., 0] * outputs.sd + outputs.mean,
}
