from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from physiolect.contract.units import conversion_factor

VOLTS = st.sampled_from(["V", "mV", "uV", "µV", "nV"])


@given(VOLTS, VOLTS)
def test_there_and_back(unit: str, wanted: str) -> None:
    there, back = conversion_factor(unit, wanted), conversion_factor(wanted, unit)
    assert there is not None
    assert back is not None
    assert there * back == pytest.approx(1, rel=1e-15)


@pytest.mark.parametrize(
    ("unit", "wanted", "factor"),
    [("V", "mV", 1e3), ("uV", "mV", 1e-3), ("μV", "µV", 1), ("MV", "mV", 1), ("au", "au", 1)],
)
def test_factors(unit: str, wanted: str, factor: float) -> None:
    assert conversion_factor(unit, wanted) == pytest.approx(factor)


@pytest.mark.parametrize(("unit", "wanted"), [("au", "mV"), ("mV", "au"), ("mmHg", "V")])
def test_other_dimensions_have_no_factor(unit: str, wanted: str) -> None:
    assert conversion_factor(unit, wanted) is None
