"""The door for files: which format a path is, and reading one recording or many."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from physiolect.errors import FormatError
from physiolect.formats import csv
from physiolect.formats.folder import list_folder
from physiolect.formats.readers import check_annotator, check_variable, find_reader
from physiolect.formats.request import Request
from physiolect.recording import Modality, Recording, unit_name


def read_recording(
    path: str | os.PathLike[str],
    *,
    fs: float | None = None,
    channels: str | int | Sequence[str | int] | None = None,
    start: float | None = None,
    stop: float | None = None,
    modality: Modality | None = None,
    variable: str | None = None,
    unit: str | None = None,
    names: Sequence[str] = (),
    channel: str | int | None = None,
    annotator: str | Sequence[str] | None = None,
    for_modality: Modality | None = None,
    patient_key: str | None = None,
) -> Recording:
    """Read one recording of a file, in any format that docs/formats.md lists.

    Args:
        path: The file; a WFDB record with or without extension.
        fs: Sampling rate in Hz, for a file that states none.
        channels: Names, aliases or numbers from 0 of the channels to read, in this order; by default all or, where
            their rates differ, those at the rate of the ECG (else the PPG, the ECoG; or what `modality` says).
        start: First moment to read, in seconds from the beginning.
        stop: End of the stretch to read, in seconds.
        modality: "ecg", "ppg" or "ecog", where the file does not tell.
        variable: Which variable of a MAT or NPZ file, sheet of a workbook or table in a ZIP archive; a field of a
            structure is "structure.field".
        unit: Unit of the channels of which the file states none.
        names: Names of all channels, in the file's order, where it names none or others.
        channel: The one channel that will be used; where rates differ, the channels of its rate are read.
        annotator: Which annotation files of a WFDB record to read, by extension ("qrs"), one or several; by default
            the first there is of atr, qrs and ecg.
        for_modality: What the model reads that the recording is for; its channels are read where rates differ and
            neither `channels`, `channel` nor `modality` chooses.
        patient_key: A secret with which the patient's id becomes a pseudonym, kept as a note ("patient 3f…");
            without it nothing of a patient is kept.

    Raises:
        FormatError: the file is missing, damaged, states no rate, holds many recordings, or has no such
            channel, stretch or variable.
    """
    want = _request(
        fs,
        channels,
        start,
        stop,
        modality,
        variable,
        unit,
        names,
        one=True,
        channel=channel,
        annotator=annotator,
        for_modality=for_modality,
        patient_key=patient_key,
    )
    reader, file = find_reader(Path(path), variable)
    check_annotator(reader, file, annotator)
    return next(reader(file, want))


def read_every_rate(
    path: str | os.PathLike[str],
    *,
    fs: float | None = None,
    channels: str | int | Sequence[str | int] | None = None,
    modality: Modality | None = None,
    variable: str | None = None,
    unit: str | None = None,
    names: Sequence[str] = (),
    annotator: str | Sequence[str] | None = None,
) -> list[Recording]:
    """Read a file whose channels may differ in sampling rate: one recording for each rate, in the file's order.

    Args: as of `read_recording`.

    Raises:
        FormatError: as for `read_recording`.
    """
    want = _request(fs, channels, None, None, modality, variable, unit, names, one=True, annotator=annotator)
    reader, file = find_reader(Path(path), variable)
    check_annotator(reader, file, annotator)
    return list(reader(file, replace(want, every_rate=True)))


def as_recording(
    given: Recording | str | os.PathLike[str],
    channel: str | int | None = None,
    for_modality: Modality | None = None,
) -> Recording:
    """Return a recording as it is, and read one that is given as a file.

    Args:
        given: The recording, or its file.
        channel: The one channel that will be used; where rates differ, the channels of its rate are read.
        for_modality: What the model reads; see `read_recording`.

    Raises:
        FormatError: as for `read_recording`.
    """
    if isinstance(given, Recording):
        return given
    return read_recording(given, channel=channel, for_modality=for_modality)


def read_text(
    content: str | bytes,
    *,
    source: str = "text",
    fs: float | None = None,
    channels: str | int | Sequence[str | int] | None = None,
    start: float | None = None,
    stop: float | None = None,
    modality: Modality | None = None,
    variable: str | None = None,
    unit: str | None = None,
    names: Sequence[str] = (),
) -> Recording:
    """Read one recording out of the content of a CSV, TSV or TXT file, such as what standard input gave.

    Args:
        content: The text: a table of numbers, or one number a line.
        source: What messages call it.
        fs: Sampling rate in Hz, where the text states none.
        channels: As for `read_recording`.
        start: First moment to read, in seconds from the beginning.
        stop: End of the stretch to read, in seconds.
        modality: "ecg", "ppg" or "ecog", where the text does not state it.
        variable: Refused: text has no variables.
        unit: Unit of the channels of which the text states none.
        names: Names of all channels, where the text names none.

    Raises:
        FormatError: it is no table of numbers, states no rate, or has no such channel or stretch.
    """
    path = Path(source)
    check_variable(csv.read, path, variable)
    want = _request(fs, channels, start, stop, modality, variable, unit, names, one=True)
    return next(csv.read(path, want, content.encode() if isinstance(content, str) else content))


def read_recordings(
    path: str | os.PathLike[str],
    *,
    fs: float | None = None,
    channels: str | int | Sequence[str | int] | None = None,
    start: float | None = None,
    stop: float | None = None,
    modality: Modality | None = None,
    variable: str | None = None,
    unit: str | None = None,
    names: Sequence[str] = (),
    channel: str | int | None = None,
    annotator: str | Sequence[str] | None = None,
    for_modality: Modality | None = None,
    patient_key: str | None = None,
) -> Iterator[Recording]:
    """Iterate over the recordings of a file that holds many, or of a folder and the folders in it, sorted.

    The first file that cannot be read raises; `list_recordings` lets a caller take them one by one. A notice of the
    first recording says which files of a folder were skipped.

    Args:
        path: The file or folder.
        fs: Sampling rate in Hz, for files that state none.
        channels: Names, aliases or numbers from 0 of the channels to read; all by default.
        start: First moment to read of each, in seconds.
        stop: End of the stretch to read of each, in seconds.
        modality: "ecg", "ppg" or "ecog", where the files do not tell.
        variable: Which variable of MAT or NPZ files.
        unit: Unit of the channels for which a file states no unit.
        names: Names of all channels, in the files' order, where they name none or others.
        channel: The one channel that will be used; where rates differ, the channels of its rate are read.
        annotator: Which annotation files of WFDB records to read, by extension, one or several.
        for_modality: What the model reads that the recordings are for; see `read_recording`.
        patient_key: A secret with which patients' ids become pseudonyms, kept as notes.

    Raises:
        FormatError: as for `read_recording`, or the folder holds nothing readable.
    """
    want = _request(
        fs,
        channels,
        start,
        stop,
        modality,
        variable,
        unit,
        names,
        one=False,
        channel=channel,
        annotator=annotator,
        for_modality=for_modality,
        patient_key=patient_key,
    )
    folder = list_folder(path, or_outputs=False)
    notices = [folder.notice] if folder.notice else []
    for item in folder.recordings:
        reader, file = find_reader(item, variable)
        for recording in reader(file, want):
            yield replace(recording, notices=(*recording.notices, *notices)) if notices else recording
            notices = []


def read_stretches(
    path: str | os.PathLike[str],
    n_samples: int,
    *,
    fs: float | None = None,
    channels: str | int | Sequence[str | int] | None = None,
    modality: Modality | None = None,
    variable: str | None = None,
    unit: str | None = None,
    names: Sequence[str] = (),
    annotator: str | Sequence[str] | None = None,
    every_rate: bool = False,
) -> Iterator[Recording]:
    """Iterate over one recording in stretches that follow each other, with one in memory at a time.

    Text tables, EDF, BDF, WFDB, ISHNE, NPY and HDF5 are read in stretches. A file of another format is read as a
    whole first, and most come as one stretch. All notices of a text table come with its last stretch. A channel may
    hold nothing but NaN in any stretch, or in all.

    Args:
        path: The file.
        n_samples: How long a stretch is; in text, to the next block of lines; less where there are many channels.
        fs: As for `read_recording`.
        channels: As for `read_recording`.
        modality: As for `read_recording`.
        variable: As for `read_recording`.
        unit: As for `read_recording`.
        names: As for `read_recording`.
        annotator: As for `read_recording`.
        every_rate: Whether the channels of each sampling rate follow as a recording of their own, as in
            `read_every_rate`.

    Raises:
        FormatError: as for `read_recording`; for times, when the stretch in which they are wrong is reached.
    """
    want = _request(fs, channels, None, None, modality, variable, unit, names, one=True, annotator=annotator)
    reader, file = find_reader(Path(path), variable)
    check_annotator(reader, file, annotator)
    yield from reader(file, replace(want, stretch=n_samples, every_rate=every_rate))


def _request(
    fs: float | None,
    channels: str | int | Sequence[str | int] | None,
    start: float | None,
    stop: float | None,
    modality: Modality | None,
    variable: str | None,
    unit: str | None,
    names: Sequence[str],
    *,
    one: bool,
    channel: str | int | None = None,
    annotator: str | Sequence[str] | None = None,
    for_modality: Modality | None = None,
    patient_key: str | None = None,
) -> Request:
    listed = (channels,) if isinstance(channels, str | int) else channels
    wanted = None if listed is None else tuple(listed)
    if len(set(names)) < len(names):
        raise FormatError(
            f"a channel is named twice: {', '.join(names)}",
            hint="name every channel once, in the file's order",
        )
    stated = unit_name(unit) if unit else None
    annotators = (annotator,) if isinstance(annotator, str) else annotator
    return Request(
        fs, wanted, start, stop, modality, variable, stated, tuple(names), one, channel,
        None if annotators is None else tuple(annotators), for_modality=for_modality, patient_key=patient_key,
    )  # fmt: skip
