"""PTB-XL: 21,799 twelve-lead ECGs of ten seconds, with physicians' statements and ten folds.

The layout (`ptbxl_database.csv`, `scp_statements.csv`, `records100/`, `records500/`) is known from the description of
version 1.0.3; of its files, one raw record and the table of statements were at hand. Source: Wagner et al. 2020,
table 2 (columns) and the section on folds: 1 to 8 train, 9 and 10 were reviewed by a person and validate and test.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

from physiolect.datasets.public.dataset import Entry, LabelChoice, PublicDataset, inside, read_table, whole
from physiolect.errors import FormatError

_TABLE, _STATEMENTS = "ptbxl_database.csv", "scp_statements.csv"
_RATES = {100: ("records100", "filename_lr"), 500: ("records500", "filename_hr")}
"""Rate in Hz -> its folder, and the column that names its files."""


def _index(folder: Path, choice: LabelChoice) -> Iterator[Entry]:
    column = _RATES[_rate(folder, choice.fs)][1]
    labels_of = _labels(folder, choice.labels or "superclass")
    for row in read_table(folder / _TABLE, ("patient_id", "scp_codes", "strat_fold", "report", column)):
        record, fold = inside(row[column]), whole(row["strat_fold"])
        yield Entry(
            record,
            folder / f"{record}.hea",
            whole(row["patient_id"]),
            labels_of(_codes(row["scp_codes"], folder)),
            f"fold {fold}" if choice.split and fold else None,
            report=row["report"],
        )


def _rate(folder: Path, wanted: float | None) -> int:
    """Return the lowest rate on the disk that reaches the one wanted, else the highest there is."""
    there = [rate for rate, (name, _) in _RATES.items() if (folder / name).is_dir()]
    if not there:
        raise FormatError(
            f"{folder} has neither records100 nor records500",
            hint="fetch one: physiolect download ptbxl --only records100",
        )
    return min((rate for rate in there if wanted is not None and rate >= wanted), default=max(there))


def _codes(text: str, folder: Path) -> list[str]:
    """Return the statements in a cell like "{'NORM': 100.0, 'SR': 0.0}"; a likelihood of 0 means that none is given."""
    try:
        codes = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        codes = None
    if not isinstance(codes, dict) or not all(isinstance(code, str) for code in codes):
        raise FormatError(
            f"{folder / _TABLE} has {text[:80]!r} where statements belong", hint="fetch the file again"
        )
    return list(codes)


def _labels(folder: Path, kind: str) -> Callable[[list[str]], tuple[str, ...]]:
    """Return what turns statements into labels of a kind."""
    if kind == "scp":
        return tuple
    column = {"superclass": "diagnostic_class", "subclass": "diagnostic_subclass"}.get(kind, kind)
    classes = {row[""]: row[column] for row in read_table(folder / _STATEMENTS, ("", column))}
    if column == kind:  # form and rhythm are marked by a number, and a statement is its own class
        classes = {code: code for code, mark in classes.items() if mark}
    return lambda codes: tuple(sorted({classes[code] for code in codes if classes.get(code)}))


PTBXL = PublicDataset(
    name="ptbxl",
    title="PTB-XL",
    licence="CC BY 4.0",
    citation="Wagner et al., PTB-XL, a large publicly available electrocardiography dataset, Scientific Data 7:154, "
    "2020, doi:10.1038/s41597-020-0495-6",
    origin="PhysioNet, ptb-xl 1.0.3",
    layout=f"{_TABLE}, {_STATEMENTS}, and records100/ or records500/",
    patients="every recording's",
    recognise=lambda folder: (folder / _TABLE).is_file(),
    index=_index,
    physionet="ptb-xl/1.0.3",
    tables=(_TABLE, _STATEMENTS),
    labels={
        "superclass": "NORM, MI, STTC, CD, HYP: the classes of all diagnostic statements, however likely",
        "subclass": "23 classes of diagnostic statements, as AMI or CRBBB",
        "form": "19 statements on the form of waves, as ABQRS or NDT; records without one have no label",
        "rhythm": "12 statements on the rhythm, as AFIB, SBRAD or STACH; records without one have no label",
        "scp": "all 71 statements: diagnostic, form and rhythm",
    },
    splits={"folds": "fold 1 … fold 10, by patient: 1-8 train, 9 validates, 10 tests"},
    split="folds",
)
