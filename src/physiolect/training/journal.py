"""The metrics of a run: metrics.jsonl, TensorBoard, and events for the caller."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

from physiolect.events import Metrics
from physiolect.files import GrowingFile, replacing
from physiolect.training.board import Board
from physiolect.training.fit import TrainingProgress


class Journal:
    """Writes every report of a run to two files, and passes it on as an event.

    Args:
        out: the run's folder; gets `metrics.jsonl` and `tensorboard/`.
        steps: updates of the whole run.
        tokens_per_step: tokens an update learns from.
        resumed_at: update the run goes on from; what was written past it is dropped.
        unit: of the loss.
        on_event: called with the metrics of each report.
    """

    def __init__(
        self,
        out: Path,
        steps: int,
        tokens_per_step: int,
        *,
        resumed_at: int = 0,
        unit: str = "nats/token",
        on_event: Callable[[Metrics], object] = lambda _: None,
    ) -> None:
        self._steps, self._tokens_per_step, self._step, self._unit = steps, tokens_per_step, resumed_at, unit
        self._on_event = on_event
        file = out / "metrics.jsonl"
        kept = file.read_text(encoding="utf-8").splitlines() if resumed_at and file.is_file() else []
        kept = [line for line in kept if _step_of(line) <= resumed_at]
        with replacing(file) as fresh:  # killed before this ends, the run keeps all that it wrote
            fresh.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
        self._file = GrowingFile(file)
        self._board = Board(out / "tensorboard", purge_step=resumed_at + 1 if resumed_at else None)
        self._validation = ""

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._board.close()
        self._file.close()

    def report(self, progress: TrainingProgress) -> None:
        """Write one report.

        Raises:
            WriteError: the disk is full, or the file cannot be written.
        """
        if progress.validation_loss is not None:
            line: dict[str, float] = {"step": progress.step, "validation_loss": progress.validation_loss}
            self._validation = f", validation {progress.validation_loss:.3f}"
            loss = (
                "" if math.isnan(progress.loss) else f"loss {progress.loss:.3f}"
            )  # NaN before the first report
            text = (loss + self._validation).removeprefix(", ")
        else:
            rate = (progress.step - self._step) * self._tokens_per_step / max(progress.seconds, 1e-9)
            self._step = progress.step
            line = {
                "step": progress.step,
                "loss": progress.loss,
                "learning_rate": progress.learning_rate,
                "gradient_norm": progress.gradient_norm,
                "tokens_per_second": round(rate),
            }
            text = f"loss {progress.loss:.3f}{self._validation} {self._unit}, {rate:,.0f} tokens/s"
        self._file.append((json.dumps(line) + "\n").encode())
        self._board.add({name: value for name, value in line.items() if name != "step"}, progress.step)
        self._on_event(Metrics(progress.step, self._steps, text, line))


def _step_of(line: str) -> float:
    """Return the step of a line of metrics; a line that a killed run left half written is past every step."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf
