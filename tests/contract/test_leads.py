"""Leads by name: one order, limb leads out of I and II, and nothing made up unasked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from physiolect.contract import arrange_leads
from physiolect.errors import ContractError
from physiolect.formats import read_recording
from physiolect.recording import LEADS, Recording


def of(channels: tuple[str, ...], unit: str | tuple[str | None, ...] = "mV") -> Recording:
    signal = np.random.default_rng(0).standard_normal((len(channels), 50))
    return Recording(signal, 500.0, channels, unit=unit)


@given(st.permutations(LEADS))
def test_any_order_becomes_the_houses(order: list[str]) -> None:
    mixed = of(tuple(order))
    arranged = arrange_leads(mixed)
    assert arranged.channels == LEADS
    for row, lead in enumerate(LEADS):
        np.testing.assert_array_equal(arranged.signal[row], mixed.signal[order.index(lead)])


def test_aliases_are_found_and_other_channels_left_out() -> None:
    recording = of(("ecg v1", "MLII", "PLETH"), ("mV", "mV", "au"))
    arranged = arrange_leads(recording, ("II", "V1"))
    assert arranged.channels == ("II", "V1")
    assert arranged.unit == "mV"
    np.testing.assert_array_equal(arranged.signal, recording.signal[[1, 0]])


@pytest.mark.parametrize("record", ["E07500", "HR06000", "JS20000"])
def test_derived_limb_leads_are_those_that_were_recorded(data: Path, record: str) -> None:
    whole = read_recording(data / "cinc" / "cinc2021" / f"{record}.hea")
    two_and_chest = whole.select(["I", "II", "V1", "V2", "V3", "V4", "V5", "V6"])
    derived = arrange_leads(two_and_chest, derive_limb=True)
    # the device rounds each lead to a few microvolts
    np.testing.assert_allclose(derived.signal, arrange_leads(whole).signal, atol=0.011)


def test_a_lead_that_is_there_is_not_derived_again() -> None:
    recording = of(("I", "II", "III"))
    arranged = arrange_leads(recording, ("III", "aVR"), derive_limb=True)
    np.testing.assert_array_equal(arranged.signal[0], recording.signal[2])
    np.testing.assert_allclose(arranged.signal[1], -recording.signal[:2].mean(axis=0), rtol=1e-6)


def test_zeros_stand_in_only_where_asked() -> None:
    recording = of(("I", "II"))
    arranged = arrange_leads(recording, derive_limb=True, zero_missing=True)
    assert arranged.channels == LEADS
    assert arranged.unit == "mV"
    assert np.any(arranged.signal[:6], axis=1).all()
    assert not arranged.signal[6:].any()


@pytest.mark.parametrize(
    ("recording", "derive", "told", "hint"),
    [
        (of(("I", "II")), True, "no lead V1, V2", "--zero-missing"),
        (of(("I", "II", *LEADS[6:])), False, "no lead III, aVR, aVL, aVF", "--derive-limb"),
        (of(("I", *LEADS[6:])), True, "no lead II, III", "--zero-missing"),
        (of(("I", "II", *LEADS[6:]), ("mV", "uV", *["mV"] * 6)), True, "mV and uV", "convert"),
        (of(("I", "II", "MLII")), True, "no lead V1", "--zero-missing"),
        (of(("I", "MLII", "ii")), True, "lead II could be any of MLII, ii", "select"),
    ],
)
def test_what_is_missing_is_refused(recording: Recording, derive: bool, told: str, hint: str) -> None:
    with pytest.raises(ContractError, match=told) as caught:
        arrange_leads(recording, derive_limb=derive)
    assert hint in str(caught.value.hint)
