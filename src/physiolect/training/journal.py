"""What a run tells while it goes on: metrics.jsonl, TensorBoard, a line of progress."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

from physiolect.files import replacing
from physiolect.training.fit import TrainingProgress


class Journal:
    """Writes every report of a run three times over.

    Args:
        out: the run's folder; gets `metrics.jsonl` and `tensorboard/`.
        steps: updates of the whole run.
        tokens_per_step: tokens an update learns from.
        resumed_at: update the run goes on from; what was written past it is dropped.
        unit: of the loss.
    """

    def __init__(
        self, out: Path, steps: int, tokens_per_step: int, *, resumed_at: int = 0, unit: str = "nats/token"
    ) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar
        from tensorboardX import SummaryWriter

        self._tokens_per_step, self._step, self._unit = tokens_per_step, resumed_at, unit
        file = out / "metrics.jsonl"
        kept = file.read_text(encoding="utf-8").splitlines() if resumed_at and file.is_file() else []
        kept = [line for line in kept if _step_of(line) <= resumed_at]
        with replacing(file) as fresh:  # killed before this ends, the run keeps all that it wrote
            fresh.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
        self._file = file.open("a", encoding="utf-8")
        self._board = SummaryWriter(
            str(out / "tensorboard"), purge_step=resumed_at + 1 if resumed_at else None
        )
        console = Console(stderr=True)
        columns = (
            TextColumn("{task.completed}/{task.total}"),
            BarColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
        )
        self._bar = Bar(*columns, console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task("", total=steps, completed=resumed_at)
        self._validation = ""

    def __enter__(self) -> Journal:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        self._board.close()
        self._file.close()

    def report(self, progress: TrainingProgress) -> None:
        """Write one report; a line of text only at evaluations where no progress bar is shown."""
        if progress.validation_loss is not None:
            line: dict[str, float] = {"step": progress.step, "validation_loss": progress.validation_loss}
            self._validation = f", validation {progress.validation_loss:.3f}"
            if self._bar.disable:
                loss = (
                    "" if math.isnan(progress.loss) else f" loss {progress.loss:.3f},"
                )  # none was reported yet
                sys.stderr.write(f"step {progress.step}:{loss} {self._validation.removeprefix(', ')}\n")
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
            self._bar.update(self._task, completed=progress.step, description=text)
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        for name, value in line.items():
            if name != "step":
                self._board.add_scalar(name, value, progress.step)


def _step_of(line: str) -> float:
    """Return the step of a line of metrics; a line that a killed run left half written is past every step."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf
