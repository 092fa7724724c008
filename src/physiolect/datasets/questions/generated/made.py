"""Made ECGs of which everything is known exactly, written as WFDB records, and what is known of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.random import Generator

from physiolect.datasets.questions.generated.known import Known
from physiolect.datasets.questions.question import Stretch
from physiolect.errors import ConfigError
from physiolect.files import writing
from physiolect.formats import write_recording
from physiolect.recording import LEADS, Recording

SOURCE = "synthetic"
_FLAT, _NOISY = "a flat line", "strong noise"
_MEASURED = ("I", "II", "V5")
"""Leads whose height of R is asked for."""
_NOISE = 0.4
"""Standard deviation in mV of strong noise."""


def make_known(
    folder: Path | str, count: int, *, seed: int = 0, seconds: float = 10.0, fs: float = 500.0
) -> list[Known]:
    """Write made ECGs, a patient each, and return what is known of them.

    A third is in atrial fibrillation, half have premature ventricular beats; in some a lead is flat, in some a lead is
    noisy.

    Args:
        folder: to write to; made where it is missing.
        count: ECGs; the first of a longer series are those of a shorter one.
        seed: another seed makes other ECGs.
        seconds: length.
        fs: rate in Hz.

    Raises:
        ConfigError: there is none to make.
        WriteError: the folder cannot be written to.
    """
    if count < 1:
        raise ConfigError(f"{count} recordings cannot be made", hint="ask for one or more")
    folder = Path(folder)
    with writing(folder, hint="name a folder that may be written to"):
        folder.mkdir(parents=True, exist_ok=True)
    known = []
    for number, rng in enumerate(np.random.default_rng(seed).spawn(count)):
        name = f"made_{number:05d}"
        recording, about = _make(rng, seconds, fs)
        write_recording(recording, folder / f"{name}.hea")
        known.append(replace(about, stretch=Stretch(name), patient=name))
    return known


def _make(rng: Generator, seconds: float, fs: float) -> tuple[Recording, Known]:
    from physiolect.synthetic import ecg  # filters cost a second to import

    fibrillates = rng.random() < 1 / 3
    settings = {
        "seconds": seconds,
        "fs": fs,
        "heart_rate": rng.uniform(60, 130) if fibrillates else rng.uniform(45, 120),
        "rhythm": "af" if fibrillates else "sinus",
        "ectopic_rate": rng.uniform(0.05, 0.2) if rng.random() < 0.5 else 0.0,
        "seed": int(rng.integers(2**32)),
    }
    recording = ecg(**settings, noise=rng.uniform(0.2, 1.0))  # type: ignore[arg-type]
    clean = ecg(**settings, noise=0.0)  # type: ignore[arg-type]
    order = rng.permutation(len(LEADS))
    flat = {LEADS[k] for k in order[: rng.choice([0, 1, 2], p=[0.5, 0.3, 0.2])].tolist()}
    noisy = {LEADS[k] for k in order[2 : 2 + rng.choice([0, 1, 2], p=[0.5, 0.3, 0.2])].tolist()}
    signal = recording.signal.copy()
    for row, lead in enumerate(LEADS):
        if lead in flat:
            signal[row] = 0.0
        if lead in noisy:
            signal[row] += np.float32(_NOISE) * rng.standard_normal(signal.shape[1], dtype=np.float32)
    return replace(recording, signal=signal), _known(recording, clean, flat, noisy, fibrillates, seconds)


def _known(
    recording: Recording, clean: Recording, flat: set[str], noisy: set[str], fibrillates: bool, seconds: float
) -> Known:
    marks = recording.annotations
    symbols = np.array(marks.symbol)
    beats = marks.sample[symbols != "+"] / recording.fs
    normal, early = marks.sample[symbols == "N"], marks.sample[symbols == "V"]
    numbers = {
        "number of QRS complexes": float(len(beats)),
        "number of premature ventricular beats": float(len(early)),
    }
    if len(beats) > 2:
        numbers["heart rate"] = 60 / float(np.diff(beats).mean())
    for lead in _MEASURED:
        if lead not in flat | noisy and len(normal):
            numbers[f"height of R in lead {lead}"] = float(np.median(clean.signal[LEADS.index(lead), normal]))
    in_order = {
        name: tuple(lead for lead in LEADS if lead in some) for name, some in ((_FLAT, flat), (_NOISY, noisy))
    }
    return Known(
        stretch=Stretch("made"),
        dataset="synthetic",
        source=SOURCE,
        millivolts=True,
        statements={
            "atrial fibrillation": fibrillates,
            "premature ventricular beats": bool(len(early)),
            "a lead without signal": bool(flat),
            "a heart rate above 100 per minute": numbers.get("heart rate", 0.0) > 100,
        },
        kinds={"rhythm": "atrial fibrillation" if fibrillates else "sinus rhythm"},
        leads=in_order,
        numbers=numbers,
        moments={"a premature ventricular beat": tuple((early / recording.fs).tolist())},
        lead_names=LEADS,
        seconds=seconds,
    )
