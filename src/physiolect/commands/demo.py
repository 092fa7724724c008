"""`physiolect demo`: made recordings, a model trained on them here, its forecasts beside baselines, a report."""

from __future__ import annotations

import json
import shlex
import shutil
import statistics
import time
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physiolect import config as settings
from physiolect.commands.terminal import say
from physiolect.formats import list_recordings, read_recording
from physiolect.models.gpt import GPTConfig
from physiolect.report import Continued, Curve, DemoResults, Score, demo_report
from physiolect.training import Recipe

if TYPE_CHECKING:
    from physiolect.checkpoint import Checkpoint
    from physiolect.datasets import Store
    from physiolect.recording import Recording

EXAMPLE = "physiolect demo --out physiolect-demo --minutes 2.5"

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
_VALIDATION = 0.1
_LEAD = "II"
_SEEN, _SCORED = 400, 100
"""Samples of a window: the first give the levels their range, the others alone are scored."""
_WINDOWS = 320
_SAMPLES, _AHEAD, _CONTINUED_AT = 16, 3.0, 20.0
"""Continuations of one recording, their length in seconds, and where they begin."""
_EMBEDDED_SAMPLES = 8
"""The same for the decoder that comes with Physiolect, nine times as large and as much slower."""
_OURS = "the model"
_RHYTHMS = ("sinus rhythm", "sinus rhythm with ectopic beats", "atrial fibrillation")
_MARKER = "demo.yaml"
_PARTS = ("recordings", "held-out", "store", "held-out-store", "run", "report.html")


@dataclass(frozen=True)
class Config:
    """Watch a small transformer learn ECG on this computer, from nothing to a report."""

    out: str = "physiolect-demo"
    """Folder for recordings, stores, checkpoints and report.html; an earlier demo in it is replaced."""
    seed: int = 0
    """Another seed makes other patients and another model."""
    minutes: float = 2.5
    """Longest that training may take."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = []
        if not 0 < self.minutes < inf:
            found.append(f"--minutes is {self.minutes:g}, but must be above 0")
        if not 0 <= self.seed < 2**31:
            found.append(f"--seed is {self.seed}, but must be from 0 to {2**31 - 1}")
        out = Path(self.out)
        if out.exists() and not out.is_dir():
            found.append(f"--out '{self.out}' is a file, but a folder is needed")
        elif out.is_dir() and any(out.iterdir()) and not (out / _MARKER).is_file():
            found.append(f"--out '{self.out}' holds other things than a demo: name a new folder")
        return found


def run(config: Config) -> int:
    """Run the demo; 130 or 143 where the user, or the machine, stopped it."""
    try:
        code = _run(config, Path(config.out))
    except KeyboardInterrupt:
        code = 130
    if code:
        again = f"physiolect demo --out {shlex.quote(config.out)} --seed {config.seed} --minutes {config.minutes:g}"
        say(f"the demo was stopped before its report was written; to start over:\n  {again}")
    return code


def _run(config: Config, out: Path) -> int:
    from physiolect.checkpoint import EMBEDDED, load_checkpoint

    _clear(out)
    settings.dump(config, out / _MARKER)
    code = _prepare(config.seed, out)
    if code:
        return code
    n_threads, pace = _pace()
    planned = max(20, round(60 * _PLANNED * config.minutes / pace))
    say(f"3/5  training for {planned} updates, at most {config.minutes:g} minutes")
    begun = time.perf_counter()
    code = _train(config, out, planned, n_threads)
    seconds = time.perf_counter() - begun
    if code:
        return code
    best, last = out / "run" / "best", out / "run" / "last"
    path = best if best.is_dir() else last  # where time was up before the first evaluation
    checkpoint, next_commands = load_checkpoint(path), _next_commands(out, path)
    checkpoint.verify()
    say("4/5  continuing recordings it never saw, and scoring it beside baselines")
    continued = _continue(checkpoint, out / "held-out", config.seed, _SAMPLES)
    scores, difference = _score(checkpoint, out, config.seed)
    say("5/5  continuing the same recordings by the decoder that comes with Physiolect")
    embedded = load_checkpoint(EMBEDDED["ecg"])
    also_continued = _continue(embedded, out / "held-out", config.seed, _EMBEDDED_SAMPLES)
    n_steps = load_checkpoint(last).run["step"]
    train, validation = _curves(out / "run" / "metrics.jsonl")
    demo_report(
        DemoResults(
            n_parameters=checkpoint.model.n_parameters(), n_steps=n_steps, n_planned=planned,
            n_tokens=n_steps * _BATCH * MODEL.context_length, seconds=seconds,
            n_learned_from=_LEARN_FROM[0], n_judged_by=_JUDGE_BY[0], lead=_LEAD,
            n_levels=checkpoint.levels.n_levels, n_seen=_SEEN, n_scored=_SCORED, continued=continued,
            also_continued=also_continued, n_embedded_parameters=embedded.model.n_parameters(),
            scores=scores, difference=difference, train=train, validation=validation,
            example=read_recording(out / "recordings" / "ecg_0000.hea", stop=8.0).select(("I", "II", "V1", "V5")),
            next_commands=next_commands,
        )
    ).write(out / "report.html")  # fmt: skip
    print("nats per token on patients it never saw, lower is better:")
    print("\n".join(f"  {score.name:16} {score.nats:.3f}" for score in scores))
    print(f"\nthe report: {out / 'report.html'}\n\nto try next:\n\n{next_commands}")
    return 0


def _clear(out: Path) -> None:
    """Remove what an earlier demo made, and nothing else."""
    out.mkdir(parents=True, exist_ok=True)
    for part in (out / name for name in _PARTS):
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink(missing_ok=True)


def _prepare(seed: int, out: Path) -> int:
    """Make both groups of patients and a store of each; returns prepare's exit code."""
    from physiolect.commands import prepare
    from physiolect.synthetic import write_cohort

    say(f"1/5  making recordings of {_LEARN_FROM[0]} patients to learn from, and {_JUDGE_BY[0]} to judge by")
    groups = (("recordings", _LEARN_FROM), ("held-out", _JUDGE_BY))
    for number, (folder, (n_recordings, seconds)) in enumerate(groups):
        write_cohort(out / folder, n_recordings=n_recordings, seconds=seconds, seed=2 * seed + number)
    say(f"2/5  preparing lead {_LEAD} of them")
    for folder, store in (("recordings", "store"), ("held-out", "held-out-store")):
        code = prepare.run(prepare.Config([str(out / folder)], str(out / store), channel=_LEAD, workers=1))
        if code:
            return code
    return 0


