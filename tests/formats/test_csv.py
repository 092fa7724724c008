from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from physiolect.errors import FormatError
from physiolect.formats import read_recording, read_recordings, read_text
from physiolect.formats.csv import read_numbers
from physiolect.recording import Recording

WAVE = [0.5, -1.25, 3.0, 0.125, 2.5]


def read(tmp_path: Path, text: str | bytes, name: str = "x.csv", **keywords: object) -> Recording:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_recording(path, **keywords)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(map(str, WAVE)),
        "\r\n".join(map(str, WAVE)) + "\r\n\r\n",
        ",".join(map(str, WAVE)),
        "\t".join(map(str, WAVE)),
        "  ".join(map(str, WAVE)) + "\n",
        ";".join(map(str, WAVE)),
        ";".join(str(w).replace(".", ",") for w in WAVE),
        "\n".join(f"{w}," for w in WAVE),
        "# made by a monitor\n" + "\n".join(map(str, WAVE)),
        "II\n" + "\n".join(map(str, WAVE)),
        "\ufeffII (mV)\n" + "\n".join(map(str, WAVE)),
        "'II'\n'mV'\n" + "\n".join(map(str, WAVE)),
    ],
)
def test_one_channel_in_every_shape(tmp_path: Path, text: str) -> None:
    recording = read(tmp_path, text, fs=100)
    np.testing.assert_array_equal(recording.signal, [WAVE])
    assert recording.channels in (("ch1",), ("II",))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", " ", "  "])
def test_columns_are_channels(tmp_path: Path, delimiter: str) -> None:
    lines = [delimiter.join(map(str, row)) for row in ([1, 2.5], [3, 4.5], [5, 6.5])]
    recording = read(tmp_path, "\n".join([delimiter.join(["MLII", "PLETH"]), *lines]), "x.txt", fs=50)
    np.testing.assert_array_equal(recording.signal, [[1, 3, 5], [2.5, 4.5, 6.5]])
    assert recording.channels == ("MLII", "PLETH")


@pytest.mark.parametrize(
    ("header", "times", "fs"),
    [
        ("time", [0, 0.004, 0.008, 0.012], 250),
        ("time (ms)", [0, 4, 8, 12], 250),
        ("t_ms", [100, 104, 108, 112], 250),
        ("seconds", [0, 0.003, 0.006, 0.008], 375),
        ("Elapsed time", [0, 0.5, 1.0, 1.5], 2.0),
        ("Time [s]", [i / (500 / 3) for i in range(4)], 500 / 3),
    ],
)
def test_a_time_column_gives_the_rate(tmp_path: Path, header: str, times: list[float], fs: float) -> None:
    text = f"{header},II (µV)\n" + "\n".join(f"{t!r},{i}" for i, t in enumerate(times))
    if header == "Elapsed time":
        with pytest.raises(FormatError, match="have no unit"):
            read(tmp_path, text)
        return
    recording = read(tmp_path, text)
    assert recording.fs == pytest.approx(fs, rel=1e-12)
    assert (recording.channels, recording.unit) == (("II",), "uV")


def test_rounded_times_give_the_round_rate(tmp_path: Path) -> None:
    text = "time,II\n" + "\n".join(f"{i / 360:.3f},{i}" for i in range(1000))
    assert read(tmp_path, text).fs == 360


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "  "])
def test_a_first_column_without_a_name_is_time_if_it_rises_evenly(tmp_path: Path, delimiter: str) -> None:
    wave = np.sin(np.arange(500)).round(3).tolist()
    text = "\n".join(f"{10 + i / 360:.4f}{delimiter}{value}" for i, value in enumerate(wave))
    recording = read(tmp_path, text)
    assert (recording.fs, recording.channels) == (360, ("ch1",))
    np.testing.assert_array_equal(recording.signal, np.array([wave], np.float32))
    with pytest.raises(FormatError, match="states 360 Hz, but fs=100"):
        read(tmp_path, text, fs=100)


def test_a_first_column_without_a_name_may_count_the_samples(tmp_path: Path) -> None:
    text = "\n".join(f"{i},{i % 7},{i % 5}" for i in range(100))
    assert read(tmp_path, text, fs=250).channels == ("ch1", "ch2")
    with pytest.raises(FormatError, match="states no sampling rate"):
        read(tmp_path, text)


@pytest.mark.parametrize("rows", [["0,5", "1,6", "2,7"], [f"{i % 90},{i * i % 101}" for i in range(100)]])
def test_a_few_rising_numbers_or_an_uneven_column_are_a_channel(tmp_path: Path, rows: list[str]) -> None:
    assert len(read(tmp_path, "\n".join(rows), fs=250).channels) == 2


def test_a_counter_is_no_channel(tmp_path: Path) -> None:
    text = "sample #,MLII,V5\n" + "\n".join(f"{i},{i * 2},{i * 3}" for i in range(5))
    assert read(tmp_path, text, fs=360).channels == ("MLII", "V5")


