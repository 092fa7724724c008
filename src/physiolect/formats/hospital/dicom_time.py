"""When a DICOM waveform began, read and written.

Source: DICOM PS3.3, C.10.8 (Waveform Identification Module), and PS3.5, 6.2 (DA, DT, TM).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from physiolect.recording import StartTime
from physiolect.recording.start_time import is_date_alone, parse_moment, without_date

START_TAGS = {
    "AcquisitionDateTime": 0x0008002A, "AcquisitionDate": 0x00080022, "AcquisitionTime": 0x00080032,
    "ContentDate": 0x00080023, "ContentTime": 0x00080033, "TimezoneOffsetFromUTC": 0x00080201,
}  # fmt: skip
_UNSTATED = "19700101"
"""Stands for a date that is not known: DICOM asks for one."""


def read_start(stated: dict[str, str]) -> StartTime | None:
    """Return when the first sample was recorded.

    Args:
        stated: Texts of START_TAGS by their names, "" where there is none.
    """
    pairs = [
        stated["AcquisitionDateTime"],
        *(stated[f"{part}Date"] + stated[f"{part}Time"] for part in ("Acquisition", "Content")),
    ]
    zone = stated["TimezoneOffsetFromUTC"]
    for text in pairs:
        moment = parse_moment(text if text[-5:-4] in ("+", "-") else text + zone) or parse_moment(text)
        if moment is None:
            continue
        if text.startswith(_UNSTATED):
            return without_date(moment) if stated["AcquisitionTime"] else None
        return moment
    return None


def stated_date(stated: dict[str, str]) -> str:
    """Return how a file writes the date of its start, "" where it states none."""
    found = next((stated[name] for name in ("AcquisitionDateTime", "AcquisitionDate") if stated[name]), "")
    return "" if found.startswith(_UNSTATED) or is_date_alone(found) else found


def write_start(dataset: Any, start: StartTime | None) -> None:
    """Write when the recording began.

    1970-01-01 stands for a date that is not known; the acquisition time is left out where the time is not known either.

    Args:
        dataset: Of pydicom.
        start: When the first sample was recorded.
    """
    day = f"{start:%Y%m%d}" if isinstance(start, datetime) else _UNSTATED
    clock = "000000" if start is None else f"{start:%H%M%S.%f}"
    zone = f"{start:%z}" if start is not None else ""
    dataset.StudyDate = dataset.ContentDate = day
    dataset.StudyTime = dataset.ContentTime = clock
    dataset.AcquisitionDateTime = f"{day}{clock}{zone}"
    if start is not None:
        dataset.AcquisitionTime = clock
    if zone:
        dataset.TimezoneOffsetFromUTC = zone
