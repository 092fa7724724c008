"""From what a user has (a question set, a dataset with labels, a store) to one file of questions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from physiolect.datasets.public.catalogue import recognise
from physiolect.datasets.questions.generated.asking import make_questions
from physiolect.datasets.questions.generated.from_ludb import known_of_ludb
from physiolect.datasets.questions.generated.from_machine import known_of_machine
from physiolect.datasets.questions.generated.from_ptbxl import known_of_ptbxl
from physiolect.datasets.questions.generated.from_store import known_of_store
from physiolect.datasets.questions.generated.known import Known
from physiolect.datasets.questions.generated.made import make_known
from physiolect.datasets.questions.identity import ecg_identity
from physiolect.datasets.questions.parts import drawn_below
from physiolect.datasets.questions.question import Question
from physiolect.datasets.questions.question_files import is_question_file, iterate_questions, write_questions
from physiolect.datasets.questions.readers.corpora import Corpus, open_corpus
from physiolect.datasets.questions.readers.ecg_qa import FORMS, is_ecg_qa, read_ecg_qa
from physiolect.datasets.questions.readers.ecg_qa_cot import is_ecg_qa_cot, read_ecg_qa_cot
from physiolect.datasets.questions.readers.llava import is_llava, read_llava
from physiolect.datasets.questions.readers.reports import read_reports
from physiolect.datasets.questions.sharing import Side, apart, refuse_shared, side_of_questions
from physiolect.datasets.store.manifest import is_store
from physiolect.datasets.store.store import open_store
from physiolect.errors import ConfigError, check_option
from physiolect.events import Listener, Reporter
from physiolect.result import Result, make_frame

if TYPE_CHECKING:
    import pandas

Kind = Literal["ecg-qa", "ecg-qa-cot", "conversations", "reports", "labels", "questions", "synthetic"]
MADE = "synthetic"
"""The source that is made instead of read."""
_EVERY = 1000


@dataclass(frozen=True, repr=False)
class PreparedQuestions(Result):
    """A file of questions, and what came into it."""

    path: Path
    kind: Kind
    """What the source was read as."""
    templates: dict[str, int]
    """Template -> questions."""
    types: dict[str, int]
    """Type -> questions."""
    patients: int
    skipped: dict[str, int] = field(default_factory=dict)
    """What was left out -> how often."""
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Questions."""
        return sum(self.templates.values())

    @property
    def summary(self) -> str:
        """What the file holds, and what was left out, in a few lines."""
        lines = [
            f"{self.count:,} questions of {len(self.templates):,} templates about {self.patients:,} patients or "
            f"recordings, written to {self.path} (read as {self.kind})",
            ", ".join(f"{count:,} {name or 'of no type'}" for name, count in sorted(self.types.items())),
            *_left_out(self.skipped),
            *self.notes,
        ]
        return "\n".join(lines)

    def to_frame(self) -> pandas.DataFrame:
        """Return a pandas DataFrame: a row a template.

        Raises:
            PhysiolectError: pandas is not installed.
        """
        return make_frame({"template": list(self.templates), "questions": list(self.templates.values())})


@dataclass(frozen=True)
class _Request:
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


def prepare_questions(
    source: Path | str,
    out: Path | str,
    *,
    recordings: Path | str | None = None,
    kind: Kind | None = None,
    form: str | None = None,
    folds: bool = False,
    only_sound: bool = False,
    dataset: str | None = None,
    count: int = 500,
    seed: int = 0,
    compare: bool = True,
    test_share: float = 0.2,
    apart_from: Sequence[Side] = (),
    on_event: Listener | None = None,
) -> PreparedQuestions:
    """Write one file of questions with answers, out of a question set, or out of what is known of recordings.

    Args:
        source: a folder or shard of ECG-QA or ECG-QA-CoT; a file of conversations (LLaVA's layout) or of questions
            in our format; PTB-XL, MIMIC-IV-ECG or LUDB, or a store, out of whose labels questions are made; or the
            word "synthetic": questions about made ECGs.
        out: the file, `.jsonl` or `.parquet`.
        recordings: folder or store of the recordings that the source asks about; for "synthetic", the folder to write
            them to. By default the source's own folder.
        kind: what to read the source as; by default what it looks like. "reports" asks for PTB-XL's or
            MIMIC-IV-ECG's reports.
        form: of ECG-QA, "template" or "paraphrased"; both by default.
        folds: of ECG-QA, use PTB-XL's folds as parts.
        only_sound: of ECG-QA-CoT, leave out what claims things that PTB-XL does not hold.
        dataset: public dataset of a store's recordings, where their names do not show it.
        count: made ECGs.
        seed: of wordings, negatives, pairs and made ECGs.
        compare: also make questions about two ECGs.
        test_share: share of the patients in the part "test", of labels without a published split; the others are "train".
        apart_from: leave out questions about patients or ECGs of these sides.
        on_event: gets messages and progress.

    Raises:
        ConfigError: the source is nothing that is known; a setting does not fit it; one patient or ECG is in two
            parts; no question is left.
        FormatError: a file is damaged; the message names the row.
        WriteError: the file cannot be written.
        Cancelled: the listener asked to stop.
    """
    kind = kind or recognise_kind(source)
    check_option("kind", kind, get_args(Kind))
    if form is not None:
        check_option("form", form, FORMS)
    if not 0 <= test_share <= 1:
        raise ConfigError(
            f"test_share is {test_share}, but must lie between 0 and 1", hint="0.2 tests on a fifth"
        )
    reporter = Reporter(on_event)
    request = _Request(
        Path(source), None if recordings is None else Path(recordings), form, folds, only_sound, dataset or "",
        count, seed, compare, test_share, apart_from, Counter(), [],
    )  # fmt: skip
    tally = _Tally(request, reporter)
    questions = _READERS[kind](request)
    if apart_from:
        questions = tally.apart(questions)
    write_questions(tally.checked(questions), out)
    return PreparedQuestions(
        Path(out),
        kind,
        dict(tally.templates),
        dict(tally.types),
        len(tally.groups),
        dict(request.skipped),
        tuple(request.notes),
    )


