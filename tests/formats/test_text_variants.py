"""Text tables, arrays and headers that say the same things in other ways than most do."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from physiolect.errors import FormatError
from physiolect.formats import read_recording
from physiolect.formats.outputs import is_output
from physiolect.formats.text_statements import rate_of_interval
from physiolect.recording import unit_name
from physiolect.report.inspection import inspect

N = 2000
WAVE = np.round(np.sin(np.arange(N) / 20) + 0.3 * np.cos(np.arange(N) / 7), 3)


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """Write lines of cells below a header."""

    def write(head: str, *columns: object, between: str = ",", end: str = "\n", name: str = "x.csv") -> Path:
        rows = [between.join(str(cell) for cell in row) for row in zip(*columns, strict=True)]  # type: ignore[call-overload]
        (tmp_path / name).write_text(end.join([*([head] if head else []), *rows]), newline="")
        return tmp_path / name

    return write


@pytest.mark.parametrize("classes", [np.arange(N) // 600, (np.arange(N) > 900) * 1 + 1])
def test_classes_that_rise_are_no_times(table: Callable[..., Path], classes: np.ndarray) -> None:
    read = read_recording(table("", WAVE, classes), fs=250)
    assert (read.fs, len(read.channels), read.n_samples) == (250, 1, N)


def test_a_slow_signal_in_coarse_steps_is_no_time(table: Callable[..., Path]) -> None:
    rates = (72 + np.sin(np.arange(N) / 300)).round(2)
    read = read_recording(table("HR (bpm),Raw", rates, WAVE), fs=250)
    assert (read.channels, read.units) == (("HR", "Raw"), ("bpm", None))


def test_a_counter_of_any_period_is_no_channel(table: Callable[..., Path]) -> None:
    read = read_recording(table("a,b", np.arange(N) % 201, WAVE), fs=200)
    assert read.channels == ("b",)


@pytest.mark.parametrize("first", [45_000.0, 738_000.0])
def test_days_of_excel_and_matlab(table: Callable[..., Path], first: float) -> None:
    stamps = [f"{first + i / 250 / 86_400:.12f}" for i in range(N)]
    read = read_recording(table("time,ECG", stamps, WAVE))
    assert read.fs == pytest.approx(250, rel=1e-3)
    assert "days" in read.notices[0]


@pytest.mark.parametrize(
    "stamp",
    [
        lambda i: f"20240331T0159{i * 4 // 1000:02d}.{i * 4 % 1000:03d}",
        lambda i: f"20240331 01:59:{i * 4 // 1000:02d}.{i * 4 % 1000:03d}",
        lambda i: f"0 days 00:00:{i * 4 // 1000:02d}.{i * 4 % 1000:03d}",
    ],
)
def test_dates_without_marks_and_timedeltas(table: Callable[..., Path], stamp: Callable[[int], str]) -> None:
    read = read_recording(table("time,ECG", [stamp(i) for i in range(N)], WAVE))
    assert (read.fs, read.channels) == (250, ("ECG",))


def test_times_that_all_samples_of_a_packet_share(table: Callable[..., Path]) -> None:
    stamps = [1_700_000_000_000 + int(i // 73 * 73_000 / 130) for i in range(N)]
    read = read_recording(table("time,ecg", stamps, WAVE))
    assert read.fs == pytest.approx(130, rel=1e-3)
    lost = [stamp + 3000 * (i > 1000) for i, stamp in enumerate(stamps)]
    with pytest.raises(FormatError, match="not uniform"):  # packets are missing
        read_recording(table("time,ecg", lost, WAVE))


def test_a_round_rate_is_found_beside_errors_of_the_last_digit(table: Callable[..., Path]) -> None:
    assert read_recording(table("time,ppg", np.arange(2500) * 0.01, np.resize(WAVE, 2500))).fs == 100.0


@pytest.mark.parametrize(
    "line", ["SPS: 250", "samples/s: 250", "250 Hz", "SampleRate: 250,", "# sampling interval (us): 4000"]
)
def test_statements_of_a_rate(table: Callable[..., Path], line: str) -> None:
    path = table(f"{line}\nECG", WAVE)
    assert read_recording(path).fs == 250
    with pytest.raises(FormatError, match="250"):
        read_recording(path, fs=500)


def test_the_sample_interval_of_physionet(table: Callable[..., Path]) -> None:
    head = "'sample interval','MLII','V5'\n'0.00277778 sec','mV','mV'"
    read = read_recording(table(head, range(N), WAVE, WAVE))
    assert (read.fs, read.channels, read.units) == (360, ("MLII", "V5"), ("mV", "mV"))
    assert [rate_of_interval(text, "s") for text in ("0.004", "0.00390625", "0.0078")] == [
        250,
        256,
        1 / 0.0078,
    ]


def test_brackets_that_hold_no_unit(table: Callable[..., Path]) -> None:
    read = read_recording(table("ECG(LL-RA),ECG(LA-RA)", WAVE, WAVE), fs=250)
    assert (read.channels, read.units) == (("ECG(LL-RA)", "ECG(LA-RA)"), (None, None))


def test_blank_lines_of_one_column_are_missing_samples(table: Callable[..., Path]) -> None:
    cells = [str(value) for value in WAVE]
    cells[300:340] = [""] * 40
    read = read_recording(table("ppg", [*cells, "", ""]), fs=100)
    assert read.n_samples == N
    assert np.flatnonzero(np.isnan(read.signal[0])).tolist() == list(range(300, 340))
    assert read_recording(table("ppg", WAVE, end="\n\n"), fs=100).n_samples == N  # every other line is blank


def test_blank_lines_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("physiolect.formats.text_source._BLOCK", 4096)
    (tmp_path / "x.csv").write_text("\n".join("" if i % 10 in (3, 4) else str(i % 7) for i in range(9000)))
    read = read_recording(tmp_path / "x.csv", fs=100)
    assert read.n_samples == 9000
    assert set(np.flatnonzero(np.isnan(read.signal[0])) % 10) == {3, 4}


def test_infinite_values_of_a_channel_that_is_not_needed(table: Callable[..., Path]) -> None:
    path = table("ECG,X", WAVE, ["inf", *WAVE[1:]])
    read = read_recording(path, fs=250)
    assert np.isnan(read.signal[1]).sum() == 1
    assert read.notices == ("channel X holds 1 value taken as missing: infinite, or too large for float32",)
    with pytest.raises(FormatError, match="infinite"):
        read_recording(path, fs=250, channels="X")


def test_decimal_commas_below_lines_with_other_commas(table: Callable[..., Path]) -> None:
    head = 'Nom,X\nAppareil,"Watch6,1"\nFréquence d’échantillonnage,512 hertz\n\nDérivation,Dérivation I\nUnité,µV\n'
    read = read_recording(table(head, [f"{1000 * value:.3f}".replace(".", ",") for value in WAVE]))
    assert (read.fs, read.channels, read.units, read.n_samples) == (512, ("I",), ("uV",), N)
    np.testing.assert_allclose(read.signal[0], 1000 * WAVE, rtol=1e-5)


@pytest.mark.parametrize("between", [",", "\t"])
def test_the_line_of_counts_of_acqknowledge_is_no_sample(table: Callable[..., Path], between: str) -> None:
    head = f"s.acq\n2 msec/sample\n2 channels\nECG\nmV\nPPG\nVolts\nCH1{between}CH2\n{N}{between}{N}"
    read = read_recording(table(head, WAVE, WAVE, between=between))
    assert (read.fs, read.n_samples, read.channels) == (500, N, ("ECG", "PPG"))


def test_lines_of_an_old_mac(table: Callable[..., Path]) -> None:
    path = table('ECG,"V, 5"', WAVE, WAVE, end="\r")
    assert not is_output(path)
    assert read_recording(path, fs=250).n_samples == N


def test_an_archive_of_a_table_is_inspected_as_one(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("x.csv", "ECG (mV)\n" + "\n".join(map(str, WAVE)))
    assert inspect(tmp_path / "x.zip", fs=250).facts["kind"] == "recording"


@pytest.mark.parametrize("key", ["freq", "samp_rate", "Frequency", "samples_per_second", "Hz"])
def test_names_of_rates(tmp_path: Path, key: str) -> None:
    np.savez(tmp_path / "x.npz", ecg=WAVE, **{key: np.float64(250)})
    assert read_recording(tmp_path / "x.npz").fs == 250
    with pytest.raises(FormatError, match="250"):
        read_recording(tmp_path / "x.npz", fs=500)


def test_rates_that_are_text(tmp_path: Path) -> None:
    import h5py

    np.savez(tmp_path / "a.npz", ecg=WAVE, fs="250 Hz")
    scipy.io.savemat(tmp_path / "b.mat", {"ecg": WAVE, "fs": "250 Hz"})
    scipy.io.savemat(tmp_path / "c.mat", {"x": {"ecg": WAVE, "fs": "250"}}, do_compression=True)
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["ecg"] = WAVE
        file.attrs["fs"] = "0.25 kHz"
    with h5py.File(tmp_path / "e.h5", "w") as file:
        file["ecg"], file["fs"] = WAVE, "250 Hz"
    for name in ("a.npz", "b.mat", "c.mat", "d.h5", "e.h5"):
        assert read_recording(tmp_path / name).fs == 250, name


@pytest.mark.parametrize("name", ["zeit", "Tiempo", "tm", "时间"])
def test_vectors_of_times_in_every_language(tmp_path: Path, name: str) -> None:
    np.savez(tmp_path / "x.npz", **{name: np.arange(N) / 500, "ecg": WAVE})
    assert read_recording(tmp_path / "x.npz").fs == 500
    stamps = np.round(np.arange(N) / 512 * 1000)  # whole milliseconds
    np.savez(tmp_path / "y.npz", **{name: stamps, "ecg": WAVE})
    assert read_recording(tmp_path / "y.npz").fs == pytest.approx(512, rel=1e-3)


def test_a_rate_that_is_empty(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", signal=WAVE[None], fs=np.array([]), channels=np.array(["II"]))
    with pytest.raises(FormatError, match="0 sampling rates"):
        read_recording(tmp_path / "x.npz")


def test_a_header_that_states_no_samples(tmp_path: Path) -> None:
    (tmp_path / "x.hea").write_text("x 1 250 0\nx.dat 16 200/mV 16 0 0 0 0 II\n")
    (tmp_path / "x.dat").write_bytes(np.round(200 * WAVE).astype("<i2").tobytes())
    assert read_recording(tmp_path / "x").n_samples == N


def test_units_cut_short_and_of_other_languages() -> None:
    assert [unit_name(text) for text in ("MICROVOL", "мкВ", "毫伏", "MILLIVOL")] == ["uV", "uV", "mV", "mV"]


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"BZh9", "bzip2"),
        (b"\x0e\x10\x43\x08\0\0\0\0.FIT", "Garmin"),
        (b"\x05\0(C) CED 87", "Spike2"),
    ],
)
def test_formats_that_are_named_and_not_read(tmp_path: Path, head: bytes, said: str) -> None:
    (tmp_path / "x.bin").write_bytes(head + bytes(300))
    with pytest.raises(FormatError, match=said):
        read_recording(tmp_path / "x.bin")
