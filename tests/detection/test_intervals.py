from __future__ import annotations

import math

import numpy as np
import pytest

from physiolect.detection import summarise_intervals


def test_rate_and_variability_by_their_definitions() -> None:
    found = summarise_intervals([0.0, 0.8, 1.8, 2.7])
    assert found.count == 3
    assert found.mean == pytest.approx(0.9)
    assert found.rate == pytest.approx(60 / 0.9)
    assert found.sd == pytest.approx(0.1)
    assert found.rmssd == pytest.approx(math.sqrt((0.2**2 + 0.1**2) / 2))


def test_no_interval_counts_across_a_break() -> None:
    beats = np.array([0.0, 1.0, 2.0, 9.0, 10.0, 11.2])
    found = summarise_intervals(beats, breaks=[2.5])
    assert found.count == 4
    assert found.mean == pytest.approx(1.05)
    assert found.rmssd == pytest.approx(math.sqrt((0 + 0.2**2) / 2))


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_beats_are_no_number(n: int) -> None:
    found = summarise_intervals(np.arange(n, dtype=float))
    assert found.count == max(0, n - 1)
    assert math.isnan(found.rmssd)
    assert math.isnan(found.rate) == (n < 2)
    assert found.to_dict()["rmssd_s"] is None
