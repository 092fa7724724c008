"""Heartbeats in recorded noise: one channel of nstdb_30s trains, the other tests. A part of `heartbeats.py`."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from heartbeat_tables import fraction, header, pair
from heartbeat_work import CLASSES, TokensTrial, Work, beats_of
from numpy.typing import NDArray
from scipy.io import loadmat

from physiolect.datasets import Row, Store, StoreWriter, open_store
from physiolect.datasets.examples.beat_examples import make_beat_examples
from physiolect.datasets.examples.labels import beat_samples
from physiolect.evaluation.baselines.heartbeats import BOOSTING, heartbeat_baselines
from physiolect.evaluation.bootstrap import Bootstrap
from physiolect.evaluation.heartbeats import measure_heartbeats
from physiolect.evaluation.protocol import Fold
from physiolect.recording import Recording
from physiolect.signals import resample
from physiolect.signals.noise import add_noise

KINDS = {"BW": "baseline wander", "EM": "electrode motion", "MA": "muscle noise"}
LEVELS = (24, 18, 12, 6, 0, -6)
TRAIN, TEST = 1, 2
"""Columns of the noise files."""
FS_NOISE = 360.0


def noise(work: Work) -> None:
    """Test DS2 in noise of one channel, with models trained on DS1, with and without noise of the other channel."""
    beats = beats_of(work)
    known = beats.truth < 4
    clean, counted = (beats.parts == "DS1") & known, (beats.parts == "DS2") & known
    levels = LEVELS if work.resamples > 100 else LEVELS[-1:]
    tested = {
        (kind, level): noisy_store(work, beats.store, kind, level) for kind in KINDS for level in levels
    }
    augmented = noisy_copies(work, beats.store)
    found: dict[str, list[NDArray[np.int64]]] = {}
    found["beats as tokens"] = TokensTrial(work, beats.store).train(
        "noise-clean", [clean], list(tested.values())
    )[0]
    # the copies follow the records: beats of a copy are those of its record once more
    twice = np.concatenate([clean, clean])
    found["beats as tokens, trained in noise"] = TokensTrial(work, augmented).train(
        "noise-augmented", [twice], list(tested.values())
    )[0]
    found[BOOSTING] = boosted(
        work, beats.features, beats.truth, clean, beats.tokenizer, list(tested.values())
    )
    draws = Bootstrap(beats.records[counted].tolist(), n_resamples=work.resamples, seed=work.seed)
    print("## In recorded noise\n")
    print(
        "DS1 trains, DS2 tests in noise of the second channel of `nstdb_30s`; training in noise adds a copy of every "
        "record with noise of the first. No rhythm is given. R peaks are the database's: how noise hides them is not "
        "measured here.\n"
    )
    print(header(("noise", "SNR, dB", "S", "V", "F", "macro F1")))
    for name, decisions in found.items():
        for (kind, level), decided in zip(tested, decisions, strict=True):
            measured = measure_heartbeats(beats.truth[counted], decided[counted], CLASSES, draws)
            cells = [KINDS[kind], str(level), *(pair(measured, each) for each in "SVF")]
            print(
                f"| {name} | " + " | ".join([*cells, fraction(measured.overall["macro f1"])]) + " |",
                flush=True,
            )


def boosted(
    work: Work, features: NDArray, truth: NDArray, train: NDArray, tokenizer: object, tested: list[Store]
) -> list[NDArray[np.int64]]:
    """Return what boosting decides about the beats of each store; all are fitted and asked at once."""
    n = len(truth)
    parts = [features]
    for store in tested:
        examples = make_beat_examples(
            store, "heartbeats", tokenizer, context=32, length=3000, classes=CLASSES
        )  # type: ignore[arg-type]
        parts.append(examples.table.features)
    every = np.concatenate(parts)
    fold = Fold("noise", np.flatnonzero(train), np.arange(n, len(every)))
    values = np.concatenate([truth] * len(parts))
    decided = heartbeat_baselines(
        every, values, [fold], tokenizer, 4, names=[BOOSTING], seed=work.seed, threads=work.threads  # type: ignore[arg-type]
    )[BOOSTING]  # fmt: skip
    return list(decided[n:].reshape(len(tested), n))


def channel_of(data: Path, kind: str, column: int, fs: float) -> NDArray[np.float64]:
    values = next(v for k, v in loadmat(data / "nstdb_30s" / f"{kind}.mat").items() if not k.startswith("__"))
    return resample(values[:, column].astype(np.float64), FS_NOISE, fs)


def noisy_store(work: Work, store: Store, kind: str, level: float) -> Store:
    """Return a store of the same rows in noise of the test channel."""
    return written(work.folder / f"noisy-{kind}-{level}", store, lambda row, recording: noisy(
        work, recording, kind, TEST, level, row
    ), copies=False)  # fmt: skip


def noisy_copies(work: Work, store: Store) -> Store:
    """Return a store of the rows and, after them, of copies in noise of the training channel at drawn levels."""
    rng = np.random.default_rng(work.seed)
    kinds, levels = rng.choice(list(KINDS), len(store)), rng.uniform(-6, 24, len(store))
    return written(work.folder / "noisy-training", store, lambda row, recording: noisy(
        work, recording, kinds[row], TRAIN, levels[row], row
    ), copies=True)  # fmt: skip


def noisy(work: Work, recording: Recording, kind: str, column: int, level: float, seed: int) -> Recording:
    from dataclasses import replace

    beats = np.sort(beat_samples(recording.annotations))
    found = channel_of(work.data, kind, column, recording.fs)
    signal = add_noise(recording.signal, found, beats, recording.fs, level, seed=seed)
    return replace(recording, signal=signal)


def written(folder: Path, store: Store, change, *, copies: bool) -> Store:  # type: ignore[no-untyped-def]
    shutil.rmtree(folder, ignore_errors=True)
    with StoreWriter(folder, store.contract) as writer:
        for ending in ("", "-noisy") if copies else ("",):
            for row in range(len(store)):
                recording = store.recording(row)
                if ending or not copies:
                    recording = change(row, recording)
                source = store.sources[row] + ending
                made = Row.from_recording(
                    recording, source=source, patient=store.patients[row], split=store.splits[row]
                )
                writer.add(f"{source}-{row}", [made])
    return open_store(folder)
