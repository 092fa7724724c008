"""Published weights and checkpoints that state more than they hold are refused before a model is built."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from physiolect.checkpoint import Checkpoint, load_checkpoint
from physiolect.checkpoint.published import load_published
from physiolect.contract import InputContract
from physiolect.errors import CheckpointError, PhysiolectError
from physiolect.models.gpt import GPT, GPT_PRESETS, GPTConfig
from physiolect.models.published.heartgpt import to_heartgpt
from physiolect.tokenizers import LevelTokenizer

CONFIG = replace(
    GPT_PRESETS["heartgpt-ecg"],
    context_length=20, width=8, n_layers=1, n_heads=2, mlp_width=8, attention_scale=8**-0.5,
)  # fmt: skip
TOKENS, POSITIONS = "token_embedding_table.weight", "position_embedding_table.weight"
UP, MASK, QUERY = "blocks.0.ffwd.net.0.weight", "blocks.0.sa.heads.0.tril", "blocks.0.sa.heads.0.query.weight"


def write_published(path: Path, changed: dict[str, torch.Tensor | None]) -> Path:
    state = {**to_heartgpt(GPT(CONFIG).state_dict(), CONFIG), **changed}
    torch.save({name: value for name, value in state.items() if value is not None}, path)
    return path


def test_the_unchanged_weights_are_read(tmp_path: Path) -> None:
    assert load_published(write_published(tmp_path / "x.pth", {})).contract.max_samples == 20


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({TOKENS: torch.zeros(1, 8).expand(50_000_000, 8)}, "more than the file holds"),
        ({POSITIONS: torch.zeros(1, 1).expand(60_000, 8)}, "more than the file holds"),
        ({TOKENS: torch.zeros(500, 8)}, "500 token ids"),
        ({POSITIONS: torch.zeros(60_000, 8)}, "no causal mask"),
        ({POSITIONS: torch.zeros(60_000, 8), MASK: None, MASK.replace("0.tril", "1.tril"): None}, "60,000 positions"),
        ({UP: torch.zeros(1_000_000, 1)}, "do not fit together"),
        ({QUERY: torch.zeros(4, 8, dtype=torch.complex64)}, "complex"),
        ({QUERY: torch.zeros(4, 8, dtype=torch.int64)}, "int64"),
        ({TOKENS: torch.zeros(101, 0)}, "is empty"),
        ({QUERY: torch.zeros(0, 8)}, "is empty"),
        ({MASK: torch.ones(20, 20)}, "no causal mask"),
        ({MASK: torch.ones(1)}, "no causal mask"),
        ({QUERY: torch.zeros(4, 8).to_sparse()}, "no plain tensor"),
        ({QUERY: torch.zeros(4, 8, device="meta")}, "x.pth"),
        ({QUERY: torch.full((4, 8), torch.nan)}, "no finite numbers"),
    ],
)  # fmt: skip
def test_published_weights_that_lie(
    tmp_path: Path, changed: dict[str, torch.Tensor | None], said: str
) -> None:
    with pytest.raises(CheckpointError, match=said):
        load_published(write_published(tmp_path / "x.pth", changed))


def test_a_pipe_is_no_weights_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="no regular file"):
        load_published(tmp_path / "x.pth")


@pytest.mark.parametrize(
    ("length", "said"), [(60_000, "other sizes"), (10**9, "states 1,000,000,000 positions")]
)
def test_a_context_that_grew_is_refused_before_it_is_run(tmp_path: Path, length: int, said: str) -> None:
    config = GPTConfig(context_length=100, width=16, n_layers=1, n_heads=2, mlp_width=16, positions="rotary")
    contract = InputContract(modality="ecg", fs=100.0, min_samples=50, max_samples=100)
    folder = Checkpoint(GPT(config), LevelTokenizer(), contract).save(tmp_path / "ck")
    assert json.loads((folder / "fingerprint.json").read_text())["positions"] == [0, 50, 99]
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(text.replace("context_length: 100", f"context_length: {length}"))
    with pytest.raises(PhysiolectError, match=said):
        load_checkpoint(folder).verify()


@pytest.mark.parametrize("n_outputs", [1, 10**12])
def test_a_forecast_needs_an_output_for_each_token(tmp_path: Path, n_outputs: int) -> None:
    config = GPTConfig(context_length=100, width=16, n_layers=1, n_heads=2, mlp_width=16, n_outputs=1)
    contract = InputContract(modality="ecg", fs=100.0, min_samples=50, max_samples=100)
    folder = Checkpoint(GPT(config), LevelTokenizer(), contract, "rhythm").save(tmp_path / "ck")  # type: ignore[arg-type]
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(
        text.replace("task: rhythm", "task: forecast").replace("n_outputs: 1", f"n_outputs: {n_outputs}")
    )
    with pytest.raises(PhysiolectError, match="forecast needs one output a token id"):
        load_checkpoint(folder)
