"""Scalars in a file for TensorBoard, written by the calling thread."""

from __future__ import annotations

import struct
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from physiolect.errors import WriteError
from physiolect.files import GrowingFile


class Board:
    """Appends scalars to one event file of TensorBoard.

    tensorboardX's own writer has a thread: on a full disk that thread ends, and the run then waits for it forever. So
    this class takes only the format from tensorboardX. After a failed write it warns, and writes nothing more.

    Args:
        folder: gets the file.
        purge_step: TensorBoard drops the scalars of earlier files from this step on; None keeps all.

    Raises:
        WriteError: the file cannot be made.
    """

    def __init__(self, folder: Path, *, purge_step: int | None = None) -> None:
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        seconds, rest = divmod(
            time.time_ns(), 10**9
        )  # TensorBoard reads the files of a run in the order of their names
        self._file: GrowingFile | None = GrowingFile(folder / f"events.out.tfevents.{seconds}.{rest:09d}")
        self._write(Event(file_version="brain.Event:2"))
        if purge_step is not None:
            self._write(Event(step=purge_step, session_log=SessionLog(status=SessionLog.START)))

    def add(self, scalars: Mapping[str, float], step: int) -> None:
        """Append the scalars of one step."""
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=value) for name, value in scalars.items()]
        self._write(Event(step=step, summary=Summary(value=values)))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, event: Any) -> None:
        """Append one event as a record: length, its checksum, content, its checksum."""
        from tensorboardX.record_writer import masked_crc32c

        if self._file is None:
            return
        event.wall_time = time.time()
        content = event.SerializeToString()
        length = struct.pack("<Q", len(content))
        sums = [struct.pack("<I", masked_crc32c(part)) for part in (length, content)]
        try:
            self._file.append(length + sums[0] + content + sums[1])
        except WriteError as error:
            self.close()
            warnings.warn(f"TensorBoard gets no more metrics: {error}", stacklevel=2)
