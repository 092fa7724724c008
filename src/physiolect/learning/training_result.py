"""What a training call returns: where the run is, how it ended, and how well the model does."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physiolect.checkpoint import Checkpoint, load_checkpoint
from physiolect.learning.measures import class_lines, in_words
from physiolect.result import Result, make_frame

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class TrainingResult(Result):
    """A run that has ended, or that was stopped and can be resumed."""

    out: Path
    """Folder of the run."""
    step: int
    """Updates done."""
    steps: int
    """Updates planned."""
    finished: bool
    """False where the run was stopped; calling again with resume=True resumes it."""
    best_loss: float
    """Lowest validation loss; infinity without a validation."""
    unit: str = "nats per token"
    """Of the loss; "" for losses of labels."""
    signal: int | None = None
    """Number of the signal that stopped the run: Ctrl-C is 2, SIGTERM is 15."""
    n_validated: int = 0
    """Windows that `measures` are of."""
    measures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Of a fine-tuned model on its validation windows: name -> value, low and high of its interval."""

    @property
    def checkpoint(self) -> Checkpoint:
        """The trained model: `best` where there was a validation, else `last`."""
        return load_checkpoint(self.out)

    @property
    def status(self) -> str:
        """How the run ended, in a sentence."""
        if not self.finished:
            return f"stopped after {self.step} of {self.steps} updates"
        if math.isinf(self.best_loss) or not (self.out / "best").exists():
            return f"{self.step} updates: {self.out}/last"
        unit = f" {self.unit}" if self.unit else ""
        return f"best validation loss {self.best_loss:.4f}{unit} after {self.step} updates: {self.out}/best"

    @property
    def measures_text(self) -> str:
        """The measures in a sentence, and a line for each class; "" where there are none."""
        if not self.measures:
            return ""
        of = f"{self.n_validated} validation windows, which chose the checkpoint: {in_words(self.measures)}"
        return "\n".join([of, *class_lines(self.measures)])

    @property
    def summary(self) -> str:
        """How the run ended, and the measures."""
        return "\n".join(filter(None, [self.status, self.measures_text]))

    def metrics(self) -> list[dict[str, float]]:
        """Return the lines of metrics.jsonl: losses, rates and gradient norms by update."""
        lines = (self.out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def to_frame(self) -> pandas.DataFrame:
        """Return the metrics as a pandas DataFrame, a row a line of metrics.jsonl.

        Raises:
            PhysiolectError: pandas is not installed.
        """
        lines = self.metrics()
        names = list(dict.fromkeys(name for line in lines for name in line))
        return make_frame({name: [line.get(name) for line in lines] for name in names})

    def plot(self) -> Figure:
        """Draw training and validation loss over the updates."""
        from physiolect.plots import loss_figure

        lines = self.metrics()

        def curve(name: str) -> tuple[list[float], list[float]]:
            held = [line for line in lines if name in line]
            return [line["step"] for line in held], [line[name] for line in held]

        return loss_figure(curve("loss"), curve("validation_loss"), unit=self.unit or "loss")
