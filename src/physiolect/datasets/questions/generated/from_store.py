"""What a store's labels say of its rows: for recordings that were prepared, filtered or not, with any labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from physiolect.datasets.questions.generated.from_ptbxl import CLASSES
from physiolect.datasets.questions.generated.known import Known
from physiolect.datasets.questions.question import Stretch
from physiolect.datasets.store.store import Store

_RHYTHMS = {
    "SR": "sinus rhythm", "AFIB": "atrial fibrillation", "STACH": "sinus tachycardia", "SARRH": "sinus arrhythmia",
    "SBRAD": "sinus bradycardia", "PACE": "normal functioning artificial pacemaker", "AFLT": "atrial flutter",
    "SVTAC": "supraventricular tachycardia", "PSVT": "paroxysmal supraventricular tachycardia",
    "N": "sinus rhythm", "SBR": "sinus bradycardia", "AFL": "atrial flutter",
}  # fmt: skip


def known_of_store(
    store: Store, *, dataset: str = "", names: Mapping[str, str] | None = None, every_label: bool = True
) -> Iterator[Known]:
    """Iterate over what the labels of a store's rows say.

    Args:
        store: with labels; a row without labels is left out.
        dataset: public dataset of its recordings, where that is known.
        names: label -> its words; PTB-XL's classes and common rhythms have theirs, other labels are their own words.
        every_label: a row lacks each label of the store that it does not have. With False only labels that a row has
            are known, and nothing is asked that could be answered by "no".
    """
    words = {**CLASSES, **_RHYTHMS, **(names or {})}
    labels = store.labels
    there = sorted({label for row in labels for label in row})
    rhythms = set(there) & set(_RHYTHMS)
    starts, sources, patients, splits = store.starts, store.sources, store.patients, store.splits
    for row, own in enumerate(labels):
        if not own:
            continue
        start = float(starts[row])
        seconds = float(store.lengths[row]) / store.contract.fs
        found = [label for label in own if label in rhythms]
        units = store.row(row).units
        yield Known(
            stretch=Stretch(sources[row], start, start + seconds),
            dataset=dataset,
            source=f"labels of {store.path.name}",
            patient=patients[row],
            split=splits[row] or "",
            millivolts=bool(units) and all(unit == "mV" for unit in units),
            statements={
                words.get(label, label): label in own for label in there if every_label or label in own
            },
            kinds={"rhythm": words[found[0]]} if len(found) == 1 and len(rhythms) > 1 else {},
            lead_names=store.channels(row),
            seconds=seconds,
        )
