from __future__ import annotations

import numpy as np
import pytest

from physiolect.errors import FormatError
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
