"""ECG-QA: questions about ECGs of PTB-XL and MIMIC-IV-ECG, joined with the recordings of the user's own folder.

The layout is `ptbxl/` or `mimic-iv-ecg/` with `template/` and `paraphrased/`, in each `train/`, `valid/` and `test/` of
JSON lists, and beside them `answers_for_each_template.csv`. Shards of the PTB-XL variant were at hand; of the MIMIC-IV
variant one shard and the authors' description (`ecg_id` is the study_id of `record_list.csv`). Source: Oh et al. 2023,
arXiv 2306.15681, and the release 1.0.2.
"""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from physiolect.datasets.public.dataset import Entry, read_table
from physiolect.datasets.questions.question import MOST_CHARACTERS, NONE, Question, Stretch, cleaned, refusal
from physiolect.datasets.questions.readers.corpora import Corpus, numbered
from physiolect.datasets.questions.strict_json import first_row, json_rows
from physiolect.errors import ConfigError, FormatError

FORMS = ("template", "paraphrased")
_PARTS = ("train", "valid", "test")
_VALID = "answers_for_each_template.csv"
_TYPE = re.compile(r"(single|comparison_consecutive|comparison_irrelevant)-(verify|choose|query)")
_FIELDS = ("template_id", "question_type", "question", "answer", "ecg_id")


def is_ecg_qa(path: Path) -> bool:
    """Return whether a folder holds a variant of ECG-QA or some of its shards, or a file is a shard."""
    if path.is_file():
        row = first_row(path) if path.suffix.lower() == ".json" else None
        return isinstance(row, dict) and {"template_id", "ecg_id"} <= row.keys()
    if not path.is_dir():
        return False
    if any(_shards(path, form) for form in FORMS):
        return True
    return any(map(is_ecg_qa, sorted(path.glob("*.json"))[:1]))


def read_ecg_qa(
    folder: Path | str,
    corpus: Corpus,
    *,
    form: str | None = None,
    folds: bool = False,
    valid_answers: Mapping[str, tuple[str, ...]] | None = None,
) -> Iterator[Question]:
    """Iterate over the questions whose ECGs all lie in a folder of recordings.

    Args:
        folder: of a variant, with `template/` and `paraphrased/`; or a folder or file of its shards.
        corpus: the recordings (`open_corpus`); it counts those that are missing.
        form: "template" or "paraphrased"; both by default, where there are both.
        folds: the part of each question is the fold of its ECGs in PTB-XL, not ECG-QA's own part; comparisons of ECGs
            in two folds are left out. ECG-QA's own parts ignore the folds.
        valid_answers: of each template (`read_valid_answers`); read from the folder, or those above it, by default.

    Raises:
        ConfigError: there are no shards of that form, or the recordings are neither PTB-XL's nor MIMIC-IV-ECG's.
        FormatError: a shard is broken; the message names the row.
    """
    folder, corpus = Path(folder), numbered(corpus)
    if folds and corpus.dataset != "ptbxl":
        raise ConfigError(f"{corpus.folder} has no folds: they are PTB-XL's", hint="leave folds out")
    if valid_answers is None:
        homes = [folder, *folder.resolve().parents[:3]]
        home = next((each for each in homes if (each / _VALID).is_file()), None)
        valid_answers = read_valid_answers(home / _VALID) if home else {}
    forms = FORMS if form is None else (form,)
    shards = [(each, path) for each in forms for path in _shards(folder, each)]
    if not shards:  # files of shards alone, called after form and part
        files = [folder] if folder.is_file() else sorted(folder.glob("*.json"))
        named = [(next((each for each in FORMS if each in str(path)), ""), path) for path in files]
        shards = [(each, path) for each, path in named if form in (None, each)]
    if not shards:
        raise ConfigError(
            f"{folder} has no questions of the form {form or 'template or paraphrased'}",
            hint="name the folder ecgqa/ptbxl or ecgqa/mimic-iv-ecg of the release",
        )
    for each, path in shards:
        part = next((name for name in _PARTS if name in (path.parent.name, path.stem.rpartition("_")[2])), "")
        for where, row in json_rows(path):
            found = _entries(row, where, corpus)
            parts = {entry.split or "" for entry in found} if folds else {part}
            if found and len(parts) == 1:
                question = _question(row, where, found, valid_answers)
                question = replace(
                    question, source=f"ecg-qa {each}".rstrip(), dataset=corpus.dataset, split=parts.pop()
                )
                yield question


