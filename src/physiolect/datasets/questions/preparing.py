"""From what a user has (a question set, a dataset with labels, a store) to one file of questions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from physiolect.datasets.questions.question import Question
from physiolect.datasets.questions.question_files import write_questions
from physiolect.datasets.questions.readers.ecg_qa import FORMS
from physiolect.datasets.questions.sharing import Held, Side, refuse_shared, side_of_questions
from physiolect.datasets.questions.sources import READERS, Kind, Request, recognise_kind
from physiolect.errors import ConfigError, check_option
from physiolect.events import Listener, Reporter
from physiolect.result import Result, make_frame

if TYPE_CHECKING:
    import pandas

_EVERY = 1000
_ONLY_FOR = {"form": "ecg-qa", "folds": "ecg-qa", "only_sound": "ecg-qa-cot"}
"""Setting -> the kind of source that has it."""


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
        test_share: share of the patients in the part "test", of made ECGs and of labels without a published split; the
            others are "train".
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
    for name, given in (("form", form), ("folds", folds), ("only_sound", only_sound)):
        if given and kind != _ONLY_FOR[name]:
            raise ConfigError(
                f"{name} is for {_ONLY_FOR[name]}, but {source} is read as {kind}", hint=f"leave {name} out"
            )
    if not 0 <= test_share <= 1:
        raise ConfigError(
            f"test_share is {test_share}, but must lie between 0 and 1", hint="0.2 tests on a fifth"
        )
    reporter = Reporter(on_event)
    request = Request(
        Path(source), None if recordings is None else Path(recordings), form, folds, only_sound, dataset or "",
        count, seed, compare, test_share, apart_from, Counter(), [],
    )  # fmt: skip
    tally = _Tally(request, reporter)
    questions = READERS[kind](request)
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

    def __init__(self, request: Request, reporter: Reporter) -> None:
        self.templates, self.types = Counter[str](), Counter[str]()
        self.groups: set[str] = set()
        self._request, self._tell = request, reporter.progress("questions")

    def apart(self, questions: Iterator[Question]) -> Iterator[Question]:
        """Leave out questions about what the other side uses, and count them."""
        held = Held(self._request.apart_from)
        for question in questions:
            if any(held.shared(side_of_questions([question], ""))):
                self._request.skipped["questions about patients or ECGs of the other side"] += 1
            else:
                yield question

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
