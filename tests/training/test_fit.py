from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from physiolect.models.gpt import GPT, GPTConfig
from physiolect.training import (
    RECIPES,
    Callbacks,
    Recipe,
    Schedule,
    Step,
    TrainingError,
    TrainingProgress,
    fit,
    next_token_loss,
)

SMALL = GPTConfig(vocabulary_size=11, context_length=8, width=8, n_layers=2, n_heads=2, mlp_width=16)
DROPOUT = GPTConfig(
    vocabulary_size=11, context_length=8, width=8, n_layers=2, n_heads=2, mlp_width=16,
    attention_dropout=0.2, residual_dropout=0.2,
)  # fmt: skip
LEVEL = Recipe(learning_rate=1e-2, schedule="constant", warmup_steps=0)


@dataclass
class Saved:
    """What a save found."""

    weights: dict[str, Tensor]
    state: dict[str, Tensor]

    @property
    def step(self) -> int:
        return int(self.state["step"])


@dataclass
class Witness:
    """Notes everything that a run does, and stops it after `stop_after` updates."""

    model: nn.Module
    losses: list[float] = field(default_factory=list)
    """Validation losses to answer with, in order."""
    stop_after: int | None = None
    saves: list[tuple[str, Saved]] = field(default_factory=list)
    reports: list[TrainingProgress] = field(default_factory=list)
    asked: int = 0

    def callbacks(self) -> Callbacks:
        return Callbacks(self.save, self.reports.append, self.evaluate if self.losses else None, self.stop)

    def save(self, kind: Literal["last", "best"], state: Callable[[], dict[str, Tensor]]) -> None:
        weights = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.saves.append((kind, Saved(weights, state())))

    def evaluate(self) -> float:
        assert not self.model.training
        return self.losses.pop(0)

    def stop(self) -> bool:
        assert self.model.training
        self.asked += 1
        return self.asked == self.stop_after

    def steps_of(self, kind: str) -> list[int]:
        return [saved.step for each, saved in self.saves if each == kind]


def make(config: GPTConfig = SMALL, seed: int = 0) -> GPT:
    torch.manual_seed(seed)
    return GPT(config)


def ids(step: int, part: int, size: int = 4) -> Tensor:
    rows = [
        torch.randint(0, 11, (9,), generator=torch.Generator().manual_seed(1000 * step + part * size + row))
        for row in range(size)
    ]
    return torch.stack(rows)


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_learns_and_ends_as_told() -> None:
    model = make()
    witness = Witness(model)
    outcome = fit(
        Step(model, next_token_loss, lambda *_: ids(0, 0), LEVEL, 60), Schedule(), witness.callbacks()
    )
    assert (outcome.step, outcome.finished, outcome.best_loss) == (60, True, math.inf)
    assert witness.reports[-1].loss < 0.7 * witness.reports[0].loss
    assert witness.steps_of("last") == [60]
    assert same(witness.saves[-1][1].weights, model.state_dict())
    assert not model.training


def test_two_batches_of_four_are_one_of_eight() -> None:
    whole, parts = make().double(), make().double()
    seen = [], []
    for model, accumulate, size, notes in ((whole, 1, 8, seen[0]), (parts, 2, 4, seen[1])):
        witness = Witness(model, reports=notes)
        step = Step(
            model, next_token_loss, lambda step, part, n=size: ids(step, part, n), RECIPES["modern"], 5,
            accumulate=accumulate,
        )  # fmt: skip
        fit(step, Schedule(log_every=1), witness.callbacks())
    for one, other in zip(*seen, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-6)  # the loss itself is in float32
        assert one.gradient_norm == pytest.approx(other.gradient_norm, rel=1e-5)
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


