"""What a signal is: the Recording, its annotations, and the names of its channels."""

from physiolect.recording.annotations import Annotations
from physiolect.recording.channels import (
    LEADS,
    MODALITIES,
    NEURAL,
    Modality,
    Unit,
    canonical_channel,
    modality_of,
    shared_modality,
    stated_kind,
    unit_name,
)
from physiolect.recording.recording import Recording
from physiolect.recording.start_time import StartTime, clock_time, later, start_text, without_date
from physiolect.recording.wording import names_text, seconds_text

__all__ = [
    "LEADS",
    "MODALITIES",
    "NEURAL",
    "Annotations",
    "Modality",
    "Recording",
    "StartTime",
    "Unit",
    "canonical_channel",
    "clock_time",
    "later",
    "modality_of",
    "names_text",
    "seconds_text",
    "shared_modality",
    "start_text",
    "stated_kind",
    "unit_name",
    "without_date",
]
