from __future__ import annotations

from dataclasses import replace

import pytest

from physiolect.contract import CONTRACTS, InputContract
from physiolect.errors import ConfigError

ECG = CONTRACTS["heartgpt-ecg"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"fs": 0.0}, "above 0 Hz"),
        ({"fs": float("inf")}, "above 0 Hz"),
        ({"min_samples": 0}, "no range"),
        ({"min_samples": 600}, "no range"),
        ({"modality": "eeg"}, "modality 'eeg'"),
        ({"channels": ()}, "names no channel"),
        ({"channels": ("*", "II")}, "cannot have company"),
        ({"channels": ("II", "MLII")}, "twice"),
        ({"normalisation": "minmax"}, "normalisation 'minmax'"),
        ({"normalisation": "zscore", "unit": "mV"}, "no unit"),
        ({"max_gap": -1.0}, "negative"),
        ({"max_gap": float("nan")}, "negative"),
        ({"passband": (40.0, 0.5)}, "passband"),
        ({"passband": (0.5, 50.0)}, "passband"),
        ({"passband": (60.0, None)}, "passband"),
        ({"passband": (0.0, None)}, "passband"),
    ],
)
def test_what_is_wrong_is_said(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        replace(ECG, **change)
    assert caught.value.hint


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        InputContract(fs=-1, min_samples=0, max_samples=5, max_gap=-1)
    assert str(caught.value).count(";") == 2


@pytest.mark.parametrize("band", [(0.5, 40.0), (0.5, None), (None, 40.0), (None, None), None])
def test_a_passband_may_be_open(band: tuple[float | None, float | None] | None) -> None:
    assert not replace(ECG, passband=band).problems()


def test_preprocessing_is_known_and_has_no_passband_beside_it() -> None:
    with pytest.raises(ConfigError, match="preprocessing 'wild' is not one of modern, published"):
        replace(CONTRACTS["ecg-byte"], preprocessing="wild")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="has a passband of its own"):
        replace(CONTRACTS["ecg-byte"], passband=(0.5, 40.0))
