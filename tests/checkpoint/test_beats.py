"""A checkpoint whose model reads heartbeats."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from physiolect import Checkpoint, load_checkpoint
from physiolect.checkpoint import Outputs
from physiolect.contract import CONTRACTS
from physiolect.errors import CheckpointError, ConfigError
from physiolect.models.encoder import Encoder, EncoderConfig
from physiolect.tokenizers import FILE_NAME, BeatTokenizer, LevelTokenizer, save_tokenizer

CONTRACT = replace(CONTRACTS["heartgpt-ecg"], normalisation="none")
SIGNAL = np.random.default_rng(0).standard_normal((2, 900)).astype(np.float32)
BEATS = np.arange(60, 860, 80)


def make_checkpoint(tokenizer: BeatTokenizer | None = None) -> Checkpoint:
    torch.manual_seed(0)
    tokenizer = tokenizer or BeatTokenizer()
    tokenizer = tokenizer.fitted(tokenizer.encode(SIGNAL[: tokenizer.n_leads], BEATS))
    config = EncoderConfig(
        n_channels=tokenizer.n_features + 1, context_length=16, n_outputs=3, width=16, n_layers=1, n_heads=2,
        mlp_width=32, padding_channel=True, class_token=False,
    )  # fmt: skip
    return Checkpoint(
        Encoder(config).eval(), tokenizer, CONTRACT, Outputs("heartbeats", classes=("N", "S", "V"))
    )


def raw_windows(checkpoint: Checkpoint, n: int) -> np.ndarray:
    """The first n beats, in a window of 12."""
    found = np.full((1, checkpoint.beats.n_features, 12), np.nan, np.float32)
    found[0, :, :n] = replace(checkpoint.beats, mean=(), sd=()).encode(SIGNAL, BEATS)[:n].T
    return found


def test_its_folder_holds_all_of_it(tmp_path: Path) -> None:
    checkpoint = make_checkpoint()
    checkpoint.save(tmp_path / "held")
    loaded = load_checkpoint(tmp_path / "held")
    assert loaded.reads_beats
    assert loaded.tokenizer == checkpoint.tokenizer
    loaded.verify()
    inputs, flat = loaded.encode(raw_windows(loaded, 10))
    assert inputs.shape == (1, loaded.beats.n_features + 1, 12)
    assert not flat.any()
    likely = loaded.predict(inputs)
    assert likely.shape == (1, 12, 3)
    assert np.allclose(likely.sum(-1), 1, atol=1e-5)
    assert np.array_equal(likely, checkpoint.predict(inputs))
    assert np.allclose(loaded.encode_beats(SIGNAL, BEATS).T, inputs[0, :-1, :10], atol=1e-6)


def test_padding_changes_nothing() -> None:
    checkpoint = make_checkpoint()
    windows = raw_windows(checkpoint, 7)
    padded, _ = checkpoint.encode(windows)
    alone, _ = checkpoint.encode(windows[..., :7])
    assert padded[0, -1].tolist() == [1.0] * 7 + [0.0] * 5
    assert np.allclose(checkpoint.predict(padded)[:, :7], checkpoint.predict(alone), atol=1e-5)


def test_other_inputs_and_models_are_refused_in_one_sentence(tmp_path: Path) -> None:
    checkpoint = make_checkpoint()
    with pytest.raises(ConfigError, match="reads heartbeats, of 320 numbers each, but the windows have 2"):
        checkpoint.encode(SIGNAL[None])
    with pytest.raises(CheckpointError, match="one that reads levels is needed"):
        _ = checkpoint.levels
    signal_model = Checkpoint(checkpoint.model, None, CONTRACT, checkpoint.outputs)
    with pytest.raises(CheckpointError, match="one that reads heartbeats is needed"):
        signal_model.encode_beats(SIGNAL, BEATS)


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = make_checkpoint().save(tmp_path / "held")
    for other in (make_checkpoint(BeatTokenizer(normalisation="causal")).beats, BeatTokenizer()):
        save_tokenizer(other, folder / FILE_NAME)
        with pytest.raises(CheckpointError, match="describes a heartbeat by"):
            load_checkpoint(folder)
    save_tokenizer(LevelTokenizer(), folder / FILE_NAME)
    with pytest.raises(CheckpointError, match=r"LevelTokenizer, but the model of config\.yaml reads signal"):
        load_checkpoint(folder)
