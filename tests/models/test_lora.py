"""Low-rank additions: nothing at first, the same when added up, and alone in training."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from physiolect.errors import ConfigError
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.models.heads import choose_trained
from physiolect.models.lora import merged

CONFIG = GPTConfig(
    vocabulary_size=11, context_length=12, width=16, n_layers=2, n_heads=2, mlp_width=32, n_outputs=1
)
IDS = torch.randint(0, 11, (3, 12), generator=torch.Generator().manual_seed(1))


def made() -> GPT:
    torch.manual_seed(0)
    model = GPT(CONFIG).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


def test_fresh_additions_change_nothing_and_train_alone() -> None:
    model = made()
    before = model(IDS)
    names = choose_trained(model, "lora", rank=2)
    torch.testing.assert_close(model(IDS), before, rtol=0, atol=0)
    assert {name for name in names if "parametrizations" not in name} == {"head.weight", "head.bias"}
    assert len(names) == 2 + 2 * 4 * 2  # of two blocks, four layers each
    model(IDS).sum().backward()
    assert {name for name, p in model.named_parameters() if p.grad is not None} == set(names)


@pytest.mark.parametrize("last_only", [False, True])
def test_added_up_is_the_same_in_a_plain_model(last_only: bool) -> None:
    model = made()
    for name in choose_trained(model, "lora", rank=2):
        nn.init.normal_(model.get_parameter(name), std=0.3)
    plain = merged(model)
    assert list(plain.state_dict()) == list(made().state_dict())
    assert not torch.allclose(plain(IDS), made()(IDS), atol=0.1)
    torch.testing.assert_close(plain(IDS, last_only=last_only), model(IDS, last_only=last_only))
    assert any("parametrizations" in name for name in model.state_dict())  # the model itself goes on training


def test_a_plain_model_is_given_back_itself() -> None:
    model = made()
    assert merged(model) is model


@pytest.mark.parametrize(("rank", "alpha"), [(0, 1.0), (17, 1.0), (2, 0.0), (2, float("nan"))])
def test_a_rank_or_alpha_out_of_range_is_refused(rank: int, alpha: float) -> None:
    with pytest.raises(ConfigError, match=r"rank|alpha") as caught:
        choose_trained(made(), "lora", rank=rank, alpha=alpha)
    assert caught.value.hint
