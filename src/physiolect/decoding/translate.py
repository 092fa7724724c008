"""Sequences of symbols out of recordings: what a window, a trial or a whole recording stands for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint, as_checkpoint
from physiolect.contract import adapt
from physiolect.datasets.examples.sequences import SequenceExamples
from physiolect.datasets.preparing.targets import find_trials
from physiolect.errors import CheckpointError, ConfigError
from physiolect.events import Listener, Reporter
from physiolect.files import replacing, writing
from physiolect.formats import read_recording
from physiolect.models.search import Answer, search
from physiolect.models.seq2seq import Seq2Seq
from physiolect.recording import Recording
from physiolect.result import Result, make_frame
from physiolect.tasks import TASKS

if TYPE_CHECKING:
    import pandas

_AT_ONCE = 64


class Translated(NamedTuple):
    """What one stretch stands for."""

    start: float
    """Seconds from the start of the recording."""
    stop: float
    symbols: tuple[str, ...]
    """The likeliest sequence."""
    log_probability: float
    """Its natural logarithm."""
    ended: bool
    """Whether the model ended the sequence, and did not just reach its most symbols."""
    others: tuple[tuple[str, ...], ...]
    """The next best sequences."""
    truth: tuple[str, ...] | None
    """The trial's own string, where the recording has it."""


@dataclass(frozen=True, eq=False, repr=False)
class Translation(Result):
    """The sequences of a recording."""

    source: str
    stretches: tuple[Translated, ...]
    beams: int
    notices: tuple[str, ...] = ()
    """What was done to make the recording fit."""

    @property
    def summary(self) -> str:
        """A line for each stretch, and notices."""
        lines = [f"{self.source}: {len(self.stretches)} stretches, {self.beams} beams"]
        for each in self.stretches:
            end = "" if each.ended else " … (cut at the most symbols)"
            lines.append(
                f"{each.start:.2f} to {each.stop:.2f} s: {' '.join(each.symbols) or '(nothing)'}{end}"
            )
            if each.truth is not None:
                lines.append(f"  its own string: {' '.join(each.truth)}")
        return "\n".join([*lines, *self.notices])

    def to_frame(self) -> pandas.DataFrame:
        """Return start, stop, symbols, log-probability and own string, a row a stretch.

        Raises:
            PhysiolectError: pandas is not installed.
        """
        return make_frame(
            {
                "start_s": [each.start for each in self.stretches],
                "stop_s": [each.stop for each in self.stretches],
                "symbols": [" ".join(each.symbols) for each in self.stretches],
                "log_probability": [each.log_probability for each in self.stretches],
                "truth": [None if each.truth is None else " ".join(each.truth) for each in self.stretches],
            }
        )

    def to_dict(self) -> dict[str, object]:
        """Return everything as plain values."""
        return {
            "source": self.source,
            "beams": self.beams,
            "stretches": [each._asdict() for each in self.stretches],
            "notices": list(self.notices),
        }

    def write(self, folder: str | Path) -> list[Path]:
        """Write translated.json, whole or not at all; returns the files.

        Raises:
            WriteError: the folder cannot be written to.
        """
        folder = Path(folder)
        with writing(folder, hint="name a folder that may be written to"):
            folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / "translated.json") as path:
            path.write_text(json.dumps(self.to_dict(), indent=1) + "\n", encoding="utf-8")
        return [folder / "translated.json"]


