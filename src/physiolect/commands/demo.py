"""`physiolect demo`: made recordings, a model trained on them here, its forecasts beside baselines, a report."""

from __future__ import annotations

import json
import shlex
import shutil
import statistics
import sys
import time
from dataclasses import dataclass, fields
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physiolect import config as settings
from physiolect.models.gpt import GPTConfig
from physiolect.training import Recipe

if TYPE_CHECKING:
    from physiolect.checkpoint import Checkpoint
    from physiolect.datasets import Store
    from physiolect.generation import Continuation
    from physiolect.recording import Recording
    from physiolect.report import Report

EXAMPLE = "physiolect demo --out physiolect-demo --minutes 2.5"

MODEL = GPTConfig(
    context_length=500, width=64, n_layers=4, n_heads=4, mlp_width=128, activation="swiglu", norm="rms",
    bias=False, head_bias=False,
)  # fmt: skip
"""A decoder that learns to continue ECG on two processor cores in minutes."""
RECIPE = Recipe(learning_rate=6e-3)
_BATCH = 8
_FEWEST_STEPS = 20
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
_OURS = "the model"
_RHYTHMS = ("sinus rhythm", "sinus rhythm with ectopic beats", "atrial fibrillation")
_MARKER = "demo.yaml"
_PARTS = ("recordings", "held-out", "store", "held-out-store", "run", "report.html", _MARKER)


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


class _Trained(NamedTuple):
    checkpoint: Checkpoint
    steps: int
    """Updates made, of those planned."""
    planned: int
    seconds: float


class _Continued(NamedTuple):
    name: str
    rhythm: str
    continuation: Continuation
    truth: NDArray[np.float32]


class _Score(NamedTuple):
    name: str
    nats: float
    """Per token, the mean over the held-out patients."""
    interval: tuple[float, float]


def run(config: Config) -> int:
    """Run the demo; 130 or 143 where the user, or the machine, stopped it."""
    try:
        code = _run(config, Path(config.out))
    except KeyboardInterrupt:
        code = 130
    if code:
        _say(f"the demo was stopped before its report was written; to start over:\n  {_again(config)}")
    return code


def _run(config: Config, out: Path) -> int:
    from physiolect.commands import prepare
    from physiolect.synthetic import write_cohort

    _clear(out)
    settings.dump(config, out / _MARKER)
    _say(
        f"1/5  recordings of {_LEARN_FROM[0]} made patients to learn from, and of {_JUDGE_BY[0]} others to judge by"
    )
    for seed, folder, (n, seconds) in ((0, "recordings", _LEARN_FROM), (1, "held-out", _JUDGE_BY)):
        write_cohort(out / folder, n_recordings=n, seconds=seconds, seed=2 * config.seed + seed)
    _say(f"2/5  preparing lead {_LEAD} of them")
    for folder, store in (("recordings", "store"), ("held-out", "held-out-store")):
        code = prepare.run(prepare.Config([str(out / folder)], str(out / store), channel=_LEAD, jobs=1))
        if code:
            return code
    code, trained = _train(config, out)
    if trained is None:
        return code
    _say("4/5  continuing recordings it never saw, and scoring it beside baselines")
    continued = _continue(trained.checkpoint, out / "held-out", config.seed)
    scores, lead = _score(trained.checkpoint, out, config.seed)
    _say("5/5  writing the report")
    _write_report(out, trained, continued, scores, lead)
    print("\nnats per token on patients it never saw, lower is better:")
    print("\n".join(f"  {score.name:16} {score.nats:.3f}" for score in scores))
    print(f"\nthe report: {out / 'report.html'}\n\nto try next:\n\n{_next_commands(out)}")
    return 0


def _clear(out: Path) -> None:
    """Remove what an earlier demo made, and nothing else."""
    out.mkdir(parents=True, exist_ok=True)
    for part in (out / name for name in _PARTS):
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink(missing_ok=True)


