"""A map that names what counts scores high, one that names the opposite low, and chance nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from physiolect import Checkpoint, Recording
from physiolect.errors import ConfigError
from physiolect.explanation import (
    METHODS,
    Window,
    cascade,
    choose_target,
    cut_window,
    measure_faithfulness,
    stage_names,
)
from physiolect.explanation.faithfulness import SHARES
from physiolect.explanation.window import Replacement
from physiolect.models.gpt import GPT

Make = Callable[..., Checkpoint]

TELLING = slice(100, 130)


class Counts(GPT):
    """Says how high the samples of one stretch are, and nothing else counts."""

    def forward(self, ids: Tensor, **_: object) -> Tensor:
        return ids[:, TELLING].float().mean(1).view(-1, 1, 1) / 10


@pytest.fixture
def judged(make: Make, heart: Recording) -> tuple[Checkpoint, Window]:
    checkpoint = make("rhythm")
    window = cut_window(checkpoint, heart)
    ids = window.ids.copy()
    ids[:] = 5
    ids[TELLING] = 80
    return replace(checkpoint, model=Counts(checkpoint.model.config)), replace(window, inputs=ids)


@pytest.mark.parametrize("replacement", ["interpolation", "median"])
def test_the_true_map_beats_every_random_order_and_its_opposite_loses(
    judged: tuple[Checkpoint, Window], replacement: Replacement
) -> None:
    checkpoint, window = judged
    target = choose_target(checkpoint, window)
    truth = np.zeros(300)
    truth[TELLING] = 1
    rng = np.random.default_rng(1)
    maps = {"truth": truth, "opposite": -truth, "noise": rng.random(300)}
    found = measure_faithfulness(checkpoint, window, target, maps, replacement=replacement)
    assert found["truth"].gap > found["truth"].random_gaps.max()
    assert found["opposite"].gap < found["truth"].random_gaps.min()
    low, high = found["noise"].interval
    assert 2 * low < found["noise"].score < 2 * high
    whole, empty = 8.0, 0.5  # 80 / 10, and the median level of 5
    for each in found.values():
        assert (each.deletion[0], each.deletion[-1]) == pytest.approx((whole, empty))
        assert (each.insertion[0], each.insertion[-1]) == pytest.approx((empty, whole))
    at_10_percent = found["truth"].deletion[2]  # exactly the telling samples are gone
    assert at_10_percent == pytest.approx(empty)
    assert found["truth"].insertion[2] == pytest.approx(whole)
    assert str(found["truth"]).startswith(
        f"faithfulness {found['truth'].score:+.2f} nats (95 % of random orders "
    )


def test_areas_are_the_mean_heights_of_curves(judged: tuple[Checkpoint, Window]) -> None:
    checkpoint, window = judged
    found = measure_faithfulness(
        checkpoint, window, choose_target(checkpoint, window), {"a": np.arange(300.0)}
    )["a"]
    assert found.deletion_area == pytest.approx(np.trapezoid(found.deletion, SHARES))
    assert found.score == pytest.approx(found.gap - found.random_gaps.mean())


def test_a_lone_sample_is_drawn_over_by_its_neighbours(judged: tuple[Checkpoint, Window]) -> None:
    """Interpolation at work: deleting every other sample of a straight line changes nothing."""
    checkpoint, window = judged
    ids = np.arange(300) // 3
    window = replace(window, inputs=ids)
    target = choose_target(checkpoint, window)
    every_other = (np.arange(300) % 2).astype(float)
    line = measure_faithfulness(checkpoint, window, target, {"a": every_other})["a"]
    level = measure_faithfulness(checkpoint, window, target, {"a": every_other}, replacement="median")["a"]
    half = int(np.flatnonzero(SHARES == 0.5)[0])
    assert line.deletion[half] == pytest.approx(line.deletion[0], abs=0.05)
    assert abs(level.deletion[half] - level.deletion[0]) > 0.2


def test_forecasts_delete_nothing_of_what_is_foretold(make: Make, heart: Recording) -> None:
    checkpoint = make()
    window = cut_window(checkpoint, heart)
    target = choose_target(checkpoint, window, span=0.5)
    seen: list[Tensor] = []
    checkpoint.model.tokens.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    measure_faithfulness(checkpoint, window, target, {"a": np.arange(300.0)}, n_orders=2)
    shown = torch.cat(seen)
    assert (shown[:, 250:] == torch.from_numpy(window.ids[250:299])).all()
    assert (shown[:, :250] != torch.from_numpy(window.ids[:250])).any()
    checkpoint.model.tokens._forward_hooks.clear()


@pytest.mark.parametrize("method", METHODS)
def test_a_cascade_draws_weights_from_the_head_back_and_leaves_the_model_alone(
    make: Make, heart: Recording, method: str
) -> None:
    checkpoint = make("rhythm", pooling="last" if method == "attention" else "attention")
    window = cut_window(checkpoint, heart)
    target = choose_target(checkpoint, window)
    before = {name: each.clone() for name, each in checkpoint.model.state_dict().items()}
    found = cascade(checkpoint, window, target, method)
    assert tuple(found) == stage_names(checkpoint) == ("head", "layer 3", "layer 2", "layer 1", "embeddings")
    assert all(-1 <= each <= 1 for each in found.values())
    assert all(torch.equal(each, before[name]) for name, each in checkpoint.model.state_dict().items())
    assert found == cascade(checkpoint, window, target, method)
    assert cascade(checkpoint, window, target, method, stages=["layer 2"]) == {"layer 2": found["layer 2"]}
    if method == "attention":
        assert found["head"] == pytest.approx(1)  # attention knows nothing of the head
        assert found["layer 3"] < 0.9


def test_what_cannot_be_measured_is_refused(judged: tuple[Checkpoint, Window]) -> None:
    checkpoint, window = judged
    target = choose_target(checkpoint, window)
    with pytest.raises(ConfigError, match="the map a has 20 finite numbers, but 300 are needed"):
        measure_faithfulness(checkpoint, window, target, {"a": np.ones(20)})
    with pytest.raises(ConfigError, match="n_orders is 1, but must be at least 2"):
        measure_faithfulness(checkpoint, window, target, {"a": np.ones(300)}, n_orders=1)
    with pytest.raises(ConfigError, match="replacement is 'zero'"):
        measure_faithfulness(checkpoint, window, target, {"a": np.ones(300)}, replacement="zero")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="method is 'magic'"):
        cascade(checkpoint, window, target, "magic")
    with pytest.raises(ConfigError, match="stage is 'layer 9'"):
        cascade(checkpoint, window, target, "attention", stages=["layer 9"])
