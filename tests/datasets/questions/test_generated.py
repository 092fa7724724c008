"""Questions made from what is known: true answers, balance, and nothing about sizes without millivolts."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from physiolect.contract import InputContract
from physiolect.datasets import Row, StoreWriter, open_store
from physiolect.datasets.questions.generated.asking import make_questions, number_text
from physiolect.datasets.questions.generated.balance import balanced
from physiolect.datasets.questions.generated.from_ludb import known_of_ludb
from physiolect.datasets.questions.generated.from_machine import known_of_machine
from physiolect.datasets.questions.generated.from_ptbxl import _leads, known_of_ptbxl
from physiolect.datasets.questions.generated.from_store import known_of_store
from physiolect.datasets.questions.generated.known import (
    NEEDS_MILLIVOLTS,
    Known,
    Wave,
    needs_millivolts,
)
from physiolect.datasets.questions.generated.made import make_known
from physiolect.datasets.questions.question import Question, Stretch
from physiolect.datasets.questions.readers.corpora import open_corpus
from physiolect.evaluation.answers import mean_scores
from physiolect.formats import read_recording
from physiolect.recording import LEADS, Recording


def population(count: int = 200, *, millivolts: bool = True, seed: int = 0) -> list[Known]:
    """Recordings with rare and common findings, as databases have them."""
    rng = np.random.default_rng(seed)
    known = []
    for k in range(count):
        fibrillates, large = rng.random() < 0.1, rng.random() < 0.3
        waves = tuple(
            Wave(name, "II", at + shift - 0.04, at + shift, at + shift + 0.04)
            for at in np.arange(1, 9, 0.8).tolist()
            for name, shift in (("P wave", -0.2), ("QRS complex", 0.0), ("T wave", 0.3))
        )
        known.append(
            Known(
                Stretch(f"r{k}"), "made", "made", f"p{k // 2}", "test" if k % 10 > 7 else "train", millivolts,
                {"atrial fibrillation": fibrillates, "left ventricular hypertrophy": large, "never": False},
                {"rhythm": "atrial fibrillation" if fibrillates else "sinus rhythm", "axis": "left" if large else "-"},
                {"static noise": ("I", "II") if rng.random() < 0.2 else ()},
                ("hypertrophy",) if large else (),
                {"heart rate": rng.uniform(50, 120), "height of R in lead II": rng.uniform(0.5, 2)},
                {"a pause": (3.4,) if rng.random() < 0.3 else ()}, waves, LEADS, 10.0,
            )
        )  # fmt: skip
    return known


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    return make_questions(population())


def test_always_no_earns_nothing(questions: list[Question]) -> None:
    """Half of all yes-or-no questions, of each template, subject and part, are answered by no."""
    answers: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for question in questions:
        if question.type.endswith("-verify"):
            answers[question.template, question.about, question.split][question.answer_text] += 1
    assert {key[0] for key in answers} >= {"finding", "finding in a lead", "both show", "new in the second"}
    for key, counts in answers.items():
        assert counts["yes"] == counts["no"] > 0, key
    verify = [question for question in questions if question.type.endswith("-verify")]
    scores = mean_scores(verify, ["no"] * len(verify))
    assert all(score["exact"] == 0.5 for score in scores.values())


def test_no_text_gives_an_answer_away(questions: list[Question]) -> None:
    """The best answer for each template and subject, chosen knowing all truths, is right in half of two choices."""
    groups: dict[tuple[str, ...], Counter[tuple[str, ...]]] = defaultdict(Counter)
    choices: dict[tuple[str, ...], int] = {}
    for question in questions:
        key = (question.template, question.about, question.split)
        groups[key][question.answer] += 1
        choices[key] = len(question.choices)
    for key, counts in groups.items():
        assert len(counts) > 1, key
        if 0 < choices[key] <= 3:
            assert len(set(counts.values())) == 1, key
        (_, most), (_, second) = counts.most_common(2)
        assert most == second, key


def test_what_has_one_answer_only_is_not_asked(questions: list[Question]) -> None:
    assert not any(question.about == "never" for question in questions)


def test_answers_follow_from_what_is_known(questions: list[Question]) -> None:
    known = {each.stretch.recording: each for each in population()}
    seen = Counter(question.template for question in questions)
    for question in questions:
        first, *second = [known[stretch.recording] for stretch in question.recordings]
        answer = question.answer_text
        if question.template == "finding":
            assert (answer == "yes") == first.statements[question.about]
        elif question.template == "kind":
            assert answer == first.kinds[question.about]
        elif question.template == "number":
            assert answer == number_text(question.about, first.numbers[question.about])
        elif question.template == "finding in a lead":
            assert (answer == "yes") == (question.about.rpartition(" ")[2] in first.leads["static noise"])
        elif question.template == "new in the second":
            new = second[0].statements[question.about] and not first.statements[question.about]
            assert (answer == "yes") == new
        elif question.template == "both show":
            assert (answer == "yes") == (
                first.statements[question.about] and second[0].statements[question.about]
            )
        elif question.template == "which is larger":
            larger = (
                first.numbers[question.about.partition(":")[0]]
                > second[0].numbers[question.about.partition(":")[0]]
            )
            assert answer == ("first ECG" if larger else "second ECG")
        elif question.template == "second of an event":
            assert answer == ("second 3" if first.moments["a pause"] else "none")
        assert set(question.answer) <= set(question.choices) or not question.choices
        assert len({known[stretch.recording].split for stretch in question.recordings}) == 1
    assert seen["which is larger"] and seen["second of an event"] and seen["kind"] and seen["wave at a time"]  # noqa: PT018


def test_waves_are_asked_about_where_they_are(questions: list[Question]) -> None:
    asked = [question for question in questions if question.template == "wave in a span"]
    for question in asked:
        start, stop = (
            float(word) for word in question.question.replace("?", "").split() if word[0].isdigit()
        )
        waves = population(1)[0].waves
        inside = any(wave.name == question.about and wave.onset < stop and wave.end > start for wave in waves)
        assert inside == (question.answer_text == "yes")
    assert len(asked) > 100


def test_without_millivolts_nothing_is_asked_about_sizes() -> None:
    def asked(known: list[Known]) -> set[str]:
        return {
            question.about.partition(":")[0].partition(" in lead")[0].lower()
            for question in make_questions(known)
        }

    sized = {"left ventricular hypertrophy", "axis", "static noise", "height of r"}
    assert sized <= asked(population())
    assert not (sized | NEEDS_MILLIVOLTS) & asked(population(millivolts=False))
    assert not any(q.template == "classes" for q in make_questions(population(millivolts=False)))


def test_questions_say_whether_they_need_millivolts(questions: list[Question]) -> None:
    """Exactly those that are not asked without millivolts."""
    bare = make_questions(population(millivolts=False))
    assert not any(map(needs_millivolts, bare))
    subjects = {
        (question.template, question.about) for question in questions if not needs_millivolts(question)
    }
    assert subjects == {(q.template, q.about) for q in bare if q.template != "findings that are new"}


def test_the_same_seed_asks_the_same(questions: list[Question]) -> None:
    assert make_questions(population()) == questions
    assert make_questions(population(), seed=1) != questions
    assert not any(len(question.recordings) > 1 for question in make_questions(population(), compare=False))


def test_balance_counts_each_part_by_itself() -> None:
    ask = Question((Stretch("a"),), "?", ("no",), template="t", choices=("no", "yes"), split="train")
    some = [ask] * 5 + [replace(ask, answer=("yes",))] * 2 + [replace(ask, split="test")] * 3
    assert Counter(q.answer_text for q in balanced(some, 0)) == {"no": 2, "yes": 2}


def test_labels_of_ptbxl(made: SimpleNamespace, published: ModuleType, tmp_path: Path) -> None:
    first, second, third, *_ = known_of_ptbxl(open_corpus(made.ptbxl(published, tmp_path / "a")))
    assert first.statements["a normal ECG"]
    assert not first.statements["atrial fibrillation"]
    assert "inferior myocardial infarction" not in second.statements  # a likelihood of 15 is doubtful
    assert second.classes is None
    assert first.kinds == {"rhythm": "sinus rhythm", "axis": "normal heart axis"}
    assert first.leads["static noise"] == ("I", "II", "III")
    assert not second.statements["noise"]
    assert not second.statements["a pacemaker"]  # an empty cell is no pacemaker
    assert third.classes == ("hypertrophy",)
    assert (first.patient, first.split, first.millivolts) == ("101", "fold 1", True)
    other = next(known_of_ptbxl(open_corpus(made.ptbxl(published, tmp_path / "b", unit="au"))))
    assert not other.millivolts


def test_labels_of_ptbxl_for_a_store_of_it(
    made: SimpleNamespace, published: ModuleType, tmp_path: Path
) -> None:
    contract = InputContract(fs=100.0, min_samples=10, max_samples=500, modality="ecg")
    signal = np.random.default_rng(0).standard_normal((1, 300)).astype(np.float32)
    with StoreWriter(tmp_path / "store", contract) as writer:
        for name, unit in (("00001", "au"), ("00003", "mV")):
            recording = Recording(signal, 100.0, ("II",), unit, "ecg")
            writer.add(name, [Row.from_recording(recording, source=name)])
    tables = made.ptbxl(published, tmp_path / "ptbxl")
    first, third = known_of_ptbxl(open_corpus(tmp_path / "store", dataset="ptbxl"), tables)
    assert (first.stretch, first.patient, first.split, first.millivolts) == (
        Stretch("00001"),
        "101",
        "fold 1",
        False,
    )
    assert third.millivolts


@pytest.mark.parametrize(
    ("cell", "leads"),
    [
        (" , II-AVF", ("II", "III", "aVR", "aVL", "aVF")),
        ("I,III,AVL", ("I", "III", "aVL")),
        (" , I,II,AVR,AVL.AVF,V1,  ", ("I", "II", "aVR", "aVL", "aVF", "V1")),
        (" , alles,  ", LEADS),
        ("nan", ()),
        ("", ()),
        (" , leicht,  ", None),
        ("V2,3", None),
        ("V6-V1", None),
    ],
)
def test_leads_in_ptbxls_words(cell: str, leads: tuple[str, ...] | None) -> None:
    assert _leads(cell) == leads


def test_experts_marks(made: SimpleNamespace, tmp_path: Path) -> None:
    first, second = known_of_ludb(made.ludb(tmp_path))
    assert first.numbers == pytest.approx(
        {"heart rate": 50.0, "PR interval": 110.0, "QRS duration": 100.0, "QT interval": 370.0}
    )
    assert "PR interval" not in second.numbers
    assert first.leads == {"a clearly inverted T wave": ("II",)}
    assert first.lead_names == ("I", "II")  # the T wave of III is too small to tell
    assert first.kinds == {"rhythm": "sinus bradycardia"}
    assert second.statements["ventricular extra beats"]
    assert second.statements["AV block"]
    assert not first.millivolts
    assert first.stretch == Stretch("data/1")
    wave = next(wave for wave in first.waves if wave.name == "QRS complex")
    assert (wave.onset, wave.peak, wave.end) == pytest.approx((1.35, 1.4, 1.45))


def test_made_ecgs_are_known_exactly(tmp_path: Path) -> None:
    known = make_known(tmp_path, 8)
    for each in known:
        recording = read_recording(tmp_path / f"{each.stretch.recording}.hea", annotator=("atr",))
        symbols = recording.annotations.symbol
        assert each.numbers["number of premature ventricular beats"] == symbols.count("V")
        assert each.numbers["number of QRS complexes"] == symbols.count("N") + symbols.count("V")
        flat = {
            name for name, lead in zip(recording.channels, recording.signal, strict=True) if not np.ptp(lead)
        }
        assert flat == set(each.leads["a flat line"])
        for name, height in each.numbers.items():
            if name.startswith("height of R in lead"):
                row = recording.channels.index(name.rpartition(" ")[2])
                beats = recording.annotations.sample[[symbol == "N" for symbol in symbols]]
                assert height == pytest.approx(float(np.median(recording.signal[row, beats])), abs=0.15)
    assert make_known(tmp_path, 3) == known[:3]


def test_rows_of_a_store(tmp_path: Path) -> None:
    contract = InputContract(fs=100.0, min_samples=10, max_samples=500, modality="ecg")
    with StoreWriter(tmp_path / "store", contract) as writer:
        for k, labels in enumerate((("NORM", "SR"), ("HYP", "AFIB"), ())):
            signal = np.random.default_rng(k).standard_normal((1, 300)).astype(np.float32)
            recording = Recording(signal, 100.0, ("II",), "mV" if k else "au", "ecg")
            writer.add(
                f"r{k}", [Row.from_recording(recording, source=f"r{k}", patient=f"p{k}", labels=labels)]
            )
    first, second = known_of_store(open_store(tmp_path / "store"))
    assert first.statements == {
        "a normal ECG": True, "sinus rhythm": True, "hypertrophy": False, "atrial fibrillation": False,
    }  # fmt: skip
    assert second.kinds == {"rhythm": "atrial fibrillation"}
    assert (first.millivolts, second.millivolts) == (False, True)
    assert second.stretch == Stretch("r1", 0.0, 3.0)


def test_what_the_machine_measured(published: ModuleType, tmp_path: Path) -> None:
    folder = published.mimic_iv_ecg(tmp_path)
    columns = ("study_id", "rr_interval", "p_onset", "qrs_onset", "qrs_end", "t_end", "qrs_axis")
    values = ((40689238, 750, 40, 200, 290, 600, -40), (44458630, 29999, 29999, 200, 290, "", 29999))
    reports = {f"report_{k}": "" for k in range(18)}
    rows = [dict(zip(columns, each, strict=True)) | reports for each in values]
    published.write_table(folder / "machine_measurements.csv", rows)
    first, second = known_of_machine(open_corpus(folder))
    assert first.numbers == {"heart rate": 80, "PR interval": 160, "QRS duration": 90, "QT interval": 400}
    assert first.kinds == {"axis": "left axis deviation"}
    assert second.numbers == {"QRS duration": 90}
    assert second.kinds == {}


def test_ludb_itself_agrees_with_itself(data: Path) -> None:
    known = list(known_of_ludb(data / "ludb"))
    assert len(known) == 160
    rates = [each.numbers["heart rate"] for each in known]
    assert min(rates) > 30
    assert max(rates) < 190
    assert sum("PR interval" in each.numbers for each in known) > 130
