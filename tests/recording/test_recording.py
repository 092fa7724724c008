from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from physiolect.errors import FormatError
from physiolect.formats import read_recording, write_recording
from physiolect.recording import Annotations, Recording, canonical_channel, modality_of, shared_modality


def make(**changes: object) -> Recording:
    parts = {
        "signal": np.arange(40, dtype=np.float32).reshape(2, 20),
        "fs": 10.0,
        "channels": ("MLII", "V5"),
        "unit": "mV",
        "annotations": Annotations([0, 5, 19], ("N", "V", "N"), ("", "note", "")),
    }
    return Recording(**{**parts, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["MLII", "II", "ii", "ECG II", "ECG lead II", "ECG-II", " ekg_ii "])
def test_every_spelling_of_lead_two_is_one_channel(name: str) -> None:
    assert canonical_channel(name) == "II"


@pytest.mark.parametrize("name", ["V5", "III", "Resp", "ABP", "I"])
def test_other_channels_are_not_lead_two(name: str) -> None:
    assert canonical_channel(name) != "II"


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("V5", "ecg"),
        ("ECG 1", "ecg"),
        ("PLETH", "ppg"),
        ("PPG", "ppg"),
        ("PPG_1", "ppg"),
        ("ppg2", "ppg"),
        ("PLETHr", "ppg"),
        ("RED PPG", "ppg"),
        ("Plethysmography", "ppg"),
        ("ECOG_LEFT_0", "ecog"),
        ("ABP", None),
    ],
)
def test_names_tell_the_modality(name: str, modality: str | None) -> None:
    assert modality_of(name) == modality


def test_modality_is_shared_or_none() -> None:
    assert shared_modality(["I", "V1"]) == "ecg"
    assert shared_modality(["I", "PLETH"]) is None
    assert shared_modality(["I", "ABP"]) is None


def test_slicing_takes_seconds_or_samples_without_copying() -> None:
    recording = make()
    part = recording.slice(0.5, 1.5)
    assert part.n_samples == 10
    assert np.shares_memory(part.signal, recording.signal)
    assert list(part.annotations) == [(0, "V", "note")]
    np.testing.assert_array_equal(part.signal, recording.slice(5, 15, by="samples").signal)


@pytest.mark.parametrize(
    ("start", "stop"), [(-1, 1), (1, 1), (1, 0.5), (0, 3), (float("nan"), 1), (0, float("inf"))]
)
def test_a_stretch_outside_is_refused(start: float, stop: float) -> None:
    with pytest.raises(FormatError, match="does not lie in a recording of 2 seconds") as caught:
        make().slice(start, stop)
    assert caught.value.hint


def test_channels_are_found_by_name_alias_and_number() -> None:
    recording = make()
    assert [recording.index(c) for c in ("MLII", "II", "v5", 1, "1", np.int64(0))] == [0, 0, 1, 1, 1, 0]  # type: ignore[arg-type]
    assert recording.select(["V5", "II"]).channels == ("V5", "MLII")
    assert np.shares_memory(recording.select(["V5"]).signal, recording.signal)


@pytest.mark.parametrize("channel", ["V6", 2, -1, "7"])
def test_an_unknown_channel_is_refused(channel: str | int) -> None:
    with pytest.raises(FormatError, match="no channel") as caught:
        make().select([channel])
    assert "MLII" in str(caught.value.hint) or "V5" in str(caught.value.hint)


def test_selecting_nothing_is_refused() -> None:
    with pytest.raises(FormatError, match="no channel is selected"):
        make().select([])


def test_two_aliases_of_one_lead_are_ambiguous() -> None:
    with pytest.raises(FormatError, match="2 channels named 'II'"):
        make(channels=("MLII", "ECG II")).index("II")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fs": 0.0}, "above 0 Hz"),
        ({"fs": float("nan")}, "above 0 Hz"),
        ({"channels": ("I",)}, "1 channel names for 2 channels"),
        ({"unit": ("mV", "uV", "V")}, "3 units for 2 channels"),
        ({"modality": "eeg"}, "'eeg' is unknown"),
        ({"signal": np.zeros((2, 2, 2))}, "shape"),
        ({"signal": np.zeros((0, 5))}, "shape"),
    ],
)
def test_parts_that_contradict_one_another_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        make(**changes)


