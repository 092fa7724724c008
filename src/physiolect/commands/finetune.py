"""`physiolect finetune STORE --checkpoint CHECKPOINT --task TASK --out RUN`: learn the labels of a store."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from physiolect import config
from physiolect.commands.terminal import listening, say, show
from physiolect.learning import FinetuneSettings, cross_validate, finetune
from physiolect.learning.run_folder import with_saved_settings

EXAMPLE = "physiolect finetune store --checkpoint ecg --task rhythm --out runs/af"


@dataclass(frozen=True)
class Config(FinetuneSettings):
    """Fine-tune a checkpoint, or train a new model, on the labels of a store made by `prepare`."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("store",)

    @classmethod
    def complete(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the settings given or, with --resume, those that the run had."""
        return with_saved_settings(given)


def run(settings: Config) -> int:
    """Fine-tune or cross-validate, or resume; returns 130 or 143 where a signal stopped the run."""
    call = cross_validate if settings.protocol else finetune
    with listening() as terminal:
        result = call(**config.to_dict(settings), on_event=terminal)
    if result.finished:
        say(result.status)
        if result.measures_text:
            show(result.measures_text)
    else:
        again = shlex.join(["physiolect", "finetune", settings.store, "--out", settings.out, "--resume"])
        say(f"{result.status}; to resume:\n  {again}")
    return 128 + result.signal if result.signal else 0
