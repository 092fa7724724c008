"""HeartGPT's levels, to the letter and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from physiolect.errors import ConfigError, FormatError
from physiolect.tokenizers import LevelTokenizer, load_tokenizer, save_tokenizer

WINDOWS = arrays(np.float32, (3, 40), elements=st.floats(-1e4, 1e4, width=32))


@settings(deadline=None, max_examples=60)
@given(WINDOWS)
def test_round_trip_within_half_a_level(windows: np.ndarray) -> None:
    tokenizer = LevelTokenizer()
    ids, scale = tokenizer.encode(windows, flat="level")
    assert ids.min() >= 0
    assert ids.max() <= 100
    span = np.ptp(windows.astype(float), -1, keepdims=True)
    error = np.abs(tokenizer.decode(ids, scale) - windows)
    assert (error <= span / 200 * (1 + 1e-9) + 1e-9).all()


@settings(deadline=None, max_examples=60)
@given(WINDOWS)
def test_torch_gives_numpys_ids(windows: np.ndarray) -> None:
    tokenizer = LevelTokenizer(101, 102)
    expected, _ = tokenizer.encode(windows, flat="level")
    ids, scale = tokenizer.encode(torch.from_numpy(windows), flat="level")
    np.testing.assert_array_equal(ids.numpy(), expected)
    assert isinstance(tokenizer.decode(ids, scale), torch.Tensor)


def test_rounds_half_to_even_and_spans_all_levels() -> None:
    ids, _ = LevelTokenizer(n_levels=3, vocabulary_size=3).encode(np.array([0, 0.25, 0.5, 0.75, 1.0]))
    assert ids.tolist() == [0, 0, 1, 2, 2]


def test_published_ids(golden: Path) -> None:
    files = sorted(golden.glob("base_*.npz"))
    assert files
    for file in files:
        stored = np.load(file)
        ids, _ = LevelTokenizer().encode(stored["raw"][-500:])
        np.testing.assert_array_equal(ids, stored["token_ids"])


def test_context_scale_knows_nothing_of_the_future() -> None:
    tokenizer = LevelTokenizer()
    x = np.concatenate([np.linspace(-1, 1, 50), [5.0, -5.0, 0.0]])
    ids, scale = tokenizer.encode(x, scale="context", context_length=50)
    assert ids[50:].tolist() == [100, 0, 50]
    np.testing.assert_array_equal(ids[:50], tokenizer.encode(x[:50])[0])
    assert (scale.low.item(), scale.high.item()) == (-1, 1)


def test_gain_and_offset_do_not_matter() -> None:
    x = np.random.default_rng(0).integers(-2000, 2000, 500)
    np.testing.assert_array_equal(LevelTokenizer().encode(x)[0], LevelTokenizer().encode(x * 0.25 + 7)[0])


def test_refusals() -> None:
    tokenizer = LevelTokenizer()
    with pytest.raises(FormatError, match="flat"):
        tokenizer.encode(np.ones(5))
    assert tokenizer.encode(np.ones(5), flat="level")[0].tolist() == [0] * 5
    with pytest.raises(FormatError, match="missing or infinite"):
        tokenizer.encode(np.array([0, np.nan, 1]))
    with pytest.raises(ConfigError, match="context_length"):
        tokenizer.encode(np.arange(5.0), scale="context")
    with pytest.raises(ConfigError, match="levels do not fit"):
        LevelTokenizer(n_levels=101, vocabulary_size=50)


def test_file(tmp_path: Path) -> None:
    save_tokenizer(LevelTokenizer(101, 102), tmp_path / "t.json")
    assert load_tokenizer(tmp_path / "t.json") == LevelTokenizer(101, 102)
    for content in ('{"kind": "words"}', "[" * 100_000, "[]", "{"):
        (tmp_path / "t.json").write_text(content)
        with pytest.raises(FormatError, match="no signal tokenizer"):
            load_tokenizer(tmp_path / "t.json")
    for content in ('{"kind": "levels", "n_levels": 50.5}', '{"kind": "levels", "levels": 101}'):
        (tmp_path / "t.json").write_text(content)
        with pytest.raises(ConfigError, match="levels"):
            load_tokenizer(tmp_path / "t.json")