@pytest.mark.parametrize("recipe", ["modern", "published"])
def test_ten_and_ten_are_twenty_to_the_bit(recipe: str) -> None:
    schedule = Schedule(log_every=1, evaluate_every=7, save_every=9)

    def train(model: GPT, stop_after: int | None, resume: dict[str, Tensor] | None = None) -> Witness:
        witness = Witness(model, [3.0, 2.0, 1.0], stop_after)
        step = Step(model, next_token_loss, ids, RECIPES[recipe], 20, accumulate=2)
        fit(step, schedule, witness.callbacks(), resume=resume)
        return witness

    whole = train(make(DROPOUT), None)
    first = train(make(DROPOUT), stop_after=10)
    saved = first.saves[-1][1]
    assert saved.step == 10
    fresh = make(DROPOUT, seed=77)  # leaves the generator elsewhere, as a new process would
    fresh.load_state_dict(saved.weights)
    second = train(fresh, None, saved.state)

    def losses(witness: Witness) -> list[tuple[int, float, float]]:
        return [(r.step, r.loss, r.gradient_norm) for r in witness.reports if r.validation_loss is None]

    assert losses(first) + losses(second) == losses(whole)
    assert same(second.saves[-1][1].weights, whole.saves[-1][1].weights)
    assert same(
        {name: value for name, value in second.saves[-1][1].state.items() if name != "best"},
        {name: value for name, value in whole.saves[-1][1].state.items() if name != "best"},
    )
    assert any(name.endswith("/exp_avg_sq") for name in saved.state)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_saves_the_last_good_weights(bad: float) -> None:
    def loss_of(model: nn.Module, batch: tuple[int, Tensor]) -> Tensor:
        step, tokens = batch
        return next_token_loss(model, tokens) * (bad if step == 5 else 1.0)

    good = make()
    fit(Step(good, next_token_loss, ids, LEVEL, 5), Schedule(), Witness(good).callbacks())
    model = make()
    witness = Witness(model)
    step = Step(model, loss_of, lambda step, part: (step, ids(step, part)), LEVEL, 20)
    with pytest.raises(TrainingError, match=r"update 6 has a loss of (nan|inf)") as raised:
        fit(step, Schedule(), witness.callbacks())
    assert raised.value.hint is not None
    assert "update 5" in raised.value.hint
    kind, saved = witness.saves[-1]
    assert (kind, saved.step, len(witness.saves)) == ("last", 5, 1)
    assert same(saved.weights, good.state_dict())


