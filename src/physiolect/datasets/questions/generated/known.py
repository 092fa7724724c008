"""What is known of a recording, whoever knows it: labels, experts' marks, or the maker of the recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from physiolect.datasets.questions.question import Question, Stretch

NUMBERS: dict[str, tuple[str, int]] = {
    "heart rate": ("per minute", 0),
    "PR interval": ("ms", 0),
    "QRS duration": ("ms", 0),
    "QT interval": ("ms", 0),
    "number of QRS complexes": ("", 0),
    "number of premature ventricular beats": ("", 0),
    "height of R in lead I": ("mV", 1),
    "height of R in lead II": ("mV", 1),
    "height of R in lead V5": ("mV", 1),
}
"""What can be asked for as a number -> its unit, and decimals of the answer."""

WAVES = ("P wave", "QRS complex", "T wave")

NEEDS_MILLIVOLTS = frozenset(
    {
        # sizes
        "left ventricular hypertrophy", "right ventricular hypertrophy", "septal hypertrophy", "hypertrophy",
        "voltage criteria (qrs) for left ventricular hypertrophy", "high qrs voltage",
        "low qrs voltages in the frontal and horizontal leads", "low amplitude t-waves",
        "left atrial overload/enlargement", "right atrial overload/enlargement",
        # sizes of leads against each other
        "axis", "classes",
        # what filters remove
        "baseline drift", "static noise", "burst noise", "electrode problems", "noise",
        "normal functioning artificial pacemaker", "a pacemaker",
    }
)  # fmt: skip
"""What can be judged only where the signal is as it was recorded, in millivolts."""


@dataclass(frozen=True)
class Wave:
    """A wave that an expert marked in one lead, in seconds from the start of the stretch."""

    name: str
    """One of `WAVES`."""
    lead: str
    onset: float
    peak: float
    end: float


@dataclass(frozen=True)
class Known:
    """What is known of one recording. What is not in it is unknown, and is not asked for."""

    stretch: Stretch
    dataset: str
    source: str
    """Who knows it: "PTB-XL's labels"."""
    patient: str | None = None
    split: str = ""
    millivolts: bool = False
    """Whether the recording is in millivolts as it was recorded, all leads alike."""
    statements: Mapping[str, bool] = field(default_factory=dict)
    """Finding -> whether the recording shows it."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """What the recording has exactly one of ("rhythm", "axis") -> which."""
    leads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Finding -> the leads that show it; () where none does."""
    classes: tuple[str, ...] | None = None
    """Diagnostic classes; None where they are unknown."""
    numbers: Mapping[str, float] = field(default_factory=dict)
    """Names of `NUMBERS` -> value in their unit."""
    moments: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Event -> when it happens, in seconds from the start of the stretch; () where it does not."""
    waves: tuple[Wave, ...] = ()
    lead_names: tuple[str, ...] = ()
    """Leads that can be asked about one by one."""
    seconds: float = 0.0
    """Length of the stretch; 0 where it is unknown."""

    def may_ask(self, about: str) -> bool:
        """Return whether the recording's unit lets something be asked."""
        return self.millivolts or not _needs_millivolts(about)


def needs_millivolts(question: Question) -> bool:
    """Return whether a generated question can be answered only from a recording in millivolts."""
    if question.template == "classes":
        return True
    if question.template == "findings that are new":
        return any(map(_needs_millivolts, question.choices))
    subject = question.about.partition(":")[0]
    return _needs_millivolts(subject) or _needs_millivolts(subject.partition(" in lead ")[0])


def _needs_millivolts(about: str) -> bool:
    return about.lower() in NEEDS_MILLIVOLTS or NUMBERS.get(about, ("",))[0] == "mV"
