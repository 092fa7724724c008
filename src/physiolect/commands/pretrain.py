"""`physiolect pretrain STORE --out RUN`: train a model without labels."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from physiolect import config
from physiolect.commands.terminal import listening, say
from physiolect.learning import PretrainSettings, pretrain
from physiolect.learning.run_folder import with_saved_settings
from physiolect.training import LostProcessError, is_first_process

EXAMPLE = "physiolect pretrain store --out runs/ecg --steps 2000"


@dataclass(frozen=True)
class Config(PretrainSettings):
    """Pre-train a model on a store made by `prepare`, without labels."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("store",)

    @classmethod
    def complete(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the settings given or, with --resume, those that the run had."""
        return with_saved_settings(given)


def run(settings: Config) -> int:
    """Train, or resume; returns 130 or 143 where a signal stopped the run."""
    again = shlex.join(["physiolect", "pretrain", settings.store, "--out", settings.out, "--resume"])
    try:
        with listening() as terminal:
            result = pretrain(**config.to_dict(settings), on_event=terminal)
    except LostProcessError as error:
        raise LostProcessError(
            str(error), hint=f"{error.hint}, with as many processes as you like:\n  {again}"
        ) from error
    if not is_first_process():
        return 0
    say(result.status if result.finished else f"{result.status}; to resume:\n  {again}")
    return 128 + result.signal if result.signal else 0
