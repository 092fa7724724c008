"""Tables that other programs write: pandas, Parquet, Feather, Excel, compressed text; and what is no sample in them."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from physiolect.errors import FormatError
from physiolect.formats import list_recordings, read_recording, read_recordings
from physiolect.recording import Recording

N = 3000
WAVE = np.sin(np.arange(N) / 9).round(4)


def frame(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"II": WAVE, "V5": -WAVE, **columns})


def timed() -> pd.DataFrame:
    made = frame()
    made.index = pd.date_range("2024-01-01 10:00", periods=N, freq="4ms")
    return made


def check(found: Recording, *, fs: float = 250) -> None:
    assert (found.fs, found.channels) == (fs, ("II", "V5"))
    np.testing.assert_array_equal(found.signal, np.stack([WAVE, -WAVE]).astype(np.float32))


WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    "x.csv": lambda table, path: table.to_csv(path),
    "x.csv.gz": lambda table, path: table.to_csv(path),
    "x.csv.bz2": lambda table, path: table.to_csv(path),
    "x.csv.xz": lambda table, path: table.to_csv(path),
    "x.csv.zip": lambda table, path: table.to_csv(path),
    "x.tsv": lambda table, path: table.to_csv(path, sep="\t"),
    "x.parquet": lambda table, path: table.to_parquet(path),
    "x.feather": lambda table, path: table.reset_index().to_feather(path),
    "x.xlsx": lambda table, path: table.to_excel(path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_tables_of_pandas(tmp_path: Path, name: str) -> None:
    WRITERS[name](timed(), tmp_path / name)
    check(read_recording(tmp_path / name))
    assert [path.name for path in list_recordings(tmp_path)] == [name]
    WRITERS[name](frame(), tmp_path / name)
    check(read_recording(tmp_path / name, fs=250))


@pytest.mark.parametrize("name", WRITERS)
def test_a_stretch_of_a_channel_with_its_unit(tmp_path: Path, name: str) -> None:
    table = frame().rename(columns={"II": "II (mV)", "V5": "V5 (mV)"})
    table.insert(0, "time (s)", np.arange(N) / 250)
    WRITERS[name](table, tmp_path / name)
    found = read_recording(tmp_path / name, channels="V5", start=2, stop=3)
    assert (found.channels, found.unit, found.fs) == (("V5",), "mV", 250)
    np.testing.assert_array_equal(found.signal, [-WAVE[500:750].astype(np.float32)])


def test_zones_and_integer_times_of_parquet(tmp_path: Path) -> None:
    table = timed()
    table.index = table.index.tz_localize("Europe/Berlin")
    table.to_parquet(tmp_path / "x.parquet")
    check(read_recording(tmp_path / "x.parquet"))
    times = pa.array((np.arange(N) * 4_000_000).tolist(), pa.time64("ns"))
    arrow = pa.table({"t": times, "II": WAVE, "V5": -WAVE}).replace_schema_metadata({"fs": "250"})
    pyarrow.parquet.write_table(arrow, tmp_path / "y.parquet")
    check(read_recording(tmp_path / "y.parquet"))
    with pytest.raises(FormatError, match="states 250 Hz, but fs=500"):
        read_recording(tmp_path / "y.parquet", fs=500)


@pytest.mark.parametrize(
    ("text", "channels"),
    [
        ("0,1\n", ("0", "1")),
        ("1,2\n", ("1", "2")),
        ("II,V5\n", ("II", "V5")),
        ("# II,V5\n", ("II", "V5")),
        ("Patient\nII,V5\n", ("II", "V5")),
        ("", ("ch1", "ch2")),
    ],
)
def test_a_header_row_is_never_a_sample(tmp_path: Path, text: str, channels: tuple[str, ...]) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text + "\n".join(f"{a},{b}" for a, b in zip(WAVE, -WAVE, strict=True)))
    found = read_recording(path, fs=250)
    assert (found.channels, found.n_samples) == (channels, N)
    pd.DataFrame({0: WAVE, 1: -WAVE}).to_csv(path)
    found = read_recording(path, fs=250)
    assert (found.channels, found.n_samples) == (("0", "1"), N)
    path.write_text("0\n" + "\n".join(map(str, WAVE)))
    assert read_recording(path, fs=250).n_samples == N


def test_rows_that_begin_with_0_and_1_stay_samples(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("\n".join(f"{i},{value}" for i, value in enumerate([1, 5, 3, 8, 2, 9, 4, 7] * 4)))
    assert read_recording(path, fs=250).n_samples == 32


@pytest.mark.parametrize("labels", [np.repeat([0, 1, 2], N // 3), np.repeat(["N", "AF", "N"], N // 3)])
@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "x.xlsx"])
def test_labels_are_no_samples(tmp_path: Path, labels: np.ndarray, name: str) -> None:
    table = frame(label=labels)
    table.insert(0, "time (s)", np.arange(N) / 250)
    WRITERS[name](table, tmp_path / name)
    found = read_recording(tmp_path / name)
    check(found)
    assert any("left out column 'label'" in notice for notice in found.notices)


def test_unnamed_labels_are_no_samples(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "x.csv", np.c_[WAVE, -WAVE, np.repeat([0, 1, 2], N // 3)], delimiter=",")
    assert read_recording(tmp_path / "x.csv", fs=250).channels == ("ch1", "ch2")
    rows = np.random.default_rng(0).random((60, 187))
    np.savetxt(tmp_path / "beats.csv", np.c_[rows, np.arange(60) // 12], delimiter=",")
    many = list(read_recordings(tmp_path / "beats.csv", fs=125))
    assert [found.n_samples for found in many] == [187] * 60
    assert any("5 classes" in notice for notice in many[0].notices)


@pytest.mark.parametrize("empty", ['""', "", "NaN", "NA", "--"])
def test_missing_cells_of_one_column(tmp_path: Path, empty: str) -> None:
    cells = [f"{15900 + 100 * value}" for value in WAVE]
    cells[600:640] = [empty] * 40
    text = "\n".join(cells) if empty else "\n".join(f"{cell},1.5" for cell in cells)
    (tmp_path / "ring.csv").write_text(text)
    found = read_recording(tmp_path / "ring.csv", fs=117, channels=0)
    assert found.n_samples == N
    assert np.flatnonzero(np.isnan(found.signal[0])).tolist() == list(range(600, 640))


def test_sheets_and_archives_of_several_tables(tmp_path: Path) -> None:
    book = tmp_path / "x.xlsx"
    with pd.ExcelWriter(book) as writer:
        pd.DataFrame({"note": ["made", "by", "hand"]}).to_excel(writer, sheet_name="about")
        timed().to_excel(writer, sheet_name="rest")
    check(read_recording(book))
    with pd.ExcelWriter(book, mode="a") as writer:
        frame().to_excel(writer, sheet_name="run")
    with pytest.raises(FormatError, match="2 sheets of numbers: rest, run"):
        read_recording(book)
    check(read_recording(book, variable="run", fs=250))
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("a.csv", frame().to_csv())
        made.writestr("b.csv", timed().to_csv())
    with pytest.raises(FormatError, match=r"holds 2 tables: a.csv, b.csv"):
        read_recording(archive)
    check(read_recording(archive, variable="b.csv"))
    timed().to_csv(tmp_path / "x.csv")
    with pytest.raises(FormatError, match="no variables to choose 'b'"):
        read_recording(tmp_path / "x.csv", variable="b")


def test_bombs_are_refused(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "x.csv.gz", "wb") as file:
        for _ in range(80):
            file.write(b"0\n" * (1 << 19))
    with pytest.raises(FormatError, match="unpacks to more than 64 MiB"):
        read_recording(tmp_path / "x.csv.gz", fs=1)
    column = pa.chunked_array([pa.nulls(1 << 20, pa.float32()).fill_null(0)] * 30)
    pyarrow.parquet.write_table(pa.table({"II": column}), tmp_path / "x.parquet")
    with pytest.raises(FormatError, match="more than a file of its size holds"):
        read_recording(tmp_path / "x.parquet", fs=1)
    frame().to_excel(tmp_path / "x.xlsx")
    with zipfile.ZipFile(tmp_path / "x.xlsx") as old, zipfile.ZipFile(tmp_path / "y.xlsx", "w") as new:
        for part in old.infolist():
            content = old.read(part)
            if part.filename.endswith("sheet1.xml"):
                content = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "1">]>' + content
            new.writestr(part.filename, content)
    with pytest.raises(FormatError, match="has a document type"):
        read_recording(tmp_path / "y.xlsx", fs=1)


def test_a_pipe_is_never_opened(tmp_path: Path) -> None:
    for name in ("x.csv", "x.parquet", "x.xlsx", "x.csv.gz"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(FormatError, match="no regular file"):
            read_recording(tmp_path / name, fs=1)
    with pytest.raises(FormatError, match="no regular file"):
        read_recording("/dev/zero", fs=1)


def test_a_channel_without_samples_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("I,II,note\n" + "1.5,,\n3,,\n" * 40)
    found = read_recording(tmp_path / "x.csv", fs=10)
    assert found.channels == ("I", "II")
    assert any("II" in notice for notice in found.notices)
    with pytest.raises(FormatError, match=r"'II' of .* has no valid sample"):
        read_recording(tmp_path / "x.csv", fs=10, channels="II")


def test_a_long_text_is_read_in_blocks(tmp_path: Path) -> None:
    """Memory beyond that of the samples does not grow with the file, and a stretch reads no further than its end."""
    line = "".join(
        f"{i / 250:.3f},{(i * 7) % 1000 / 1000:.4f},{(i * 3) % 1000 / 1000:.4f}\n" for i in range(500_000)
    )
    path = tmp_path / "long.csv"
    with path.open("w") as file:
        file.write("time (s),II (mV),V5 (mV)\n")
        for part in range(4):
            file.writelines(
                f"{(part * 500_000 + i) / 250:.3f},{row}\n"
                for i, row in enumerate(piece.partition(",")[2] for piece in line.splitlines())
            )
    script = (
        "import resource, sys; from physiolect.formats import read_recording;"
        "stop = float(sys.argv[2]) or None; read_recording(sys.argv[1], fs=250, start=0, stop=1);"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "found = read_recording(sys.argv[1], stop=stop);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, found.signal.nbytes >> 10)"
    )

    def grown(stop: float) -> tuple[int, int]:
        done = subprocess.run(
            [sys.executable, "-c", script, str(path), str(stop)], capture_output=True, text=True, check=True
        )
        more, held = done.stdout.split()
        return int(more), int(held)

    size = path.stat().st_size >> 10  # KiB
    more, held = grown(0)
    assert held == 2 * 4 * 2_000_000 >> 10
    assert more < held + 40_000 < 2 * size
    more, held = grown(10)
    assert more < 40_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"," * 5_000_000, "a line of more than 1500000 cells"),
        (b"1" * (20 << 20), "a line of more than 8 MiB"),
        (b'"' * 2_000_000, "holds no numbers"),
        (b"(" * 2_000_000 + b"\n1\n2\n", "holds|states"),
        (
            b"# OpenSignals Text File Format\n# " + b'{"a":' * 100_000 + b"\n1\t2\n3\t4\n",
            "states no sampling rate",
        ),
    ],
)
def test_lines_that_would_take_long_are_refused_at_once(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "x.csv").write_bytes(text)
    with pytest.raises(FormatError, match=message):
        read_recording(tmp_path / "x.csv")


def test_empty_cells_and_dates_are_read_fast(tmp_path: Path) -> None:
    n = 200_000
    times = pd.date_range("2024-01-01", periods=n, freq="4ms").strftime("%Y-%m-%d %H:%M:%S.%f")
    table = pd.DataFrame({"time": times, "II": np.where(np.arange(n) % 3 == 0, np.nan, np.arange(n) % 7)})
    table.to_csv(tmp_path / "x.csv", index=False)
    began = time.perf_counter()
    found = read_recording(tmp_path / "x.csv")
    assert time.perf_counter() - began < 5
    assert (found.fs, found.n_missing()) == (250, -(-n // 3))
