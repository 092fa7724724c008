"""What questions can be made from: how each source is recognised, and what reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from physiolect.datasets.public.catalogue import recognise
from physiolect.datasets.questions.generated.asking import make_questions
from physiolect.datasets.questions.generated.from_ludb import known_of_ludb
from physiolect.datasets.questions.generated.from_machine import known_of_machine
from physiolect.datasets.questions.generated.from_ptbxl import known_of_ptbxl
from physiolect.datasets.questions.generated.from_store import known_of_store
from physiolect.datasets.questions.generated.known import Known
from physiolect.datasets.questions.generated.made import make_known
from physiolect.datasets.questions.identity import ecg_identity, patient_identity
from physiolect.datasets.questions.parts import drawn_below
from physiolect.datasets.questions.question import Question
from physiolect.datasets.questions.question_files import is_question_file, iterate_questions
from physiolect.datasets.questions.readers.corpora import Corpus, open_corpus
from physiolect.datasets.questions.readers.ecg_qa import is_ecg_qa, read_ecg_qa
from physiolect.datasets.questions.readers.ecg_qa_cot import is_ecg_qa_cot, read_ecg_qa_cot
from physiolect.datasets.questions.readers.llava import is_llava, read_llava
from physiolect.datasets.questions.readers.reports import read_reports
from physiolect.datasets.questions.sharing import Held, Side
from physiolect.datasets.store.manifest import is_store
from physiolect.datasets.store.store import open_store
from physiolect.errors import ConfigError

Kind = Literal["ecg-qa", "ecg-qa-cot", "conversations", "reports", "labels", "questions", "synthetic"]
MADE = "synthetic"
"""The source that is made instead of read."""


@dataclass(frozen=True)
class Request:
    """What was asked for."""

    source: Path
    recordings: Path | None
    form: str | None
    folds: bool
    only_sound: bool
    dataset: str
    count: int
    seed: int
    compare: bool
    test_share: float
    apart_from: Sequence[Side]
    skipped: Counter[str]
    notes: list[str]

    def corpus(self) -> Corpus:
        """Return the recordings; by default those of the source's own folder."""
        folder = self.recordings or (self.source if self.source.is_dir() else self.source.parent)
        return open_corpus(folder, dataset=self.dataset)


def recognise_kind(source: Path | str) -> Kind:
    """Return what a source looks like.

    Raises:
        ConfigError: nothing that is known.
    """
    path = Path(source)
    if str(source) == MADE and not path.exists():
        return "synthetic"
    if is_ecg_qa_cot(path):
        return "ecg-qa-cot"
    if path.is_dir() and (is_store(path) or recognise(path) in _LABELLED):
        return "labels"
    if is_ecg_qa(path):
        return "ecg-qa"
    if is_llava(path):
        return "conversations"
    if path.is_file() and is_question_file(path):
        return "questions"
    raise ConfigError(
        f"{source} is no source of questions that is known" if path.exists() else f"there is no {source}",
        hint="known are ECG-QA, ECG-QA-CoT, conversations, questions in our format, PTB-XL, MIMIC-IV-ECG, LUDB, stores "
        "with labels, and 'synthetic'",
    )


def _ecg_qa(request: Request) -> Iterator[Question]:
    corpus = request.corpus()
    yield from read_ecg_qa(request.source, corpus, form=request.form, folds=request.folds)
    request.notes.extend(corpus.notes)


def _ecg_qa_cot(request: Request) -> Iterator[Question]:
    corpus = request.corpus()
    yield from read_ecg_qa_cot(request.source, corpus, request.skipped, only_sound=request.only_sound)
    request.notes.extend(corpus.notes)


def _conversations(request: Request) -> Iterator[Question]:
    corpus = request.corpus()
    yield from read_llava(request.source, corpus, request.skipped)
    request.notes.extend(corpus.notes)


def _reports(request: Request) -> Iterator[Question]:
    yield from read_reports(request.corpus(), request.skipped)


def _labels(request: Request) -> Iterator[Question]:
    if is_store(request.source):
        known = list(known_of_store(open_store(request.source), dataset=request.dataset))
    else:
        name = recognise(request.source) if request.source.is_dir() else None
        if name not in _LABELLED:
            raise ConfigError(
                f"{request.source} holds no labels that questions are made from",
                hint=f"these do: {', '.join(_LABELLED)}, and stores with labels",
            )
        known = list(_LABELLED[name](request))
    held = Held(request.apart_from)
    kept = [each for each in known if not any(held.shared(_side_of(each)))]
    if len(kept) < len(known):
        request.skipped["recordings of patients or ECGs of the other side"] = len(known) - len(kept)
    if not any(each.split for each in kept):
        kept = [replace(each, split=_part(each, request)) for each in kept]
    yield from make_questions(kept, seed=request.seed, compare=request.compare)


def _part(known: Known, request: Request) -> str:
    name = known.patient or known.stretch.recording
    return "test" if drawn_below(request.seed, name, request.test_share) else "train"


def _side_of(known: Known) -> Side:
    patients = frozenset({patient_identity(known.patient, known.dataset)} if known.patient else ())
    return Side("", frozenset({ecg_identity(known.stretch.recording, known.dataset)}), patients)


def _questions(request: Request) -> Iterator[Question]:
    yield from iterate_questions(request.source)


def _synthetic(request: Request) -> Iterator[Question]:
    if request.recordings is None:
        raise ConfigError(
            "made ECGs need a folder to be written to",
            hint="name it (recordings): physiolect questions synthetic --recordings made --out made.jsonl",
        )
    made = make_known(request.recordings, request.count, seed=request.seed)
    known = [replace(each, split=_part(each, request)) for each in made]
    yield from make_questions(known, seed=request.seed, compare=request.compare)


_LABELLED: dict[str, Callable[[Request], Iterable[Known]]] = {
    "ptbxl": lambda request: known_of_ptbxl(request.corpus(), request.source),
    "mimic-iv-ecg": lambda request: known_of_machine(request.corpus(), request.source),
    "ludb": lambda request: known_of_ludb(request.source),
}
READERS: dict[str, Callable[[Request], Iterator[Question]]] = {
    "ecg-qa": _ecg_qa,
    "ecg-qa-cot": _ecg_qa_cot,
    "conversations": _conversations,
    "reports": _reports,
    "labels": _labels,
    "questions": _questions,
    "synthetic": _synthetic,
}
