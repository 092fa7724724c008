"""Tables of `twelve_leads.py`: AUROC with intervals by patient, and the number of positive records of each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from physiolect.evaluation.bootstrap import Bootstrap, Estimate
from physiolect.evaluation.classification import measure_binary
from physiolect.evaluation.tables import in_cell, markdown

TITLES = {
    "encoder": "encoder",
    "resnet18": "ResNet-18",
    "xresnet50": "xResNet-50",
    "decoder": "decoder `ecg`, fine-tuned, lead II",
    "probe-encoder": "encoder of random weights + linear probe",
    "probe-resnet18": "ResNet-18 of random weights + linear probe",
    "boosting": "boosting on measurements",
    "sokolow": "Sokolow–Lyon voltage",
    "cornell": "Cornell voltage",
}
CRITERIA = ("sokolow", "cornell")


class Asked(Protocol):
    """What a table is of."""

    out: Path
    part: str
    labels: str


def print_tables(
    asked: Sequence[Asked], classes: Mapping[str, Sequence[str]], *, order: Sequence[str]
) -> None:
    """Print a table for each part and labels, of the rows whose predictions are kept."""
    for each in asked:
        paths = {name: each.out / "predictions" / f"{each.part}-{each.labels}-{name}.npz" for name in order}
        held = {name: dict(np.load(path)) for name, path in paths.items() if path.exists()}
        if held:
            print(f"\n## {each.part}, {each.labels}\n")
            print("\n".join(lines_of(held, classes[each.labels])))


def lines_of(held: Mapping[str, Mapping[str, NDArray]], classes: Sequence[str]) -> list[str]:
    """Return the lines of a table, and the differences from criteria of voltage where there are any.

    Args:
        held: row -> record (n,), score (n, classes), target (n, classes), patient (n,).
        classes: names.
    """
    first = next(iter(held.values()))
    shared = set.intersection(*(set(each["record"].tolist()) for each in held.values()))
    kept = np.array(sorted(shared))
    rows = {
        name: each["score"][np.searchsorted(each["record"], kept)] for name, each in held.items()
    }  # records are kept in order
    place = np.searchsorted(first["record"], kept)
    target, draws = first["target"][place], Bootstrap(first["patient"][place].tolist())
    found = {name: areas(score, target, draws) for name, score in rows.items()}
    positives = target.sum(0).astype(int).tolist()
    head = [f"{name} ({n})" for name, n in zip(classes, positives, strict=True)]
    compared = ["boosting"] if "boosting" in found else []
    titles = ["AUROC", "macro", *head, *("macro less that of boosting" for _ in compared)]
    body = [
        [TITLES[name], *map(in_cell, each), *(less(each[0], found[other][0]) for other in compared)]
        for name, each in found.items()
    ]
    lines = [
        f"{len(kept)} records of {draws.n_groups} patients; positive records in parentheses.",
        "",
        markdown([titles, ["---"] * len(titles), *body]),
    ]
    criteria = [name for name in CRITERIA if name in found]
    return [*lines, "", differences(found, criteria, head)] if criteria else lines


def areas(score: NDArray[np.float64], target: NDArray[np.float64], draws: Bootstrap) -> list[Estimate]:
    """Return the macro AUROC, and that of each class."""
    each = [
        measure_binary(score[:, k], target[:, k], draws, probability=False)["auroc"]
        for k in range(target.shape[1])
    ]
    values = np.mean([np.append(one.value, one.resampled) for one in each], axis=0)
    return [draws.estimate(values), *each]


def less(mine: Estimate, theirs: Estimate) -> str:
    """Return a paired difference, and whether its interval excludes zero."""
    if mine is theirs:
        return ""
    found = mine.minus(theirs)
    sign = "+" if found.value > 0 else ""
    return f"{sign}{in_cell(found)}: {'shown' if found.excludes_zero else 'not shown'}"


def differences(found: Mapping[str, list[Estimate]], criteria: Sequence[str], head: Sequence[str]) -> str:
    """Return a table of each row's AUROC less that of a criterion, class by class, and whether it is shown."""
    body = [["difference of AUROC", *head], ["---"] * (len(head) + 1)]
    for name, each in found.items():
        for criterion in criteria:
            if name in criteria:
                continue
            pairs = zip(each[-len(head) :], found[criterion][-len(head) :], strict=True)
            cells = [less(mine, theirs) for mine, theirs in pairs]
            body.append([f"{TITLES[name]} − {TITLES[criterion]}", *cells])
    return markdown(body)
