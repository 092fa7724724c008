from __future__ import annotations

import numpy as np

from physiolect.evaluation import Bootstrap, measure_binary, measure_numbers
from physiolect.evaluation.tables import (
    differences_table,
    in_cell,
    interval_words,
    measures_table,
    undefined_words,
)

TARGET = np.array([0, 0, 1, 1, 0, 1])
DRAWS = Bootstrap(["a", "a", "b", "b", "c", "c"], n_resamples=200)
GOOD = measure_binary([0.1, 0.2, 0.8, 0.9, 0.1, 0.7], TARGET, DRAWS)
BAD = measure_binary([0.9, 0.8, 0.2, 0.1, 0.9, 0.3], TARGET, DRAWS)


def test_a_cell_tells_value_and_interval_or_that_there_is_none() -> None:
    assert in_cell(GOOD["auroc"]) == "1.000 [1.000, 1.000]"
    assert in_cell(measure_binary([0.1, 0.9], [0, 1], Bootstrap(["a", "a"]))["auroc"]) == "1.000"
    assert in_cell(measure_binary([0.1, 0.9], [0, 0], Bootstrap(["a", "b"]))["auroc"]) == "–"
    assert in_cell(None) == "–"


def test_tables_leave_out_what_nobody_has_and_bolden_what_excludes_zero() -> None:
    table = measures_table({"good | one": GOOD, "bad": BAD}, ("auroc", "mae", "brier"))
    head, _, first, second = table.splitlines()
    assert head == "|  | AUROC | Brier |"
    assert first.startswith("| good \\| one | 1.000")
    assert second.startswith("| bad | 0.000")
    gain = {name: each.minus(BAD[name]) for name, each in GOOD.items()}
    same = {name: each.minus(each) for name, each in GOOD.items()}
    lines = differences_table({"good - bad": gain, "good - good": same}, ("auroc",)).splitlines()
    assert lines[2] == "| good - bad | **+1.000 [1.000, 1.000]** |"
    assert lines[3] == "| good - good | 0.000 [0.000, 0.000] |"


def test_words_say_what_intervals_are_by_and_what_they_lack() -> None:
    assert "of 3 patients" in interval_words(DRAWS, by_patient=True)
    assert "recordings (not every patient is known" in interval_words(DRAWS, by_patient=False)
    assert interval_words(Bootstrap(["a"]), by_patient=True).startswith("No intervals")
    (said,) = undefined_words({"good": GOOD})
    most = max(each.undefined for each in GOOD.values())
    assert most > 0
    assert said.startswith(f"good: up to {most} resamples lack a class")
    assert said.endswith("intervals of AUROC, AUPRC, sensitivity, specificity, PPV, F1.")
    (said,) = undefined_words({"told": measure_numbers([1, 2, 3, 4, 5, 6], [1, 1, 2, 2, 3, 3], DRAWS)})
    assert "have equal numbers only, for which the measure does not exist" in said
    assert said.endswith("intervals of R², r.")


def test_headings_of_means_are_those_of_what_they_are_means_of() -> None:
    rows = {"model": {"macro f1": GOOD["f1"], "mean ppv": GOOD["ppv"], "macro ece": GOOD["ece"]}}
    head = measures_table(rows, ("macro f1", "mean ppv", "macro ece")).splitlines()[0]
    assert head == "|  | macro F1 | mean PPV | macro calibration error |"
