"""Spike counts and the contract: bins, silent units, units that nothing states."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from physiolect import InputContract, Recording, adapt
from physiolect.errors import ContractError

NAMES = tuple(f"unit {k}" for k in range(1, 6))
CONTRACT = InputContract(
    20.0, 1, 10_000, channels=NAMES, modality="spikes", unit="count", normalisation="none"
)


def counts(fs: float = 20.0, unit: str | None = "count") -> Recording:
    return Recording(
        np.random.default_rng(0).poisson(2, (5, 200)).astype(np.float32), fs, NAMES, unit, "spikes"
    )


def test_counts_that_fit_are_left_alone() -> None:
    found, report = adapt(counts(), CONTRACT, window="all")
    np.testing.assert_array_equal(found.signal, counts().signal)
    assert not report.notices


def test_narrow_bins_are_added_up_and_others_refused() -> None:
    found, report = adapt(counts(40.0), CONTRACT, window="all")
    np.testing.assert_array_equal(found.signal, counts().signal.reshape(5, 100, 2).sum(-1))
    assert "added up 2 bins each" in str(report)
    for fs in (10.0, 30.0):
        with pytest.raises(ContractError, match="which is no multiple of them"):
            adapt(counts(fs), CONTRACT, window="all")


def test_silent_units_are_noticed_and_a_silent_recording_refused() -> None:
    silent = counts()
    silent.signal[[1, 3]] = 0
    _, report = adapt(silent, CONTRACT, window="all")
    assert report.notices == ("unit 2, unit 4 have no spikes",)
    silent.signal[:] = 0
    with pytest.raises(ContractError, match="none of the 5 channels ever changes"):
        adapt(silent, CONTRACT, window="all")


def test_counts_without_a_unit_are_taken_as_such_and_rates_are_not() -> None:
    _, report = adapt(counts(unit=None), CONTRACT, window="all")
    assert any("taken to be counts" in notice for notice in report.notices)
    with pytest.raises(ContractError, match="in Hz, which cannot become count"):
        adapt(counts(unit="Hz"), CONTRACT, window="all")


def test_long_lists_of_units_stay_readable() -> None:
    many = tuple(f"unit {k}" for k in range(1, 97))
    with pytest.raises(
        ContractError, match=r"unit 12 … and 84 more, but the recording has no unit 6, unit 7"
    ):
        adapt(counts(), replace(CONTRACT, channels=many), window="all")
