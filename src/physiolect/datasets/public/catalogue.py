"""The public datasets by name."""

from __future__ import annotations

from pathlib import Path

from physiolect.datasets.public.cinc2021 import CINC2020, CINC2021
from physiolect.datasets.public.code15 import CODE15
from physiolect.datasets.public.dataset import PublicDataset
from physiolect.datasets.public.heartbeats import HEARTBEATS
from physiolect.datasets.public.ludb import LUDB
from physiolect.datasets.public.mimic_iv_ecg import MIMIC_IV_ECG
from physiolect.datasets.public.mitbih import MITBIH
from physiolect.datasets.public.mitbih_beats import MITBIH_BEATS
from physiolect.datasets.public.ptbxl import PTBXL

DATASETS: dict[str, PublicDataset] = {
    dataset.name: dataset
    for dataset in (PTBXL, MIMIC_IV_ECG, CODE15, CINC2021, CINC2020, MITBIH, MITBIH_BEATS, LUDB, HEARTBEATS)
}
"""Every public dataset whose layout is known."""


def recognise(folder: Path | str) -> str | None:
    """Return the name of the dataset that a folder looks like, or None; the first of several."""
    folder = Path(folder)
    return next((name for name, dataset in DATASETS.items() if dataset.recognise(folder)), None)