def _train(config: Config, out: Path) -> tuple[int, _Trained | None]:
    """Train for as many updates as fit; returns pretrain's exit code, and what came of it unless it was stopped."""
    from physiolect.checkpoint import load_checkpoint
    from physiolect.commands import pretrain

    planned = _steps_within(60 * _PLANNED * config.minutes)
    _say(f"3/5  training for {planned} updates, at most {config.minutes:g} minutes")
    begun = time.perf_counter()
    code = pretrain.run(
        pretrain.Config(
            str(out / "store"), str(out / "run"), steps=planned, batch_size=_BATCH, validation=_VALIDATION,
            validation_windows=64, seed=config.seed, device="cpu", log_every=max(1, planned // 100),
            evaluate_every=max(1, planned // 10), save_every=planned, minutes=config.minutes,
            model=MODEL, recipe=RECIPE,
        )
    )  # fmt: skip
    seconds = time.perf_counter() - begun
    if code:
        return code, None
    best, last = out / "run" / "best", out / "run" / "last"
    checkpoint = load_checkpoint(best if best.is_dir() else last)
    checkpoint.verify()
    return 0, _Trained(checkpoint, load_checkpoint(last).run["step"], planned, seconds)


def _steps_within(seconds: float) -> int:
    """Return how many updates this computer makes in that time, from trying a few."""
    import torch

    from physiolect.models.gpt import GPT
    from physiolect.training import Callbacks, Progress, Schedule, fit, next_token_loss

    ids = torch.randint(MODEL.vocabulary_size, (_BATCH, MODEL.context_length + 1))
    tried: list[Progress] = []
    callbacks = Callbacks(save=lambda *_: None, report=tried.append)
    fit(GPT(MODEL), next_token_loss, lambda *_: ids, RECIPE, Schedule(10, log_every=1), callbacks)
    return max(_FEWEST_STEPS, round(seconds / statistics.median(each.seconds for each in tried[2:])))


def _continue(checkpoint: Checkpoint, folder: Path, seed: int) -> list[_Continued]:
    """Continue the first recording of each rhythm that occurs in the folder."""
    from physiolect.formats import read_recordings
    from physiolect.generation import generate, recorded_truth

    contract, first = checkpoint.contract, dict[str, "Recording"]()
    for recording in read_recordings(folder):
        first.setdefault(_rhythm(recording), recording)
    continued = []
    for rhythm in filter(first.__contains__, _RHYTHMS):
        recording = first[rhythm]
        continuation = generate(
            checkpoint, recording.slice(0, _CONTINUED_AT), n_tokens=round(_AHEAD * contract.fs),
            n_samples=_SAMPLES, seed=seed, channel=_LEAD,
        )  # fmt: skip
        if continuation.interrupted:
            raise KeyboardInterrupt
        truth = recorded_truth(recording, continuation, contract, _LEAD)
        continued.append(_Continued(Path(recording.source).stem, rhythm, continuation, truth))
    return continued


def _rhythm(recording: Recording) -> str:
    if "(AFIB" in recording.annotations.note:
        return _RHYTHMS[2]
    return _RHYTHMS["V" in recording.annotations.symbol]


def _score(checkpoint: Checkpoint, out: Path, seed: int) -> tuple[list[_Score], tuple[float, float, float]]:
    """Score the model, and baselines fitted on its training part, at the same positions of held-out patients.

    Returns:
        the scores, best first; and how far the model is below the best baseline: mean, low, high.
    """
    from physiolect import evaluation
    from physiolect.datasets import open_store, split_rows

    store, held_out = open_store(out / "store"), open_store(out / "held-out-store")
    train, _ = _windows(checkpoint, store, split_rows(store, _VALIDATION, seed)[0])
    ids, patients = _windows(checkpoint, held_out, np.arange(len(held_out)))
    n_levels, fs = checkpoint.tokenizer.n_levels, checkpoint.contract.fs
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
        _Score(name, float(n.mean()), evaluation.bootstrap_interval(n, patients)) for name, n in nats.items()
    ]
    rival = min(scores[1:], key=lambda score: score.nats).name
    return sorted(scores, key=lambda score: score.nats), evaluation.paired_difference(
        nats[rival], nats[_OURS], patients
    )


def _windows(
    checkpoint: Checkpoint, store: Store, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], list[str]]:
    """Return windows as levels whose range is that of the part seen, (n, T), and the patient of each."""
    from physiolect.datasets import WindowLoader

    loader = WindowLoader(store, rows, length=_SEEN + _SCORED, seed=0)
    ids, _ = checkpoint.tokenizer.encode(
        loader.windows(_WINDOWS), scale="context", context_length=_SEEN, flat="level"
    )
    return ids, [store.sources[row] for row in loader.spread(_WINDOWS).rows]


def _write_report(
    out: Path,
    trained: _Trained,
    continued: list[_Continued],
    scores: list[_Score],
    lead: tuple[float, float, float],
) -> None:
    from physiolect.formats import read_recording
    from physiolect.plots import forecast_figure, loss_figure, recording_figure
    from physiolect.report import Report

    report = Report("A small transformer learns ECG").text(_opening(trained, scores, lead))
    _report_continuations(report, continued)
    report.text("## How good are its forecasts?").figure(
        forecast_figure([s.name for s in scores], [s.nats for s in scores], [s.interval for s in scores],
            highlight=[_OURS], title="One sample ahead, on patients never seen"),
        f"Mean over {_JUDGE_BY[0]} held-out patients; the whiskers are 95 % intervals, by drawing patients again.",
    ).text(_METHOD)  # fmt: skip
    lines = [json.loads(line) for line in (out / "run" / "metrics.jsonl").read_text("utf-8").splitlines()]
    train, validation = (
        ([line["step"] for line in lines if kind in line], [line[kind] for line in lines if kind in line])
        for kind in ("loss", "validation_loss")
    )
    report.text("## How it learned").figure(
        loss_figure(train, validation),
        "Nats per token over all positions of whole windows, each cut into levels by its own range: not the "
        "same quantity as above. Validation is on patients set aside from training.",
    )
    example = (
        read_recording(out / "recordings" / "ecg_0000.hea").slice(0, 8.0).select(("I", "II", "V1", "V5"))
    )
    report.text("## What it learned from").figure(
        recording_figure(example, title="ecg_0000"),
        f"One of the {_LEARN_FROM[0]} made recordings, four of its twelve leads, with the marks of its beats. "
        f"The model learned from lead {_LEAD} alone, and was never shown a mark.",
    )
    report.text(f"## To try next\n\n```\n{_next_commands(out)}\n```").write(out / "report.html")


