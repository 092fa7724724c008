"""The stores that decoders of ours are pre-trained on, ECG and PPG.

`python benchmarks/pretraining_data.py OUT` makes OUT/ecg and OUT/ppg. One row a recording and lead, resampled by
`contract.adapt` to 100 Hz (ECG) or 50 Hz (PPG), under the name of its source ("mitdb/101") and of its patient, so that
a split by patient keeps all leads of one patient together. ECG: both leads of MIT-BIH DS1 without 201; leads I and II
of PTB-XL folds 1-8; all twelve leads of CinC 2021's Georgia and Chapman/Ningbo records. CinC 2021 names its PTB-XL
records HR…: those are left out, since their fold is not told. PPG: the subjects of `ppg_arrhythmia` that do not test
(benchmarks/cohorts.py). MIT-BIH and CinC 2021 are raw, PTB-XL was filtered (0.5-40 Hz): the table says how many of a
training run's windows come from each. Reads from PHYSIOLECT_DATA.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from cohorts import DS1, PPG_SEED, data_folder, ppg, ptbxl

from physiolect import Recording, adapt, read_recording
from physiolect.contract import CONTRACTS
from physiolect.datasets import Row, Store, StoreWriter, open_store, split_rows
from physiolect.datasets.store.manifest import Rejection
from physiolect.errors import PhysiolectError

Piece = tuple[str, str, list[Recording]]
"""Name of the source, name of the patient, recordings with the leads to keep."""


def mitbih() -> Iterator[Piece]:
    for record in DS1:
        yield f"mitdb/{record}", f"mitdb/{record}", [read_recording(data_folder() / "mitdb" / record)]


def ptbxl_folds_1_to_8() -> Iterator[Piece]:
    for ecg_id, patient, recording in ptbxl("train"):
        yield f"ptbxl/{ecg_id}", f"ptbxl/{patient}", [recording.select(["I", "II"])]


def cinc2021() -> Iterator[Piece]:
    headers = sorted((data_folder() / "cinc" / "cinc2021").glob("*.hea"))
    kept = [header for header in headers if not header.stem.startswith("HR")]
    print(
        f"cinc2021: {len(headers) - len(kept)} of {len(headers)} records are PTB-XL's, left out",
        file=sys.stderr,
    )
    for header in kept:
        yield f"cinc2021/{header.stem}", f"cinc2021/{header.stem}", [read_recording(header)]


def ppg_arrhythmia() -> Iterator[Piece]:
    held_out = ", ".join(subject for subject, _ in ppg("test"))
    print(f"ppg_arrhythmia: held out by seed {PPG_SEED}: {held_out}", file=sys.stderr)
    for subject, segments in ppg("train"):
        yield f"ppg_arrhythmia/{subject}", f"ppg_arrhythmia/{subject}", segments


SOURCES = {"ecg": (mitbih, ptbxl_folds_1_to_8, cinc2021), "ppg": (ppg_arrhythmia,)}


def build(kind: Literal["ecg", "ppg"], out: Path) -> Store:
    """Write one store, or go on with an unfinished one, and open it."""
    contract = CONTRACTS[f"heartgpt-{kind}"]
    provenance = {
        "made_by": "benchmarks/pretraining_data.py",
        "sources": [source.__name__ for source in SOURCES[kind]],
    }
    with StoreWriter(out, contract, provenance=provenance) as writer:
        for source in () if writer.complete else SOURCES[kind]:
            for name, patient, recordings in source():
                if name not in writer.finished:
                    writer.add(name, *rows_of(kind, name, patient, recordings))
    return open_store(out, verify=True)


def rows_of(
    kind: str, name: str, patient: str, recordings: list[Recording]
) -> tuple[list[Row], list[Rejection]]:
    """Return one row a recording and lead, and what could not be adapted (a lead that is flat throughout)."""
    rows, rejected = [], []
    for k, recording in enumerate(recordings):
        source = name if len(recordings) == 1 else f"{name}#{k}"
        for lead, channel in enumerate(recording.channels):
            try:
                adapted, _ = adapt(recording, CONTRACTS[f"heartgpt-{kind}"], lead, window="all")
                rows.append(Row.from_recording(adapted, source=source, patient=patient))
            except PhysiolectError as error:
                rejected.append(Rejection(f"{source} {channel}", str(error)))
    return rows, rejected


def table(store: Store, window: int) -> str:
    """Say what each source gives, what share of all windows, and how a split of `pretrain` would divide it."""
    sources = np.array([source.split("/")[0] for source in store.sources])
    patients = np.array(store.patients)
    _, validating = split_rows(store, 0.1, 0)
    starts = np.maximum(store.lengths - window + 1, 0)
    lines = [
        f"| source | rows | hours | patients | bytes of samples | share of windows of {window} "
        "| patients that validate at 0.1, seed 0 |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(sources.tolist()):
        at = sources == name
        lines.append(
            f"| {name} | {at.sum():,} | {store.lengths[at].sum() / store.contract.fs / 3600:.2f} "
            f"| {len(set(patients[at])):,} | {2 * store.lengths[at].sum():,} | {starts[at].sum() / starts.sum():.1%} "
            f"| {shortened(sorted({p.split('/')[1] for p in patients[validating] if p.startswith(f'{name}/')}))} |"
        )
    return "\n".join(lines)


def shortened(names: list[str]) -> str:
    return f"{len(names)}: {', '.join(names)}" if len(names) <= 5 else f"{len(names)}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "out", type=Path, help="folder for the stores; stores that are there already are kept"
    )
    out = parser.parse_args().out
    for kind, window in (("ecg", 501), ("ppg", 500)):
        store = build(kind, out / kind)
        files = sum(shard.bytes for manifest in store.manifests for shard in manifest.shards)
        print(f"\n{store} ({files:,} bytes on disk, {len(store.rejected)} leads left out)\n")
        print(table(store, window))


if __name__ == "__main__":
    main()
