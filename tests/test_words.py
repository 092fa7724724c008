"""Made neural activity of sentences, and made questions: what is in them is what they say."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from physiolect.errors import ConfigError
from physiolect.synthetic.questions import as_ids, as_text, made_questions
from physiolect.synthetic.words import PAUSE, PHONEMES, WORDS, Sentence, made_sentences, phonemes_of


def test_fifty_words_in_39_phonemes() -> None:
    assert len(WORDS) == 50
    assert len(PHONEMES) == 39
    assert {phoneme for word in WORDS.values() for phoneme in word} <= set(PHONEMES)
    assert len(set(WORDS.values())) == 50


def test_sentences_have_three_to_eight_words_and_what_was_spoken_in_each_bin() -> None:
    made = made_sentences(60, per_block=20)
    assert {len(each.words) for each in made} == set(range(3, 9))
    assert [each.block for each in made] == [0] * 20 + [1] * 20 + [2] * 20
    for each in made:
        assert each.phonemes == phonemes_of(each.words)
        bins = each.spoken.tolist()
        changes = [now for before, now in zip([-1, *bins], bins, strict=False) if now != before and now >= 0]
        assert [PHONEMES[i] for i in changes] == [p for p in each.phonemes if p != PAUSE]
        assert each.activity.shape == (64, len(bins))


def test_seeds_days_and_noise_decide_what_they_say() -> None:
    one = made_sentences(3)
    assert all(np.array_equal(a.activity, b.activity) for a, b in zip(one, made_sentences(3), strict=True))
    assert one[0].words != made_sentences(3, day=1)[0].words
    clean = made_sentences(200, noise=0.0, per_block=200)
    assert linear_share(clean[:150], clean[150:]) > 0.9


def seen(sentences: list[Sentence], neighbours: int = 2) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    parts, spoken = [], []
    for each in sentences:
        bins = each.activity.T.astype(np.float64)
        padded = np.pad(bins, ((neighbours, neighbours), (0, 0)), mode="edge")
        wide = np.concatenate([padded[i : i + len(bins)] for i in range(2 * neighbours + 1)], 1)
        parts.append(wide[each.spoken >= 0])
        spoken.append(each.spoken[each.spoken >= 0])
    return np.concatenate(parts), np.concatenate(spoken)


def linear_share(train: list[Sentence], test: list[Sentence]) -> float:
    """Share of the bins whose phoneme ridge regression names."""
    x, y = seen(train)
    z, truth = seen(test)
    mean, sd = x.mean(0), x.std(0)
    x, z = (np.c_[(each - mean) / sd, np.ones(len(each))] for each in (x, z))
    weights = np.linalg.solve(x.T @ x + 10 * np.eye(x.shape[1]), x.T @ np.eye(39)[y])
    return float(((z @ weights).argmax(1) == truth).mean())


def test_a_linear_decoder_names_40_percent_of_the_phonemes_and_fewer_on_a_drifted_day() -> None:
    made = made_sentences(550)
    assert linear_share(made[:450], made[450:]) == pytest.approx(0.40, abs=0.02)
    assert linear_share(made[:450], made_sentences(60, day=1)) < 0.35


def test_questions_differ_and_have_the_right_answer() -> None:
    made = made_questions(400, seed=1)
    assert len({each.question for each in made}) == 400
    for question, answer in made:
        if "+" in question:
            a, b = question.split("+")
            assert int(a) + int(b) == int(answer)
        else:
            entries, key = question.split("?")
            digits = entries[entries.index(key) + 1 :]
            assert answer == digits[: next((i for i, c in enumerate(digits) if c.isalpha()), len(digits))]
    ids = as_ids([each.question for each in made], first=1)
    assert as_text(tuple(ids[0][ids[0] > 0].tolist()), first=1) == made[0].question


def test_what_cannot_be_made_is_refused() -> None:
    with pytest.raises(ConfigError, match="out of range"):
        made_sentences(0)
    with pytest.raises(ConfigError, match="cannot all differ"):
        made_questions(100, most=3)
