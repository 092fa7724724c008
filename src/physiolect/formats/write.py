"""Writing a recording in the format its path names."""

from __future__ import annotations

import os
from pathlib import Path

from physiolect.errors import FormatError
from physiolect.formats import csv, edf_write, npy, wfdb_write
from physiolect.formats.hospital import aecg_write, dicom_write
from physiolect.recording import Recording

WRITERS = {
    ".csv": csv.write,
    ".npz": npy.write,
    ".hea": wfdb_write.write,
    ".dat": wfdb_write.write,
    "": wfdb_write.write,
    ".edf": edf_write.write,
    ".bdf": edf_write.write,
    ".dcm": dicom_write.write,
    ".xml": aecg_write.write,
}
"""What writes each extension; no extension means a WFDB record."""


def write_recording(recording: Recording, path: str | os.PathLike[str]) -> None:
    """Write a recording as CSV, NPZ, EDF+, BDF+, DICOM, HL7 aECG or WFDB, by the extension of `path`.

    CSV and NPZ are read back exactly equal, but CSV holds no annotations and no modality that the channel
    names do not tell. WFDB (`.hea`, or no extension) keeps annotations and stores samples in 16-bit steps.
    EDF+ and BDF+ (`.edf`, `.bdf`) keep annotations as texts and store 16-bit or 24-bit steps.
    DICOM (`.dcm`) keeps annotations too, and aECG (`.xml`) notes alone; both store whole steps, those of the recording
    where it has some.

    Args:
        recording: What to write.
        path: Where to; an existing file is replaced.

    Raises:
        FormatError: the extension is none of these, or the recording does not fit the format.
    """
    path = Path(path)
    writer = WRITERS.get(path.suffix.lower())
    if writer is None:
        raise FormatError(
            f"cannot write '{path.suffix}' files",
            hint="allowed: .csv, .npz, .edf, .bdf, .dcm, .xml (HL7 aECG), or .hea for a WFDB record",
        )
    if recording.n_samples == 0:
        raise FormatError(f"{path} would hold no samples", hint="write a recording that has some")
    writer(recording, path)