def test_missing_samples_are_counted_and_shown() -> None:
    signal = np.zeros((2, 20), np.float32)
    signal[0, 3:7] = np.nan
    recording = make(signal=signal, modality="ecg", source="x")
    assert recording.n_missing() == 4
    assert repr(recording) == (
        "<Recording x: MLII, V5; 2 s at 10 Hz; mV; ecg; 4 of 40 samples missing; 3 annotations>"
    )


def test_a_length_is_written_without_an_exponent() -> None:
    assert "; 0.5 s at 10 Hz;" in repr(Recording(np.zeros(5), 10))
    assert "86,400 s at 1 Hz" in repr(Recording(np.zeros(86_400), 1))
    assert "1,234,567 s at 1 Hz" in repr(Recording(np.zeros(1_234_567), 1))


def test_units_are_one_a_channel() -> None:
    assert make(unit=("mV", "mV")).unit == "mV"
    assert make(unit=("mV", None)).units == ("mV", None)
    assert make(unit=None).units == (None, None)


def test_annotations_need_columns_of_one_length() -> None:
    with pytest.raises(ValueError, match="as many symbols"):
        Annotations([1, 2], ("N",))


def test_annotations_move_with_the_rate() -> None:
    assert make().annotations.at_rate(0.5).sample.tolist() == [0, 2, 10]


def test_more_channels_than_samples_are_refused_with_the_way_out() -> None:
    with pytest.raises(FormatError, match="3000 channels of 2 samples") as caught:
        Recording(np.zeros((3000, 2)), 375)
    assert "transpose" in (caught.value.hint or "")
    assert len(Recording(np.zeros((12, 1)), 500).channels) == 12


def test_one_name_is_one_channel() -> None:
    assert Recording(np.zeros(9), 250, channels="II").channels == ("II",)  # type: ignore[arg-type]
    with pytest.raises(FormatError, match="1 channel names for 2 channels"):
        Recording(np.zeros((2, 9)), 250, channels="II")  # type: ignore[arg-type]


def test_names_mean_a_modality_in_code_as_in_files() -> None:
    assert Recording(np.zeros((1, 9)), 250, ("II",)).modality == "ecg"
    assert Recording(np.zeros((2, 9)), 250, ("II", "PLETH")).modality is None
    assert Recording(np.zeros((2, 9)), 250).modality is None
    assert Recording(np.zeros((1, 9)), 250, ("II",), modality="ppg").modality == "ppg"


def test_an_array_and_its_names_are_a_recording() -> None:
    made = Recording.from_array([[1, 2, 3], [4, 5, 6]], 100, channels=["II", "V5"], unit=["mV", "uV"])
    assert made.signal.dtype == np.float32
    assert (made.channels, made.units, made.modality) == (("II", "V5"), ("mV", "uV"), "ecg")
    assert Recording.from_array(np.zeros(5), 100, channels="II", unit="mV").signal.shape == (1, 5)
    with pytest.raises(FormatError, match="does not hold real numbers"):
        Recording.from_array(["a", "b"], 100)
    with pytest.raises(FormatError, match="300 channels of 2 samples: more channels than samples") as caught:
        Recording.from_array(np.zeros((300, 2)), 100)
    assert "transpose it" in str(caught.value.hint)
    for fs in (None, "fast"):
        with pytest.raises(FormatError, match=f"the sampling rate is {fs}, but it must be above 0 Hz"):
            Recording.from_array(np.zeros(5), fs)  # type: ignore[arg-type]
    assert Recording(np.zeros((2, 5)), 100, unit=["mV", "uV"]).units == ("mV", "uV")  # type: ignore[arg-type]


