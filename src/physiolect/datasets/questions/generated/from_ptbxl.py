"""What is known of PTB-XL's ECGs: statements, rhythm, axis, classes, noise by lead, extra beats, pacemaker.

An empty cell for noise, extra beats and pacemaker means that there is none; an empty axis is unknown. Statements with
a likelihood above 0 and below 50 are doubtful, and are not asked about. Source: Wagner et al. 2020, tables 2 to 5.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from physiolect.datasets.public.dataset import Entry, read_table, whole
from physiolect.datasets.questions.generated.known import Known
from physiolect.datasets.questions.question import Stretch
from physiolect.datasets.questions.readers.corpora import Corpus
from physiolect.errors import ConfigError, FormatError
from physiolect.formats.wfdb_header import read_header
from physiolect.recording import LEADS

SOURCE = "PTB-XL's labels"
_STATEMENTS = "scp_statements.csv"
CLASSES = {
    "NORM": "a normal ECG", "MI": "myocardial infarction", "STTC": "ST/T change", "CD": "conduction disturbance",
    "HYP": "hypertrophy",
}  # fmt: skip
_AXES = {
    "MID": "normal heart axis", "LAD": "left axis deviation", "ALAD": "left axis deviation",
    "RAD": "right axis deviation", "ARAD": "right axis deviation",
}  # fmt: skip
_NOISES = {
    "baseline_drift": "baseline drift", "static_noise": "static noise", "burst_noise": "burst noise",
    "electrodes_problems": "electrode problems",
}  # fmt: skip
_WORDS = {"NORM": "a normal ECG", "DIG": "digitalis effect"}
"""Statements whose description does not fit into a question."""
_LIKELY = 50.0
_COLUMNS = (
    "ecg_id",
    "patient_id",
    "strat_fold",
    "scp_codes",
    "heart_axis",
    *_NOISES,
    "extra_beats",
    "pacemaker",
)


def known_of_ptbxl(corpus: Corpus, tables: Path | None = None) -> Iterator[Known]:
    """Iterate over what is known of the ECGs whose files are on the disk.

    Args:
        corpus: PTB-XL's ECGs: its folder, or a store of them.
        tables: folder of PTB-XL's tables; by default that of the recordings.

    Raises:
        ConfigError: the recordings are not PTB-XL's.
        FormatError: a table or a header is damaged.
    """
    if corpus.dataset != "ptbxl":
        raise ConfigError(
            f"{corpus.folder} does not hold PTB-XL", hint="name the folder with ptbxl_database.csv"
        )
    tables = corpus.folder if tables is None else tables
    named, table = read_statements(tables / _STATEMENTS), tables / "ptbxl_database.csv"
    for row in read_table(table, _COLUMNS):
        number = whole(row["ecg_id"]) or ""
        if number.isdecimal() and int(number) in corpus.there:
            entry, scale = corpus.entries[int(number)], corpus.in_millivolts
            measured = _in_millivolts(entry.path) if scale is None else int(number) in scale
            yield replace(_known(row, entry, named, table), millivolts=measured)


def read_statements(path: Path) -> dict[str, tuple[str, str, bool]]:
    """Return PTB-XL's statements: code -> its words, its diagnostic class or "", whether it is a rhythm.

    Raises:
        FormatError: the table is damaged.
    """
    columns = ("", "description", "diagnostic_class", "rhythm")
    return {
        row[""]: (
            _WORDS.get(row[""], row["description"].strip()),
            row["diagnostic_class"].strip(),
            bool(row["rhythm"].strip()),
        )
        for row in read_table(path, columns)
    }


def _known(
    row: Mapping[str, str], entry: Entry, named: Mapping[str, tuple[str, str, bool]], table: Path
) -> Known:
    codes = _likelihoods(row["scp_codes"], table)
    shown = {code for code, sure in codes.items() if not 0 < sure < _LIKELY}
    statements = {
        words: code in shown for code, (words, _, _) in named.items() if code in shown or code not in codes
    }
    found = sorted({named[code][1] for code in shown if code in named and named[code][1]})
    doubtful = any(code in named and named[code][1] for code in codes.keys() - shown)
    noises = {about: _leads(row[column]) for column, about in _NOISES.items()}
    statements |= {about: leads is None or bool(leads) for about, leads in noises.items()}
    statements["noise"] = any(statements[about] for about in noises)
    statements["extra beats"] = whole(row["extra_beats"]) is not None or bool(
        {"PVC", "PAC", "PRC(S)"} & shown
    )
    statements["a pacemaker"] = whole(row["pacemaker"]) is not None or "PACE" in shown
    fold = whole(row["strat_fold"])
    rhythms = [named[code][0] for code in codes if code in named and named[code][2]]
    kinds = {"rhythm": rhythms[0]} if len(rhythms) == 1 else {}
    if (axis := _AXES.get(row["heart_axis"].strip())) is not None:
        kinds["axis"] = axis
    return Known(
        stretch=Stretch(entry.name),
        dataset="ptbxl",
        source=SOURCE,
        patient=entry.patient or whole(row["patient_id"]),
        split=entry.split or (f"fold {fold}" if fold else ""),
        statements=statements,
        kinds=kinds,
        leads={about: leads for about, leads in noises.items() if leads is not None},
        classes=None if doubtful else tuple(CLASSES[each] for each in found if each in CLASSES),
        lead_names=LEADS,
    )


def _in_millivolts(header: Path) -> bool:
    """Return whether every lead of a record is in millivolts."""
    units = read_header(header).units()
    return bool(units) and all(unit == "mV" for unit in units)


def _likelihoods(text: str, table: Path) -> dict[str, float]:
    try:
        found = ast.literal_eval(text)
        return {str(code): float(sure) for code, sure in found.items()}
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError, AttributeError):
        raise FormatError(
            f"{table} has {text[:80]!r} where statements belong", hint="fetch the file again"
        ) from None


def _leads(cell: str) -> tuple[str, ...] | None:
    """Return the leads that a cell such as " , II-AVF" or "I,III,AVL" names; None where its words name no leads."""
    text = whole(cell) or ""
    if not text.strip(" ,.;"):
        return ()
    places = {lead.upper(): place for place, lead in enumerate(LEADS)}
    found: set[int] = set()
    for part in filter(None, re.split(r"[\s,.;/]+", text.upper())):
        first, dash, last = part.partition("-")
        if part in ("ALLES", "ALLE", "ALL"):
            found |= set(range(len(LEADS)))
        elif not dash and first in places:
            found.add(places[first])
        elif dash and first in places and last in places and places[first] <= places[last]:
            found |= set(range(places[first], places[last] + 1))
        else:
            return None
    return tuple(LEADS[place] for place in sorted(found))
