"""What a signal is: the Recording, its annotations, and the names of its channels."""

from physiolect.recording.annotations import Annotations
from physiolect.recording.channels import (
    LEADS,
    MODALITIES,
    Modality,
    Unit,
    canonical_channel,
    modality_of,
    shared_modality,
    stated_kind,
    unit_name,
)
from physiolect.recording.recording import Recording, seconds_text

__all__ = [
    "LEADS",
    "MODALITIES",
    "Annotations",
    "Modality",
    "Recording",
    "Unit",
    "canonical_channel",
    "modality_of",
    "seconds_text",
    "shared_modality",
    "stated_kind",
    "unit_name",
]
