"""What an evaluation found: measures with intervals, paired differences, warnings and figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from physiolect.errors import PhysiolectError, check_option
from physiolect.evaluation.bootstrap import Bootstrap, Estimate
from physiolect.evaluation.measures import Measured
from physiolect.evaluation.tables import differences_table, interval_words, measures_table, undefined_words
from physiolect.result import Result, make_frame

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class EvaluationResult(Result):
    """Measures of a model, of what it is compared with, and of baselines, on the same windows or records."""

    task: str
    """Name of the task."""
    models: Mapping[str, str]
    """"model", and "compared" where there is one -> what the user named."""
    titles: Mapping[str, str]
    """The same names -> names in tables and figures."""
    store: str
    """Folder of the store."""
    store_sha256: str
    """Digest of the store."""
    measures: Mapping[str, Measured]
    """Model, compared model and baselines, in this order."""
    columns: Sequence[str]
    """Measures in the order of the table."""
    draws: Bootstrap = field(repr=False)
    """Resamples of the patients that all intervals are made of."""
    by_patient: bool
    """Whether the patient of every window is known; where not, intervals are by recording."""
    count: int
    """Number of windows or records."""
    counted: str
    """"windows" or "records"."""
    data: str
    """What was evaluated, in a line."""
    protocol: str
    """How the baselines were trained."""
    warnings: tuple[str, ...] = ()
    """Leakage: patients that a model was trained on, or chosen by, and is tested on here."""
    parts: Mapping[str, Mapping[str, Measured]] = field(default_factory=dict)
    """Part of the data, such as "without mitbih/232" -> model -> measures of that part."""
    remarks: tuple[str, ...] = ()
    """Sentences about models and baselines, which `notes` holds too."""
    of: str = ""
    """What intervals are by, where it is neither patients nor recordings."""
    per_class_words: str = "class by class"
    """Heading of the tables of each class, or target."""
    each: Mapping[str, Any] = field(default_factory=dict)
    """Numbers of each patient or record."""
    draw: Callable[[], Mapping[str, Figure]] = field(default=dict, repr=False)
    """Makes the figures."""

    @property
    def unit(self) -> str:
        """What intervals are by: "patients" or "recordings"."""
        return self.of or ("patients" if self.by_patient else "recordings")

    @cached_property
    def differences(self) -> dict[str, dict[str, Estimate]]:
        """Paired differences "model - NAME" for every other row, by measure."""
        first, *others = self.measures
        return {f"{first} - {name}": self.measures[first].minus(self.measures[name]) for name in others}

    @property
    def table(self) -> str:
        """The overall measures as a Markdown table."""
        return measures_table(self._titled, self.columns)

    @property
    def notes(self) -> list[str]:
        """Sentences about intervals, models and baselines."""
        return [
            interval_words(self.draws, by_patient=self.by_patient, of=self.of),
            *undefined_words(self._titled),
            *(f"{self._title(name)}: {each.note}." for name, each in self.measures.items() if each.note),
            *self.remarks,
        ]

    @property
    def summary(self) -> str:
        """Data, tables of measures, notes, and paired differences."""
        parts = [f"{self.data}\n", self.table, "", *self.notes]
        for name, each in self.measures.items():
            if each.per_class:
                table = measures_table(each.per_class, self.columns, positives=each.positives)
                parts += ["", f"{self._title(name)}, {self.per_class_words}:", "", table]
        for part, found in self.parts.items():
            lines = {
                f"{self._title(name)}{f', {of}' if of else ''}": measures
                for name, each in found.items()
                for of, measures in (("", each.overall), *each.per_class.items())
            }
            parts += ["", f"{part[:1].upper()}{part[1:]}:", "", measures_table(lines, self.columns)]
        if self.differences:
            first, *others = self.measures
            rows = {
                f"{self._title(first)} - {self._title(name)}": self.differences[f"{first} - {name}"]
                for name in others
            }
            table = differences_table(rows, self.columns)
            parts += ["", "Paired differences, in bold where the interval excludes zero:", "", table]
        return "\n".join(parts)

    def to_frame(self) -> pandas.DataFrame:
        """Return all measures, one a row: name, class ("" for all), positives, measure, value, low, high, undefined.

        Positives are the windows of the class; None where a measure is of all windows, or of positions.

        Raises:
            PhysiolectError: pandas is not installed.
        """
        rows = [
            (name, of, each.positives.get(of), measure, found)
            for name, each in self.measures.items()
            for of, measures in (("", each.overall), *each.per_class.items())
            for measure, found in measures.items()
        ]
        return make_frame(
            {
                "name": [name for name, *_ in rows],
                "class": [of for _, of, *_ in rows],
                "positives": [n for _, _, n, *_ in rows],
                "measure": [measure for *_, measure, _ in rows],
                **{
                    column: [getattr(found, column) for *_, found in rows]
                    for column in ("value", "low", "high", "undefined")
                },
            }
        )

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """All figures, by the names of their files."""
        return dict(self.draw())

    def plot(self, name: str | None = None) -> Figure:
        """Return a figure.

        Args:
            name: one of `figures`; None for the first.

        Raises:
            ConfigError: there is no figure of that name.
            PhysiolectError: there is no figure at all.
        """
        if not self.figures:
            raise PhysiolectError(
                "there is nothing to draw: all windows are of one class", hint="evaluate windows of both"
            )
        name = next(iter(self.figures)) if name is None else name
        check_option("name", name, self.figures)
        return self.figures[name]

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the figures, ready for JSON."""
        return {
            "task": self.task, "checkpoint": next(iter(self.models.values())), "models": dict(self.models),
            "store": self.store, "store_sha256": self.store_sha256, self.counted: self.count,
            "groups": {"unit": self.unit, "count": self.draws.n_groups},
            "intervals": {"level": self.draws.level, "resamples": len(self.draws.times), "by": self.unit},
            "measures": {name: each.to_dict() for name, each in self.measures.items()},
            "differences": {
                pair: {name: each.to_dict() for name, each in found.items()}
                for pair, found in self.differences.items()
            },
            **(
                {
                    "parts": {
                        part: {name: each.to_dict() for name, each in found.items()}
                        for part, found in self.parts.items()
                    }
                }
                if self.parts
                else {}
            ),
            "each": dict(self.each), "protocol": self.protocol, "warnings": list(self.warnings),
            "notes": self.notes,
        }  # fmt: skip

    def _title(self, name: str) -> str:
        return self.titles.get(name, name)

    @property
    def _titled(self) -> dict[str, Mapping[str, Estimate]]:
        return {self._title(name): each.overall for name, each in self.measures.items()}