def frame(**columns: object) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_columns_of_a_frame_are_channels() -> None:
    signal = np.random.default_rng(0).standard_normal((3000, 2))
    made = Recording(pd.DataFrame(signal, columns=["II (mV)", "V5 (uV)"]), 250)  # type: ignore[arg-type]
    assert made.signal.shape == (2, 3000)
    assert (made.channels, made.units, made.modality) == (("II", "V5"), ("mV", "uV"), "ecg")
    np.testing.assert_array_equal(made.signal, signal.T.astype(np.float32))
    with pytest.raises(FormatError, match="column 'time' of the DataFrame is no channel") as caught:
        Recording(frame(time=[0.0, 0.1], II=[1.0, 2.0]), 10)  # type: ignore[arg-type]
    assert "from_frame" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "made",
    [
        lambda x: Recording.from_frame(frame(II=x), 250),
        lambda x: Recording.from_frame(frame(time=np.arange(500) / 250, II=x)),
        lambda x: Recording.from_frame(frame(II=x, moment=np.arange(500) * 4.0), time="moment", fs=0.25),
        lambda x: Recording.from_frame(frame(**{"t (ms)": np.arange(500) * 4, "II": x})),
        lambda x: Recording.from_frame(frame(at=pd.date_range("2026-01-01", periods=500, freq="4ms"), II=x)),
        lambda x: Recording.from_frame(
            frame(at=pd.date_range("2026-01-01", periods=500, freq="4ms", tz="Europe/Oslo"), II=x)
        ),
        lambda x: Recording.from_frame(
            frame(II=x).set_index(pd.date_range("2026-01-01", periods=500, freq="4ms"))
        ),
        lambda x: Recording.from_frame(frame(II=x).set_index(pd.timedelta_range(0, periods=500, freq="4ms"))),
        lambda x: Recording.from_frame(frame(sample=range(500), II=x), 250),
    ],
)
def test_a_frame_states_its_rate_in_a_column_or_an_index(made: Callable[..., Recording]) -> None:
    x = np.sin(np.arange(500) / 9)
    recording = made(x)
    assert recording.channels == ("II",)
    assert recording.fs in (250, 0.25)
    np.testing.assert_array_equal(recording.signal[0], x.astype(np.float32))


@pytest.mark.parametrize(
    ("columns", "settings", "message"),
    [
        ({"II": [1.0, 2.0]}, {}, "states no sampling rate"),
        ({"time": [0.0, 0.1, 0.2], "II": [1.0] * 3}, {"fs": 250}, "states 10 Hz, but fs=250"),
        ({"time": [0.0, 0.1, 0.5, 0.6], "II": [1.0] * 4}, {}, "not uniform"),
        ({"II": [1.0, 2.0], "patient": ["a", "b"]}, {"fs": 250}, "column 'patient' of the DataFrame"),
        ({"II": [1.0, 2.0]}, {"time": "when"}, "no column 'when'"),
        ({"time": [0.0, 0.1]}, {}, "holds no channel"),
    ],
)
def test_a_frame_that_is_no_recording_is_refused(
    columns: dict[str, object], settings: dict[str, object], message: str
) -> None:
    with pytest.raises(FormatError, match=message) as caught:
        Recording.from_frame(frame(**columns), **settings)  # type: ignore[arg-type]
    assert caught.value.hint


@given(
    fs=st.sampled_from([50.0, 100.0, 125.0, 250.0, 360.0, 500.0, 1000.0, 62.4725]),
    n_samples=st.integers(2, 400),
    unit=st.sampled_from([None, "mV", ("mV", None)]),
)
def test_a_recording_comes_back_from_its_frame(fs: float, n_samples: int, unit: object) -> None:
    signal = np.random.default_rng(n_samples).standard_normal((2, n_samples)).astype(np.float32)
    signal[0, 0] = np.nan
    recording = Recording(signal, fs, ("II", "V5"), unit, "ecg", source="x")  # type: ignore[arg-type]
    table = recording.to_frame()
    assert list(table.columns) == ["II", "V5"]
    assert table.index.name == "time_s"
    again = Recording.from_frame(table, None if fs > 2 else fs)
    assert again.fs == pytest.approx(fs, rel=1e-9)
    assert (again.channels, again.units, again.modality, again.source) == (
        recording.channels, recording.units, "ecg", "x",
    )  # fmt: skip
    np.testing.assert_array_equal(again.signal, signal)


def test_columns_without_names_are_numbered() -> None:
    made = Recording.from_frame(pd.DataFrame(np.zeros((50, 2))), 100)
    assert (made.channels, made.modality) == (("ch1", "ch2"), None)


def test_a_frame_of_dates_without_rows_has_no_rate() -> None:
    empty = frame(II=[]).set_index(pd.DatetimeIndex([]))
    with pytest.raises(FormatError, match="states no sampling rate"):
        Recording.from_frame(empty)
    assert Recording.from_frame(empty, 100).n_samples == 0


def test_more_than_512_names_of_a_file_are_looked_through(tmp_path: Path) -> None:
    signal = np.arange(600 * 700, dtype=np.float32).reshape(600, 700)
    write_recording(Recording(signal, 100), tmp_path / "many.npz")
    assert read_recording(tmp_path / "many.npz", channels=["ch600"]).signal[0, 0] == signal[-1, 0]


@pytest.mark.parametrize(
    ("times", "fs", "n_samples", "notice"),
    [
        ({"Zeit": np.arange(500) / 250}, 250, 500, None),
        ({"Tiempo (ms)": np.arange(500) * 4}, 250, 500, None),
        ({"time": np.round(np.arange(2000) / 512, 3)}, 512, 2000, None),  # whole milliseconds
        ({"timestamp": 1.7e12 + np.arange(500) * 4}, 250, 500, None),  # since 1970
        ({"t": np.arange(500) * 4}, 250, 500, "they are taken for milliseconds"),
        ({"time": np.delete(np.arange(500) / 250, [100, 101])}, 250, 500, "2 samples missing by the times"),
    ],
)
def test_times_of_a_frame_are_read_as_those_of_a_file(
    times: dict[str, np.ndarray], fs: float, n_samples: int, notice: str | None, tmp_path: Path
) -> None:
    (column,) = times.values()
    table = frame(**times, II=np.sin(np.arange(len(column)) / 9))
    made = Recording.from_frame(table)
    assert (made.fs, made.n_samples, made.channels) == (fs, n_samples, ("II",))
    assert (notice or "") in " ".join(made.notices)
    assert bool(made.notices) == (notice is not None)
    table.to_csv(tmp_path / "x.csv", index=False)
    read = read_recording(tmp_path / "x.csv")
    assert (read.fs, read.n_samples, read.notices) == (made.fs, made.n_samples, made.notices)
    np.testing.assert_array_equal(np.isnan(read.signal), np.isnan(made.signal))


def test_missing_samples_of_a_frame_are_nan() -> None:
    made = Recording.from_frame(frame(II=pd.array([1.0, None, 3.0], dtype="Float64")), 100)
    assert np.isnan(made.signal[0]).tolist() == [False, True, False]


def test_a_recording_draws_itself() -> None:
    figure = make().plot(0.5, 1.5)
    assert len(figure.axes) == 2
    assert figure.axes[0].lines[0].get_xdata()[-1] < 1.0


def test_a_page_for_notebooks_is_short_and_escaped() -> None:
    page = make(source="<b>", channels=("a<", "b"))._repr_html_()
    assert "&lt;b&gt;" in page
    assert "a&lt;" in page
    assert "2 s at 10 Hz" in page
    many = Recording(np.zeros((300, 400)), 100)._repr_html_()
    assert "and 288 more" in many
    assert len(many) < 2000
