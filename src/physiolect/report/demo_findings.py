"""What a demo's model does on held-out patients: continuations, and scores beside baselines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.datasets import Store, WindowLoader, open_store, split_rows
from physiolect.formats import list_recordings, read_recording
from physiolect.recording import Recording
from physiolect.report.demo import Continued, Curve, Score

VALIDATION = 0.1
LEAD = "II"
SEEN, SCORED = 400, 100
"""Samples of a window: the first give the levels their range, the others alone are scored."""
_WINDOWS = 320
_AHEAD, _CONTINUED_AT = 3.0, 20.0
"""Length of a continuation in seconds, and where it begins."""
_OURS = "the model"
_RHYTHMS = ("sinus rhythm", "sinus rhythm with ectopic beats", "atrial fibrillation")


def continue_held_out(checkpoint: Checkpoint, folder: Path, seed: int, n_samples: int) -> list[Continued]:
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
            checkpoint, recording.slice(0, _CONTINUED_AT), n_samples=n_samples, seed=seed + number, channel=LEAD,
            n_tokens=round(_AHEAD * checkpoint.contract.fs),
        )  # fmt: skip
        if continuation.interrupted:
            raise KeyboardInterrupt
        truth = recorded_truth(recording, continuation, checkpoint.contract, LEAD)
        continued.append(Continued(name, rhythm, continuation, truth))
    return continued


def _rhythm(recording: Recording) -> str:
    if "(AFIB" in recording.annotations.note:
        return _RHYTHMS[2]
    return _RHYTHMS["V" in recording.annotations.symbol]


def score_held_out(
    checkpoint: Checkpoint, out: Path, seed: int
) -> tuple[list[Score], tuple[float, float, float]]:
    """Score the model, and baselines fitted on its training part, at the same positions of held-out patients.

    Returns:
        the scores, the model's first; and how far it is below the best baseline: mean, low, high.
    """
    from physiolect import evaluation

    store, held_out = open_store(out / "store"), open_store(out / "held-out-store")
    train, _ = _windows(checkpoint, store, split_rows(store, VALIDATION, seed)[0])
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
    nats = {name: of_all[:, -SCORED:] for name, of_all in nats.items()}
    scores = [
        Score(name, float(n.mean()), evaluation.bootstrap_interval(n, patients)) for name, n in nats.items()
    ]
    rival = min(scores[1:], key=lambda score: score.nats).name
    return scores, evaluation.paired_difference(nats[rival], nats[_OURS], patients)


def _windows(
    checkpoint: Checkpoint, store: Store, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], list[str]]:
    """Return windows as levels whose range is that of the part seen, (n, T), and the patient of each."""
    loader = WindowLoader(store, rows, length=SEEN + SCORED, seed=0)
    ids, _ = checkpoint.levels.encode(
        loader.windows(_WINDOWS), scale="context", context_length=SEEN, flat="level"
    )
    return ids, [store.sources[row] for row in loader.spread(_WINDOWS).rows]


def loss_curves(metrics: Path) -> tuple[Curve, Curve]:
    """Return training and validation loss over the updates."""
    lines = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]

    def curve(name: str) -> Curve:
        held = [line for line in lines if name in line]
        return [line["step"] for line in held], [line[name] for line in held]

    return curve("loss"), curve("validation_loss")
