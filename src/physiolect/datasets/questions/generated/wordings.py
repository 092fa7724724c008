"""How generated questions are worded; every template has several wordings, so that words do not give answers away."""

from __future__ import annotations

WORDINGS: dict[str, tuple[str, ...]] = {
    "finding": (
        "Does this ECG show {about}?",
        "Is there {about} in this recording?",
        "Can {about} be seen in this ECG?",
        "Would you report {about} here?",
    ),
    "finding in a lead": (
        "Does lead {lead} show {about}?",
        "Is there {about} in lead {lead}?",
        "Can {about} be seen in lead {lead}?",
    ),
    "leads of a finding": (
        "Which leads show {about}?",
        "In which leads is there {about}?",
        "List the leads with {about}.",
    ),
    "one of two": (
        "Is the {about} of this ECG {one} or {other}?",
        "Which {about} does this ECG have, {one} or {other}?",
        "{one} or {other}: what is the {about}?",
    ),
    "kind": (
        "What is the {about} of this ECG?",
        "Which {about} does this ECG have?",
        "Name the {about}.",
    ),
    "classes": (
        "Which diagnostic classes does this ECG belong to?",
        "What groups of diagnoses does this ECG show?",
    ),
    "number": (
        "What is the {about}?",
        "How large is the {about} in this ECG?",
        "Please measure the {about}.",
    ),
    "second of an event": (
        "In which second is there {about}? The first second is 0.",
        "During which seconds, counted from 0, does {about} occur?",
    ),
    "wave at a time": (
        "Which wave is at {time} s in lead {lead}?",
        "What is the deflection at {time} s in lead {lead}: P wave, QRS complex or T wave?",
    ),
    "wave in a span": (
        "Is there a {about} between {start} and {stop} s in lead {lead}?",
        "Does lead {lead} have a {about} from {start} to {stop} s?",
    ),
    "both show": (
        "Do both ECGs show {about}?",
        "Is there {about} in the first ECG and in the second?",
    ),
    "new in the second": (
        "Does the second ECG show {about} that the first does not?",
        "Has {about} appeared in the second ECG, compared with the first?",
    ),
    "same kind": (
        "Do both ECGs have the same {about}?",
        "Is the {about} of the second ECG that of the first?",
    ),
    "which is larger": (
        "Which ECG has the larger {about}, the first or the second?",
        "Is the {about} larger in the first ECG or in the second?",
    ),
    "findings that are new": (
        "Which findings does the second ECG show that the first does not?",
        "What is new in the second ECG?",
    ),
}
"""Template -> its wordings; what is in braces is filled in."""
