"""Whatever a table holds, nothing but our own errors comes out."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physiolect.errors import PhysiolectError
from physiolect.formats import read_recordings

FUZZ = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
N = 60
TABLE = pd.DataFrame(
    {
        "time": pd.date_range("2024-01-01", periods=N, freq="4ms"),
        "II (mV)": np.sin(np.arange(N)).round(3),
        "label": ["N", "V"] * (N // 2),
    }
)
WRITERS: dict[str, Callable[[Path], None]] = {
    ".parquet": lambda path: TABLE.to_parquet(path),
    ".feather": lambda path: TABLE.to_feather(path),
    ".xlsx": lambda path: TABLE.to_excel(path, index=False),
    ".csv.gz": lambda path: TABLE.to_csv(path, index=False),
    ".csv.zip": lambda path: TABLE.to_csv(path, index=False),
}


def read_all(path: Path) -> None:
    try:
        for found in read_recordings(path, fs=250):
            repr(found)
    except PhysiolectError as error:
        said = error
    else:
        return
    assert str(said)
    assert said.hint


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("seeds")
    for suffix, write in WRITERS.items():
        write(folder / f"x{suffix}")
    return {suffix: (folder / f"x{suffix}").read_bytes() for suffix in WRITERS}


@pytest.mark.parametrize("suffix", WRITERS)
@given(
    edits=st.lists(
        st.tuples(
            st.sampled_from("cwi"), st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=6)
        ),
        min_size=1,
        max_size=4,
    )
)
@FUZZ
def test_damaged_bytes(
    seeds: dict[str, bytes], tmp_path: Path, suffix: str, edits: list[tuple[str, float, bytes]]
) -> None:
    content = seeds[suffix]
    for kind, place, new in edits:
        at = int(place * len(content))
        after = {"c": b"", "w": new + content[at + len(new) :], "i": new + content[at:]}[kind]
        content = content[:at] + after
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    read_all(path)


CELLS = st.sampled_from(
    [
        *(
            "0",
            "1",
            "2.5",
            "-3",
            "1e300",
            "nan",
            "",
            '"',
            '""',
            '"1,5"',
            "1,5",
            "II",
            "time (ms)",
            "µV",
            "Zeit",
            "N",
        ),
        *(
            "10:00:00.004",
            "0:00.1",
            "2024-13-41 10:00",
            "2024-01-01T10:00:00Z",
            "[10:00:00 31/02/2024]",
            "99:99:99",
        ),
        *(
            "1700000000000",
            "Sample Rate",
            "512 Hz",
            "fs=250",
            "fs=0",
            "Interval=",
            "ChannelTitle=",
            "2 channels",
        ),
        *("Watch6,1", "{", "#", "%", "label", "9" * 400, "1e400", "\x1b[31m", "Δ", "０", "∞", "Shimmer_1"),
        "OpenSignals Text File Format",
    ]
)


@given(
    rows=st.lists(st.lists(CELLS, min_size=1, max_size=5), min_size=1, max_size=30),
    between=st.sampled_from([",", ";", "\t", " ", "  ", "|", "="]),
)
@FUZZ
def test_any_cells(tmp_path: Path, rows: list[list[str]], between: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text("\n".join(between.join(row) for row in rows), encoding="utf-8")
    read_all(path)


@given(
    head=st.lists(st.lists(CELLS, min_size=1, max_size=3), max_size=8),
    step=st.sampled_from([0.0, 1e-12, 0.004, 1.0, 1e6, -1.0, 1e308]),
    odd=st.lists(st.tuples(st.integers(0, 99), CELLS), max_size=3),
)
@FUZZ
def test_any_head_over_samples(
    tmp_path: Path, head: list[list[str]], step: float, odd: list[tuple[int, str]]
) -> None:
    lines = [f"{i * step},{(i * 7) % 11}" for i in range(100)]
    for row, cell in odd:
        lines[row] = f"{cell},{row}"
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress("\n".join([*(",".join(row) for row in head), *lines]).encode()))
    read_all(path)