def test_a_gradient_that_is_no_number_stops_too() -> None:
    class Cliff(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.x = nn.Parameter(torch.zeros(3))

    model = Cliff()
    witness = Witness(model)
    step = Step(model, lambda m, _: m.x.sqrt().sum(), lambda *_: None, LEVEL, 3)
    with pytest.raises(TrainingError, match=r"gradient of norm (nan|inf)"):
        fit(step, Schedule(), witness.callbacks())  # sqrt is 0 at 0, and infinitely steep
    assert torch.equal(witness.saves[-1][1].weights["x"], torch.zeros(3))


def test_a_stop_saves_and_says_so() -> None:
    model = make()
    witness = Witness(model, [1.0], stop_after=3)
    outcome = fit(Step(model, next_token_loss, ids, LEVEL, 20), Schedule(), witness.callbacks())
    assert (outcome.step, outcome.finished) == (3, False)
    assert witness.steps_of("last") == [3]
    assert [report.step for report in witness.reports] == [3]
    assert witness.losses == [1.0]  # who wants to stop does not wait for an evaluation


def test_a_stop_after_the_last_update_has_finished() -> None:
    model = make()
    step = Step(model, next_token_loss, ids, LEVEL, 3)
    assert fit(step, Schedule(), Witness(model, stop_after=3).callbacks()).finished


def test_the_best_is_saved_on_improvement_only() -> None:
    model = make()
    witness = Witness(model, [3.0, 2.0, 2.0, math.nan, 2.5, 1.0])
    schedule = Schedule(evaluate_every=2, save_every=5)
    outcome = fit(Step(model, next_token_loss, ids, LEVEL, 12), schedule, witness.callbacks())
    assert outcome.best_loss == 1.0
    assert witness.steps_of("best") == [2, 4, 12]
    assert witness.steps_of("last") == [5, 10, 12]
    evaluations = [r for r in witness.reports if r.validation_loss is not None]
    assert [r.step for r in evaluations] == [2, 4, 6, 8, 10, 12]


@pytest.mark.parametrize("at", ["a save", "a stop"])
def test_the_first_loss_of_a_resumed_run_is_of_as_many_updates(at: str) -> None:
    schedule = Schedule(log_every=4, save_every=3)

    def train(model: GPT, stop_after: int | None, resume: dict[str, Tensor] | None = None) -> Witness:
        witness = Witness(model, stop_after=stop_after)
        fit(Step(model, next_token_loss, ids, LEVEL, 12), schedule, witness.callbacks(), resume=resume)
        return witness

    whole = train(make(), None)
    first = train(make(), stop_after=7)
    saved = first.saves[1 if at == "a save" else -1][1]
    assert saved.step == (6 if at == "a save" else 7)
    fresh = make(seed=77)
    fresh.load_state_dict(saved.weights)
    second = train(fresh, None, saved.state)
    assert [report.step for report in second.reports] == [8, 12]
    for one, other in zip(second.reports, whole.reports[1:], strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-12)
    older = {name: value for name, value in saved.state.items() if not name.startswith("loss_")}
    fresh.load_state_dict(saved.weights)
    assert train(fresh, None, older).reports[-1].loss == pytest.approx(whole.reports[-1].loss, rel=1e-12)


def test_a_resumed_run_remembers_its_best() -> None:
    model = make()
    first = Witness(model, [1.0], stop_after=3)
    fit(Step(model, next_token_loss, ids, LEVEL, 6), Schedule(evaluate_every=2), first.callbacks())
    second = Witness(model, [1.5, 0.5])
    step = Step(model, next_token_loss, ids, LEVEL, 6)
    outcome = fit(step, Schedule(evaluate_every=2), second.callbacks(), resume=first.saves[-1][1].state)
    assert first.steps_of("best") == [2]
    assert second.steps_of("best") == [6]
    assert outcome.best_loss == 0.5


def test_patience_ends_a_run_and_is_remembered() -> None:
    model = make()
    schedule = Schedule(evaluate_every=2, patience=2)
    witness = Witness(model, [3.0, 2.0, 2.5, 2.0, 1.0])
    outcome = fit(Step(model, next_token_loss, ids, LEVEL, 20), schedule, witness.callbacks())
    assert (outcome.step, outcome.finished, outcome.best_loss) == (8, True, 2.0)
    assert witness.steps_of("last") == [8]
    done = Step(model, next_token_loss, ids, LEVEL, 20)
    again = fit(done, schedule, Witness(model).callbacks(), resume=witness.saves[-1][1].state)
    assert (again.step, again.finished) == (8, True)
    first = Witness(model, [1.0, 2.0], stop_after=5)
    fit(Step(model, next_token_loss, ids, LEVEL, 20), schedule, first.callbacks())
    second = Witness(model, [3.0])
    step = Step(model, next_token_loss, ids, LEVEL, 20)
    assert fit(step, schedule, second.callbacks(), resume=first.saves[-1][1].state).step == 6


def test_reports_carry_the_mean_loss_since_the_last() -> None:
    model = nn.Linear(1, 1)
    witness = Witness(model)

    def loss_of(model: nn.Module, value: float) -> Tensor:
        return 0 * sum(p.sum() for p in model.parameters()) + value

    step = Step(model, loss_of, lambda step, part: float(step + 10 * part), LEVEL, 10, accumulate=2)
    fit(step, Schedule(log_every=4), witness.callbacks())
    # an update's loss is its number from 0, and 5 for the mean of its parts' 0 and 10
    assert [(report.step, report.loss) for report in witness.reports] == [(4, 6.5), (8, 10.5), (10, 13.5)]
    assert all(report.learning_rate == 1e-2 and report.gradient_norm == 0 for report in witness.reports)


def test_a_report_leaves_out_the_time_of_evaluations(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def spend(seconds: float) -> None:
        nonlocal now
        now += seconds

    def loss_of(model: nn.Module, _: object) -> Tensor:
        spend(1)
        return model(torch.ones(1)).square().sum()

    model = nn.Linear(1, 1)
    witness = Witness(model)
    callbacks = witness.callbacks()
    callbacks.evaluate = lambda: spend(100) or 1.0  # type: ignore[func-returns-value]
    monkeypatch.setattr("time.perf_counter", lambda: now)
    fit(Step(model, loss_of, lambda *_: None, LEVEL, 8), Schedule(log_every=4, evaluate_every=3), callbacks)
    assert [r.seconds for r in witness.reports if r.validation_loss is None] == [4, 4]


def test_a_state_of_another_run_is_refused() -> None:
    model = make()
    witness = Witness(model)
    fit(Step(model, next_token_loss, ids, LEVEL, 2), Schedule(), witness.callbacks())
    state = witness.saves[-1][1].state
    for broken in (
        {name: value for name, value in state.items() if name != "random"},
        {name.replace("tokens", "elsewhere"): value for name, value in state.items()},
    ):
        with pytest.raises(TrainingError, match="does not fit") as raised:
            fit(
                Step(model, next_token_loss, ids, LEVEL, 4),
                Schedule(),
                Witness(model).callbacks(),
                resume=broken,
            )
        assert raised.value.hint