def test_missing_cells_are_nan(tmp_path: Path) -> None:
    recording = read(tmp_path, "I,II\n1,2\n,4\nNaN,6\nNA,8\n9,\n", fs=10)
    assert np.isnan(recording.signal).tolist() == [[False, True, True, True, False], [False] * 4 + [True]]


def test_a_matrix_of_records_is_many_recordings(tmp_path: Path) -> None:
    matrix = np.arange(40 * 50).reshape(40, 50) + 0.5
    text = "\n".join(",".join(map(str, row)) for row in matrix)
    with pytest.raises(FormatError, match="40 recordings") as caught:
        read(tmp_path, text, fs=10)
    assert "read_recordings" in str(caught.value.hint)
    many = list(read_recordings(tmp_path / "x.csv", fs=10))
    np.testing.assert_array_equal([r.signal[0] for r in many], matrix)
    assert read(tmp_path, text, fs=10, modality="ecog").signal.shape == (40, 50)


def test_a_million_rows_take_seconds(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    np.savetxt(path, np.zeros((200_000, 2)), fmt="%.1f", delimiter=",", header="I,II", comments="")
    assert read_recording(path, fs=360).signal.shape == (2, 200_000)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n \n", "holds no numbers"),
        (b"I,II\n", "only a header"),
        (b"1\n2\n3\n", "states no sampling rate"),
        (b"I,II\n1,2\n3,four\n", "column 'II' of .* holds text, 'four', in line 3"),
        (b"1,2\n\n3,x\n", "column 2 of .* holds text, 'x', in line 3"),
        (b"I,II\n1,2\n3,4,5\n", "line 3 of .* has 3 cells, but line 2 has 2"),
        (b"I,II\n1,2\n3\n", "line 3 of .* has 1 cells, but line 2 has 2"),
        (b"II\n1\n2\n3\n4,5\n", "column 'II' of .* holds text, '4,5', in line 5"),
        (b"I,II,III\n1,2\n3,4\n", "names 3 columns, but line 2 has 2"),
        (b"time,II\n0,1\n0.1,2\n0.3,3\n0.4,3\n0.5,3\n", "not uniform: 0.1, then 0.3 in row 3"),
        (b"time,II\n0,1\n0,2\n0,3\n", "not uniform"),
        (b"time,II\n0.2,1\n0.1,2\n0,3\n", "not uniform: they fall"),
        (b"time,II\n0,1\n,2\n0.2,3\n", "time in row 2 of .* is missing"),
        (b"time (furlongs),II\n0,1\n1,2\n", "is in 'furlongs'"),
        (b"time,II\n0,1\n1,2\n2,3\n", "have no unit"),
        (b"time (s)\n0\n1\n", "time column only"),
        (b"I,II\n,\n,\n", "only a header"),
        (b"1\ninf\n3\n", "infinite"),
        (b"1\n1e300\n3\n", "too large for float32"),
        (b"1_000\n2\n3\n4_0\n", "holds text, '4_0'"),
        (bytes(range(256)), "binary"),
    ],
)
def test_wrong_things_say_what_and_what_to_do(tmp_path: Path, content: bytes, message: str) -> None:
    fs = None if "time" in str(content) or "rate" in message else 100
    with pytest.raises(FormatError, match=message) as caught:
        read(tmp_path, content, fs=fs)
    assert caught.value.hint


def test_a_rate_that_contradicts_the_times_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="states 10 Hz, but fs=20"):
        read(tmp_path, "time,II\n0,1\n0.1,2\n0.2,3\n", fs=20)


def test_published_inputs(data: Path) -> None:
    found = list(read_recordings(data / "heartgpt" / "Example_inputs", fs=100))
    assert sorted({r.n_samples for r in found}) == [500, 7001]


def test_text_that_was_read_already_is_a_recording() -> None:
    found = read_text("time (s),II (mV)\n0,1\n0.01,2\n0.02,4\n", source="standard input", stop=0.02)
    assert (found.fs, found.channels, found.unit, found.source) == (100.0, ("II",), "mV", "standard input")
    assert found.signal.tolist() == [[1.0, 2.0]]
    assert read_text(b"1\n2\n3\n", fs=50.0).signal.tolist() == [[1.0, 2.0, 3.0]]
    with pytest.raises(FormatError, match="my text holds no numbers"):
        read_text("", source="my text", fs=1.0)
    with pytest.raises(FormatError, match="has no variables"):
        read_text("1\n2\n", fs=1.0, variable="x")


def test_numbers_are_read_line_by_line() -> None:
    assert list(read_numbers(["1\n", "\n", " -2.5 \n"], "stdin")) == [1.0, -2.5]
    for line in ("beat", "1_000", "1,2"):
        with pytest.raises(FormatError, match=f"line 2 of stdin is '{line}', which is no number"):
            list(read_numbers(["1", line], "stdin"))
