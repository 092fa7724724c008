"""Percentiles: exact for few samples, within a stated bound for many, whatever the distribution or the division."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from physiolect.errors import ContractError
from physiolect.signals.percentiles import RELATIVE_ERROR, Percentiles

PERCENTS = (0, 0.01, 1, 25, 50, 99, 99.9, 100)


def gathered(samples: NDArray[np.float64], exact_below: int = 100) -> Percentiles:
    sketch = Percentiles(exact_below)
    sketch.add(samples)
    return sketch


def bound(samples: NDArray[np.float64], percents: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the promise: the relative error of the larger of the two samples on either side."""
    sides = [np.percentile(samples, percents, method=side) for side in ("lower", "higher")]
    return RELATIVE_ERROR * np.abs(sides).max(axis=0) + 1e-37


DISTRIBUTIONS = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "ties": lambda rng, n: rng.integers(-3, 4, n) * 0.005,
    "one value": lambda rng, n: np.full(n, -0.45),
    "zeros and a few": lambda rng, n: np.where(rng.random(n) < 0.015, 5.0, -0.0),
    "two far apart": lambda rng, n: np.where(rng.random(n) < 0.5, -1e4, 1e-6),
    "heavy tails": lambda rng, n: rng.standard_cauchy(n),
    "forty decades": lambda rng, n: np.sign(rng.random(n) - 0.5) * 10 ** rng.uniform(-20, 20, n),
    "all in one bin": lambda rng, n: 1 + rng.random(n) * 4e-4,
    "a great offset": lambda rng, n: 1e6 + rng.standard_normal(n),
    "ascending": lambda rng, n: np.linspace(-3, 3, n),
    "ends": lambda rng, n: np.r_[-3e38, np.zeros(n - 2), 3e38],
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("n", [101, 50_000])
def test_the_bound_holds_whatever_the_distribution(name: str, n: int) -> None:
    samples = DISTRIBUTIONS[name](np.random.default_rng(0), n)
    sketch = gathered(samples)
    assert not sketch.exact
    error = np.abs(np.array(sketch.at(PERCENTS)) - np.percentile(samples, PERCENTS))
    assert (error <= bound(samples, PERCENTS)).all()


@settings(max_examples=100, deadline=None)
@given(arrays(np.float64, st.integers(11, 60), elements=st.floats(-1e30, 1e30)), st.floats(0, 100))
def test_the_bound_holds_for_what_nobody_thought_of(samples: NDArray[np.float64], percent: float) -> None:
    told = gathered(samples, exact_below=10).at([percent])
    assert abs(told[0] - np.percentile(samples, percent)) <= bound(samples, (percent,))[0] * (1 + 1e-9)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 2000), max_size=6), st.integers(0, 3000), st.randoms())
def test_division_and_order_make_no_difference(cuts: list[int], exact_below: int, random: object) -> None:
    samples = np.random.default_rng(0).standard_normal(2000)
    parts = [gathered(part, exact_below) for part in np.split(samples, sorted(cuts))]
    random.shuffle(parts)  # type: ignore[attr-defined]
    middle = len(parts) // 2
    left, right = Percentiles(exact_below), Percentiles(exact_below)
    for half, members in ((left, parts[:middle]), (right, parts[middle:])):
        for part in members:
            half.merge(part)
    left.merge(right)
    once = gathered(samples, exact_below)
    assert (left.n, left.exact) == (once.n, once.exact) == (2000, exact_below >= 2000)
    assert left.at(PERCENTS) == once.at(PERCENTS)


def test_few_samples_are_exact() -> None:
    samples = np.random.default_rng(0).standard_normal((4, 25))
    sketch = gathered(samples)
    assert sketch.exact
    assert sketch.at(PERCENTS) == tuple(np.percentile(samples, PERCENTS))
    sketch.add([0.0])
    assert not sketch.exact


def test_merging_leaves_the_other_alone_and_the_callers_array_too() -> None:
    samples = np.arange(50.0)
    one, two = gathered(samples), gathered(samples)
    samples[:] = 99
    before = two.at(PERCENTS)
    for _ in range(3):
        one.merge(two)
    one.add(np.full(1000, 7.0))
    assert two.at(PERCENTS) == before == tuple(np.percentile(np.arange(50.0), PERCENTS))
    assert two.n == 50


def test_what_has_no_percentiles_is_refused() -> None:
    for bad in ([np.nan], [1.0, np.inf], [1e300]):
        with pytest.raises(ContractError, match="missing or infinite"):
            gathered(np.array(bad))
    with pytest.raises(ContractError, match="no samples") as caught:
        gathered(np.empty(0)).at((1, 99))
    assert caught.value.hint
    with pytest.raises(ValueError, match="same exact_below"):
        Percentiles(10).merge(Percentiles(11))
