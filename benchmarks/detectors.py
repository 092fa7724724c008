"""How good published detectors are on real recordings, beside baselines: the tables of docs/results.md.

    python benchmarks/detectors.py mitbih cpsc2021 ppg beats r-peaks --ecg ours=RUN --ppg ours=RUN --ecg-beats ours=RUN

Recordings and the published weights are read from the folder that PHYSIOLECT_DATA names. All models of one table see
the same windows; intervals and differences are by patient, where patients are known.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from physiolect import Checkpoint, Recording, detect_beats, load_checkpoint, synthetic
from physiolect.datasets import Examples, Row, StoreWriter, make_examples, open_store
from physiolect.datasets.examples.labels import beat_samples
from physiolect.datasets.public.ludb import LUDB
from physiolect.datasets.public.mitbih import DS2
from physiolect.detection import predict_windows
from physiolect.evaluation import make_folds
from physiolect.evaluation.baselines import (
    Predictions,
    find_pulses,
    linear_probe,
    majority,
    random_weights,
    rr_regression,
    rr_rule,
    window_beats,
    window_features,
)
from physiolect.evaluation.beats import BeatMatch, match_beats, measure_beats
from physiolect.evaluation.bootstrap import Bootstrap
from physiolect.evaluation.measures import Measured, measure_predictions
from physiolect.evaluation.tables import differences_table, interval_words, measures_table
from physiolect.formats import read_recording
from physiolect.recording import Annotations

DATA = Path(os.environ.get("PHYSIOLECT_DATA", ""))
COLUMNS = ("auroc", "auprc", "sensitivity", "specificity", "ppv", "f1", "accuracy", "ece", "brier")
BEATS = ("sensitivity", "ppv", "f1", "timing_mean_ms", "timing_sd_ms", "timing_median_abs_ms")
AF_SHARE = {"mitbih": 642 / 2500, "ppg": 997 / 2000}
"""Of the windows that the reference values were measured on; which windows those were is not told."""
SAME_PATIENT = {"202": "201"}
Models = dict[str, Checkpoint]


def published(name: str) -> Checkpoint:
    return load_checkpoint(DATA / "heartgpt" / "Model_files" / f"{name}.zip")


def first_channel(path: Path, up: int, down: int) -> Recording:
    """Return the first channel at 100 Hz, by scipy's resample_poly as in the reference."""
    whole = read_recording(path)
    signal = resample_poly(whole.signal[0].astype(np.float64), up, down)[None].astype(np.float32)
    return Recording(
        signal, 100.0, whole.channels[:1], whole.units[0], "ecg", whole.annotations.at_rate(up / down)
    )


def mitbih() -> Iterator[Row]:
    for header in sorted((DATA / "mitdb").glob("*.hea")):
        name = header.stem
        yield Row.from_recording(
            first_channel(header, 5, 18), source=name, patient=SAME_PATIENT.get(name, name)
        )


def cpsc2021() -> Iterator[Row]:
    """Excerpts without a change of rhythm are of the rhythm that their header tells."""
    for header in sorted((DATA / "cinc" / "cpsc2021").glob("*.hea")):
        recording = first_channel(header, 1, 2)
        told = header.read_text(encoding="utf-8").lower()
        if "+" not in recording.annotations.symbol:
            note = "(N" if "non atrial fibrillation" in told else "(AFIB"
            marks = recording.annotations
            recording = Recording(
                recording.signal, 100.0, recording.channels, recording.units[0], "ecg",
                Annotations(np.append(0, marks.sample), ("+", *marks.symbol), (note, *marks.note)),
            )  # fmt: skip
        yield Row.from_recording(recording, source=header.stem, patient=re.findall(r"\d+", header.stem)[0])


def ppg_arrhythmia() -> Iterator[Row]:
    with np.load(DATA / "ppg_arrhythmia" / "ppg_100hz_uint16.npz", allow_pickle=False) as held:
        for k in np.flatnonzero(np.isin(held["label"], (0, 5))).tolist():
            signal = resample_poly(held["ppg"][k] / 65535, 1, 2)[None].astype(np.float32)
            label = "AF" if held["label"][k] == 5 else "sinus"
            recording = Recording(signal, 50.0, ("PPG",), "au", "ppg")
            yield Row.from_recording(
                recording, source=f"segment {k}", patient=str(held["subject"][k]), labels=(label,)
            )


def stored(rows: Iterator[Row], model: Checkpoint, folder: Path, **how: object) -> Examples:
    with StoreWriter(folder, model.contract) as writer:
        for row in rows:
            writer.add(row.source, [row])
    return make_examples(open_store(folder), "rhythm", length=500, **how)  # type: ignore[arg-type]


