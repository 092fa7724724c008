"""The work of `physiolect demo`: made recordings, a model trained on them here, its forecasts beside baselines."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from physiolect import config
from physiolect.checkpoint import EMBEDDED, load_checkpoint
from physiolect.config import in_python, refuse
from physiolect.datasets import prepare
from physiolect.errors import Cancelled
from physiolect.events import Listener, Reporter
from physiolect.formats import read_recording
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.report.demo import DemoResults, Score, demo_report
from physiolect.report.demo_findings import (
    LEAD,
    SCORED,
    SEEN,
    VALIDATION,
    continue_held_out,
    loss_curves,
    score_held_out,
)
from physiolect.result import Result, make_frame
from physiolect.training import Recipe

if TYPE_CHECKING:
    import pandas

MODEL = GPTConfig(
    context_length=500, width=64, n_layers=4, n_heads=4, mlp_width=128, band=128, activation="swiglu", norm="rms",
    bias=False, head_bias=False,
)  # fmt: skip
"""A decoder that learns to continue ECG on two processor cores in minutes."""
RECIPE = Recipe(learning_rate=8e-3)
_BATCH = 8
_PLANNED = 0.8
"""Share of the minutes that is planned, so that a computer that slows down still ends its schedule in time."""

_LEARN_FROM, _JUDGE_BY = (72, 60.0), (16, 60.0)
"""Patients, and seconds of each."""
_SAMPLES = 16
"""Continuations of one recording."""
_EMBEDDED_SAMPLES = 8
"""The same for the decoder that comes with Physiolect, nine times as large and as much slower."""
_MARKER = "demo.yaml"
_PARTS = ("recordings", "held-out", "store", "held-out-store", "run", "report.html")


@dataclass(frozen=True, repr=False, eq=False)
class Demonstration(Result):
    """What a demo found, and where it lies."""

    out: Path
    """Folder of recordings, stores, the run and report.html."""
    scores: Sequence[Score]
    """The model's first, then the baselines'."""
    next_commands: str
    """Commands to try next, a line each."""

    @property
    def summary(self) -> str:
        """The scores, the place of the report, and what to try next."""
        scores = "\n".join(f"  {score.name:16} {score.nats:.3f}" for score in self.scores)
        return (
            f"nats per token on patients it never saw, lower is better:\n{scores}\n\n"
            f"the report: {self.out / 'report.html'}\n\nto try next:\n\n{self.next_commands}"
        )

    def to_frame(self) -> pandas.DataFrame:
        """Return a line for each forecaster: nats per token, and its 95 % interval over patients.

        Raises:
            PhysiolectError: pandas is not installed.
        """
        return make_frame(
            {
                "forecaster": [score.name for score in self.scores],
                "nats_per_token": [score.nats for score in self.scores],
                "low": [score.interval[0] for score in self.scores],
                "high": [score.interval[1] for score in self.scores],
            }
        )


def demo_problems(out: str | os.PathLike[str], seed: int, minutes: float) -> list[str]:
    """List everything that is wrong with the settings of `demonstrate`."""
    found = []
    if not 0 < minutes < float("inf"):
        found.append(f"--minutes is {minutes:g}, but must be above 0")
    if not 0 <= seed < 2**31:
        found.append(f"--seed is {seed}, but must be from 0 to {2**31 - 1}")
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        found.append(f"--out '{out}' is a file, but a folder is needed")
    elif folder.is_dir() and any(folder.iterdir()) and not (folder / _MARKER).is_file():
        found.append(f"--out '{out}' holds other things than a demo: name a new folder")
    return found


def demonstrate(
    out: str | os.PathLike[str] = "physiolect-demo",
    *,
    seed: int = 0,
    minutes: float = 2.5,
    on_event: Listener | None = None,
) -> Demonstration:
    """Train a small transformer on made ECGs, score it beside baselines, and write a report.

    Args:
        out: Folder for recordings, stores, checkpoints and report.html; an earlier demo in it is replaced.
        seed: Another seed makes other patients and another model.
        minutes: Longest time that training may take.
        on_event: Receives messages, progress and metrics, and can stop the work.

    Raises:
        ConfigError: settings are wrong.
        WriteError: the folder cannot be written, or the disk is full.
        Cancelled: the listener asked to stop.
        KeyboardInterrupt: Ctrl-C; on SIGTERM, what the process does on it.
    """
    if problems := demo_problems(out, seed, minutes):
        refuse([in_python(each) for each in problems], "demo")
    work = _Work(Path(out), seed, minutes, Reporter(on_event))
    work.prepare()
    trained = work.train()
    return work.judge(trained)


@dataclass(frozen=True)
class _Trained:
    """How training went."""

    n_planned: int
    """Updates planned."""
    n_threads: int
    """Processor threads it used."""
    seconds: float


@dataclass(frozen=True)
class _Work:
    """One demo under way."""

    out: Path
    seed: int
    minutes: float
    reporter: Reporter

    def say(self, text: str) -> None:
        """Report a step; ends the demo where the listener asked to stop."""
        self.reporter.say(text)
        if self.reporter.stopping:
            raise Cancelled("the demo was stopped by the caller", hint="call again to start over")

    def prepare(self) -> None:
        """Make both groups of patients, and a store of each."""
        from physiolect.synthetic import write_cohort

        _clear(self.out)
        settings = {"out": str(self.out), "seed": self.seed, "minutes": self.minutes}
        config.dump(settings, self.out / _MARKER)
        self.say(
            f"1/5  making recordings of {_LEARN_FROM[0]} patients to train on, and {_JUDGE_BY[0]} to test on"
        )
        groups = (("recordings", _LEARN_FROM), ("held-out", _JUDGE_BY))
        for number, (folder, (n_recordings, seconds)) in enumerate(groups):
            write_cohort(
                self.out / folder, n_recordings=n_recordings, seconds=seconds, seed=2 * self.seed + number
            )
        self.say(f"2/5  preparing lead {LEAD} of them")
        for folder, store in (("recordings", "store"), ("held-out", "held-out-store")):
            made = prepare(
                self.out / folder, self.out / store, channel=LEAD, workers=1, on_event=self.reporter.send
            )
            self.say(made.summary)

    def train(self) -> _Trained:
        """Train into `run`."""
        from physiolect.learning import pretrain

        n_threads, pace = _pace()
        n_steps = max(20, round(60 * _PLANNED * self.minutes / pace))
        plural = "minute" if self.minutes == 1 else "minutes"
        self.say(f"3/5  training for {n_steps} updates, at most {self.minutes:g} {plural}")
        begun = time.perf_counter()
        result = pretrain(
            self.out / "store", out=self.out / "run", steps=n_steps, batch_size=_BATCH, validation=VALIDATION,
            validation_windows=64, seed=self.seed, device="cpu", threads=n_threads, log_every=max(1, n_steps // 100),
            evaluate_every=max(1, n_steps // 10), save_every=n_steps, minutes=self.minutes, model=MODEL,
            recipe=replace(RECIPE, warmup_steps=min(RECIPE.warmup_steps, n_steps // 8)), on_event=self.reporter.send,
        )  # fmt: skip
        seconds = time.perf_counter() - begun
        if result.signal is not None:
            signal.raise_signal(result.signal)
        self.say(result.status)
        return _Trained(n_steps, n_threads, seconds)

    def judge(self, trained: _Trained) -> Demonstration:
        """Continue and score held-out patients, and write the report."""
        from physiolect.training import using_threads

        with using_threads(trained.n_threads):
            found = self._findings(trained)
        demo_report(found).write(self.out / "report.html")
        return Demonstration(self.out, found.scores, found.next_commands)

    def _findings(self, trained: _Trained) -> DemoResults:
        out = self.out
        best, last = out / "run" / "best", out / "run" / "last"
        path = best if best.is_dir() else last  # where time was up before the first evaluation
        checkpoint = load_checkpoint(path)
        checkpoint.verify()
        self.say("4/5  continuing recordings it never saw, and scoring it beside baselines")
        continued = continue_held_out(checkpoint, out / "held-out", self.seed, _SAMPLES)
        scores, difference = score_held_out(checkpoint, out, self.seed)
        self.say("5/5  continuing the same recordings with the decoder that comes with Physiolect")
        embedded = load_checkpoint(EMBEDDED["ecg"])
        also_continued = continue_held_out(embedded, out / "held-out", self.seed, _EMBEDDED_SAMPLES)
        n_steps = load_checkpoint(last).run["step"]
        train, validation = loss_curves(out / "run" / "metrics.jsonl")
        return DemoResults(
            n_parameters=checkpoint.model.n_parameters(), n_steps=n_steps, n_planned=trained.n_planned,
            n_tokens=n_steps * _BATCH * MODEL.context_length, seconds=trained.seconds,
            n_learned_from=_LEARN_FROM[0], n_judged_by=_JUDGE_BY[0], lead=LEAD,
            n_levels=checkpoint.levels.n_levels, n_seen=SEEN, n_scored=SCORED, continued=continued,
            also_continued=also_continued, n_embedded_parameters=embedded.model.n_parameters(),
            scores=scores, difference=difference, train=train, validation=validation,
            example=read_recording(out / "recordings" / "ecg_0000.hea", stop=8.0).select(("I", "II", "V1", "V5")),
            next_commands=_next_commands(out, path),
        )  # fmt: skip


def _clear(out: Path) -> None:
    """Remove what an earlier demo made, and nothing else."""
    out.mkdir(parents=True, exist_ok=True)
    for part in (out / name for name in _PARTS):
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink(missing_ok=True)


def _pace() -> tuple[int, float]:
    """Time a few updates with all threads and with one, which is faster where other programs keep processors busy.

    Returns:
        the better number of threads, and the seconds of an update with it.
    """
    import torch

    from physiolect.training import (
        Callbacks,
        Schedule,
        Step,
        TrainingProgress,
        fit,
        next_token_loss,
        using_threads,
    )

    ids = torch.randint(MODEL.vocabulary_size, (_BATCH, MODEL.context_length + 1))
    paces: dict[int, float] = {}
    for n_threads in {torch.get_num_threads(), 1}:
        tried: list[TrainingProgress] = []
        callbacks = Callbacks(save=lambda *_: None, report=tried.append)
        step = Step(GPT(MODEL), next_token_loss, lambda *_: ids, RECIPE, 8)
        with using_threads(n_threads):
            fit(step, Schedule(log_every=1), callbacks)
        paces[n_threads] = statistics.mean(each.seconds for each in tried[2:])
    best = min(paces, key=paces.__getitem__)
    return best, paces[best]


def _next_commands(out: Path, checkpoint: Path) -> str:
    model, recording = (shlex.quote(str(path)) for path in (checkpoint, out / "held-out" / "ecg_0000.hea"))
    return f"""\
# what a recording or a checkpoint holds
physiolect inspect {recording}
physiolect inspect {model}
# continue another moment of it, or a recording of your own
physiolect generate {recording} --channel {LEAD} --stop 40 --checkpoint {model} --out continued
physiolect generate YOUR_RECORDING --checkpoint {model} --out continued
# the same with the decoder that comes with Physiolect, which was trained on real ECGs
physiolect generate YOUR_RECORDING --out continued
# train on your own recordings
physiolect prepare YOUR_FOLDER --out store
physiolect pretrain store --out run
# use the published HeartGPT weights
physiolect convert ECGPT_560k_iters.zip heartgpt-ecg
physiolect generate YOUR_RECORDING --checkpoint heartgpt-ecg --out continued"""
