"""`physiolect questions SOURCE --out QA`: questions with known answers, in one file, to train and evaluate with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from physiolect.commands.settings import at_least_one
from physiolect.commands.terminal import listening, say

if TYPE_CHECKING:
    from physiolect.datasets.questions.sharing import Side

EXAMPLE = "physiolect questions ecgqa/ptbxl --recordings ptbxl --out qa.parquet"


@dataclass(frozen=True)
class Config:
    """Write questions about recordings, with their answers: out of a question set, or made from labels and marks."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("source",)

    source: str
    """ECG-QA, ECG-QA-CoT, a file of conversations (LLaVA's layout) or of questions; or PTB-XL, MIMIC-IV-ECG, LUDB or a
    store with labels, from which questions are made; or the word synthetic."""
    out: str
    """File to write, .jsonl or .parquet."""
    recordings: str | None = None
    """Folder or store of the recordings that are asked about (default: the source's own folder); with synthetic, the
    folder to write them to."""
    kind: (
        Literal["ecg-qa", "ecg-qa-cot", "conversations", "reports", "labels", "questions", "synthetic"] | None
    ) = None
    """What to read the source as (default: what it looks like); reports asks for PTB-XL's or MIMIC-IV-ECG's reports."""
    form: Literal["template", "paraphrased"] | None = None
    """Which questions of ECG-QA (default: both)."""
    folds: bool = False
    """Use PTB-XL's folds as parts, instead of ECG-QA's own parts, which ignore the folds."""
    only_sound: bool = False
    """Leave out rows of ECG-QA-CoT that claim noise, extra beats or pacemakers that PTB-XL does not hold."""
    dataset: str | None = None
    """Public dataset of a store's recordings, where their names do not show it, such as ptbxl."""
    count: int = 500
    """How many ECGs to make, with synthetic."""
    seed: int = 0
    """Another seed draws other wordings, negatives, pairs and made ECGs."""
    compare: bool = True
    """Also make questions about two ECGs."""
    test_share: float = 0.2
    """Share of the patients in the part "test", of labels without a published split; the others are "train"."""
    apart_from: tuple[str, ...] = ()
    """Checkpoints, question files, stores and dataset folders: leave out questions about patients or ECGs that these
    use."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        problems = at_least_one({"count": self.count})
        if Path(self.out).suffix.lower() not in (".jsonl", ".ndjson", ".parquet", ".pq"):
            problems.append(f"--out '{self.out}' must end in .jsonl or .parquet")
        return problems


def run(config: Config) -> int:
    """Write the questions."""
    from physiolect.datasets.questions.preparing import prepare_questions

    settings = dict(vars(config))
    sides = [_side(path) for path in settings.pop("apart_from")]
    with listening() as terminal:
        prepared = prepare_questions(**settings, apart_from=sides, on_event=terminal)
    say(prepared.summary)
    return 0


def _side(path: str) -> Side:
    """Return the patients and ECGs that a checkpoint, a file of questions, a store or a dataset uses."""
    from physiolect.checkpoint.run import Run, read_run
    from physiolect.datasets import is_store, open_store, row_groups
    from physiolect.datasets.questions.question_files import iterate_questions
    from physiolect.datasets.questions.sharing import side_of_folder, side_of_names, side_of_questions
    from physiolect.errors import ConfigError

    place = Path(path)
    if place.is_file():
        return side_of_questions(iterate_questions(place), path)
    if (place / "run.yaml").is_file():
        run = Run.of(read_run(place / "run.yaml"))
        if not run.records_patients:
            raise ConfigError(
                f"{path} does not record which patients it was trained on",
                hint="leave it out, and expect leakage",
            )
        return side_of_names(run.used, path)
    if is_store(place):
        return side_of_names(row_groups(open_store(place)), path)
    return side_of_folder(place)
