"""Homonyms: one level, several meanings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from physiolect import Checkpoint, Recording, load_checkpoint, read_recording
from physiolect.errors import ConfigError, ContractError
from physiolect.explanation import compare_tokens, cut_window
from physiolect.explanation.similarity import _hidden

Make = Callable[..., Checkpoint]


def beats(recording: Recording) -> np.ndarray:
    return recording.annotations.sample[1:] / recording.fs


def test_embeddings_and_cosines_of_the_published_model(weights: Path, golden: Path, examples: Path) -> None:
    checkpoint = load_checkpoint(weights / "ECGPT_560k_iters.zip")
    recording = read_recording(examples / "example_context_ECG.csv", fs=100, modality="ecg")
    window = cut_window(checkpoint, recording)
    expected = np.load(golden / "embeddings_ecg__example_context_ECG.npz")
    np.testing.assert_allclose(_hidden(checkpoint, window), expected["vector_propagation"], atol=1e-4, rtol=0)
    found = compare_tokens(checkpoint, window, tokens=[1.0])
    np.testing.assert_allclose(found.cosine, expected["cos_sim_to_last"], atol=1e-5, rtol=0)
    assert found.stages[:2] == ("input", "layer 1")
    assert found.reference == 499
    assert np.isnan(found.silhouette).all()  # no beats were given
    assert found.phase_of(10) == ""


def test_tokens_are_chosen_of_one_level_and_several_parts(make: Make, heart: Recording) -> None:
    checkpoint = make()
    window = cut_window(checkpoint, heart)
    found = compare_tokens(checkpoint, window, beats=beats(heart))
    levels = {int(window.ids[k]) for k in (found.reference, *found.tokens)}
    assert levels == {found.level}
    parts = [found.phase_of(k) for k in found.tokens]
    assert len(set(parts)) == len(parts) >= 2
    assert "" not in parts
    assert found.reference not in found.tokens
    assert found.cosine[:, found.reference] == pytest.approx(1)
    own = [k for k in found.tokens if found.phase_of(k) == found.phase_of(found.reference)]
    assert all(abs(window.time[k] - window.time[found.reference]) > 0.3 for k in own)  # of another beat


def test_tokens_by_time_and_reference_alone(make: Make, heart: Recording) -> None:
    checkpoint = make()
    window = cut_window(checkpoint, heart)
    found = compare_tokens(checkpoint, window, reference=6.0, tokens=[5.5, 7.0])
    assert (found.reference, found.tokens) == (100, (50, 200))
    found = compare_tokens(checkpoint, window, beats=beats(heart), reference=6.5)
    assert {int(window.ids[k]) for k in found.tokens} <= {int(window.ids[150])}
    with pytest.raises(ConfigError, match="4 s lies outside the window"):
        compare_tokens(checkpoint, window, tokens=[4.0])
    with pytest.raises(ContractError, match="no level of the window occurs in two parts of the beat"):
        compare_tokens(checkpoint, window)


def test_positions_are_in_the_input_only_where_the_model_puts_them_there(
    make: Make, heart: Recording
) -> None:
    rotary, learned = make(positions="rotary"), make()
    window = cut_window(rotary, heart)
    same = compare_tokens(rotary, window, beats=beats(heart))
    assert same.cosine[0, list(same.tokens)] == pytest.approx(1)
    assert same.silhouette[0] == pytest.approx(0, abs=1e-9)  # what is the same has no parts
    assert compare_tokens(learned, window, beats=beats(heart)).cosine[0, list(same.tokens)].max() < 0.999


def test_a_model_that_knows_the_part_separates_it(make: Make, heart: Recording) -> None:
    """Positions that tell the part of the beat, set by hand, are told apart perfectly."""
    checkpoint = make()
    window = cut_window(checkpoint, heart)
    plain = compare_tokens(checkpoint, window, beats=beats(heart))
    model = checkpoint.model
    with torch.no_grad():
        model.positions.weight.zero_()  # type: ignore[union-attr]
        model.positions.weight[np.arange(300), plain.phase % 4] = 50.0  # type: ignore[union-attr]
    told = compare_tokens(checkpoint, window, beats=beats(heart))
    assert told.silhouette[0] > 0.95 > plain.silhouette[0]
    assert told.n_compared == plain.n_compared > 50