def translate(
    recording: Recording | str | Path,
    checkpoint: Checkpoint | str | Path,
    *,
    beams: int = 4,
    penalty: float = 1.0,
    on_event: Listener | None = None,
) -> Translation:
    """Write the sequence of symbols of each trial of a recording; without trials, of window after window.

    Args:
        recording: with the channels that the checkpoint's contract names; opened or a file.
        checkpoint: of a model that writes sequences; opened or a path.
        beams: sequences that the search follows at once; 1 is greedy.
        penalty: scores are log-probabilities over length to this power.
        on_event: receives messages.

    Raises:
        CheckpointError: the checkpoint writes no sequences.
        ContractError: the recording does not fit it.
        ConfigError: a setting is out of range, or a trial is too long.
        FormatError: the file cannot be read.
    """
    checkpoint, reporter = as_checkpoint(checkpoint), Reporter(on_event)
    _model(checkpoint)
    contract = checkpoint.contract
    if not isinstance(recording, Recording):
        recording = read_recording(recording, modality=contract.modality)
    fitted, report = adapt(recording, replace(contract, max_gap=np.inf), window="all")
    places = list(find_stretches(recording, fitted.signal.shape[1], checkpoint))
    tell = reporter.progress(f"translating {recording.source}", len(places))
    found: list[Translated] = []
    for first in range(0, len(places), _AT_ONCE):
        part = places[first : first + _AT_ONCE]
        longest = max(end - begin for begin, end, _ in part)
        x = np.full((len(part), len(fitted.signal), longest), np.nan, np.float32)
        for row, (begin, end, _) in zip(x, part, strict=True):
            row[:, : end - begin] = fitted.signal[:, begin:end]
        for (begin, end, truth), answers in zip(part, _answers(checkpoint, x, beams, penalty), strict=True):
            spelled = [checkpoint.outputs.spell(each.ids) for each in answers]
            found.append(
                Translated(
                    begin / contract.fs, end / contract.fs, spelled[0], answers[0].log_probability,
                    answers[0].ended, tuple(spelled[1:]), truth,
                )
            )  # fmt: skip
        tell(len(found))
    return Translation(recording.source or "the recording", tuple(found), beams, tuple(report.notices))


def translate_windows(
    checkpoint: Checkpoint, examples: SequenceExamples, *, beams: int = 4, penalty: float = 1.0
) -> list[tuple[str, ...]]:
    """Return a model's sequence for each window of some examples.

    Raises:
        CheckpointError: the checkpoint writes no sequences.
        ConfigError: a setting is out of range.
    """
    found: list[tuple[str, ...]] = []
    for first in range(0, len(examples), _AT_ONCE):
        index = np.arange(first, min(first + _AT_ONCE, len(examples)))
        for answers in _answers(
            checkpoint, checkpoint.encode(examples.windows(index))[0].numpy(), beams, penalty
        ):
            found.append(checkpoint.outputs.spell(answers[0].ids))
    return found


def _answers(
    checkpoint: Checkpoint, x: NDArray[np.float32], beams: int, penalty: float
) -> list[list[Answer]]:
    model = _model(checkpoint).eval()
    return search(model, torch.from_numpy(x).to(model.device), beams=beams, penalty=penalty)


def _model(checkpoint: Checkpoint) -> Seq2Seq:
    if not (checkpoint.outputs.symbols and isinstance(checkpoint.model, Seq2Seq)):
        names = [name for name, task in TASKS.items() if task.kind == "sequence"]
        raise CheckpointError(
            f"the checkpoint is for {checkpoint.task}, and writes no sequences",
            hint=f"train one: physiolect finetune STORE --task {names[0]} --preset seq2seq",
        )
    return checkpoint.model


def find_stretches(
    recording: Recording, n: int, checkpoint: Checkpoint
) -> Iterator[tuple[int, int, tuple[str, ...] | None]]:
    """Return where trials, or windows, lie in `n` steps at the model's rate, and their own strings.

    Raises:
        ConfigError: a trial is longer than the model reads.
    """
    most, rate = checkpoint.contract.max_samples, checkpoint.contract.fs / recording.fs
    trials = find_trials(recording)
    if not trials:
        for begin in range(0, n, most):
            yield begin, min(n, begin + most), None
        return
    for first, last, label in trials:
        begin, end = round(first * rate), min(n, round(last * rate))
        if end - begin > most:
            raise ConfigError(
                f"the trial at {first / recording.fs:.2f} s has {end - begin} steps, but the model reads {most}",
                hint="train a model with more context: --seq2seq.context_length",
            )
        if end > begin:
            yield begin, end, tuple(label.split()) or None
