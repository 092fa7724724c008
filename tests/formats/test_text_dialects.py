"""What devices and programs write above their samples: rate, names, units and gain are taken from there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from physiolect.errors import FormatError
from physiolect.formats import read_recording, read_recordings
from physiolect.recording import Recording

N = 1500
WAVE = (1000 * np.sin(np.arange(N) / 9) + np.random.default_rng(0).normal(0, 20, N)).round(1)
CELLS = [str(value) for value in WAVE.tolist()]


def read(folder: Path, text: str, name: str = "x.csv", **asked: object) -> Recording:
    (folder / name).write_text(text, encoding="utf-8")
    return read_recording(folder / name, **asked)  # type: ignore[arg-type]


def column(text: str, *, comma: bool = False) -> str:
    return text + "\n".join(f'"{cell.replace(".", ",")}"' if comma else cell for cell in CELLS) + "\n"


@pytest.mark.parametrize(
    ("rate", "lead", "unit", "comma", "fs"),
    [
        ("Sample Rate,512 hertz", "Lead,Lead I", "Unit,µV", False, 512),
        ('Messrate,"513,6 Hertz"', "Ableitung,Ableitung I", "Einheit,µV", True, 513.6),
        ('Fréquence d’échantillonnage,"511,87 hertz"', "Dérivation,Dérivation I", "Unité,µV", True, 511.87),
        ("采样率,512 赫兹", "导联,导联 I", "单位,µV", False, 512),
        ("サンプルレート,512 ヘルツ", "誘導,誘導 I", "単位,µV", False, 512),
        ("Näytteenottotaajuus,512 hertsiä", "Kytkentä,Kytkentä I", "Mittayksikkö,µV", False, 512),
        ("Anything,498.3 whatever", "Some,Some I", "Thing,µV", False, 498.3),
    ],
)
def test_apple_watch_in_any_language(
    tmp_path: Path, rate: str, lead: str, unit: str, comma: bool, fs: float
) -> None:
    head = (
        'Name,Jane Doe\nBorn,"Jan 1, 1980"\nOn,2024-01-01 10:00:00 +0100\nClass,X\nSymptoms,\nVersion,1.90\n'
    )
    found = read(tmp_path, column(f'{head}Device,"Watch6,1"\n{rate}\n\n\n{lead}\n{unit}\n\n', comma=comma))
    assert (found.fs, found.channels, found.unit, found.modality) == (fs, ("I",), "uV", "ecg")
    np.testing.assert_array_equal(found.signal, [WAVE.astype(np.float32)])
    assert "Jane" not in repr(found) + repr(found.notices)


@pytest.mark.parametrize(
    ("head", "fs", "unit"),
    [
        (
            "# Simple Text Format\n# Sampling Rate (Hz):= 1000.00\n# Resolution:= 12\n# Labels:= ECG\n",
            1000,
            None,
        ),
        ("# fs = 360 Hz\n# unit: mV\n# Labels: ECG\n", 360, "mV"),
        ("Abtastrate: 512 Hz\nEinheit: mV\nECG\n", 512, "mV"),
        ("Sampling frequency: 1 kHz\nECG (mV)\n", 1000, "mV"),
        ("Sampling interval: 2 ms\nECG_mV\n", 500, "mV"),
        ("Frecuencia de muestreo: 300\nECG\n", 300, None),
        ("Taux d'échantillonnage = 250,5 Hz\nECG\n", 250.5, None),
        ("fs,360\nunit,uV\n\nECG\n", 360, "uV"),
        ("curr_sample_rate: 400\nECG\n", 400, None),
        ("Name: Jane Doe\nHeart rate: 60 bpm\nFilter: 50 Hz\nECG sampling rate: 128 Hz\nECG\n", 128, None),
    ],
)
def test_lines_above_the_samples_are_believed(tmp_path: Path, head: str, fs: float, unit: str | None) -> None:
    found = read(tmp_path, column(head), "x.txt")
    assert (found.fs, found.channels, found.unit, found.n_samples) == (fs, ("ECG",), unit, N)
    with pytest.raises(FormatError, match=rf"states {fs:g} Hz, but fs=77 was given"):
        read_recording(tmp_path / "x.txt", fs=77)
    if unit:
        with pytest.raises(FormatError, match=f"states {unit}, but unit=V was given"):
            read_recording(tmp_path / "x.txt", unit="V")


def test_two_stated_rates_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="state two rates, 250 Hz and 500 Hz"):
        read(tmp_path, column("# fs = 250\n# Sampling Rate: 500 Hz\nECG\n"))


def test_labchart(tmp_path: Path) -> None:
    head = "Interval=\t0.001 s\nExcelDateTime=\t4.5e+04\t01/01/2024 10:00:00.0\nChannelTitle=\tECG\tPPG\n"
    rows = [
        f"{i / 1000:.3f}\t{cell}\t{cell}{'	#* a comment' if i == 9 else ''}"
        for i, cell in enumerate(CELLS)
    ]
    text = head + "Range=\t2.000 mV\t10.000 V\n" + "\n".join(rows)
    found = read(tmp_path, text, "x.txt")
    assert (found.fs, found.channels, found.units, found.n_samples) == (1000, ("ECG", "PPG"), ("mV", "V"), N)
    later = text.replace("2.000 mV", "3.000 uV").replace("ECG", "EMG")
    path = tmp_path / "several.txt"
    path.write_text(f"\n{text}\n{later}\n\n{text}\n")
    first = read_recording(path)
    assert (first.channels, first.n_samples, first.source) == (("ECG", "PPG"), N, str(path))
    told = f"the first of several blocks: another begins in line {N + 6}; prepare takes all"
    assert told in first.notices
    assert told in read_recording(path, stop=0.1).notices
    every = list(read_recordings(path))
    assert [each.channels[0] for each in every] == ["ECG", "EMG", "ECG"]
    assert [each.units[0] for each in every] == ["mV", "uV", "mV"]
    assert [each.source for each in every] == [f"{path}#{k}" for k in range(3)]
    assert all(np.array_equal(each.signal, first.signal) for each in every)
    assert [part.n_samples for part in read_recordings(path, start=0.1, stop=0.3)] == [200] * 3
    path.write_text(f"{text}\n{later}\n0.9\tx\t1\n")
    with pytest.raises(FormatError, match=f"holds text, 'x', in line {2 * N + 9}"):
        list(read_recordings(path))


def test_acqknowledge(tmp_path: Path) -> None:
    head = "subject.acq\n1 msec/sample\n2 channels\nECG\nmV\nPPG\nVolts\nmin\tCH1\tCH2\t\n\t1500\t1500\t\n"
    rows = [f"{i / 60000:.8f}\t{cell}\t{cell}\t" for i, cell in enumerate(CELLS)]
    found = read(tmp_path, head + "\n".join(rows), "x.txt")
    assert (found.fs, found.channels, found.units, found.n_samples) == (1000, ("ECG", "PPG"), ("mV", "V"), N)


def test_electrophysiology(tmp_path: Path) -> None:
    head = (
        "ECG_Export_4.0\nRaw ECG to MV (gain) = 0.003000\nUnipolar Mapping Channel=M1 Reference Channel=V1\n"
    )
    rows = [f"{int(value):<12d}{int(value):<12d}" for value in WAVE]
    found = read(tmp_path, f"{head}M1-M2(2)    II(111)     \n" + "\n".join(rows), "x.txt", fs=1000)
    assert (found.channels, found.unit) == (("M1-M2", "II"), "mV")
    np.testing.assert_allclose(found.signal[1], WAVE.astype(int) * 0.003, rtol=1e-6)


def test_openbci(tmp_path: Path) -> None:
    head = "%OpenBCI Raw EXG Data\n%Number of channels = 2\n%Sample Rate = 200 Hz\n"
    names = "Sample Index, EXG Channel 0, EXG Channel 1, Other, Timestamp, Timestamp (Formatted)\n"
    rows = [
        f"{i % 256}.0, {cell}, {cell}, 192.0, {1.7e9 + i // 10 / 20:.6f}, 2023-11-14 12:00:{i // 10 / 20:09.6f}"
        for i, cell in enumerate(CELLS)
    ]
    found = read(tmp_path, head + names + "\n".join(rows), "x.txt")
    assert (found.fs, found.channels, found.n_samples) == (200, ("EXG 0", "EXG 1"), N)


def test_opensignals(tmp_path: Path) -> None:
    told = {"20:16": {"sensor": ["RAW", "ECGBIT"], "column": ["nSeq", "I1", "O1", "A1", "A2"], "sampling rate": 100,
                      "label": ["A1", "A2"], "resolution": [4, 1, 1, 10, 10]}}  # fmt: skip
    rows = [f"{i % 16}\t0\t0\t{int(v) % 97}\t{int(v)}\t" for i, v in enumerate(WAVE)]
    text = f"# OpenSignals Text File Format\n# {json.dumps(told)}\n# EndOfHeader\n" + "\n".join(rows)
    found = read(tmp_path, text, "x.txt")
    assert (found.fs, found.channels, found.n_samples) == (100, ("A1", "ECG A2"), N)
    np.testing.assert_array_equal(found.signal[1], WAVE.astype(int))


def test_shimmer(tmp_path: Path) -> None:
    head = '"sep=\t"\nShimmer_40AC_Timestamp_Unix_CAL\tShimmer_40AC_ECG_LL-RA_24BIT_CAL\t\nms\tmV\t\n'
    rows = [f"{1.595933810034e12 + i * 1000 / 512:.3f}\t{cell}\t" for i, cell in enumerate(CELLS)]
    found = read(tmp_path, head + "\n".join(rows))
    assert (found.fs, found.channels, found.unit) == (512, ("ECG LL-RA_24BIT",), "mV")


@pytest.mark.parametrize(
    ("name", "channels", "unit", "modality"),
    [
        ("BVP.csv", ("BVP",), None, "ppg"),
        ("ACC.csv", ("ACC x", "ACC y", "ACC z"), "g/64", None),
        ("TEMP.csv", ("TEMP",), "°C", None),
        ("other.csv", ("ch1",), None, None),
    ],
)
def test_empatica_e4(
    tmp_path: Path, name: str, channels: tuple[str, ...], unit: str | None, modality: str | None
) -> None:
    n = len(channels)
    lines = [", ".join([cell] * n) for cell in ("1544027337.000000", "64.000000", *CELLS)]
    found = read(tmp_path, "\n".join(lines), name)
    assert (found.fs, found.channels, found.unit, found.modality) == (64, channels, unit, modality)
    np.testing.assert_array_equal(found.signal, [WAVE.astype(np.float32)] * n)
    with pytest.raises(FormatError, match="states 64 Hz, but fs=32"):
        read_recording(tmp_path / name, fs=32)


def test_a_folder_of_an_empatica_e4(tmp_path: Path) -> None:
    for name, rate in (("BVP.csv", 64), ("EDA.csv", 4)):
        (tmp_path / name).write_text(f"1544027337.0\n{rate}.0\n" + "\n".join(CELLS))
    (tmp_path / "tags.csv").write_text("1544027340.5\n1544027341.2\n")
    (tmp_path / "IBI.csv").write_text("1544027337.0, IBI\n1.2,0.8\n2.0,0.8\n")
    (tmp_path / "info.txt").write_text("What the files hold.\nThe first row is the start, in UTC.\n")
    assert [found.channels for found in read_recordings(tmp_path)] == [("BVP",), ("EDA",)]
    with pytest.raises(FormatError, match="a time column only"):
        read_recording(tmp_path / "tags.csv")


@pytest.mark.parametrize(
    ("sample", "fs", "channels", "n_samples"),
    [
        ("biosppy_text/ecg.txt", 1000, ("ECG",), 15000),
        ("biosppy_text/acc.txt", 100, ("acc_x", "acc_y", "acc_z"), 2000),
        ("opensignals/OSmontage1A.txt", 100, ("A2", "ECG A3", "A4"), 24480),
        ("empatica_e4/BVP.csv", 64, ("BVP",), 2054),
        ("heartpy_csv/data2.csv", 116.988, ("hr",), 15000),
    ],
)
def test_real_samples(data: Path, sample: str, fs: float, channels: tuple[str, ...], n_samples: int) -> None:
    path = data / "format_samples" / sample
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    found = read_recording(path)
    assert found.fs == pytest.approx(fs, rel=1e-5)
    assert (found.channels, found.n_samples) == (channels, n_samples)


@pytest.mark.parametrize("sample", ["shimmer/read_test_data.csv", "muse_headband/read_test_data.csv"])
def test_real_samples_of_radio_links(data: Path, sample: str) -> None:
    path = data / "format_samples" / sample
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    found = read_recording(path)
    assert found.fs == pytest.approx(51.2 if "shimmer" in sample else 256, rel=0.02)
    assert any("steady" in notice for notice in found.notices)
