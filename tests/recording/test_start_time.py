"""When a recording began, through everything that is done to it."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from physiolect.contract import InputContract, adapt
from physiolect.datasets.store.rows import Row
from physiolect.recording import Recording, clock_time, later, start_text, without_date
from physiolect.recording.start_time import moment_of, parse_moment, parse_start

START = datetime(2020, 2, 3, 23, 59, 50)


def make(start: datetime | time | None = START, fs: float = 100.0, seconds: float = 30.0) -> Recording:
    signal = np.sin(np.arange(round(seconds * fs)) / 7).astype(np.float32)
    return Recording.from_array(signal, fs, channels="II", unit="mV", start_time=start)


def test_a_stretch_begins_later() -> None:
    recording = make()
    assert recording.start_time == START
    assert recording.slice(12.5).start_time == datetime(2020, 2, 4, 0, 0, 2, 500_000)
    assert recording.slice(250, 900, by="samples").start_time == START + timedelta(seconds=2.5)
    assert recording.slice(None, 5).start_time == START
    assert recording.select(["II"]).start_time == START
    assert make(None).slice(3).start_time is None
    assert "from 2020-02-03 23:59:50" in repr(recording)


def test_a_time_of_day_goes_on_after_midnight() -> None:
    assert make(time(23, 59, 50)).slice(12.5).start_time == time(0, 0, 2, 500_000)
    assert later(time(1, 0), 86_400 + 60) == time(1, 1)
    assert later(datetime(9999, 12, 31), 1e9) is None


def test_a_zone_is_kept() -> None:
    zone = timezone(timedelta(hours=2))
    moved = make(START.replace(tzinfo=zone)).slice(10).start_time
    assert moved == START.replace(tzinfo=zone) + timedelta(0, 10)
    assert moved is not None
    assert moved.tzinfo == zone


def test_a_clock_that_is_put_forward_or_back_loses_no_hour() -> None:
    zone = ZoneInfo("Europe/Berlin")
    spring, autumn = datetime(2026, 3, 29, 1, 30, tzinfo=zone), datetime(2026, 10, 25, 2, 30, tzinfo=zone)
    assert start_text(later(spring, 3600) or spring) == "2026-03-29 03:30:00+02:00"
    assert start_text(later(autumn, 3600) or autumn) == "2026-10-25 02:30:00+01:00"
    assert later(time(10, tzinfo=UTC), 5) == time(10, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize("fs", [50.0, 100.0, 250.0])
def test_adapting_shifts_it_by_what_is_cut(fs: float) -> None:
    contract = InputContract(
        modality="ecg", fs=50, channels=("II",), unit="mV", min_samples=100, max_samples=250
    )
    adapted, _ = adapt(make(fs=fs), contract)
    assert adapted.n_samples == 250
    assert adapted.start_time == START + timedelta(seconds=25)  # the last five seconds of thirty
    whole, _ = adapt(make(fs=fs), contract, window="all")
    assert whole.start_time == START


def test_frames_keep_it() -> None:
    pd = pytest.importorskip("pandas")
    for start in (START, time(12, 0, 1), START.replace(tzinfo=UTC)):
        assert Recording.from_frame(make(start).to_frame()).start_time == start
    dates = pd.DataFrame({"II": np.arange(50.0) % 7}, index=pd.date_range(START, periods=50, freq="10ms"))
    assert Recording.from_frame(dates).start_time == START
    whole = make(START).to_frame()
    for cut in (whole.iloc[1000:], whole.loc[10:], whole.iloc[1000:].reset_index()):
        assert Recording.from_frame(cut).start_time == START + timedelta(seconds=10)
    minutes = pd.DataFrame({"time (min since 12:00:00)": 1 + np.arange(50) / 6000, "II": np.arange(50.0) % 7})
    assert Recording.from_frame(minutes).start_time == time(12, 1)
    named = pd.DataFrame({"time (ms since 12:00:00)": 500 + 10.0 * np.arange(50), "II": np.arange(50.0) % 7})
    assert Recording.from_frame(named).start_time == time(12, 0, 0, 500_000)


def test_moments_are_written_and_read() -> None:
    assert (start_text(START), start_text(time(1, 2, 3))) == ("2020-02-03 23:59:50", "01:02:03")
    assert clock_time(START, 12.3456) == "00:00:02.345"
    assert without_date(START) == time(23, 59, 50)
    assert without_date(None) is None
    for text, moment in (
        ("2020-02-03T23:59:50", START),
        ("20200203235950", START),
        (
            "20200203235950.250000+0100",
            START.replace(microsecond=250_000, tzinfo=timezone(timedelta(hours=1))),
        ),
        ("2020-02-03 23:59:50Z", START.replace(tzinfo=UTC)),
        ("2020-02-30 00:00:00", None),
        ("1899-02-03 00:00:00", None),
        ("2020-02-03 24:00:00", None),
        ("20200203", None),
        ("", None),
    ):
        assert parse_moment(text) == moment
    assert parse_start("7:05:09,5") == time(7, 5, 9, 500_000)
    assert parse_start("25:00:00") is None
    assert moment_of(2020, 13, 1) is None
    assert moment_of(2020, 1, 1, 23, 59, 59.9999999) == datetime(2020, 1, 2)


def test_a_store_keeps_no_start() -> None:
    assert Row.from_recording(make(), source="x").recording().start_time is None