class _Tally:
    """Counts questions while they are written, and refuses the file as a whole where its parts share a patient."""

    def __init__(self, request: _Request, reporter: Reporter) -> None:
        self.templates, self.types = Counter[str](), Counter[str]()
        self.groups: set[str] = set()
        self._request, self._tell = request, reporter.progress("questions")
        self._parts: dict[str, Side] = {}

    def apart(self, questions: Iterator[Question]) -> Iterator[Question]:
        """Leave out questions about what the other side uses, and count them."""
        read = 0

        def counting() -> Iterator[Question]:
            nonlocal read
            for read, question in enumerate(questions, 1):  # noqa: B007 (the number is what is wanted)
                yield question

        kept = 0
        for kept, question in enumerate(apart(counting(), self._request.apart_from), 1):  # noqa: B007
            yield question
        if read > kept:
            self._request.skipped["questions about patients or ECGs of the other side"] = read - kept

    def checked(self, questions: Iterator[Question]) -> Iterator[Question]:
        """Pass questions on.

        Raises:
            ConfigError: there was none, or two parts share a patient or an ECG.
        """
        ecgs: dict[str, set[str]] = {}
        patients: dict[str, set[tuple[str, str]]] = {}
        for number, question in enumerate(questions, 1):
            self.templates[question.template] += 1
            self.types[question.type] += 1
            self.groups.update(question.groups)
            if question.split:
                side = side_of_questions([question], "")
                ecgs.setdefault(question.split, set()).update(side.ecgs)
                patients.setdefault(question.split, set()).update(side.patients)
            yield question
            if not number % _EVERY:
                self._tell(number)
        if not self.templates:
            raise ConfigError(
                "; ".join(
                    [
                        f"no question about {self._request.source} is left",
                        *_left_out(self._request.skipped),
                        *self._request.notes,
                    ]
                ),
                hint="are the recordings in the folder that was named?",
            )
        parts = [
            Side(f"the part '{part}'", frozenset(ecgs[part]), frozenset(patients[part]))
            for part in sorted(ecgs)
        ]
        for place, side in enumerate(parts):
            refuse_shared(parts[:place], side)


def _left_out(skipped: Mapping[str, int]) -> list[str]:
    return [f"left out: {what}: {count:,}" for what, count in sorted(skipped.items()) if count]


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


def _ecg_qa(request: _Request) -> Iterator[Question]:
    corpus = request.corpus()
    yield from read_ecg_qa(request.source, corpus, form=request.form, folds=request.folds)
    request.notes.extend(corpus.notes)


def _ecg_qa_cot(request: _Request) -> Iterator[Question]:
    corpus = request.corpus()
    yield from read_ecg_qa_cot(request.source, corpus, request.skipped, only_sound=request.only_sound)
    request.notes.extend(corpus.notes)


def _conversations(request: _Request) -> Iterator[Question]:
    corpus = request.corpus()
    yield from read_llava(request.source, corpus, request.skipped)
    request.notes.extend(corpus.notes)


def _reports(request: _Request) -> Iterator[Question]:
    yield from read_reports(request.corpus(), request.skipped)


def _labels(request: _Request) -> Iterator[Question]:
    if is_store(request.source):
        known = list(known_of_store(open_store(request.source), dataset=request.dataset))
    else:
        known = list(_LABELLED[recognise(request.source) or ""](request.source))
    kept = [
        each for each in known if not any(any(shared(_side_of(each), side)) for side in request.apart_from)
    ]
    if len(kept) < len(known):
        request.skipped["recordings of patients or ECGs of the other side"] = len(known) - len(kept)
    if not any(each.split for each in kept):
        kept = [replace(each, split=_part(each, request)) for each in kept]
    yield from make_questions(kept, seed=request.seed, compare=request.compare)


def _part(known: Known, request: _Request) -> str:
    name = known.patient or known.stretch.recording
    return "test" if drawn_below(request.seed, name, request.test_share) else "train"


def _side_of(known: Known) -> Side:
    patients = frozenset({(known.dataset, known.patient)} if known.patient else ())
    return Side("", frozenset({ecg_identity(known.stretch.recording, known.dataset)}), patients)


def _questions(request: _Request) -> Iterator[Question]:
    yield from iterate_questions(request.source)


def _synthetic(request: _Request) -> Iterator[Question]:
    if request.recordings is None:
        raise ConfigError(
            "made ECGs need a folder to be written to",
            hint="name it (recordings): physiolect questions synthetic --recordings made --out made.jsonl",
        )
    known = make_known(request.recordings, request.count, seed=request.seed)
    yield from make_questions(known, seed=request.seed, compare=request.compare)


_LABELLED: dict[str, Callable[[Path], Iterable[Known]]] = {
    "ptbxl": lambda folder: known_of_ptbxl(open_corpus(folder)),
    "mimic-iv-ecg": lambda folder: known_of_machine(open_corpus(folder)),
    "ludb": known_of_ludb,
}
_READERS: dict[str, Callable[[_Request], Iterator[Question]]] = {
    "ecg-qa": _ecg_qa,
    "ecg-qa-cot": _ecg_qa_cot,
    "conversations": _conversations,
    "reports": _reports,
    "labels": _labels,
    "questions": _questions,
    "synthetic": _synthetic,
}
