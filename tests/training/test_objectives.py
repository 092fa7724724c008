from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from physiolect.tasks import Kind
from physiolect.training import Labelled, balanced_weights, next_token_loss


def test_the_loss_is_that_of_the_next_id() -> None:
    torch.manual_seed(0)
    model = nn.Embedding(5, 5)  # the logits of the next id depend on this one alone
    ids = torch.tensor([[0, 3, 1], [4, 4, 2]])
    table = model.weight.detach().log_softmax(-1)
    pairs = [(0, 3), (3, 1), (4, 4), (4, 2)]
    expected = -sum(table[now, after].item() for now, after in pairs) / 4
    assert next_token_loss(model, ids).item() == pytest.approx(expected, rel=1e-6)


def test_knowing_nothing_costs_the_logarithm_of_the_vocabulary() -> None:
    model = nn.Embedding(101, 101)
    nn.init.zeros_(model.weight)
    assert next_token_loss(model, torch.arange(50).reshape(2, 25)).item() == pytest.approx(math.log(101))


class Predictions(nn.Module):
    """A model that says what its ids (B, T) are, times (K,), at every position or at the last."""

    def __init__(self, *factors: float) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.tensor(factors))

    def forward(self, ids: Tensor, last_only: bool = False) -> Tensor:
        outputs = ids[..., None] * self.factors
        return outputs[:, -1:] if last_only else outputs


IDS = torch.tensor([[5, 1], [5, -2], [5, 3], [5, 0]])


def test_a_window_is_judged_by_its_last_position_and_a_sample_by_its_own() -> None:
    target = torch.tensor([1.0, 0.0, 0.0, 1.0])
    loss = Labelled("binary")(Predictions(2.0), (IDS, target))
    expected = [math.log1p(math.exp(-2)), math.log1p(math.exp(-4)), math.log1p(math.exp(6)), math.log(2)]
    assert loss.item() == pytest.approx(sum(expected) / 4, rel=1e-6)
    beats = torch.tensor([[1, 1], [1, 0], [1, 0], [1, 1]], dtype=torch.uint8)
    every = Labelled("binary", scope="position")(Predictions(2.0), (IDS, beats))
    assert every.item() == pytest.approx((sum(expected) + 4 * math.log1p(math.exp(-10))) / 8, rel=1e-6)


def test_one_of_several_several_and_a_number() -> None:
    target = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    x = IDS[:, -1].double()
    outputs = torch.stack((x, -x), 1)
    one = Labelled("one-of", weights=[1.0, 3.0])(Predictions(1.0, -1.0), (IDS, target)).item()
    picked = -(outputs.log_softmax(1) * target).sum(1)
    weight = torch.tensor([1.0, 3.0, 1.0, 3.0])
    assert one == pytest.approx(((picked * weight).sum() / weight.sum()).item(), rel=1e-6)
    several = Labelled("several", weights=[2.0, 1.0])(Predictions(1.0, -1.0), (IDS, target)).item()
    each = -(
        target * torch.tensor([2.0, 1.0]) * outputs.sigmoid().log()
        + (1 - target) * (-outputs).sigmoid().log()
    )
    assert several == pytest.approx(each.mean().item(), rel=1e-6)
    number = Labelled("number")(Predictions(2.0), (IDS, torch.tensor([1.0, 0.0, 6.0, 1.0]))).item()
    assert number == pytest.approx((1 + 16 + 0 + 1) / 4)


@pytest.mark.parametrize("kind", ["binary", "several", "one-of"])
def test_balanced_classes_count_alike(kind: Kind) -> None:
    target = torch.tensor([0.0] * 9 + [1.0])
    if kind != "binary":
        target = torch.stack((target, 1 - target), 1)
    weights = balanced_weights(kind, target)
    if kind == "binary":
        assert weights == pytest.approx([10 / 18, 5])
    elif kind == "one-of":
        assert weights == pytest.approx([5, 10 / 18])
    else:
        assert weights == pytest.approx([9, 1 / 9])
    assert balanced_weights("several", torch.ones(4, 1)) == [0.25]  # what is always there still teaches
    assert balanced_weights(kind, torch.zeros_like(target))[-1] == 0


def test_the_loss_of_all_is_that_of_one_batch() -> None:
    target = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    objective = Labelled("one-of", weights=[1.0, 3.0])
    whole = objective(Predictions(1.0, -1.0), (IDS, target)).item()
    assert objective.of_all(Predictions(1.0, -1.0), IDS.split(3), target) == pytest.approx(whole, rel=1e-6)


def test_positions_without_a_class_do_not_count() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(3, 5, 4), torch.zeros(3, 5, 4)
    number = torch.tensor([0, 3, 1])
    target[torch.arange(3), 2, number] = 1
    alone = torch.nn.functional.cross_entropy(logits[:, 2], number)
    assert torch.isclose(Labelled("one-of", scope="position").score(logits, target), alone)
    weights = [1.0, 2.0, 1.0, 5.0]
    weighed = torch.nn.functional.cross_entropy(logits[:, 2], number, torch.tensor(weights))
    assert torch.isclose(Labelled("one-of", scope="position", weights=weights).score(logits, target), weighed)
    assert torch.isfinite(Labelled("one-of", scope="position").score(logits, torch.zeros(3, 5, 4)))


def test_labels_are_smoothed() -> None:
    torch.manual_seed(0)
    logits, number = torch.randn(6, 1, 4), torch.arange(6) % 4
    target = torch.nn.functional.one_hot(number, 4).float()
    smooth = torch.nn.functional.cross_entropy(logits[:, 0], number, label_smoothing=0.1)
    assert torch.isclose(Labelled("one-of", smoothing=0.1).score(logits, target), smooth)
    binary, yes = torch.randn(6, 1, 1), torch.tensor([0.0, 1, 0, 1, 1, 0])
    expected = torch.nn.functional.binary_cross_entropy_with_logits(binary[:, 0, 0], yes * 0.9 + 0.05)
    assert torch.isclose(Labelled("binary", smoothing=0.1).score(binary, yes), expected)
