"""Reading and writing questions: JSON lines or Parquet, a row a question."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physiolect.datasets.questions.question import Question, question_of
from physiolect.datasets.questions.strict_json import json_rows
from physiolect.errors import ConfigError, FormatError
from physiolect.files import check_regular, replacing

if TYPE_CHECKING:
    import pyarrow as pa

_PARQUET = (".parquet", ".pq")
_JSON = (".jsonl", ".ndjson", ".json")
_ROWS = 10_000
_MOST_GROUP = 2**28
"""Bytes that a group of a Parquet file's rows may unpack to."""


def is_question_file(path: Path) -> bool:
    """Return whether a file is called like a file of questions."""
    return path.suffix.lower() in (*_JSON, *_PARQUET)


def read_questions(path: Path | str) -> list[Question]:
    """Read a file of questions; see `iterate_questions`.

    Raises:
        FormatError: see there.
    """
    return list(iterate_questions(path))


def iterate_questions(path: Path | str) -> Iterator[Question]:
    """Iterate over the questions of a file in the neutral format.

    Args:
        path: a `.jsonl` (or `.json`: lines or one list) or `.parquet` file.

    Raises:
        FormatError: the file cannot be read, or holds no questions; a row is broken. The message names its line.
    """
    path = Path(path)
    if not path.is_file():
        raise FormatError(f"there is no file {path}", hint="name a file of questions (.jsonl or .parquet)")
    if not is_question_file(path):
        raise FormatError(
            f"{path} is no file of questions", hint="its name must end in .jsonl, .json or .parquet"
        )
    shared: dict[tuple[str, ...], tuple[str, ...]] = {}
    rows = _parquet_rows(path) if path.suffix.lower() in _PARQUET else json_rows(path)
    empty = True
    for where, row in rows:
        empty = False
        question = question_of(row, where)
        if question.choices:  # hundreds of names, the same in thousands of rows
            object.__setattr__(question, "choices", shared.setdefault(question.choices, question.choices))
        yield question
    if empty:
        raise FormatError(f"{path} holds no questions", hint="name another file, or prepare it again")


def write_questions(questions: Iterable[Question], path: Path | str) -> int:
    """Write questions and return how many; an older file is replaced.

    Raises:
        ConfigError: the name says neither JSON lines nor Parquet.
        WriteError: the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() in _PARQUET:
        with replacing(path) as temporary:
            return _write_parquet(questions, temporary)
    if path.suffix.lower() not in _JSON[:2]:
        raise ConfigError(
            f"{path} does not say how to write questions", hint="its name must end in .jsonl or .parquet"
        )
    count = 0
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
        for question in questions:
            file.write(json.dumps(question.to_dict(), ensure_ascii=False, allow_nan=False) + "\n")
            count += 1
    return count


def conversations(questions: Iterable[Question]) -> Iterator[list[Question]]:
    """Iterate over conversations, each the list of its turns; a question without one is a conversation by itself."""
    for name, turns in groupby(questions, key=lambda question: question.conversation):
        if name:
            yield list(turns)
        else:
            yield from ([turn] for turn in turns)


def _schema() -> pa.Schema:
    import pyarrow as pa

    stretch = pa.struct([("recording", pa.string()), ("start", pa.float64()), ("stop", pa.float64())])
    lists = {"recordings": pa.list_(stretch)} | dict.fromkeys(
        ("answer", "choices", "patient"), pa.list_(pa.string())
    )
    return pa.schema([pa.field(name, lists.get(name, pa.string())) for name in Question.__slots__])


def _write_parquet(questions: Iterable[Question], path: Path) -> int:
    import pyarrow as pa
    from pyarrow import parquet

    schema, count, held = _schema(), 0, list[Question]()

    def table(rows: Sequence[Question]) -> pa.Table:
        columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in rows] for name in schema.names}
        columns["recordings"] = [
            [{"recording": s.recording, "start": s.start, "stop": s.stop} for s in row.recordings]
            for row in rows
        ]
        return pa.table(columns, schema=schema)

    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for question in questions:
            held.append(question)
            count += 1
            if len(held) == _ROWS:
                writer.write_table(table(held))
                held.clear()
        if held:
            writer.write_table(table(held))
    return count


def _parquet_rows(path: Path) -> Iterator[tuple[str, Any]]:
    import pyarrow as pa
    from pyarrow import parquet

    check_regular(path, FormatError)
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                size = file.metadata.row_group(group).total_byte_size
                if not 0 <= size <= _MOST_GROUP:
                    raise FormatError(
                        f"{path} has a group of rows of {size:,} bytes, and {_MOST_GROUP:,} are the most",
                        hint=f"write it in groups of {_ROWS:,} rows",
                    )
                for batch in file.iter_batches(batch_size=1000, row_groups=[group]):
                    for row in batch.to_pylist():
                        number += 1
                        yield (
                            f"row {number} of {path}",
                            {k: v for k, v in row.items() if v not in (None, "", [])},
                        )
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        reason = str(error).partition("\n")[0][:160]
        raise FormatError(
            f"{path} cannot be read as Parquet: {reason}", hint="write or fetch it again"
        ) from error
