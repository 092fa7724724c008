from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from physiolect.errors import FormatError
from physiolect.formats import list_recordings, read_recording, read_recordings, write_recording
from physiolect.recording import Recording


@pytest.fixture
def folder(tmp_path: Path, recording: Recording, write_edf: Callable[..., None]) -> Path:
    """A folder as it comes: records, a file of another format below, words, and things hidden."""
    write_recording(recording, tmp_path / "b")
    write_recording(recording, tmp_path / "a.csv")
    (tmp_path / "sub").mkdir()
    write_edf(tmp_path / "sub" / "c.EDF")
    (tmp_path / "README.txt").write_text("12 leads\nof words")
    (tmp_path / "numbers.txt").write_text("1\n2\n3\n")
    (tmp_path / "MANIFEST.tsv").write_text("file\tbytes\nb.dat\t12\n")
    (tmp_path / ".hidden.csv").write_text("1\n2\n")
    return tmp_path


def test_a_folder_lists_each_readable_thing_once(folder: Path) -> None:
    names = [str(path.relative_to(folder)) for path in list_recordings(folder)]
    assert names == ["a.csv", "b.hea", "numbers.txt", "sub/c.EDF"]


def test_a_folder_is_read_in_order(folder: Path) -> None:
    (folder / "numbers.txt").unlink()
    found = list(read_recordings(folder, channels="II", stop=1))
    assert [Path(r.source).name for r in found] == ["a.csv", "b", "c.EDF"]
    assert {r.signal.shape for r in found} == {(1, 250)}


def test_one_file_is_a_folder_of_one(folder: Path) -> None:
    assert list_recordings(folder / "b") == [folder / "b.hea"]
    assert len(list(read_recordings(folder / "b.dat"))) == 1


def test_cinc_records_are_wfdb(tmp_path: Path) -> None:
    wave = np.arange(20, dtype="<i2")
    (tmp_path / "E1.mat").write_bytes(b"\x00" * 24 + wave.tobytes())
    (tmp_path / "E1.hea").write_text("E1 1 500 20\nE1.mat 16+24 10(0)/mV 16 0 0 0 0 V1\n")
    assert list_recordings(tmp_path) == [tmp_path / "E1.hea"]
    for name in ("E1", "E1.mat", "E1.hea"):
        recording = read_recording(tmp_path / name)
        np.testing.assert_allclose(recording.signal[0], wave / 10, rtol=1e-6)
        assert (recording.fs, recording.unit, recording.channels) == (500, "mV", ("V1",))


def test_a_header_claims_its_own_files_only(tmp_path: Path, recording: Recording) -> None:
    write_recording(recording, tmp_path / "r")
    write_recording(recording.select(["V5"]), tmp_path / "r.csv")
    assert read_recording(tmp_path / "r.csv").channels == ("V5",)


@pytest.mark.parametrize("name", ["x", "x.txt", "x.dta"])
def test_text_is_read_under_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("1\n2\n3\n")
    assert read_recording(tmp_path / name, fs=10).n_samples == 3


@pytest.mark.parametrize(("modality", "found"), [("ppg", "ppg"), (None, "ecg")])
def test_the_callers_modality_counts(folder: Path, modality: str | None, found: str) -> None:
    assert read_recording(folder / "a.csv", modality=modality).modality == found  # type: ignore[arg-type]


def test_wrong_paths_say_what_and_what_to_do(folder: Path) -> None:
    (folder / "empty").mkdir()
    (folder / "nothing.csv").touch()
    (folder / "locked.dat").write_bytes(b"abc")
    for path, message in (
        (folder, "is a folder, not a recording"),
        (Path(), "is a folder, not a recording"),
        (folder / "a.cvs", "there is no file"),
        (folder / "gone" / "x.csv", "there is no file"),
        (folder / "nothing.csv", "is empty"),
        (folder / "locked.dat", "has no header"),
        (folder / ("x" * 300), "plain file|there is no file"),
        ("nul\x00byte", "plain file|there is no file"),
    ):
        with pytest.raises(FormatError, match=message) as caught:
            read_recording(path)
        assert caught.value.hint
    with pytest.raises(FormatError, match="there is no file") as caught:
        read_recording(folder / "a.cvs")
    assert caught.value.hint == "did you mean 'a.csv'?"
    with pytest.raises(FormatError, match="holds no recording"):
        list_recordings(folder / "empty")
    with pytest.raises(FormatError, match="modality 'eeg' is unknown"):
        read_recording(folder / "a.csv", modality="eeg")  # type: ignore[arg-type]


def test_what_a_file_does_not_say_may_be_told(tmp_path: Path, recording: Recording) -> None:
    np.save(tmp_path / "bare.npy", recording.signal)
    n = len(recording.channels)
    names = tuple(f"V{k + 1}" for k in range(n))
    bare = read_recording(tmp_path / "bare.npy", fs=250, unit="microvolts", names=names)
    assert (bare.channels, bare.units, bare.modality) == (names, ("uV",) * n, "ecg")
    assert read_recording(tmp_path / "bare.npy", fs=250, names=names, channels="V1").channels == ("V1",)
    with pytest.raises(FormatError, match=f"{n + 1} names were given, but .* holds {n}"):
        read_recording(tmp_path / "bare.npy", fs=250, names=(*names, "I"))
    with pytest.raises(FormatError, match="named twice"):
        read_recording(tmp_path / "bare.npy", fs=250, names=("I",) * n)
    timed = np.column_stack([np.arange(recording.n_samples) / 250, recording.signal.T])
    np.savetxt(tmp_path / "timed.csv", timed[:200], delimiter=",")
    table = read_recording(tmp_path / "timed.csv", unit="mV", names=names)
    assert (table.fs, table.channels, table.units) == (250, names, ("mV",) * n)
    write_recording(recording, tmp_path / "said")
    said = read_recording(tmp_path / "said", unit="mV", names=recording.channels)
    assert (said.channels, said.units) == (recording.channels, recording.units)
    assert not said.notices
    with pytest.raises(FormatError, match="states mV, but unit=nV was given"):
        read_recording(tmp_path / "said", unit="nV")


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.pkl"
    path.write_bytes(b"\x80\x04]\x94.")
    with pytest.raises(FormatError, match="is a pickle") as caught:
        read_recording(path)
    assert "physiolect convert" in (caught.value.hint or "")