def drawn(examples: Examples, n: int, seed: int = 0, positive: int | None = None) -> Examples:
    """Return at most n of the windows, drawn evenly, or with so many positive ones among them."""
    if len(examples) <= n:
        return examples
    order = np.random.default_rng(seed).permutation(len(examples))
    if positive is None:
        return examples.take(np.sort(order[:n]))
    is_positive = examples.target[order] > 0
    chosen = [order[is_positive][:positive], order[~is_positive][: n - positive]]
    return examples.take(np.sort(np.concatenate(chosen)))


def rhythm_table(title: str, examples: Examples, models: Models, detector: str, fast: bool) -> None:
    target = np.asarray(examples.target, np.float64)
    groups = np.array(examples.groups)
    folds = make_folds(examples.groups, "k-fold", k=min(5, len(set(groups))), stratify_by=target)
    draws = Bootstrap(examples.groups)
    said = {name: Predictions(predict_windows(model, examples)) for name, model in models.items()}
    first = next(iter(models.values()))
    said["its features + regression"] = linear_probe(window_features(first, examples), target, folds)
    if not fast:
        bare = window_features(random_weights(first), examples)
        said["random weights + regression"] = linear_probe(bare, target, folds)
    beats = window_beats(examples, detector)
    said["RR regression"] = rr_regression(beats, target, folds)
    said["RR rule (COSEn)"] = rr_rule(beats, target, folds)
    said["prevalence"] = majority(target)
    found: dict[str, Measured] = {
        name: measure_predictions("binary", each, target, draws) for name, each in said.items()
    }
    both = sum(len(set(target[groups == g])) == 2 for g in set(groups))
    print(f"\n### {title}\n")
    print(
        f"{len(examples):,} windows ({int(target.sum())} AF) of {draws.n_groups} patients: "
        f"{len(set(groups[target == 1]))} with AF, {both} with both. Beats by {detector}; baselines trained on "
        f"{len(folds)} folds by patient.\n"
    )
    print(measures_table({name: each.overall for name, each in found.items()}, COLUMNS), "\n")
    print(interval_words(draws, by_patient=True))
    print(f"RR rule: {said['RR rule (COSEn)'].note}.\n")
    reference = next(iter(models))
    others = [name for name in found if name not in (reference, "prevalence")]
    gains = {f"{name} - {reference}": found[name].minus(found[reference]) for name in others}
    print(differences_table(gains, ("auroc", "auprc", "f1", "accuracy")), flush=True)


def beats_table(
    title: str, records: list[tuple[Recording, str]], models: Models, detectors: list[str]
) -> None:
    found: dict[str, list[BeatMatch]] = {name: [] for name in (*models, *detectors)}
    for recording, _ in records:
        truth = beat_samples(recording.annotations) / recording.fs
        for name in found:
            at = (
                detect_beats(models[name], recording).times
                if name in models
                else find_pulses(recording.signal[0], recording.fs, name) / recording.fs
            )
            found[name].append(match_beats(truth, at, duration=recording.duration))
    draws = Bootstrap([group for _, group in records])
    n = sum(len(beat_samples(recording.annotations)) for recording, _ in records)
    print(f"\n### {title}\n\n{n:,} reference beats of {len(records)} recordings.\n")
    measured = {name: measure_beats(each, draws) for name, each in found.items()}
    print(measures_table(measured, BEATS), "\n")
    less = {
        f"{name} minus {other}": {"f1": measured[name]["f1"].minus(measured[other]["f1"])}
        for name in models
        for other in detectors
    }
    print(differences_table(less, ("f1",)), "\n")
    print(interval_words(draws, by_patient=False), flush=True)


def made_ppg() -> list[tuple[Recording, str]]:
    found = []
    for seed in range(24):
        rhythm = "af" if seed % 3 == 2 else "sinus"
        made = synthetic.ppg(seconds=120, fs=125.0, heart_rate=55 + 2 * seed, rhythm=rhythm, seed=seed)
        found.append((made, str(seed)))
    return found


def bedside_ppg() -> list[tuple[Recording, str]]:
    """Return PPG beside an ECG, marked at the ECG's R peaks with the delay that suits Elgendi's peaks best."""
    found = []
    for name in ("a103l", "v102s"):
        whole = read_recording(DATA / "wfdb_samples" / name)
        ecg, ppg = whole.signal[whole.channels.index("II")], whole.signal[whole.channels.index("PLETH")]
        ppg = np.nan_to_num(ppg, nan=float(np.nanmedian(ppg)))
        peaks = find_pulses(ecg, whole.fs, "neurokit") / whole.fs
        pulses = find_pulses(ppg, whole.fs, "elgendi") / whole.fs
        tried = np.arange(0.1, 0.8, 0.01)
        right = [match_beats(peaks + d, pulses, duration=whole.duration, tolerance=0.05).right for d in tried]
        delay = float(tried[int(np.argmax(right))])
        print(f"{name}: {len(peaks)} R peaks, delay to the systolic peak {delay:.2f} s")
        at = np.round((peaks + delay) * whole.fs).astype(np.int64)
        marks = Annotations(at[at < whole.n_samples], ("N",) * int((at < whole.n_samples).sum()))
        found.append((Recording(ppg[None], whole.fs, ("PLETH",), "au", "ppg", marks), name))
    return found


