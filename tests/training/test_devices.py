from __future__ import annotations

import pytest
import torch

from physiolect.errors import ConfigError
from physiolect.training import choose_device, choose_precision, fast_products


def test_auto_is_there() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device().type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["gpu", "mps", "xpu:0", "cpu:x", "cpu:", "", "cuda:99"])
def test_what_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        choose_device(name)
    assert caught.value.hint


def test_a_device_without_float64_is_refused_with_the_reason() -> None:
    with pytest.raises(ConfigError, match="the tokenizer needs float64"):
        choose_device("mps")


@pytest.mark.parametrize("able", [False, True])
def test_a_cpu_computes_in_float32_unless_it_is_asked(able: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("physiolect.training.devices._multiplies_bf16", lambda: able)
    assert choose_precision("auto", torch.device("cpu")) == torch.float32
    assert choose_precision("float32", torch.device("cpu")) == torch.float32
    if able:
        assert choose_precision("bf16", torch.device("cpu")) == torch.bfloat16
        return
    with pytest.raises(ConfigError, match="is not made for it"):
        choose_precision("bf16", torch.device("cpu"))


def test_fast_products_of_a_cpu_are_as_exact_and_end() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(200, 300, dtype=torch.float64), torch.randn(300, 100, dtype=torch.float64)
    before = torch.get_float32_matmul_precision()
    with fast_products(torch.device("cpu"), 256):
        assert (a.float() @ b.float() - a @ b).abs().max() < 1e-3
    assert torch.get_float32_matmul_precision() == before


@pytest.mark.parametrize("keeps", [False, True])
def test_a_cpu_that_would_multiply_in_bf16_is_left_alone(
    keeps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("physiolect.training.devices._onednn_keeps_float32", lambda: keeps)
    with fast_products(torch.device("cpu"), 256):
        assert torch.get_float32_matmul_precision() == ("medium" if keeps else "highest")
    with fast_products(torch.device("cpu"), 64):
        assert torch.get_float32_matmul_precision() == "highest"
