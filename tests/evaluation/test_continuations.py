from __future__ import annotations

import numpy as np
import pytest

from physiolect.errors import PhysiolectError
from physiolect.evaluation.continuations import (
    coverage_of_samples,
    crps_of_levels,
    crps_of_samples,
    expected_coverage,
)

RNG = np.random.default_rng(0)


def test_crps_of_a_normal_distribution_is_the_closed_form() -> None:
    from scipy.stats import norm

    y = np.array([[-1.0, 0.0, 2.0]])
    found = crps_of_samples(RNG.normal(0, 1, (4000, 8, 3)), np.repeat(y, 4000, 0)).mean(0)
    expected = y * (2 * norm.cdf(y) - 1) + 2 * norm.pdf(y) - 1 / np.sqrt(np.pi)
    np.testing.assert_allclose(found, expected[0], atol=0.02)


def test_fair_crps_does_not_depend_on_the_number_of_samples() -> None:
    y = RNG.normal(0, 1, (20000, 1))
    few, many = (crps_of_samples(RNG.normal(0, 1, (20000, m, 1)), y).mean() for m in (2, 16))
    assert few == pytest.approx(many, abs=0.02)
    assert many == pytest.approx(1 / np.sqrt(np.pi), abs=0.01)


def test_crps_of_pairs_is_what_its_definition_says() -> None:
    x, y = RNG.normal(0, 1, (3, 5, 4)), RNG.normal(0, 1, (3, 4))
    apart = np.abs(x[:, :, None] - x[:, None]).sum((1, 2)) / (5 * 4)
    np.testing.assert_allclose(crps_of_samples(x, y), np.abs(x - y[:, None]).mean(1) - apart / 2)


def test_crps_of_levels() -> None:
    assert crps_of_levels([[0, 1, 0, 0]], [3])[0] == pytest.approx(2)  # a certain forecast: the distance
    p = RNG.dirichlet(np.ones(6), 1)
    level = np.arange(6)
    expected = (p[0] * np.abs(level - 2)).sum() - 0.5 * (
        p[0][:, None] * p[0] * abs(level[:, None] - level)
    ).sum()
    assert crps_of_levels(p, [2])[0] == pytest.approx(expected)


def test_bands_cover_as_often_as_samples_of_their_number_can() -> None:
    y = RNG.uniform(0, 1, (20000, 1))
    for m in (8, 32):
        inside, width = coverage_of_samples(RNG.uniform(0, 1, (20000, m, 1)), y, share=0.8)
        assert inside.mean() == pytest.approx(expected_coverage(m, 0.8), abs=0.01)
        assert width.mean() == pytest.approx(expected_coverage(m, 0.8), abs=0.01)


def test_what_does_not_fit_is_refused() -> None:
    for samples, truth in ((np.ones((1, 1, 3)), np.ones((1, 3))), (np.ones((1, 4, 3)), np.ones((1, 2)))):
        with pytest.raises(PhysiolectError, match="do not fit"):
            crps_of_samples(samples, truth)
    with pytest.raises(PhysiolectError, match="do not fit levels"):
        crps_of_levels(np.ones((2, 3)), [1])
    with pytest.raises(PhysiolectError, match="between 0 and 1"):
        coverage_of_samples(np.ones((1, 4, 3)), np.ones((1, 3)), share=1.0)
