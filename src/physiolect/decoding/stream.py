"""Decoding line by line: a line of channels for each step in, a line of decoded targets out."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.decoding.signal import check_decoder
from physiolect.errors import CheckpointError, ConfigError, FormatError
from physiolect.models.stream import Stream
from physiolect.recording.time_words import is_time_name

_LONGEST_GAP = 10.0
"""Seconds of missing steps that are passed to the model one by one; after a longer gap it starts anew."""
_MOST_LINE = 1 << 20
"""Characters of a line that are read."""


class DecoderStream:
    """A causal model that decodes one step at a time; each answer equals that of the whole signal up to it.

    Args:
        checkpoint: of a causal model that decodes.
        adapting: let the statistics of channels follow the signal, without labels.

    Raises:
        CheckpointError: it does not decode, or looks ahead.
        ConfigError: its model has no statistics that could adapt.
    """

    def __init__(self, checkpoint: Checkpoint, *, adapting: bool = False) -> None:
        check_decoder(checkpoint)
        if not checkpoint.model.streams:
            raise CheckpointError(
                "the checkpoint's model looks ahead, so it cannot decode step by step",
                hint="train a causal one (finetune --preset decoder or gru), or decode whole recordings",
            )
        self.checkpoint = checkpoint
        self._model = checkpoint.model.eval()
        self._adapting = adapting
        self.steps = 0
        """Steps so far."""
        self._stream: Stream | None = None
        self.restart()

    def restart(self) -> None:
        """Forget the signal so far, but not what statistics have adapted to."""
        running = self._stream.running if self._stream is not None else None
        with self._statistics(), torch.inference_mode():
            self._stream = self._model.start(1)
            if running is not None:
                self._stream.running = running

    def push(self, values: ArrayLike) -> NDArray[np.float32]:
        """Return the decoded targets (K,) of the next step, NaN where all its channels are missing.

        Args:
            values: one number a channel, in the contract's order; NaN where one is missing.

        Raises:
            ConfigError: the number of channels is not the contract's.
        """
        x = np.asarray(values, np.float32).reshape(-1)
        n = self._model.n_channels
        if len(x) != n:
            raise ConfigError(
                f"the step has {len(x)} values, but the model takes {n} channels",
                hint="give one number a channel, nan where one is missing",
            )
        x = np.where(np.isfinite(x), x, np.float32(np.nan))
        with self._statistics(), torch.inference_mode():
            step = torch.from_numpy(x).to(self._model.device).unsqueeze(0)
            assert self._stream is not None
            outputs = self._model.step(step, self._stream)
            found = self.checkpoint.outputs.read(outputs.unsqueeze(1))[0, 0]
        self.steps += 1
        answer: NDArray[np.float32] = found.cpu().numpy()
        return np.full_like(answer, np.nan) if np.isnan(x).all() else answer

    def _statistics(self) -> Any:
        return _Adapting(self._model, self._adapting)


class _Adapting:
    """Sets how a model's statistics are for the time of a step."""

    def __init__(self, model: Any, adapting: bool) -> None:
        self._model, self._adapting = model, adapting

    def __enter__(self) -> None:
        self._was = self._model.input.adapting
        if self._adapting:
            self._model.adapt_statistics()

    def __exit__(self, *_: object) -> None:
        self._model.adapt_statistics(self._was)


