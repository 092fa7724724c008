"""One generated question in words: the wording is drawn, the rest follows from the template."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from physiolect.datasets.questions.generated.known import WAVES, Known
from physiolect.datasets.questions.generated.wordings import WORDINGS
from physiolect.datasets.questions.question import NO, YES, Question


class Phrasing:
    """Words questions.

    Args:
        seed: of what is drawn.
        purpose: draws for two purposes do not depend on each other.
    """

    def __init__(self, seed: int, purpose: str) -> None:
        self.rng = np.random.default_rng([seed, zlib.crc32(purpose.encode())])

    def verify(
        self, known: Sequence[Known], template: str, about: str, answer: str, **filled: str
    ) -> Question:
        """Return a question with the answer "yes" or "no"."""
        return self._question(known, template, about, (answer,), (NO, YES), "verify", **filled)

    def choose(
        self,
        known: Sequence[Known],
        template: str,
        about: str,
        answer: tuple[str, ...],
        options: tuple[str, str],
    ) -> Question:
        """Return a question that offers two options."""
        one, other = options
        pair = f"{about}: {' or '.join(sorted(options))}"
        return self._question(
            known, template, about, answer, options, "choose", key=pair, one=one, other=other
        )

    def query(
        self,
        known: Sequence[Known],
        template: str,
        about: str,
        answer: tuple[str, ...],
        choices: tuple[str, ...],
    ) -> Question:
        """Return a question whose answer is one or several of the choices."""
        return self._question(known, template, about, answer, choices, "query")

    def number(self, known: Sequence[Known], about: str, answer: str) -> Question:
        """Return a question for a number."""
        return self._question(known, "number", about, (answer,), (), "number")

    def wave(self, known: Sequence[Known], answer: str, *, time: str, lead: str) -> Question:
        """Return a question which wave is at a time."""
        return self._question(
            known, "wave at a time", "wave", (answer,), WAVES, "query", time=time, lead=lead
        )

    def _question(
        self,
        known: Sequence[Known],
        template: str,
        about: str,
        answer: tuple[str, ...],
        choices: tuple[str, ...],
        kind: str,
        *,
        key: str = "",
        **filled: str,
    ) -> Question:
        wordings = WORDINGS[template]
        words = wordings[self.rng.integers(len(wordings))].format(about=about, **filled)
        patients = tuple(dict.fromkeys(each.patient for each in known if each.patient))
        if len(known) == 1:
            form = "single"
        else:
            form = "comparison_consecutive" if len(patients) == 1 else "comparison_irrelevant"
        lead = filled.get("lead", "") if template == "finding in a lead" else ""
        return Question(
            recordings=tuple(each.stretch for each in known),
            question=words[0].upper() + words[1:],
            answer=answer,
            type=f"{form}-{kind}",
            template=template,
            about=key or (f"{about} in lead {lead}" if lead else about),
            choices=choices,
            patient=patients,
            source=known[0].source,
            dataset=known[0].dataset,
            split=known[0].split,
        )
