"""What is explained is what the model says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from physiolect import Checkpoint, Recording
from physiolect.errors import ConfigError
from physiolect.explanation import choose_target, cut_window

Make = Callable[..., Checkpoint]


def logits(checkpoint: Checkpoint, recording: Recording) -> torch.Tensor:
    with torch.no_grad():
        return checkpoint.model(cut_window(checkpoint, recording).tensor(checkpoint))[0]


def value(checkpoint: Checkpoint, recording: Recording, **asked: float) -> float:
    window = cut_window(checkpoint, recording)
    target = choose_target(checkpoint, window, **asked)
    return float(target.of_inputs(checkpoint, window.tensor(checkpoint), window.n_tokens))


def test_a_decoder_foretells_the_next_level_a_span_or_the_likeliest(make: Make, heart: Recording) -> None:
    checkpoint = make()
    ids = torch.from_numpy(cut_window(checkpoint, heart).ids)
    said = logits(checkpoint, heart).log_softmax(-1)  # (T, V)
    assert value(checkpoint, heart, query=6.0) == pytest.approx(float(said[100, ids[101]]), abs=1e-4)
    assert value(checkpoint, heart) == pytest.approx(float(said[299].max()), abs=1e-4)
    span = said[279:299].gather(1, ids[280:, None]).mean()
    assert value(checkpoint, heart, span=0.2) == pytest.approx(float(span), abs=1e-4)
    target = choose_target(checkpoint, cut_window(checkpoint, heart), span=0.2)
    assert (target.n_context, target.n_shown, target.query) == (
        280,
        299,
        279,
    )  # the last level is foretold, not shown


def test_a_rhythm_and_beats_say_their_log_odds(make: Make, heart: Recording) -> None:
    rhythm = make("rhythm")
    assert value(rhythm, heart) == pytest.approx(abs(float(logits(rhythm, heart)[-1, 0])), abs=1e-4)
    beats = make("beats")
    at = float(logits(beats, heart)[100, 0])
    assert value(beats, heart, query=6.0) == pytest.approx(abs(at), abs=1e-4)
    assert value(beats, heart) == pytest.approx(float(logits(beats, heart).abs().max()), abs=10)
    window = cut_window(beats, heart)
    assert choose_target(beats, window).query == int(logits(beats, heart)[:, 0].argmax())
    assert choose_target(beats, window, query=6.0).n_shown == 101  # nothing later counts
    ahead = make("beats", unmask_last=True)
    assert choose_target(ahead, window, query=6.0).n_shown == 300
    assert value(ahead, heart, query=6.0) == pytest.approx(abs(float(logits(ahead, heart)[100, 0])), abs=1e-4)


def test_classes_and_numbers(make: Make, heart: Recording) -> None:
    classes = {"classes": ("A", "B", "C")}
    one = make("classify", outputs=classes, n_outputs=3, pooling="mean")
    window = cut_window(one, heart)
    with torch.no_grad():
        said = one.model(window.tensor(one), last_only=True)[0, -1]
    target = choose_target(one, window)
    assert target.words == f"log-probability of {'ABC'[int(said.argmax())]}"
    assert value(one, heart) == pytest.approx(float(said.log_softmax(-1).max()), abs=1e-4)
    several = make("classify", outputs={**classes, "several": True}, n_outputs=3)
    assert choose_target(several, window).words.startswith("log odds of ")
    age = make("regress", outputs={"target": "age", "unit": "years", "sd": 20.0})
    target = choose_target(age, window)
    assert (target.unit, target.words.split()[0]) == ("years", "age")
    assert value(age, heart) == pytest.approx(20 * abs(float(logits(age, heart)[-1, 0])), rel=1e-4)


@pytest.mark.parametrize("task", ["forecast", "rhythm", "beats"])
def test_embeddings_in_place_of_the_table_say_the_same(make: Make, heart: Recording, task: str) -> None:
    checkpoint = make(task)
    window = cut_window(checkpoint, heart)
    target = choose_target(checkpoint, window)
    rows = checkpoint.model.tokens.weight[window.tensor(checkpoint)[:, : target.n_shown]]
    said = target.of_embeddings(checkpoint, rows).detach()
    np.testing.assert_allclose(
        said, target.of_inputs(checkpoint, window.tensor(checkpoint), window.n_tokens), rtol=1e-5
    )
    assert not checkpoint.model.tokens._forward_hooks  # and nothing is left behind


def test_what_cannot_be_explained_is_refused(make: Make, heart: Recording) -> None:
    checkpoint, rhythm = make(), make("rhythm")
    window = cut_window(checkpoint, heart)
    with pytest.raises(ConfigError, match="rhythm has one output for the whole window, not one at 6 s"):
        choose_target(rhythm, window, query=6.0)
    with pytest.raises(ConfigError, match=r"a span of 1 s was given, but the checkpoint is for rhythm"):
        choose_target(rhythm, window, span=1.0)
    with pytest.raises(ConfigError, match=r"a span of 1 s was given, but a query too"):
        choose_target(checkpoint, window, span=1.0, query=6.0)
    with pytest.raises(ConfigError, match=r"nothing is left to explain: a span of 3 s in a window of 3 s"):
        choose_target(checkpoint, window, span=3.0)
    with pytest.raises(ConfigError, match="nothing is left to explain: the query"):
        choose_target(checkpoint, window, query=5.0)
