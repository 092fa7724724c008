"""`physiolect translate INPUT --checkpoint CHECKPOINT`: the sequence of symbols that a signal stands for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

from physiolect.commands.settings import Computing, above_zero, at_least_one, folder_problems
from physiolect.commands.terminal import listening, say, show

EXAMPLE = "physiolect translate day1.npz --checkpoint runs/words --beams 8"


@dataclass(frozen=True, kw_only=True)
class Config(Computing):
    """Write the sequence of symbols of each trial of a recording; without trials, of window after window."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("input",)

    input: str
    """The recording, with the channels that the checkpoint's contract names."""
    checkpoint: str
    """A model that writes sequences: a folder made by finetune --task translate, or owner/name on the Hub."""
    beams: int = 4
    """Sequences that the search follows at once; 1 is greedy."""
    penalty: float = 1.0
    """Scores are log-probabilities over length to this power; 0 favours short sequences."""
    fs: float | None = None
    """Sampling rate in Hz, for a file that states none."""
    out: str | None = None
    """Folder for translated.json."""
    json: bool = False
    """Print the result as JSON on stdout."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = self.computing_problems() + folder_problems(self.out) + above_zero({"fs": self.fs})
        found += at_least_one({"beams": self.beams})
        if not 0 <= self.penalty < 100:
            found.append(f"--penalty is {self.penalty:g}, but must be from 0 to below 100")
        return found


def run(config: Config) -> int:
    """Translate a recording."""
    from physiolect.checkpoint import load_checkpoint
    from physiolect.decoding import translate
    from physiolect.formats import read_recording
    from physiolect.training import choose_device, using_threads

    checkpoint = load_checkpoint(config.checkpoint)
    with using_threads(config.threads, checkpoint.model), listening() as terminal:
        checkpoint.model.to(choose_device(config.device))
        recording = read_recording(config.input, fs=config.fs, modality=checkpoint.contract.modality)
        found = translate(
            recording, checkpoint, beams=config.beams, penalty=config.penalty, on_event=terminal
        )
    show(json.dumps(found.to_dict(), indent=1) if config.json else found.summary)
    if config.out is not None:
        for file in found.write(config.out):
            say(f"wrote {file}")
    return 0
