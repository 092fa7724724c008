"""Files that hospitals and PhysioNet hand out: one file of this room for each format."""

from physiolect.formats.exporting import Exported, export
from physiolect.formats.folder import list_recordings
from physiolect.formats.read import (
    as_recording,
    read_every_rate,
    read_recording,
    read_recordings,
    read_stretches,
    read_text,
)
from physiolect.formats.wfdb_write import write_annotations
from physiolect.formats.write import write_recording

__all__ = [
    "Exported",
    "as_recording",
    "export",
    "list_recordings",
    "read_every_rate",
    "read_recording",
    "read_recordings",
    "read_stretches",
    "read_text",
    "write_annotations",
    "write_recording",
]