_METHOD = f"""\
Every window holds {_SEEN + _SCORED} samples, cut into {MODEL.vocabulary_size} levels by the range of its first \
{_SEEN} alone, so that nothing of what is to be forecast shows in the scale. The last {_SCORED} are scored, one \
sample ahead, at the same positions for all. The baselines were fitted on the recordings the model was trained on:

- **unigram** knows how often each level occurs;
- **repeat last beat** expects what came one heartbeat ago, with the period found in the past of the window;
- **AR(p)** is a linear prediction from the last p samples, with p chosen on a part of the training windows.

The two that predict a value carry a discretised Laplace noise, so that all are scored in the same currency."""


def _opening(trained: _Trained, scores: list[_Score], lead: tuple[float, float, float]) -> str:
    nats = {score.name: score.nats for score in scores}
    rival = min(nats.keys() - {_OURS}, key=nats.__getitem__)
    tokens = trained.steps * _BATCH * MODEL.context_length
    difference, low, high = lead
    verdict = "better than" if low > 0 else "worse than" if high < 0 else "no different from"
    early = (
        ""
        if trained.steps >= trained.planned
        else f" The time was up after {trained.steps} of {trained.planned} updates, so it could have learned more."
    )
    return f"""\
A decoder of {trained.checkpoint.model.n_parameters():,} parameters was trained on this computer's processor for \
{trained.seconds / 60:.1f} minutes: {trained.steps} updates, {tokens / 1e6:.2g} million samples of lead {_LEAD}, each a \
token.{early} It was then shown {_JUDGE_BY[0]} patients it had never seen.

There it needs **{nats[_OURS]:.2f} nats per token**, and the best baseline, {rival}, {nats[rival]:.2f}: the model is \
{verdict} it, by {difference:.2f} (95 % interval over patients {low:.2f} to {high:.2f}).

**What this does not show.** The patients are made by a formula, far more alike than people are. That a model learns \
them in minutes says that everything from file to forecast works here, and nothing about its worth on real recordings."""


def _report_continuations(report: Report, continued: list[_Continued]) -> None:
    from physiolect.plots import continuation_figure

    report.text(
        f"## What comes next?\n\nThe model saw the last five seconds and drew {_SAMPLES} continuations. They part with "
        "time, as they should: the heart rate wanders, and premature beats come unannounced. Each recording is the "
        "first of its rhythm among the held-out ones, not the best."
    )
    for name, rhythm, continuation, truth in continued:
        for drawn, told in (
            (continuation.signal, f"{_SAMPLES} continuations, and what was really recorded."),
            (continuation.signal[:1], "The first of these continuations alone."),
        ):
            figure = continuation_figure(
                continuation.context.signal[0], drawn, fs=continuation.fs, unit=continuation.unit,
                title=f"{name} · {rhythm}", truth=truth if len(drawn) > 1 else None,
            )  # fmt: skip
            report.figure(figure, told)


def _next_commands(out: Path) -> str:
    run, recording = shlex.quote(str(out / "run")), shlex.quote(str(out / "held-out" / "ecg_0000.hea"))
    return f"""\
# what a recording or a checkpoint holds
physiolect inspect {recording}
physiolect inspect {run}
# continue another moment of it, or a recording of your own
physiolect generate {recording} --channel {_LEAD} --stop 40 --checkpoint {run} --out continued
physiolect generate YOUR_RECORDING --checkpoint {run} --out continued
# train on your own recordings
physiolect prepare YOUR_FOLDER --out store
physiolect pretrain store --out run
# use the published HeartGPT weights
physiolect convert ECGPT_560k_iters.zip heartgpt-ecg
physiolect generate YOUR_RECORDING --checkpoint heartgpt-ecg --out continued"""


def _again(config: Config) -> str:
    default = Config()
    options = [
        f"--{each.name} {shlex.quote(str(getattr(config, each.name)))}"
        for each in fields(config)
        if getattr(config, each.name) != getattr(default, each.name)
    ]
    return " ".join(["physiolect demo", *options])


def _say(text: str) -> None:
    print(text, file=sys.stderr)
