"""Plain WFDB records: bit for bit what the library reads, or left to it."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physiolect.formats import read_recording, write_recording
from physiolect.formats.wfdb_header import read_header
from physiolect.formats.wfdb_plain import plain_header, plain_samples
from physiolect.recording import LEADS, Recording

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import wfdb

SIGNAL = "r.dat 16 1000.0(0)/mV 16 0 -119 1508 0 I"


def same_as_the_library(path: Path, first: int = 0, last: int | None = None) -> None:
    text = read_header(path)
    header = plain_header(" ".join(text.record), text.lines)
    assert header is not None
    theirs = wfdb.rdrecord(str(path.with_suffix("")), sampfrom=first, sampto=last, return_res=32)
    for name in ("adc_gain", "baseline", "file_name", "byte_offset", "sig_name", "fmt", "n_sig", "skew"):
        assert getattr(header, name) == getattr(theirs, name), name
    rows = range(header.n_sig)
    ours = plain_samples(path.parent, header, rows, first, header.sig_len if last is None else last)
    np.testing.assert_array_equal(ours, theirs.p_signal.T)
    some = plain_samples(path.parent, header, [1, 0], first + 2, first + 7)
    np.testing.assert_array_equal(some, theirs.p_signal.T[[1, 0], 2:7])


@settings(max_examples=40, deadline=None)
@given(
    stored=st.lists(st.integers(-32768, 32767), min_size=60, max_size=60),
    gains=st.lists(st.sampled_from(["1000", "200.0", "0.5", "1000.1", "304.7619"]), min_size=3, max_size=3),
    baselines=st.lists(st.sampled_from(["", "(0)", "(-12345)", "(32767)"]), min_size=3, max_size=3),
    offset=st.sampled_from([0, 24]),
    zero=st.integers(-1024, 1024),
    tail=st.sampled_from(["", " 12:30:00", " 12:30:00 01/02/2020"]),
)
def test_any_plain_record_is_what_the_library_reads(
    tmp_path_factory: pytest.TempPathFactory,
    stored: list[int],
    gains: list[str],
    baselines: list[str],
    offset: int,
    zero: int,
    tail: str,
) -> None:
    folder = tmp_path_factory.mktemp("plain")
    form = f"16x1+{offset}" if offset else "16"
    lines = [f"r 3 500 15{tail}"]
    for k, (gain, baseline) in enumerate(zip(gains, baselines, strict=True)):
        file, where = ("r.dat", form) if k < 2 else ("r2.dat", "16")
        lines.append(f"{file} {where} {gain}{baseline}/mV 16 {zero} {stored[k]} 7 0 lead {k}")
    (folder / "r.hea").write_text("\n".join([*lines, "# Age: 60"]) + "\n")
    samples = np.array(stored, "<i2")
    (folder / "r.dat").write_bytes(bytes(offset) + samples[:30].tobytes())
    (folder / "r2.dat").write_bytes(samples[30:45].tobytes())
    same_as_the_library(folder / "r.hea")
    same_as_the_library(folder / "r.hea", 3, 11)


@pytest.mark.parametrize(
    ("record", "line"),
    [
        ("r/2 1 500 10", SIGNAL),
        ("r 2 500 10", SIGNAL),
        ("r 1 500", SIGNAL),
        ("r 1 500/360 10", SIGNAL),
        ("r 1 500 10", SIGNAL.replace(" 16 ", " 212 ", 1)),
        ("r 1 500 10", SIGNAL.replace(" 16 ", " 16x2 ", 1)),
        ("r 1 500 10", SIGNAL.replace(" 16 ", " 16:3 ", 1)),
        ("r 1 500 10", SIGNAL.replace("1000.0", "0")),
        ("r 1 500 10", SIGNAL.replace("1000.0", "1e3")),
        ("r 1 500 10", SIGNAL.replace("1000.0(0)/mV ", "")),
        ("r 1 500 10", SIGNAL.replace("mV", "µV")),
        ("r 1 500 10", SIGNAL.replace("r.dat", "../r.dat")),
        ("r 0 500 10", None),
    ],
)
def test_what_is_not_plain_is_left_to_the_library(record: str, line: str | None) -> None:
    assert plain_header("r 1 500 10", [SIGNAL]) is not None
    assert plain_header(record, [] if line is None else [line]) is None


def test_what_we_write_is_plain(tmp_path: Path) -> None:
    signal = np.random.default_rng(0).standard_normal((12, 100))
    write_recording(Recording(signal, 500.0, LEADS, unit="mV"), tmp_path / "r.hea")
    same_as_the_library(tmp_path / "r.hea")


def test_twelve_lead_collections_are_plain(data: Path) -> None:
    headers = [
        *sorted((data / "cinc" / "cinc2021").glob("*.hea"))[:20],
        *sorted(data.glob("ptbxl/**/*.hea"))[:20],
    ]
    assert len(headers) >= 20
    for path in headers:
        same_as_the_library(path)
        assert np.isfinite(read_recording(path).signal).any()
