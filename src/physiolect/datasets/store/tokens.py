"""A tokenised store: the ids of recordings, beside the tokenizer that made them.

A folder of `tokens.arrow`, an Arrow IPC stream that Hugging Face's `Dataset.from_file` opens too, and of
`signal_tokenizer.json`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.files import replacing, writing
from physiolect.tokenizers import FILE_NAME, EcgByteTokenizer, load_tokenizer, save_tokenizer

if TYPE_CHECKING:
    import pyarrow as pa

TOKENS_FILE = "tokens.arrow"
_MADE_BY = b"tokenizer_sha256"
_BATCH = 1024


@dataclass(frozen=True, eq=False)
class TokenRow:
    """One recording, or stretch of one, as ids."""

    ids: NDArray[np.integer]
    """(tokens,), lead after lead."""
    source: str
    """Name of the recording."""
    start: float = 0.0
    """Seconds into the source at which the stretch begins."""
    patient: str | None = None
    """Whose recording it is; None where unknown."""
    labels: tuple[str, ...] = ()
    """What the recording is labelled with."""
    split: str | None = None
    """Part of a published split that the recording belongs to; None where there is none."""


class TokenStore:
    """Recordings as ids, row by row, opened by memory map; `len(store)` is the number of rows.

    Args:
        path: its folder.

    Raises:
        FormatError: the folder holds no tokenised store, or a damaged one.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        import pyarrow as pa

        self.path = Path(path)
        self.tokenizer = _ecg_byte(self.path)
        try:
            with pa.memory_map(str(self.path / TOKENS_FILE)) as file, pa.ipc.open_stream(file) as stream:
                self._table = stream.read_all()
            self._table.validate(full=True)  # offsets that lie would end the process
            if not self._table.schema.equals(_schema()):
                raise ValueError("other columns")
            if (self._table.schema.metadata or {}).get(_MADE_BY) != _digest(self.path / FILE_NAME):
                raise ValueError("another tokenizer")
        except (pa.ArrowException, ValueError, OSError) as error:
            raise FormatError(
                f"{self.path / TOKENS_FILE} is missing, damaged or of another kind",
                hint="make it anew with `physiolect tokenize encode STORE`",
            ) from error

    def __len__(self) -> int:
        return len(self._table)

    @property
    def n_tokens(self) -> int:
        """Ids of all rows together."""
        return sum(len(chunk.flatten()) for chunk in self._table["ids"].chunks)

    def row(self, row: int) -> TokenRow:
        """Return one row; its ids are not copied."""
        cells = {name: self._table[name][row] for name in self._table.column_names}
        ids, labels = cells.pop("ids").values.to_numpy(), tuple(cells.pop("labels").as_py())
        return TokenRow(ids, labels=labels, **{name: cell.as_py() for name, cell in cells.items()})


def write_tokens(
    path: str | os.PathLike[str], tokenizer: EcgByteTokenizer, rows: Iterable[TokenRow]
) -> TokenStore:
    """Write a tokenised store, and open it; one that is killed half-way does not open.

    Args:
        path: its folder, new, empty, or of an earlier tokenised store.
        tokenizer: what made the ids.
        rows: taken as they come, and written as they are taken.

    Raises:
        FormatError: the folder holds other things.
        WriteError: the folder cannot be written to, or the disk is full.
    """
    import pyarrow as pa

    folder = Path(path)
    with writing(folder, hint="name a folder that may be written to"):
        folder.mkdir(parents=True, exist_ok=True)
    foreign = sorted({name for name in os.listdir(folder) if name[0] != "."} - {TOKENS_FILE, FILE_NAME})
    if foreign:
        raise FormatError(
            f"{folder} holds something other than a tokenised store: {', '.join(foreign[:3])}",
            hint="name an empty or a new folder",
        )
    with (
        replacing(folder / TOKENS_FILE, durable=True) as temporary,
        replacing(folder / FILE_NAME, durable=True) as made_by,
    ):
        save_tokenizer(tokenizer, made_by)
        schema = _schema().with_metadata({_MADE_BY: _digest(made_by)})
        with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_stream(sink, schema) as stream:
            for batch in _batches(iter(rows)):
                columns = {name: [getattr(row, name) for row in batch] for name in schema.names}
                stream.write_batch(pa.record_batch(columns, schema=schema))
    return TokenStore(folder)


def _digest(tokenizer: Path) -> bytes:
    return hashlib.sha256(tokenizer.read_bytes()).hexdigest().encode()


def _batches(rows: Iterator[TokenRow]) -> Iterator[list[TokenRow]]:
    while batch := list(islice(rows, _BATCH)):
        yield batch


def _schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("ids", pa.large_list(pa.uint16()), nullable=False),  # a vocabulary stays below 65,536
            pa.field("source", pa.string(), nullable=False),
            pa.field("start", pa.float64(), nullable=False),
            pa.field("patient", pa.string()),
            pa.field("labels", pa.list_(pa.string()), nullable=False),
            pa.field("split", pa.string()),
        ]
    )


def _ecg_byte(folder: Path) -> EcgByteTokenizer:
    tokenizer = load_tokenizer(folder / FILE_NAME)
    if not isinstance(tokenizer, EcgByteTokenizer):
        raise FormatError(
            f"{folder / FILE_NAME} is a {type(tokenizer).__name__}, but tokens are ECG-Byte's",
            hint="restore the file that `physiolect tokenize encode` wrote",
        )
    return tokenizer
