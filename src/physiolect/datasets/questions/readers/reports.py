"""Reports as answers: what a physician (PTB-XL) or the cart's software (MIMIC-IV-ECG) wrote about an ECG.

PTB-XL's reports are German and English, as they were written. MIMIC-IV-ECG's are the lines of
`machine_measurements.csv`; no physician has seen them. The layout of MIMIC-IV-ECG is known from its description.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from physiolect.datasets.public.catalogue import DATASETS
from physiolect.datasets.questions.question import MOST_CHARACTERS, Question, Stretch, cleaned
from physiolect.datasets.questions.readers.corpora import Corpus, numbered

ASKED = (
    "Write the report of this ECG.",
    "What would a report of this ECG say?",
    "Please describe this ECG.",
    "Give a short clinical report of the recording.",
)
_SOURCES = {"ptbxl": "PTB-XL's reports", "mimic-iv-ecg": "MIMIC-IV-ECG's machine reports"}


def read_reports(corpus: Corpus, skipped: Counter[str]) -> Iterator[Question]:
    """Iterate over one question for each recording on the disk: what does its report say?

    Args:
        corpus: PTB-XL's or MIMIC-IV-ECG's folder.
        skipped: counts recordings without a report.

    Raises:
        ConfigError: the folder holds neither.
    """
    dataset = DATASETS[numbered(corpus).dataset]
    for number, entry in corpus.entries.items():
        if number not in corpus.there:
            continue
        report = cleaned(entry.report)[:MOST_CHARACTERS]
        if not report:
            skipped["recordings without a report"] += 1
            continue
        yield Question(
            recordings=(Stretch(entry.name),),
            question=ASKED[number % len(ASKED)],
            answer=(report,),
            type="report",
            template="report",
            patient=(entry.patient,) if entry.patient else (),
            source=_SOURCES[dataset.name],
            dataset=dataset.name,
            split=entry.split or "",
        )
