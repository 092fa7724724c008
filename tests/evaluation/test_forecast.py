from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from physiolect.errors import PhysiolectError
from physiolect.evaluation import Autoregressive, RepeatLastBeat, Unigram, nll_of_model
from physiolect.evaluation.forecast import DiscreteLaplace

V = 101
BASELINES = [
    pytest.param(lambda: Unigram(V), id="unigram"),
    pytest.param(lambda: RepeatLastBeat(V, fs=20.0), id="repeat"),
    pytest.param(lambda: Autoregressive(V, orders=(2, 5, 16)), id="ar"),
]


def beating(n: int, length: int, *, seed: int = 0, fs: float = 20.0) -> np.ndarray:
    """Windows of peaks about 0.8 s apart, with a little noise."""
    rng = np.random.default_rng(seed)
    phase = (np.arange(length) / (0.8 * fs) + rng.random((n, 1))) % 1
    wave = 80 * np.exp(-0.5 * ((phase - 0.5) / 0.08) ** 2) + 10
    return np.clip(np.round(wave + rng.normal(0, 1.5, wave.shape)), 0, V - 1).astype(int)


class Uniform(torch.nn.Module):
    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return torch.zeros(*ids.shape, V)


class Copy(torch.nn.Module):
    """Sure that the last id comes again; drops what it is told to forget while training."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = torch.nn.Dropout(0.9)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.drop(10.0 * torch.nn.functional.one_hot(ids, V))


def test_a_uniform_model_costs_log_v_at_every_position() -> None:
    scores = nll_of_model(Uniform(), beating(7, 30), batch_size=3)
    assert scores.shape == (7, 29)
    np.testing.assert_allclose(scores, np.log(V), atol=1e-6)


def test_a_model_is_scored_on_what_it_predicts_next() -> None:
    ids = np.array([[1, 1, 2]])
    model = Copy().train()
    surprise = np.log(np.exp(10) + V - 1)
    np.testing.assert_allclose(nll_of_model(model, ids), [[surprise - 10, surprise]], atol=1e-4)
    assert model.training


def test_unigram_on_its_own_data_is_the_entropy() -> None:
    ids = np.random.default_rng(0).binomial(30, 0.3, (400, 501))
    count = np.bincount(ids[:, 1:].ravel(), minlength=V)
    share = count[count > 0] / count.sum()
    entropy = -(share * np.log(share)).sum()
    assert Unigram(V).fit(ids).nll(ids).mean() == pytest.approx(entropy, rel=1e-3)


def test_unigram_leaves_something_for_levels_it_never_saw() -> None:
    unigram = Unigram(4).fit(np.zeros((1, 6), int))
    np.testing.assert_allclose(unigram.nll(np.array([[0, 0, 3]])), [[-np.log(0.7), -np.log(0.1)]])


def ar2(n: int, length: int, seed: int, scale: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = np.zeros((n, length + 100))
    noise = rng.laplace(0, scale, x.shape)
    for t in range(2, x.shape[1]):
        x[:, t] = 1.2 * x[:, t - 1] - 0.5 * x[:, t - 2] + noise[:, t]
    return np.clip(np.round(x[:, 100:] + 50), 0, V - 1).astype(int)


def test_autoregression_recovers_the_cost_of_an_ar2_process() -> None:
    # The scale is wide, so that rounding to levels hides next to nothing of the process.
    train, test = ar2(300, 200, 1, 3.0), ar2(300, 200, 2, 3.0)
    location = 50 + 1.2 * (test[:, 1:-1] - 50.0) - 0.5 * (test[:, :-2] - 50.0)
    best = DiscreteLaplace(V, scale=3.0, uniform=1e-9).nll(test[:, 2:], location).mean()
    found = Autoregressive(V, orders=(2,)).fit(train).nll(test)[:, 1:].mean()
    assert found == pytest.approx(best, rel=0.01)
    chosen = Autoregressive(V, orders=(1, 2, 8)).fit(train)
    assert chosen.order != 1
    assert chosen.nll(test)[:, 1:].mean() == pytest.approx(best, rel=0.01)
    assert chosen.name == f"AR({chosen.order})"


def test_the_order_is_chosen_for_what_the_data_need() -> None:
    ids = beating(60, 120)
    assert Autoregressive(V, orders=(1, 20)).fit(ids).order == 20
    assert Autoregressive(V, orders=(4, 64)).fit(beating(4, 30)).order == 4


def test_steep_beats_do_not_make_autoregression_worse_than_repeating_the_last_level() -> None:
    rng = np.random.default_rng(0)
    walk = 40 + np.cumsum(rng.normal(0, 0.3, (80, 200)), axis=1)
    spikes = 60 * (rng.random(walk.shape) < 0.03) + 30 * (rng.random(walk.shape) < 0.02)
    ids = np.clip(np.round(walk + spikes), 0, V - 1).astype(int)
    last = ids[:, :-1].astype(float)
    repeating = DiscreteLaplace(V).fit(ids[:40, 1:], last[:40]).nll(ids[40:, 1:], last[40:]).mean()
    for order in (1, 4):
        assert Autoregressive(V, orders=(order,)).fit(ids[:40]).nll(ids[40:]).mean() < repeating + 0.005


def test_a_beat_ago_is_found_and_predicts() -> None:
    train, test = beating(60, 120, seed=1), beating(60, 120, seed=2)
    nats = RepeatLastBeat(V, fs=20.0).fit(train).nll(test)
    # Twice the noise of one level at sd 1.5: about 2.4 nats, against 3.4 of the levels alone.
    assert nats[:, 60:].mean() < 2.7
    assert nats[:, 60:].mean() < Unigram(V).fit(train).nll(test)[:, 60:].mean() - 0.3


@pytest.mark.parametrize("lag", [14, 17, 30])
def test_the_period_chosen_is_the_true_one(lag: int) -> None:
    pattern = np.random.default_rng(lag).integers(0, V, (5, lag))
    ids = np.tile(pattern, 8)
    location, known = RepeatLastBeat(V, fs=20.0)._predict(ids)
    assert known[:, 2 * lag :].all()
    np.testing.assert_array_equal(location[:, 3 * lag :], ids[:, 3 * lag + 1 :])


@pytest.mark.parametrize("make", BASELINES)
def test_the_future_changes_nothing_that_came_before(make) -> None:
    ids = beating(6, 90, seed=3)
    baseline = make().fit(beating(50, 90, seed=4))
    before = baseline.nll(ids)
    assert before.shape == (6, 89)
    for cut in (2, 20, 47, 80):
        changed = ids.copy()
        changed[:, cut:] = np.random.default_rng(cut).integers(0, V, changed[:, cut:].shape)
        after = baseline.nll(changed)
        np.testing.assert_allclose(after[:, : cut - 1], before[:, : cut - 1], rtol=1e-12)
        assert not np.allclose(after[:, cut - 1 :], before[:, cut - 1 :])


@pytest.mark.parametrize("make", BASELINES)
def test_baselines_are_distributions(make) -> None:
    """Over all levels of the next position the probabilities sum to one, whatever the past."""
    past = np.repeat(beating(1, 70, seed=5), V, axis=0)
    past[:, -1] = np.arange(V)
    baseline = make().fit(beating(50, 70, seed=6))
    assert np.exp(-baseline.nll(past)[:, -1]).sum() == pytest.approx(1, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.floats(-50, 150), st.floats(0.02, 80), st.floats(1e-6, 0.5), st.integers(2, 128))
def test_discrete_laplace_sums_to_one(location: float, scale: float, uniform: float, n_levels: int) -> None:
    noise = DiscreteLaplace(n_levels, scale=scale, uniform=uniform)
    nats = noise.nll(np.arange(n_levels), np.full(n_levels, location))
    assert np.exp(-nats).sum() == pytest.approx(1, abs=1e-9)
    assert np.isfinite(nats).all()


def test_discrete_laplace_fits_what_was_drawn() -> None:
    rng = np.random.default_rng(0)
    location = rng.uniform(20, 80, 50_000)
    ids = np.clip(np.round(location + rng.laplace(0, 2.5, location.shape)), 0, V - 1).astype(int)
    odd = rng.random(ids.shape) < 0.05
    ids[odd] = rng.integers(0, V, odd.sum())
    noise = DiscreteLaplace(V).fit(ids, location)
    assert noise.scale == pytest.approx(2.5, rel=0.03)
    assert noise.uniform == pytest.approx(0.05, rel=0.1)


@pytest.mark.parametrize("make", BASELINES)
def test_windows_without_change_or_of_two_tokens_are_no_trouble(make) -> None:
    baseline = make().fit(np.full((8, 60), 7))
    assert baseline.nll(np.full((2, 60), 7)).mean() < 0.5
    assert np.isfinite(baseline.nll(np.array([[0, V - 1]]))).all()
    assert np.isfinite(make().fit(np.array([[3, 4]])).nll(beating(2, 60))).all()


@pytest.mark.parametrize("make", BASELINES)
@pytest.mark.parametrize(
    "ids",
    [np.zeros((3,), int), np.zeros((3, 1), int), np.zeros((2, 5)), np.full((2, 5), V), np.full((2, 5), -1)],
)
def test_what_is_no_window_of_ids_is_refused(make, ids: np.ndarray) -> None:
    with pytest.raises(PhysiolectError) as caught:
        make().fit(ids)
    assert caught.value.hint
