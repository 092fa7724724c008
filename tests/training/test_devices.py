from __future__ import annotations

import pytest
import torch

from physiolect.errors import ConfigError
from physiolect.training import choose_device, choose_precision


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
