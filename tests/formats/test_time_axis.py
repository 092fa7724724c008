"""Columns of times: found by name and by samples, in any language and unit; rounded, with gaps, or of two rates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from physiolect.errors import FormatError
from physiolect.formats import read_recording
from physiolect.recording import Recording

N = 2000
WAVE = (1000 * np.sin(np.arange(N) / 9) + np.random.default_rng(0).normal(0, 20, N)).round(1)
START = datetime(2024, 1, 1, 23, 59, 58)  # midnight lies within the recording

Stamp = Callable[[int], str]


def moment(i: int, fs: float = 250) -> datetime:
    return START + timedelta(seconds=i / fs)


def read(
    folder: Path,
    header: str,
    stamp: Stamp,
    *,
    between: str = ",",
    rows: range | list[int] = range(N),
    name: str = "x.csv",
    **asked: object,
) -> Recording:
    lines = [f"{stamp(i)}{between}{WAVE[i]}" for i in rows]
    (folder / name).write_text("\n".join([header, *lines] if header else lines) + "\n", encoding="utf-8")
    return read_recording(folder / name, **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("header", "stamp", "fs"),
    [
        ("Zeit (s),EKG (mV)", lambda i: f"{i / 500:.3f}", 500),
        ("Tiempo (ms),Derivación II (mV)", lambda i: f"{4 * i}", 250),
        ("Temps,ECG", lambda i: f"{i / 250:.4f}", 250),
        ("время,ЭКГ", lambda i: f"{4 * i}", 250),
        ("时间(ms),心电", lambda i: f"{4 * i}", 250),
        ("Xyz (ms),ecg", lambda i: f"{4 * i}", 250),
        ("timer,hr", lambda i: f"{8.5470085 * i:.6f}", 117),
        (",ecg", lambda i: f"{4 * i}", 250),
        ("time (us),ecg", lambda i: f"{2000 * i}", 500),
        ("t_ns,ecg", lambda i: f"{599616019000000000 + round(i * 1e9 / 130)}", 130),
        ("timestamp,ecg", lambda i: f"{1700000000 + i / 250:.3f}", 250),
        ("timestamp,ecg", lambda i: f"{1700000000000 + 4 * i}", 250),
        ("timestamp,ecg", lambda i: f"{1700000000000000 + 4000 * i}", 250),
        ("timestamp,ecg", lambda i: f"{1700000000000000000 + 4000000 * i}", 250),
        ("time,ecg", lambda i: moment(i).strftime("%H:%M:%S.%f"), 250),
        ("'Elapsed time','MLII'\n'hh:mm:ss.mmm','mV'", lambda i: f"'{i // 21600}:{i / 360 % 60:06.3f}'", 360),
        ("'Time and date','MLII'\n'hh:mm:ss.mmm dd/mm/yyyy','mV'",
         lambda i: moment(i).strftime("'[%H:%M:%S.%f %d/%m/%Y]'"), 250),
        ("time,ecg", lambda i: moment(i).isoformat(timespec="milliseconds"), 250),
        ("time,ecg", lambda i: moment(i).replace(tzinfo=UTC).isoformat(sep=" ", timespec="microseconds"), 250),
        ("time,ecg", lambda i: moment(i).replace(tzinfo=timezone(timedelta(hours=-5))).isoformat(), 250),
        ("time,ecg", lambda i: moment(i).isoformat(timespec="milliseconds") + "Z", 250),
        ("time,ecg", lambda i: moment(i).strftime("%d.%m.%Y %H:%M:%S.%f"), 250),
        ("time,ecg", lambda i: moment(i).strftime("%m/%d/%Y %I:%M:%S.%f %p"), 250),
        ("Date,Time,ecg", lambda i: moment(i).strftime("%d.%m.%Y,%H:%M:%S.%f"), 250),
        ("time (ms),II", lambda i: f"{round(i * 1000 / 512)}", 512),
        ("time (ms),II", lambda i: f"{int(i * 1000 / 360)}", 360),
        ("time (ms),II", lambda i: f"{int(i * 1000 / 2000)}", 2000),
    ],
)  # fmt: skip
def test_times_of_any_kind_give_the_rate_and_are_no_channel(
    tmp_path: Path, header: str, stamp: Stamp, fs: float
) -> None:
    found = read(tmp_path, header, stamp)
    assert found.fs == pytest.approx(fs, rel=1e-6)
    assert (found.n_samples, found.n_missing()) == (N, 0)
    np.testing.assert_array_equal(found.signal, [WAVE.astype(np.float32)])


@pytest.mark.parametrize(
    ("header", "stamp", "fs"),
    [
        ("      time      II\n (seconds)    (mV)", lambda i: f"{i / 360:10.3f}", None),
        ("      sample #     II\n                   (mV)", lambda i: f"{i:6d}", 360),
        ("Elapsed time  II\n(hh:mm:ss.mmm) (mV)", lambda i: f"{i // 21600}:{i / 360 % 60:06.3f}", None),
    ],
)
def test_tables_of_rdsamp(tmp_path: Path, header: str, stamp: Stamp, fs: float | None) -> None:
    found = read(tmp_path, header, stamp, between="   ", name="x.txt", fs=fs)
    assert (found.fs, found.channels, found.unit, found.n_samples) == (360, ("II",), "mV", N)


def test_decimal_commas(tmp_path: Path) -> None:
    found = read(tmp_path, "Zeit [s];EKG [mV]", lambda i: f"{i / 500:.3f}".replace(".", ","), between=";")
    assert (found.fs, found.channels, found.unit) == (500, ("EKG",), "mV")
    (tmp_path / "one.csv").write_text("\n".join(f"{w / 1000:.4f}".replace(".", ",") for w in WAVE))
    one = read_recording(tmp_path / "one.csv", fs=250)
    np.testing.assert_allclose(one.signal, [WAVE / 1000], atol=1e-4)


@pytest.mark.parametrize("step", [4, 1, 1000 / 512])
def test_lost_samples_are_missing_and_told(tmp_path: Path, step: float) -> None:
    lost = [100, 700, 701, 702]
    kept = [i for i in range(N) if i not in lost]
    found = read(tmp_path, "time (ms),II (mV)", lambda i: f"{round(i * step)}", rows=kept)
    assert (found.fs, found.n_samples) == (pytest.approx(1000 / step), N)
    assert np.flatnonzero(np.isnan(found.signal[0])).tolist() == lost
    np.testing.assert_array_equal(found.signal[0, kept], WAVE[kept].astype(np.float32))
    assert any("4 samples missing" in notice for notice in found.notices)


def test_a_stretch_counts_from_the_first_time_across_gaps(tmp_path: Path) -> None:
    kept = [i for i in range(N) if i != 100]
    found = read(tmp_path, "time (ms),II", lambda i: f"{4 * i}", rows=kept, start=1, stop=2)
    np.testing.assert_array_equal(found.signal[0], WAVE[250:500].astype(np.float32))


@pytest.mark.parametrize(
    ("stamp", "message"),
    [
        (
            lambda i: f"{i / 250 if i < 1000 else 4 + (i - 1000) / 256:.4f}",
            "rate changes from 250 Hz to 256 Hz near",
        ),
        (lambda i: f"{i / 250 if i < 1000 else 4 + (i - 1000) / 125:.4f}", "4, then 4.008 in row 1002"),
        (lambda i: f"{i / 250 + (500 if i >= 1000 else 0):.4f}", "3.996, then 504 in row 1001"),
        (lambda i: f"{i / 250 - (1 if i >= 1000 else 0):.4f}", "3.996, then 3 in row 1001"),
        (lambda i: f"{i / 250 if i != 500 else (i - 1) / 250:.4f}", "1.996, then 1.996 in row 501"),
        (lambda i: f"{(i + 0.9 * (i % 7)) ** 1.3:.4f}", "not uniform"),
    ],
)
def test_times_that_are_not_uniform_are_refused(tmp_path: Path, stamp: Stamp, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read(tmp_path, "time (s),II", stamp)


def test_without_a_name_a_lost_sample_is_refused(tmp_path: Path) -> None:
    """Nothing states that the column is time; it is never a channel."""
    with pytest.raises(FormatError, match=r"not uniform: 0.396, then 0.404 in row 101"):
        read(tmp_path, "", lambda i: f"{i / 250:.3f}", rows=[i for i in range(N) if i != 100], fs=250)


@pytest.mark.parametrize("wrong", ["0.400", "0.392", "9.000"])
def test_without_a_name_a_doubled_or_stray_time_is_refused(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(FormatError, match="not uniform"):
        read(tmp_path, "", lambda i: wrong if i == 101 else f"{i / 250:.3f}", fs=250)


def test_stamps_of_whole_seconds(tmp_path: Path) -> None:
    found = read(tmp_path, "time,ecg", lambda i: f"12:00:{i // 250:02d}")
    assert (found.fs, found.n_samples) == (250, N)
    assert any("steady 250 Hz" in notice for notice in found.notices)


def test_a_rate_in_every_row_or_in_a_name_is_stated(tmp_path: Path) -> None:
    for header, stamp in (("fs,II", lambda i: "360"), ("V5,II (360 Hz)", lambda i: f"{-WAVE[i]}")):
        assert read(tmp_path, header, stamp).fs == 360
        with pytest.raises(FormatError, match="states 360 Hz, but fs=250"):
            read(tmp_path, header, stamp, fs=250)
    with pytest.raises(FormatError, match="two rates"):
        read(tmp_path, "# fs = 250\nfs,II", lambda i: "360")


def test_stamps_of_a_radio_link_are_read_at_their_mean_rate(tmp_path: Path) -> None:
    found = read(tmp_path, "time (s),II (mV)", lambda i: f"{i // 10 * 10 / 250:.4f}")
    assert (found.fs, found.n_samples) == (250, N)
    assert any("steady 250 Hz" in notice for notice in found.notices)
    assert read(tmp_path, "time (s),II (mV)", lambda i: f"{i // 10 * 10 / 250:.4f}", fs=250).fs == 250


def test_the_uniform_one_of_several_times_is_taken(tmp_path: Path) -> None:
    header = "Phone timestamp;sensor timestamp [ns];timestamp [ms];ecg [uV]"
    found = read(
        tmp_path,
        header,
        lambda i: (
            f"2024-01-01T10:00:{i // 130:02d}.000;{599616019 * 10**9 + round(i * 1e9 / 130)};{i / 0.13:.6f}"
        ),
        between=";",
    )
    assert (found.fs, found.channels, found.unit) == (130, ("ecg",), "uV")


def test_times_that_contradict_each_other_or_the_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="are times of 250 and 500 Hz"):
        read(tmp_path, "time (s),time (ms),II", lambda i: f"{i / 250},{2 * i}")
    with pytest.raises(FormatError, match="states 500 Hz, but its times mean 250 Hz"):
        read(tmp_path, "# fs = 500 Hz\ntime (s),II", lambda i: f"{i / 250}")
    for fs in (500, 251):
        with pytest.raises(FormatError, match=f"states 250 Hz, but fs={fs} was given"):
            read(tmp_path, "time (ms),II", lambda i: f"{4 * i}", fs=fs)
    assert read(tmp_path, "timer,hr", lambda i: f"{8.5479 * i:.4f}", fs=117).fs == pytest.approx(
        116.9878, rel=1e-5
    )


def test_a_unit_that_nothing_states_is_inferred_and_told(tmp_path: Path) -> None:
    found = read(tmp_path, "time,ecg", lambda i: f"{4 * i}")
    assert found.fs == 250
    assert any("taken for milliseconds" in notice for notice in found.notices)
    assert not read(tmp_path, "time,ecg", lambda i: f"{4 * i}", fs=250).notices
    with pytest.raises(FormatError, match="have no unit, and read as seconds they mean 1 Hz"):
        read(tmp_path, "time,ecg", lambda i: f"{i}")
    assert read(tmp_path, "time,ecg", lambda i: f"{i}", fs=1000).fs == 1000


@pytest.mark.parametrize(
    ("column", "name"),
    [
        (lambda i: f"{i}", "sample"),
        (lambda i: f"{i + 1}", "Unnamed: 0"),
        (lambda i: f"{2 * i}", "packet"),
        (lambda i: f"{i % 256}", "counter"),
        (lambda i: f"{i % 16}", "nSeq"),
        (lambda i: f"{3.5 * i}", "odd"),
        (lambda i: f"{i * i}", "odd"),
    ],
)
def test_counters_and_ramps_are_no_channels(tmp_path: Path, column: Stamp, name: str) -> None:
    found = read(tmp_path, f"II,{name},V5", lambda i: f"{WAVE[i]},{column(i)}", fs=250)
    assert found.channels == ("II", "V5")


def test_nothing_but_a_ramp_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("x\n" + "\n".join(map(str, range(500))))
    with pytest.raises(FormatError, match="without a signal only"):
        read_recording(tmp_path / "x.csv", fs=100)


def test_long_files_are_judged_block_by_block(tmp_path: Path) -> None:
    """More rows than one block: the rate, the gap and the change of rate lie in the later ones."""
    n = 450_000
    times, wave = np.arange(n) / 250, (np.arange(n) % 977) * 0.5
    keep = np.arange(n) != 400_001
    path = tmp_path / "long.csv"
    np.savetxt(
        path, np.c_[times, wave][keep], fmt=("%.3f", "%.1f"), delimiter=",", header="time,II", comments=""
    )
    found = read_recording(path)
    assert (found.fs, found.n_samples) == (250, n)
    assert np.flatnonzero(np.isnan(found.signal[0])).tolist() == [400_001]
    times[420_000:] += (np.arange(n - 420_000)) * 1e-3 / 4
    np.savetxt(path, np.c_[times, wave], fmt=("%.5f", "%.1f"), delimiter=",", header="time,II", comments="")
    with pytest.raises(FormatError, match=r"rate changes from 250 Hz to 235.3 Hz near row 4\d{5}"):
        read_recording(path)


@pytest.mark.parametrize(
    ("name", "first", "step"),
    [
        ("timestamp", 2_000_000_000, 4_000_000),  # nanoseconds since a device was switched on
        ("timestamp", 400_000_000, 4_000),
        ("timestamp (us)", 400_000_000, 4_000),
        ("timestamp (ms)", 1_200_000_000, 4),
        ("timestamp (ns)", 1_200_000_000, 4_000_000),
    ],
)
def test_a_device_s_clock_is_no_unix_time(tmp_path: Path, name: str, first: int, step: int) -> None:
    recording = read(tmp_path, f"{name},ecg", lambda i: str(first + step * i))
    assert (recording.fs, recording.start_time, recording.channels) == (250, None, ("ecg",))


@pytest.mark.parametrize(
    ("name", "first", "step"),
    [("time (s)", 1_700_000_000_000, 4), ("time (ms)", 1_700_000_000_000_000, 4_000)],
)
def test_a_unix_time_outweighs_a_unit_that_it_cannot_have(
    tmp_path: Path, name: str, first: int, step: int
) -> None:
    recording = read(tmp_path, f"{name},ecg", lambda i: str(first + step * i))
    assert recording.fs == 250
    assert recording.start_time == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


@pytest.mark.parametrize("jitter", [0.002, 0.004, 0.006])
def test_stamps_of_a_radio_link_jitter_by_half_a_step(tmp_path: Path, jitter: float) -> None:
    off = np.random.default_rng(1).uniform(0, jitter, N)
    recording = read(tmp_path, "time (s),ecg", lambda i: f"{i / 130 + off[i]:.6f}")
    assert recording.fs == pytest.approx(130, rel=1e-4)
    assert (recording.n_samples, recording.n_missing()) == (N, 0)
    with pytest.raises(FormatError, match="not uniform"):  # an exact time is doubled
        read(tmp_path, "time (s),ecg", lambda i: f"{(i - (i == 900)) / 130:.6f}")
