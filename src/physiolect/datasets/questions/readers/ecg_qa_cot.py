"""ECG-QA-CoT: ECG-QA's single questions with a written line of thought, as OpenTSLM published them.

`ecg_qa_cot_train.csv`, `_val.csv` and `_test.csv` with the columns ecg_id, question, answer, rationale, template_id,
question_type and clinical_context. The layout is known from the authors' code; no file of it was at hand. The published
texts are corrupted: missing cells of PTB-XL's table were read as true, so that contexts claim noise, electrode
problems, extra beats and pacemakers that the ECGs do not have, and lines of thought describe them.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from physiolect.datasets.public.dataset import read_table, whole
from physiolect.datasets.questions.question import MOST_CHARACTERS, Question, Stretch, cleaned, refusal
from physiolect.datasets.questions.readers.corpora import Corpus
from physiolect.errors import ConfigError

WARNING = (
    "ECG-QA-CoT as published is corrupted: missing values of PTB-XL were read as noise, electrode problems, "
    "extra beats and pacemakers"
)
_FILES = {"train": "ecg_qa_cot_train.csv", "valid": "ecg_qa_cot_val.csv", "test": "ecg_qa_cot_test.csv"}
_COLUMNS = ("ecg_id", "question", "answer", "rationale", "template_id", "question_type", "clinical_context")
_CLAIMS = {
    "baseline_drift": r"baseline (?:drift|wander)|drifting baseline",
    "static_noise": r"static noise",
    "burst_noise": r"burst noise",
    "electrodes_problems": r"electrodes? (?:problem|fault|issue|artifact)",
    "extra_beats": r"extra (?:beat|systole)|extrasystol|ectopic beat",
    "pacemaker": r"pacemaker|pacing spike|paced",
}
"""Column of PTB-XL's table -> what claims that it is not empty."""
_NOISE = ("baseline_drift", "static_noise", "burst_noise", "electrodes_problems")
_DENIED = re.compile(
    r"\b(?:no|not|without|absence of|absent|free of|neither|nor|denies)\b[^.;]{0,60}$", re.IGNORECASE
)


def is_ecg_qa_cot(path: Path) -> bool:
    """Return whether a folder, or file, is ECG-QA-CoT by its name."""
    return (
        path.name in _FILES.values()
        if path.is_file()
        else any((path / name).is_file() for name in _FILES.values())
    )


def read_ecg_qa_cot(
    folder: Path | str,
    corpus: Corpus,
    skipped: Counter[str],
    *,
    only_sound: bool = False,
    thoughts: bool = True,
) -> Iterator[Question]:
    """Iterate over the questions, after the warning `WARNING`.

    Args:
        folder: of the three files, or one of them.
        corpus: PTB-XL's folder, whose table also says which claims are false.
        skipped: counts what was left out.
        only_sound: leave out questions whose context or line of thought claims what PTB-XL's table does not hold.
        thoughts: the answer is the line of thought with the answer at its end, else the answer alone.

    Raises:
        ConfigError: the recordings are not PTB-XL's.
        FormatError: a table is damaged.
    """
    folder = Path(folder)
    warnings.warn(WARNING, stacklevel=2)
    if corpus.dataset != "ptbxl":
        raise ConfigError(f"{corpus.folder} does not hold PTB-XL", hint="ECG-QA-CoT asks about PTB-XL's ECGs")
    held = _held(corpus) if only_sound else {}
    files = {part: folder if folder.is_file() else folder / name for part, name in _FILES.items()}
    for part, path in files.items():
        if not path.is_file() or path.name != _FILES[part]:
            continue
        for number, row in enumerate(read_table(path, _COLUMNS), 1):
            where = f"row {number} of {path}"
            ecg = row["ecg_id"].strip().strip("[]").strip()
            if not re.fullmatch(r"[0-9]{1,9}", ecg):
                raise refusal(where, f"has the ecg_id {ecg[:40]!r}, but it must be a number")
            entry = corpus.find(int(ecg))
            texts = {
                name: cleaned(row[name])[:MOST_CHARACTERS] for name in ("question", "answer", "rationale")
            }
            if entry is None or not all(texts.values()):
                skipped["rows of ECG-QA-CoT without a recording, question, answer or thought"] += 1
                continue
            if only_sound and claims(f"{row['clinical_context']} {texts['rationale']}") - held.get(
                int(ecg), set()
            ):
                skipped["rows of ECG-QA-CoT that claim what PTB-XL does not hold"] += 1
                continue
            yield Question(
                recordings=(Stretch(entry.name),),
                question=texts["question"],
                answer=(texts["rationale"] if thoughts else texts["answer"],),
                type="reasoning" if thoughts else row["question_type"].strip(),
                template=f"ecg-qa {row['template_id'].strip()}",
                patient=(entry.patient,) if entry.patient else (),
                source="ecg-qa-cot",
                dataset="ptbxl",
                split=part,
            )


def claims(text: str) -> set[str]:
    """Return the columns of PTB-XL's table that a text claims not to be empty; a denial is no claim."""
    found = {
        column
        for column, words in _CLAIMS.items()
        for match in re.finditer(words, text, re.IGNORECASE)
        if not _DENIED.search(text[: match.start()])
    }
    return found


def _held(corpus: Corpus) -> dict[int, set[str]]:
    """Return, for each ECG, the columns that are not empty; one kind of noise stands for all kinds."""
    found = {}
    for row in read_table(corpus.folder / "ptbxl_database.csv", ("ecg_id", *_CLAIMS)):
        columns = {name for name in _CLAIMS if whole(row[name]) is not None}
        number = whole(row["ecg_id"])
        if number is not None and number.isdecimal():
            found[int(number)] = columns | (set(_NOISE) if columns & set(_NOISE) else set())
    return found
