"""The network is touched for `owner/name`, and for nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import huggingface_hub
import pytest

from physiolect import Checkpoint, load_checkpoint
from physiolect.checkpoint.hub import FILES
from physiolect.checkpoint.text_side import FILES as TEXT_FILES
from physiolect.contract import CONTRACTS
from physiolect.errors import CheckpointError
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.tokenizers import LevelTokenizer


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in, but for `runs/`, and a network that must not be used."""

    def refuse(*args: object, **_: object) -> NoReturn:
        raise AssertionError(f"the network was asked for {args}")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    "name",
    ["nothing", "runs/x", "./owner/name", "../owner/name", "/owner/name", "a/b/c", "owner/", "/name", "owner/name/",
     "models/ECGPT.zip", "models/ECGPT.PTH", "~/name", "owner/na me", "owner\\name", "https://x.org/y", "owner/..",
     "-x/y", "owner/name\n"],
)  # fmt: skip
def test_anything_else_is_a_path(name: str) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint") as caught:
        load_checkpoint(name)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["owner/name", "Some-Lab/ecg.v2", "a_b/c-3.1"])
def test_a_hub_name_is_fetched_once_without_code_or_pickles(
    here: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = GPT(GPTConfig(context_length=8, width=8, n_layers=1, n_heads=2, mlp_width=8))
    made = Checkpoint(model, LevelTokenizer(), CONTRACTS["heartgpt-ecg"]).save(here / "cache" / "abc123")
    asked = []

    def fetch(repo: str, *, allow_patterns: list[str]) -> str:
        asked.append((repo, allow_patterns))
        return str(made)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert load_checkpoint(name).verify()
    assert asked == [(name, [*FILES, *TEXT_FILES])]
    assert {file.name for file in made.iterdir()} == set(FILES)


def test_a_folder_here_comes_before_the_hub(here: Path) -> None:
    model = GPT(GPTConfig(context_length=8, width=8, n_layers=1, n_heads=2, mlp_width=8))
    Checkpoint(model, LevelTokenizer(), CONTRACTS["heartgpt-ecg"]).save(here / "owner" / "name")
    assert load_checkpoint("owner/name").verify()


def test_offline_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise huggingface_hub.errors.LocalEntryNotFoundError("cannot reach the Hub\nand much more\nto read")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(
        CheckpointError, match="the Hub did not give 'owner/name': cannot reach the Hub"
    ) as caught:
        load_checkpoint("owner/name")
    assert "much more" not in str(caught.value)
    assert "connection" in (caught.value.hint or "")
