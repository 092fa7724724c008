"""Exact match as ECG-QA defines it, F1 of lists, numbers, and what others compare."""

from __future__ import annotations

import itertools

import pytest

from physiolect.datasets.questions.question import Question, Stretch
from physiolect.errors import ConfigError
from physiolect.evaluation.answers import majority_answers, mean_scores, parse_answer, score_answer

FEATURES = ("none", "p duration", "pr interval", "qt corrected", "qt interval", "rr interval")
BIGEMINY = "bigeminal pattern (unknown origin, supraventricular, or ventricular)"


def ask(
    *answer: str, choices: tuple[str, ...] = FEATURES, kind: str = "single-query", template: str = "t"
) -> Question:
    return Question((Stretch("a"),), "?", answer, kind, template, choices=choices)


def test_it_is_the_agreement_of_every_decision() -> None:
    """Against the definition: each valid answer but "none" is decided, and all must agree."""
    classes = FEATURES[1:]
    subsets = [set(chosen) for n in (0, 1, 2, 5) for chosen in itertools.combinations(classes, n)]
    for true, given in itertools.product(subsets, repeat=2):
        decided = [(name in true) == (name in given) for name in classes]
        text = ", ".join(sorted(given, reverse=True)) or "none"
        score = score_answer(ask(*(sorted(true) or ["none"])), text)
        assert score.exact == float(all(decided))
        hits = len(true & given)
        expected = 1.0 if not true | given else 2 * hits / (len(true) + len(given))
        assert score.f1 == pytest.approx(expected)


@pytest.mark.parametrize(
    "given", ["QT interval and RR interval.", "rr interval; qt  interval", "rr interval\nqt interval"]
)
def test_order_and_joints_do_not_matter(given: str) -> None:
    score = score_answer(ask("qt interval", "rr interval"), given)
    assert (score.exact, score.f1, score.same_text) == (1.0, 1.0, 0.0)


def test_the_string_comparison_stands_beside_it() -> None:
    assert score_answer(ask("qt interval", "rr interval"), "QT interval, RR interval.").same_text == 1.0


@pytest.mark.parametrize(
    "given", ["", "  .", "banana", "qt interval, banana", "none, qt interval", "qt intervals", "n"]
)
def test_empty_answers_and_other_words_are_wrong(given: str) -> None:
    assert score_answer(ask("none"), given).exact == 0.0
    assert score_answer(ask("qt interval"), given).exact == 0.0
    assert parse_answer(given, FEATURES) is None


def test_two_options() -> None:
    question = ask("none", choices=("sinus rhythm", "atrial fibrillation", "none"), kind="single-choose")
    assert score_answer(question, "none").exact == 1.0
    assert score_answer(question, "sinus rhythm").exact == 0.0
    both = ask("sinus rhythm", "atrial fibrillation", choices=question.choices)
    assert score_answer(both, "atrial fibrillation and sinus rhythm").exact == 1.0


def test_names_with_commas_and_names_inside_names() -> None:
    assert parse_answer(f"sinus rhythm, {BIGEMINY}", (BIGEMINY, "sinus rhythm")) == {BIGEMINY, "sinus rhythm"}
    assert parse_answer("lead V1, lead I", ("lead I", "lead II", "lead V1")) == {"lead v1", "lead i"}
    assert parse_answer("lead II", ("lead I", "lead II")) == {"lead ii"}
    assert score_answer(ask(BIGEMINY, choices=()), BIGEMINY.upper()).exact == 1.0
    mimic = ("2:1 AV block", "rSr' type in V1 or V2", "ST(-T) change", "ST Depression", "none")
    for name in mimic[:-1]:
        assert score_answer(ask(name, choices=mimic), f"{name}.").exact == 1.0
    assert parse_answer(", ".join(mimic[:-1]), mimic) == {name.casefold() for name in mimic[:-1]}


def test_numbers_are_compared_as_numbers() -> None:
    question = ask("72 per minute", choices=(), kind="single-number")
    near = score_answer(question, "about 74.5 per minute")
    assert (near.exact, near.number_error) == (0.0, 2.5)
    assert score_answer(question, "72").exact == 1.0
    assert score_answer(question, "fast").number_error is None
    assert score_answer(question, "").exact == 0.0


def test_free_text() -> None:
    question = ask("Sinus rhythm. Normal ECG.", choices=(), kind="report")
    assert score_answer(question, "sinus rhythm. normal ECG").exact == 1.0
    assert score_answer(question, "").same_text == 0.0


def test_means_count_every_question() -> None:
    questions = [ask("none", template="a"), ask("qt interval", template="b"), ask("none", template="b")]
    found = mean_scores(questions, ["none", "", "none"])
    assert found["all"]["exact"] == pytest.approx(2 / 3)
    assert found["b"] == {"n": 2.0, "exact": 0.5, "same_text": 0.5, "f1": 0.5}
    assert set(mean_scores(questions, [""] * 3, by="type")) == {"all", "single-query"}
    with pytest.raises(ConfigError, match="3 questions and 1 answers"):
        mean_scores(questions, [""])


def test_the_majority_answer_of_a_template() -> None:
    train = [
        ask("qt interval", "none"),
        ask("none", "qt interval"),
        ask("none"),
        ask("b", template="u"),
        ask("a", template="u"),
    ]
    assert majority_answers(train) == {"t": "none, qt interval", "u": "a"}