def read_valid_answers(path: Path) -> dict[str, tuple[str, ...]]:
    """Return the valid answers of each template: number -> classes, "none" among them where it is valid.

    Raises:
        FormatError: the table is damaged.
    """
    limit = csv.field_size_limit()
    found = {}
    for row in read_table(path, ("template_id", "classes")):
        try:
            classes = ast.literal_eval(row["classes"]) if len(row["classes"]) < limit else None
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            classes = None
        if not isinstance(classes, list) or not all(isinstance(each, str) for each in classes):
            raise FormatError(
                f"{path} has {row['classes'][:60]!r} where a list of classes belongs",
                hint="fetch the file again",
            )
        found[row["template_id"].strip()] = tuple(classes)
    return found


def _shards(folder: Path, form: str) -> list[Path]:
    """Return the shards of a form: shards lie in folders, or in one further folder of the shard's name."""
    home = folder / form
    found = [path for part in _PARTS for path in sorted((home / part).glob("**/*.json"))]
    return found or [path for part in _PARTS if (path := home / f"{part}.json").is_file()]


def _entries(row: Any, where: str, corpus: Corpus) -> list[Entry]:
    """Return the recordings of a row after checking its fields; none where one of them is not there."""
    if not isinstance(row, dict) or (missing := [name for name in _FIELDS if name not in row]):
        lacking = "" if not isinstance(row, dict) else f": it has no {missing[0]}"
        raise refusal(where, f"is no sample of ECG-QA{lacking}", "name a folder or shard of ECG-QA's release")
    numbers, answer, kind = row["ecg_id"], row["answer"], row["question_type"]
    if not _is_list(numbers, int) or not 1 <= len(numbers) <= 2:
        raise refusal(where, f"has the ecg_id {str(numbers)[:60]}, but one or two numbers are needed")
    if not _is_list(answer, str) or not answer or not isinstance(row["question"], str):
        raise refusal(where, "has an answer that is no list of texts, or a question that is no text")
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
        raise refusal(where, f"has the question_type {str(kind)[:60]!r}, which ECG-QA does not have")
    found = [corpus.find(number) for number in numbers]
    entries = [entry for entry in found if entry is not None]
    return entries if len(entries) == len(found) else []


def _question(
    row: Mapping[str, Any], where: str, entries: Sequence[Entry], valid: Mapping[str, tuple[str, ...]]
) -> Question:
    """Return a checked row as a question about its recordings."""
    about = row.get("attribute") or []
    about = [str(each) for each in about] if isinstance(about, list) else [str(about)]
    template = str(row["template_id"])
    texts = [cleaned(text) for text in (row["question"], *row["answer"])]
    for text in texts:
        if not text or len(text) > MOST_CHARACTERS:
            raise refusal(where, "has an empty question or answer, or one that is too long")
    return Question(
        recordings=tuple(Stretch(entry.name) for entry in entries),
        question=texts[0],
        answer=tuple(texts[1:]),
        type=row["question_type"],
        template=f"ecg-qa {template}"[:100],
        about=cleaned(" | ".join(about))[:500],
        choices=_choices(row["question_type"], texts[0], about, valid.get(template, ())),
        patient=tuple(dict.fromkeys(entry.patient for entry in entries if entry.patient)),
    )


def _choices(kind: str, question: str, about: list[str], valid: tuple[str, ...]) -> tuple[str, ...]:
    """Return the valid answers: the two options where a question offers two, else those of its template.

    The options are the sample's attributes or, where these are no valid answers, those that its text names.
    """
    if not kind.endswith("-choose"):
        return valid
    options = [each for each in about if not valid or each in valid]
    if len(options) != 2:
        rest, options = question.casefold(), []
        for name in sorted(valid, key=len, reverse=True):  # a short name may stand in a long one
            if name != NONE and name.casefold() in rest:
                rest = rest.replace(name.casefold(), "|")
                options.append(name)
    return (*options, NONE) if len(options) == 2 else valid


def _is_list(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(type(each) is kind for each in value)
