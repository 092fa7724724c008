from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from physiolect import Checkpoint, InputContract
from physiolect.datasets import Examples, Row, StoreWriter, make_examples, open_store
from physiolect.evaluation.baselines import random_weights, window_features
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.recording import Recording
from physiolect.tokenizers import LevelTokenizer

CONTRACT = InputContract(fs=50.0, min_samples=100, max_samples=100, modality="ppg")


@pytest.fixture
def checkpoint() -> Checkpoint:
    torch.manual_seed(1)
    return Checkpoint(
        GPT(GPTConfig(context_length=100, width=16, n_layers=2, n_heads=2, mlp_width=16)).eval(),
        LevelTokenizer(),
        CONTRACT,
    )


@pytest.fixture
def examples(tmp_path: Path) -> Examples:
    with StoreWriter(tmp_path / "store", CONTRACT) as writer:
        for k, label in enumerate(("AF", "sinus")):
            signal = np.random.default_rng(k).standard_normal((1, 300)).astype(np.float32)
            writer.add(
                label, [Row.from_recording(Recording(signal, 50.0, ("PPG",)), source=label, labels=(label,))]
            )
    return make_examples(open_store(tmp_path / "store"), "rhythm", length=100)


def test_features_are_what_the_head_is_given(checkpoint: Checkpoint, examples: Examples) -> None:
    found = window_features(checkpoint, examples, batch_size=4)
    assert found.shape == (6, 32)
    ids, _ = checkpoint.tokenizer.encode(examples.windows(range(6)))
    with torch.no_grad():
        x = checkpoint.model.trunk(checkpoint.model.tokens(torch.from_numpy(ids)))
    np.testing.assert_allclose(found, torch.cat([x.mean(1), x[:, -1]], 1), rtol=1e-4, atol=1e-5)


def test_random_weights_have_the_shape_and_nothing_else(checkpoint: Checkpoint, examples: Examples) -> None:
    state = torch.random.get_rng_state()
    bare, again, other = (
        random_weights(checkpoint),
        random_weights(checkpoint),
        random_weights(checkpoint, seed=1),
    )
    assert torch.equal(state, torch.random.get_rng_state())
    assert bare.model.config == checkpoint.model.config
    first = window_features(bare, examples)
    np.testing.assert_array_equal(first, window_features(again, examples))
    assert not np.allclose(first, window_features(other, examples))
    assert not np.allclose(first, window_features(checkpoint, examples))
