"""Measures of decoded targets, and the baselines of decoders."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from physiolect.errors import PhysiolectError
from physiolect.evaluation import Bootstrap
from physiolect.evaluation.baselines.decoders import Trials, kalman, last_value, ridge
from physiolect.evaluation.targets import measure_targets, time_blocks

RNG = np.random.default_rng(0)


def test_measures_are_those_of_the_library() -> None:
    truth = RNG.standard_normal((1000, 2)) * [1.0, 50.0] + [3.0, 1e4]
    decoded = truth + RNG.standard_normal((1000, 2)) * [0.5, 10.0]
    draws = Bootstrap(time_blocks([600, 400], 20.0 / 8).tolist(), n_resamples=200)
    found = measure_targets(decoded, truth, draws, ("a", "b"))
    each = r2_score(truth, decoded, multioutput="raw_values")
    for name, value, k in (("a", each[0], 0), ("b", each[1], 1)):
        assert found.per_class[name]["r2"].value == pytest.approx(value)
        assert found.per_class[name]["r"].value == pytest.approx(
            np.corrcoef(truth[:, k], decoded[:, k])[0, 1]
        )
    assert found.overall["r2"].value == pytest.approx(each.mean())
    assert found.overall["r2"].low < each.mean() < found.overall["r2"].high


def test_blocks_of_time() -> None:
    blocks = time_blocks([900, 380, 100], 20.0)
    assert np.bincount(blocks).tolist() == [
        400,
        500,
        380,
        100,
    ]  # what is left at an end joins the block before


def test_shapes_and_numbers_are_checked() -> None:
    draws = Bootstrap([0, 0, 1, 1])
    with pytest.raises(PhysiolectError, match="decoded targets are"):
        measure_targets(np.zeros((4, 1)), np.zeros((4, 2)), draws, ("a", "b"))
    with pytest.raises(PhysiolectError, match="not finite"):
        measure_targets(np.full((4, 1), np.nan), np.zeros((4, 1)), draws, ("a",))


def test_ridge_is_that_of_the_library() -> None:
    x, w = RNG.standard_normal((600, 5)), RNG.standard_normal((5, 2))
    y = np.roll(x, 1, 0) @ w + 0.3 * RNG.standard_normal((600, 2)) + 4.0
    train, test = Trials([x[:400]], [y[:400]]), Trials([x[400:]], [y[400:]])
    found, alpha = ridge(train, test, 2)
    lagged = np.concatenate([np.vstack([np.zeros((1, 5)), x[:400]])[:400], x[:400]], 1)
    fitted = Ridge(alpha=alpha).fit(lagged, y[:400])
    after = np.concatenate([np.vstack([np.zeros((1, 5)), x[400:]])[:200], x[400:]], 1)
    np.testing.assert_allclose(found, fitted.predict(after), atol=1e-8)
    assert r2_score(y[401:], found[1:]) > 0.9
    assert r2_score(y[400:], ridge(train, test, 1)[0]) < 0.1


def test_kalman_follows_a_state_that_it_describes() -> None:
    n, state, states = 1500, np.zeros(2), []
    for _ in range(n):
        state = 0.95 * state + 0.3 * RNG.standard_normal(2)
        states.append(state)
    y = np.array(states)
    z = y @ RNG.standard_normal((2, 12)) + 1.0 * RNG.standard_normal((n, 12))
    found = kalman(Trials([z[:1000]], [y[:1000]]), Trials([z[1000:]], [y[1000:]]))
    alone = np.linalg.lstsq(z[:1000], y[:1000], rcond=None)[0]
    assert r2_score(y[1000:], found) > r2_score(y[1000:], z[1000:] @ alone) + 0.01


def test_the_last_value_is_one_step_late() -> None:
    y = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(last_value(Trials([], [y, y])), [[0, 1], [0, 1], [2, 3]] * 2)