def _train(config: Config, out: Path, n_steps: int, n_threads: int) -> int:
    """Train into `run`; returns pretrain's exit code."""
    from physiolect.commands import pretrain

    return pretrain.run(
        pretrain.Config(
            str(out / "store"), str(out / "run"), steps=n_steps, batch_size=_BATCH, validation=_VALIDATION,
            validation_windows=64, seed=config.seed, device="cpu", threads=n_threads, log_every=max(1, n_steps // 100),
            evaluate_every=max(1, n_steps // 10), save_every=n_steps, minutes=config.minutes, model=MODEL,
            recipe=replace(RECIPE, warmup_steps=min(RECIPE.warmup_steps, n_steps // 8)),
        )
    )  # fmt: skip


def _pace() -> tuple[int, float]:
    """Try a few updates with all threads and with one, which wins where other programs keep processors busy.

    Returns:
        the better number of threads, and seconds an update takes with it.
    """
    import torch

    from physiolect.models.gpt import GPT
    from physiolect.training import Callbacks, Schedule, Step, TrainingProgress, fit, next_token_loss

    ids = torch.randint(MODEL.vocabulary_size, (_BATCH, MODEL.context_length + 1))
    paces: dict[int, float] = {}
    for n_threads in {torch.get_num_threads(), 1}:
        torch.set_num_threads(n_threads)
        tried: list[TrainingProgress] = []
        callbacks = Callbacks(save=lambda *_: None, report=tried.append)
        fit(Step(GPT(MODEL), next_token_loss, lambda *_: ids, RECIPE, 8), Schedule(log_every=1), callbacks)
        paces[n_threads] = statistics.mean(each.seconds for each in tried[2:])
    best = min(paces, key=paces.__getitem__)
    return best, paces[best]


def _continue(checkpoint: Checkpoint, folder: Path, seed: int, n_samples: int) -> list[Continued]:
    """Continue the first recording of each rhythm that occurs in the folder."""
    from physiolect.generation import generate, recorded_truth

    first: dict[str, tuple[str, Recording]] = {}
    for path in list_recordings(folder):
        recording = read_recording(path)
        first.setdefault(_rhythm(recording), (path.stem, recording))
    continued = []
    for number, rhythm in enumerate(filter(first.__contains__, _RHYTHMS)):
        name, recording = first[rhythm]
        continuation = generate(
            checkpoint, recording.slice(0, _CONTINUED_AT), n_samples=n_samples, seed=seed + number, channel=_LEAD,
            n_tokens=round(_AHEAD * checkpoint.contract.fs),
        )  # fmt: skip
        if continuation.interrupted:
            raise KeyboardInterrupt
        truth = recorded_truth(recording, continuation, checkpoint.contract, _LEAD)
        continued.append(Continued(name, rhythm, continuation, truth))
    return continued


def _rhythm(recording: Recording) -> str:
    if "(AFIB" in recording.annotations.note:
        return _RHYTHMS[2]
    return _RHYTHMS["V" in recording.annotations.symbol]


def _score(checkpoint: Checkpoint, out: Path, seed: int) -> tuple[list[Score], tuple[float, float, float]]:
    """Score the model, and baselines fitted on its training part, at the same positions of held-out patients.

    Returns:
        the scores, the model's first; and how far it is below the best baseline: mean, low, high.
    """
    from physiolect import evaluation
    from physiolect.datasets import open_store, split_rows

    store, held_out = open_store(out / "store"), open_store(out / "held-out-store")
    train, _ = _windows(checkpoint, store, split_rows(store, _VALIDATION, seed)[0])
    ids, patients = _windows(checkpoint, held_out, np.arange(len(held_out)))
    n_levels, fs = checkpoint.levels.n_levels, checkpoint.contract.fs
    nats = {_OURS: evaluation.nll_of_model(checkpoint.model, ids)}
    for baseline in (
        evaluation.Unigram(n_levels),
        evaluation.RepeatLastBeat(n_levels, fs=fs),
        evaluation.Autoregressive(n_levels),
    ):
        fitted = baseline.fit(train)
        nats[fitted.name] = fitted.nll(ids)
    nats = {name: of_all[:, -_SCORED:] for name, of_all in nats.items()}
    scores = [
        Score(name, float(n.mean()), evaluation.bootstrap_interval(n, patients)) for name, n in nats.items()
    ]
    rival = min(scores[1:], key=lambda score: score.nats).name
    return scores, evaluation.paired_difference(nats[rival], nats[_OURS], patients)


def _windows(
    checkpoint: Checkpoint, store: Store, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], list[str]]:
    """Return windows as levels whose range is that of the part seen, (n, T), and the patient of each."""
    from physiolect.datasets import WindowLoader

    loader = WindowLoader(store, rows, length=_SEEN + _SCORED, seed=0)
    ids, _ = checkpoint.levels.encode(
        loader.windows(_WINDOWS), scale="context", context_length=_SEEN, flat="level"
    )
    return ids, [store.sources[row] for row in loader.spread(_WINDOWS).rows]


def _curves(metrics: Path) -> tuple[Curve, Curve]:
    """Return training and validation loss over the updates."""
    lines = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]

    def curve(name: str) -> Curve:
        told = [line for line in lines if name in line]
        return [line["step"] for line in told], [line[name] for line in told]

    return curve("loss"), curve("validation_loss")


def _next_commands(out: Path, checkpoint: Path) -> str:
    model, recording = (shlex.quote(str(path)) for path in (checkpoint, out / "held-out" / "ecg_0000.hea"))
    return f"""\
# what a recording or a checkpoint holds
physiolect inspect {recording}
physiolect inspect {model}
# continue another moment of it, or a recording of your own
physiolect generate {recording} --channel {_LEAD} --stop 40 --checkpoint {model} --out continued
physiolect generate YOUR_RECORDING --checkpoint {model} --out continued
# the same by the decoder that comes with Physiolect, which learned from real ECGs
physiolect generate YOUR_RECORDING --out continued
# train on your own recordings
physiolect prepare YOUR_FOLDER --out store
physiolect pretrain store --out run
# use the published HeartGPT weights
physiolect convert ECGPT_560k_iters.zip heartgpt-ecg
physiolect generate YOUR_RECORDING --checkpoint heartgpt-ecg --out continued"""
