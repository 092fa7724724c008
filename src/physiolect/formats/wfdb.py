"""Reading WFDB records: a header (.hea), its signal files and annotations, in one segment or many.

The CinC challenges' `.mat` beside a `.hea` is such a record. Source: WFDB Applications Guide, header(5),
signal(5) and annot(5), https://physionet.org/physiotools/wag/.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from physiolect.errors import FormatError
from physiolect.formats.request import Request
from physiolect.formats.wfdb_annotations import record_annotations
from physiolect.formats.wfdb_header import WfdbHeader, channel_names, frame_counts, parse, read_header
from physiolect.formats.wfdb_samples import check_files, read_samples
from physiolect.formats.wfdb_segments import read_segments
from physiolect.recording import Recording, later


def read(path: Path, want: Request) -> Iterator[Recording]:
    """Yield the recording of the record whose header is `path`, or one for each sampling rate of its channels.

    A signal of several samples a frame keeps its own rate. Where channels of several rates are wanted at once, or no
    name tells which is meant, all are averaged down to the rate of the frames, and a notice says so.

    Raises:
        FormatError: header and signal files contradict one another, or a part is missing.
    """
    if "::" in str(path) or "://" in str(path):
        raise FormatError(
            f"{path} is not a plain path",
            hint="rename the folder: '::' and '://' are read as remote addresses",
        )
    text = read_header(path)
    header = parse(text)
    fs = want.rate(text.stated_fs, path)
    yield from (_plain if text.n_segments is None else read_segments)(text, header, fs, want)


def _plain(text: WfdbHeader, header: Any, fs: float, want: Request) -> Iterator[Recording]:
    """Yield the recordings of a record without segments."""
    path, own, units, counts = text.path, channel_names(header), text.units(), frame_counts(header)
    names, renamed = want.named(own, len(own), path)
    start, undated = text.start_time()
    there, missing = _present(text, header, names, want)
    for rows, notices in want.groups(names, [fs * n for n in counts], path, base=fs):
        held = [row for row in rows if row in there]
        if not held:
            continue
        length = check_files(text, header, held)
        per_frame = counts[held[0]] if len({counts[row] for row in held}) == 1 else 1
        marks, of_marks = record_annotations(path, want.annotator, text.stated_fs)
        for first, last in want.spans(length, fs, path, len(held) * per_frame):
            yield want.recording(
                path.with_suffix(""),
                read_samples(text, header, held, first, last, per_frame),
                fs * per_frame,
                channels=[names[row] for row in held],
                units=[units[row] for row in held],
                annotations=marks.window(first, last).at_rate(per_frame),
                notices=(*renamed, *notices, *missing, *of_marks, *undated),
                start_time=later(start, first / fs),
            )


def _present(text: WfdbHeader, header: Any, names: list[str], want: Request) -> tuple[set[int], list[str]]:
    """Return the channels whose signal file is there, where none was asked for by name, and which are not."""
    rows = range(len(names))
    if want.channels is not None:
        return set(rows), []
    files = {name: text.path.with_name(name).is_file() for name in set(header.file_name)}
    held = {row for row in rows if files[header.file_name[row]]}
    lost = [names[row] for row in rows if row not in held]
    if not held or not lost:
        return set(rows), []
    absent = ", ".join(sorted(name for name, there in files.items() if not there))
    return held, [f"left out {', '.join(lost)}: {absent} is not beside the header"]