def decode_lines(stream: DecoderStream, lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield an answer for each line of channels: step, time, decoded targets, what was missing, latency.

    A line holds one number a channel, with commas, tabs or spaces between, or a JSON list. A line that holds anything
    else counts as a step without channels, and the answer says why. The first line may name the channels; one called
    time, time_s … then holds seconds, and steps that are missing by it are reported as a gap.

    Args:
        stream: makes the steps.
        lines: of the input, as they come.

    Raises:
        FormatError: the first line names channels, and not those of the contract.
    """
    reader = _Lines(stream.checkpoint)
    targets, fs = stream.checkpoint.outputs.targets, stream.checkpoint.contract.fs
    for line in lines:
        if not line.strip() or reader.take_header(line):
            continue
        begun = time.perf_counter()
        values, moment, wrong = reader.values(line)
        lost = reader.lost_steps(moment, fs)
        if lost > _LONGEST_GAP * fs:
            stream.restart()
        else:
            for _ in range(lost):
                stream.push(reader.nothing)
        found = stream.push(values)
        answer: dict[str, Any] = {"step": stream.steps - 1}
        if moment is not None:
            answer["time_s"] = moment
        missing = int(np.isnan(values).sum())
        if lost:
            answer["gap_steps"] = lost
        if missing:
            answer["missing_channels"] = missing
        if wrong:
            answer["error"] = wrong
        answer |= {
            name: None if math.isnan(value) else round(value, 6)
            for name, value in zip(targets, found.tolist(), strict=True)
        }
        answer["latency_ms"] = round(1000 * (time.perf_counter() - begun), 3)
        yield answer


class _Lines:
    """Understands lines of channels."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._names = checkpoint.contract.channels
        self._order: list[int] | None = None
        self._time: int | None = None
        self._width = len(self._names)
        self._first = True
        self._last: float | None = None
        self.nothing = np.full(len(self._names), np.nan, np.float32)

    def take_header(self, line: str) -> bool:
        """Take the names of the channels, if this is the first line and it holds some; say whether it did."""
        if not self._first:
            return False
        self._first = False
        words = _split(line) if not line.lstrip().startswith("[") else []
        if not words or any(_number(word) is not None for word in words):
            return False
        self._time = next((i for i, word in enumerate(words) if is_time_name(word)), None)
        absent = [name for name in self._names if name not in words]
        if absent:
            raise FormatError(
                f"the first line names {', '.join(words[:4])} …, but the model needs {', '.join(absent[:4])}"
                f"{' …' if len(absent) > 4 else ''}",
                hint="name the channels as the checkpoint's contract does, or leave the names out",
            )
        self._order, self._width = [words.index(name) for name in self._names], len(words)
        return True

    def values(self, line: str) -> tuple[NDArray[np.float32], float | None, str]:
        """Return the channels of a line, its time, and what is wrong with it."""
        if len(line) > _MOST_LINE:
            return self.nothing, None, "the line is too long"
        numbers, wrong = _numbers(line)
        if wrong:
            return self.nothing, None, wrong
        if len(numbers) != self._width:
            return self.nothing, None, f"{len(numbers)} values in place of {self._width}"
        moment = None if self._time is None else numbers[self._time]
        if moment is not None and not math.isfinite(moment):
            moment = None
        chosen = numbers if self._order is None else [numbers[at] for at in self._order]
        with np.errstate(over="ignore"):
            found = np.array(chosen, np.float32)
        return np.where(np.isfinite(found), found, np.float32(np.nan)), moment, ""

    def lost_steps(self, moment: float | None, fs: float) -> int:
        """Return how many steps are missing before a moment."""
        before, self._last = self._last, self._last if moment is None else moment
        if moment is None or before is None:
            return 0
        return max(0, min(round((moment - before) * fs) - 1, 2**31))


def _numbers(line: str) -> tuple[list[float], str]:
    if line.lstrip().startswith("["):
        try:
            held = json.loads(line)
        except (ValueError, RecursionError):
            return [], "the line is no JSON list"
        if not isinstance(held, list) or not all(isinstance(each, int | float | None) for each in held):
            return [], "the list holds other things than numbers"
        try:
            return [math.nan if each is None else float(each) for each in held], ""
        except OverflowError:
            return [], "a number is too large"
    words = _split(line)
    numbers = [math.nan if word == "" else _number(word) for word in words]
    bad = next((word for word, number in zip(words, numbers, strict=True) if number is None), None)
    if bad is not None:
        return [], f"'{bad[:20]}' is no number"
    return [number for number in numbers if number is not None], ""


def _split(line: str) -> list[str]:
    line = line.strip("\r\n\ufeff")
    for separator in (",", "\t", ";"):
        if separator in line:
            return [word.strip() for word in line.split(separator)]
    return line.split()


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None
