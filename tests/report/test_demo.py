"""The demo's page says what was found, also where that is no success."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from physiolect import synthetic
from physiolect.contract import CONTRACTS, adapt
from physiolect.generation import Continuation
from physiolect.report import Continued, DemoResults, Score, demo_report


@pytest.fixture(scope="module")
def found() -> DemoResults:
    recording = synthetic.ecg(seconds=8, fs=100, leads=("II",))
    context, report = adapt(recording, CONTRACTS["heartgpt-ecg"])
    signal = recording.signal[:, :60].repeat(3, axis=0)
    continuation = Continuation(np.zeros((3, 60), np.int64), signal, 100.0, context, report, "exact")
    return DemoResults(
        n_parameters=177_344, n_steps=500, n_planned=500, n_tokens=2_000_000, seconds=120.0, n_learned_from=72,
        n_judged_by=16, lead="II", n_levels=101, n_seen=400, n_scored=100,
        continued=[Continued("ecg_0007", "sinus rhythm", continuation, signal[0])],
        also_continued=[Continued("ecg_0007", "sinus rhythm", continuation, signal[0])],
        n_embedded_parameters=1_596_901,
        scores=[
            Score("the model", 1.4, (1.3, 1.5)), Score("unigram", 4.0, (3.9, 4.1)), Score("AR(8)", 1.9, (1.8, 2.0)),
        ],
        difference=(0.5, 0.4, 0.6), train=([1, 2], [4.0, 3.0]), validation=([2], [3.1]), example=recording,
        next_commands="physiolect inspect 'a <b>'",
    )  # fmt: skip


def words(found: DemoResults) -> str:
    page = demo_report(found).html()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page.partition("<body>")[2]))


def test_numbers_figures_and_commands_are_on_the_page(found: DemoResults) -> None:
    told = words(found)
    for each in ("177,344 parameters", "2.0 minutes", "500 updates", "1.40 nats per token", "AR(8), 1.90"):
        assert each in told
    assert (
        "better than that baseline: the difference is 0.50 (95 % interval over patients 0.40 to 0.60)" in told
    )
    assert "more to learn" not in told
    assert "physiolect inspect &#x27;a &lt;b&gt;&#x27;" in told
    assert demo_report(found).html().count("<img") == 5
    assert "decoder of 1,596,901 parameters that was trained on real ECGs" in told


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [((-0.6, -0.4), "is worse than"), ((-0.1, 0.2), "is not clearly better or worse than")],
)
def test_no_success_is_claimed_where_there_is_none(
    found: DemoResults, interval: tuple[float, float], verdict: str
) -> None:
    assert verdict in words(replace(found, difference=(0.0, *interval)))


def test_a_run_that_ran_out_of_time_is_called_one(found: DemoResults) -> None:
    assert "after 40 of 500 planned updates, so there was more to learn" in words(replace(found, n_steps=40))