def cpsc2019() -> list[tuple[Recording, str]]:
    from scipy.io import loadmat

    found = []
    for path in sorted((DATA / "cinc" / "cpsc2019" / "data").glob("*.mat")):
        signal = loadmat(path)["ecg"].T.astype(np.float32)
        peaks = loadmat(path.parents[1] / "ref" / path.name.replace("data_", "R_"))["R_peak"].ravel()
        marks = Annotations(np.sort(peaks).astype(np.int64), ("N",) * len(peaks))
        found.append((Recording(signal, 500.0, ("ch1",), "mV", "ecg", marks), path.stem))
    return found


def ludb() -> list[tuple[Recording, str]]:
    """Return lead II of the records that did not train `ecg-beats`."""
    pieces = LUDB.recordings(DATA / "ludb")
    return [(whole.select(["II"]), entry.name) for entry, whole in pieces if int(entry.name) > 80]


def ds2() -> list[tuple[Recording, str]]:
    return [(read_recording(DATA / "mitdb" / name).select([0]), name) for name in DS2]


def named(words: list[str]) -> Models:
    return {name: load_checkpoint(path) for name, path in (word.split("=", 1) for word in words)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parts = ("mitbih", "cpsc2021", "ppg", "beats", "r-peaks")
    parser.add_argument("parts", nargs="*", default=list(parts), help=f"of {', '.join(parts)}")
    for name in ("ecg", "ppg", "ecg-beats", "ppg-beats"):
        parser.add_argument(f"--{name}", action="append", default=[], metavar="NAME=CHECKPOINT")
    parser.add_argument("--windows", type=int, default=2500, help="most windows of a rhythm's table")
    parser.add_argument("--fast", action="store_true", help="leave the random weights out")
    asked = parser.parse_args()
    begun = time.time()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        if {"mitbih", "cpsc2021"} & set(asked.parts):
            ecg = {"published ECGPT_AF": published("ECGPT_AF_1k_iters"), **named(asked.ecg)}
            first = next(iter(ecg.values()))
            if "mitbih" in asked.parts:
                every = stored(mitbih(), first, place / "mitbih", max_per_episode=30)
                print(f"MIT-BIH: {len(every)} windows ({int(every.target.sum())} AF) to draw from")
                n_af = round(asked.windows * AF_SHARE["mitbih"])
                rhythm_table(
                    "MIT-BIH, all 48 records",
                    drawn(every, asked.windows, positive=n_af),
                    ecg,
                    "neurokit",
                    asked.fast,
                )
            if "cpsc2021" in asked.parts:
                windows = stored(cpsc2021(), first, place / "cpsc2021")
                rhythm_table("CPSC 2021, 18 excerpts", windows, ecg, "neurokit", asked.fast)
        if "ppg" in asked.parts:
            ppg = {"published PPGPT_AF": published("PPGPT_AF_1k_iters"), **named(asked.ppg)}
            every = stored(ppg_arrhythmia(), next(iter(ppg.values())), place / "ppg")
            n = min(2000, asked.windows)
            windows = drawn(every, n, positive=round(n * AF_SHARE["ppg"]))
            rhythm_table("PPG arrhythmia, sinus or AF", windows, ppg, "elgendi", asked.fast)
        if "beats" in asked.parts:
            beats = {"published PPGPT_beat": published("PPGPT_beat_5k_iters"), **named(asked.ppg_beats)}
            beats_table("Made PPG, 24 of 2 min", made_ppg(), beats, ["elgendi"])
            beats_table("Two bedside PPG", bedside_ppg(), beats, ["elgendi"])
    if "r-peaks" in asked.parts:
        finders = {"ecg-beats": load_checkpoint("ecg-beats"), **named(asked.ecg_beats)}
        for title, records in {
            "CPSC 2019": cpsc2019(),
            "LUDB 81 to 160, lead II": ludb(),
            "MIT-BIH DS2, first lead": ds2(),
        }.items():
            beats_table(f"{title}, R peaks", records, finders, ["xqrs", "neurokit"])
    print(f"\n{time.time() - begun:.0f} s")


if __name__ == "__main__":
    main()
