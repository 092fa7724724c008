"""From files to a store: in order, in parallel, past bad files, and on from where it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from physiolect.contract import CONTRACTS
from physiolect.datasets import Part, open_store
from physiolect.datasets.preparing.listing import known_files, list_files, read_patients
from physiolect.datasets.preparing.outcomes import Watcher
from physiolect.datasets.preparing.preparation import File, Preparation, Prepared
from physiolect.datasets.preparing.prepare import prepare_store
from physiolect.errors import ConfigError, FormatError, WriteError
from physiolect.formats import write_recording
from physiolect.formats.folder import Folder
from physiolect.recording import Annotations, Recording

ECG = Preparation(CONTRACTS["heartgpt-ecg"])


def write(path: Path, *, seconds: float = 4, fs: float = 200, channels: Sequence[str] = ("II",)) -> Path:
    """Write a recording whose samples depend on its file's name alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(list(path.stem.encode()))
    signal = rng.standard_normal((len(channels), round(seconds * fs))).cumsum(axis=1)
    marks = Annotations(np.array([10, 300]), ("+", "N"), ("(AFIB", ""))
    write_recording(Recording(signal, fs, tuple(channels), unit="mV", annotations=marks), path)
    return path


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Twelve recordings of 4 s in three formats, and two files that are none."""
    folder = tmp_path / "cohort"
    for k in range(12):
        write(folder / f"ward {k % 2}" / f"r{k:02}{('.npz', '.csv', '.hea')[k % 3]}")
    (folder / "empty.csv").touch()
    (folder / "noise.npy").write_bytes(bytes(100))
    return folder


class Seen(Watcher):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.begun = (0, 0)
        self.names: list[str] = []
        self.notes: list[str] = []

    def begin(self, finished: int, files: int) -> None:
        self.begun = finished, files

    def ended(self, outcome: Prepared) -> None:
        self.names.append(outcome.file.name)

    def lost(self, note: str) -> None:
        self.notes.append(note)


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def group_is_gone(group: int) -> bool:
    """Return whether no process of a group lives, apart from those that nobody buried."""
    states = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, of = stat.read_text().rpartition(")")[2].split()[:3]
            states += [state] if int(of) == group else []
    return set(states) <= {"Z"}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_folder_becomes_a_store(cohort: Path, tmp_path: Path) -> None:
    seen = Seen()
    manifest = prepare_store(list_files([cohort]), tmp_path / "out", ECG, workers=1, watcher=seen)
    store = open_store(tmp_path / "out", verify=True)
    assert manifest.files == len(seen.names) == 14
    assert len(store) == 12
    assert store.lengths.tolist() == [400] * 12
    assert store.sources == sorted(store.sources)
    assert store.sources[0] == "cohort/ward 0/r00.npz"
    assert [rejection.source for rejection in store.rejected] == ["cohort/empty.csv", "cohort/noise.npy"]
    assert all(rejection.reason for rejection in store.rejected)
    assert list(store.row(1).annotations) == [(5, "+", "(AFIB"), (150, "N", "")]
    assert list(store.recording(1).annotations) == list(store.annotations(1))
    original = write(tmp_path / "again" / "r00.npz")
    from physiolect.contract import adapt
    from physiolect.formats import read_recording

    adapted, _ = adapt(read_recording(original), ECG.contract, window="all")
    assert np.abs(store.recording(0).signal - adapted.signal).max() <= store.scale(0)[0] * 0.51


def test_the_store_does_not_depend_on_workers_order_or_place(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_store(list_files([cohort]), tmp_path / "one", ECG, workers=1, shard_bytes=2000)
    doubled = [*sorted(cohort.glob("ward*/*"), reverse=True), cohort / "ward 1", cohort]
    assert {file.path for file in list_files(doubled)} == {file.path for file in list_files([cohort])}
    moved = tmp_path / "elsewhere" / "cohort"
    moved.parent.mkdir()
    cohort.rename(moved)
    monkeypatch.chdir(moved)
    prepare_store(list_files(["."]), tmp_path / "two", ECG, workers=2, shard_bytes=2000)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


KILLED = """
import os, signal, sys
from physiolect.contract import CONTRACTS
from physiolect.datasets.preparing.listing import list_files
from physiolect.datasets.preparing.preparation import Preparation
from physiolect.datasets.preparing.prepare import prepare_store
from physiolect.datasets.store.writer import StoreWriter

close = StoreWriter._close_shard

def close_or_die(self):
    if len(self._shards) == int(after):
        os.kill(os.getpid(), signal.SIGKILL)
    close(self)

if __name__ == "__main__":
    cohort, out, after, workers = sys.argv[1:]
    StoreWriter._close_shard = close_or_die
    preparation = Preparation(CONTRACTS["heartgpt-ecg"])
    prepare_store(list_files([cohort]), out, preparation, workers=int(workers), shard_bytes=2000)
"""


@pytest.mark.parametrize(("after", "workers"), [(0, 1), (1, 1), (2, 2)])
def test_a_killed_run_goes_on_to_the_same_bytes(
    cohort: Path, tmp_path: Path, after: int, workers: int
) -> None:
    out, script = tmp_path / "out", tmp_path / "killed.py"
    script.write_text(KILLED)
    command = [sys.executable, script, cohort, out, str(after), str(workers)]
    killed = subprocess.Popen(command, start_new_session=True)
    assert killed.wait() == -9
    assert not (out / "manifest.json").exists()
    left = {path.name: path.stat().st_mtime_ns for path in out.glob("shard-*.arrow")}
    assert len(left) == after
    files, seen = list_files([cohort]), Seen()
    prepare_store(files, out, ECG, workers=1, shard_bytes=2000, watcher=seen)
    assert seen.begun == (14 - len(seen.names), 14)
    assert len(seen.names) <= 14 - 3 * len(left)  # three recordings to a shard
    assert {name: (out / name).stat().st_mtime_ns for name in left} == left
    prepare_store(files, tmp_path / "whole", ECG, workers=1, shard_bytes=2000)
    assert contents(out) == contents(tmp_path / "whole")
    again = Seen()
    prepare_store(files, out, ECG, workers=1, shard_bytes=2000, watcher=again)
    assert not again.names
    wait_until(lambda: group_is_gone(killed.pid))  # its workers too


WAITS = """
import sys
from physiolect.contract import CONTRACTS
from physiolect.datasets.preparing.listing import list_files
from physiolect.datasets.preparing.preparation import Preparation
from physiolect.datasets.preparing.prepare import prepare_store

if __name__ == "__main__":
    prepare_store(list_files([sys.argv[1]]), sys.argv[2], Preparation(CONTRACTS["heartgpt-ecg"]), workers=2)
"""


def test_of_two_runs_at_once_one_is_refused_and_a_killed_one_is_none(cohort: Path, tmp_path: Path) -> None:
    out, script = tmp_path / "out", tmp_path / "waits.py"
    script.write_text(WAITS)
    os.mkfifo(cohort / "pipe.csv")  # whoever opens it waits
    files = list_files([cohort])
    first = subprocess.Popen([sys.executable, script, cohort, out], start_new_session=True)
    try:
        wait_until(lambda: (out / ".part-00001-of-00001.lock").exists() or first.poll() is not None)
        wait_until(lambda: (out / ".part-00001-of-00001.lock").stat().st_size > 0)
        with pytest.raises(
            WriteError, match=f"another run is writing part 1/1 of .*: process {first.pid} on"
        ):
            prepare_store([file for file in files if "pipe" not in file.name], out, ECG, workers=1)
    finally:
        os.killpg(first.pid, signal.SIGKILL)  # its workers too: one may wait at the pipe
        first.wait()
        wait_until(
            lambda: group_is_gone(first.pid)
        )  # a child that is being started holds what its parent does
    (cohort / "pipe.csv").unlink()
    write(cohort / "pipe.csv")
    prepare_store(files, out, ECG, workers=1)
    prepare_store(files, tmp_path / "whole", ECG, workers=1)
    assert contents(out) == contents(tmp_path / "whole")


def test_parts_make_up_the_whole(cohort: Path, tmp_path: Path) -> None:
    files = list_files([cohort])
    for number in (2, 1, 3):
        prepare_store(files, tmp_path / "out", ECG, workers=1, part=Part(number, 3))
    prepare_store(files, tmp_path / "whole", ECG, workers=1)
    assert sorted(open_store(tmp_path / "out").sources) == open_store(tmp_path / "whole").sources


def test_strict_stops_at_the_first_bad_file(cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"cohort/empty\.csv") as caught:
        prepare_store(list_files([cohort]), tmp_path / "out", ECG, workers=1, strict=True)
    assert "without --strict" in (caught.value.hint or "")


def test_strict_hears_of_what_an_earlier_run_left_out(cohort: Path, tmp_path: Path) -> None:
    prepare_store(list_files([cohort]), tmp_path / "out", ECG, workers=1)
    with pytest.raises(FormatError, match=r"cohort/empty\.csv"):
        prepare_store(list_files([cohort]), tmp_path / "out", ECG, workers=1, strict=True)


def test_a_part_of_rejections_alone_is_done_but_no_success(tmp_path: Path) -> None:
    for name in ("a", "c"):
        write(tmp_path / "in" / f"{name}.npz")
    for name in ("b", "d"):
        (tmp_path / "in" / f"{name}.csv").touch()
    files = list_files([tmp_path / "in"])
    for _ in range(2):
        with pytest.raises(FormatError, match="none of 2 files of part 2/2 could be prepared"):
            prepare_store(files, tmp_path / "out", ECG, workers=1, part=Part(2, 2))
    prepare_store(files, tmp_path / "out", ECG, workers=1, part=Part(1, 2))
    assert len(open_store(tmp_path / "out")) == 2


def test_a_store_of_nothing_is_refused(tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("x")
    with pytest.raises(FormatError, match="none of 1 files could be prepared"):
        prepare_store(list_files([bad]), tmp_path / "out", ECG, workers=1)
    assert not list((tmp_path / "out").iterdir())


def test_long_gaps_cut_and_only_in_the_channel_that_is_taken(tmp_path: Path) -> None:
    signal = np.random.default_rng(0).standard_normal((2, 3000)).astype(np.float32)
    signal[1, 1000:1100] = np.nan  # 0.5 s of channel II
    signal[1, 1150:1300] = np.nan
    path = tmp_path / "gaps.npz"
    write_recording(Recording(signal, 200.0, ("V1", "II")), path)
    for channel, lengths in (("V1", [1500]), ("MLII", [500, 850])):
        out = tmp_path / channel
        prepare_store(list_files([path]), out, replace(ECG, channel=channel), workers=1)
        store = open_store(out)
        assert store.lengths.tolist() == lengths
    assert store.starts.tolist() == [0, 6.5]
    assert [rejection.source for rejection in store.rejected] == ["gaps.npz, 5.5 to 5.8 s"]
    assert store.channels(1) == ("II",)


def test_a_dead_channel_that_is_not_asked_for_does_no_harm(tmp_path: Path) -> None:
    signal = np.random.default_rng(0).standard_normal((2, 3000)).astype(np.float32)
    signal[0] = np.nan
    write_recording(Recording(signal, 200.0, ("V1", "II")), tmp_path / "x.npz")
    files = list_files([tmp_path / "x.npz"])
    prepare_store(files, tmp_path / "out", replace(ECG, channel="MLII"), workers=1)
    assert open_store(tmp_path / "out").lengths.tolist() == [1500]
    two_leads = replace(ECG, contract=replace(ECG.contract, channels=("II", "V1")))
    with pytest.raises(FormatError, match="none of 1 files"):
        prepare_store(files, tmp_path / "both", two_leads, workers=1)


def test_a_given_rate_is_for_files_that_state_none(tmp_path: Path) -> None:
    stated = write(tmp_path / "stated.npz", fs=200)
    unstated = tmp_path / "unstated.npy"
    np.save(unstated, np.random.default_rng(0).standard_normal(1000).astype(np.float32))
    files = list_files([stated, unstated])
    prepare_store(files, tmp_path / "out", replace(ECG, fs=500, modality="ecg"), workers=1)
    assert open_store(tmp_path / "out").lengths.tolist() == [400, 200]


def test_an_unexpected_error_rejects_one_file_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, odd = write(tmp_path / "good.npz"), write(tmp_path / "odd.npz")
    from physiolect.datasets.preparing import preparation

    read = preparation.read_recordings

    def fail(path: Path, **keywords: object) -> object:
        if path == odd:
            raise ZeroDivisionError("division by zero")
        return read(path, **keywords)

    monkeypatch.setattr(preparation, "read_recordings", fail)
    prepare_store(list_files([good, odd]), tmp_path / "out", ECG, workers=1)
    store = open_store(tmp_path / "out")
    assert store.sources == ["good.npz"]
    assert "ZeroDivisionError: division by zero" in store.rejected[0].reason


def test_files_of_one_name_keep_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        write(Path(folder) / "x.csv")
    assert [file.name for file in list_files(["b/x.csv", "a/x.csv", "a/x.csv"])] == ["a/x.csv", "b/x.csv"]
    assert [file.name for file in list_files(["b/x.csv"])] == ["x.csv"]


def test_what_is_kept_of_a_file_that_waits_is_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def many(folder: Path) -> Folder:
        return Folder(folder, [folder / f"{k // 1000:03}" / f"{k:06}_hr.hea" for k in range(5000)])

    monkeypatch.setattr("physiolect.datasets.preparing.listing.list_folder", many)
    tracemalloc.start()
    try:
        files = list_files([tmp_path / "in"])
        taken = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    ours = [
        tracemalloc.Filter(True, name)
        for name in ("*/physiolect/*", "*/pathlib.py", "*/posixpath.py", __file__)
    ]
    kept = sum(trace.size for trace in taken.filter_traces(ours).traces)  # whatever other threads do
    assert len(files) == 5000
    assert kept / len(files) < 250 + 2 * len(str(files[0].path))


def test_links_are_not_followed_away_from_their_neighbours(tmp_path: Path) -> None:
    """As in a DataLad folder, where each file is a link to one of another name."""
    record = write(tmp_path / "record" / "r.hea")
    (tmp_path / "links").mkdir()
    for k, path in enumerate(sorted(record.parent.iterdir())):
        path.rename(tmp_path / f"object{k}")
        (tmp_path / "links" / path.name).symlink_to(tmp_path / f"object{k}")
    prepare_store(list_files([tmp_path / "links"]), tmp_path / "out", ECG, workers=1)
    assert open_store(tmp_path / "out").sources == ["links/r.hea"]


def test_a_missing_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError):
        list_files([tmp_path / "nowhere"])


def test_patients_go_by_any_ending_of_a_name(cohort: Path, tmp_path: Path) -> None:
    table = tmp_path / "patients.csv"
    table.write_text("recording,patient\nr00,ann\nward 1/r01.csv, bob\ncohort/ward 0/r02,cem\nr99,dee\n")
    files, notes = known_files(list_files([cohort]), read_patients(table))
    assert notes == ["patients for 3 of 14 files", "not used of the patients: r99"]
    known = {Path(file.name).stem: file.patient for file in files if file.patient}
    assert known == {"r00": "ann", "r01": "bob", "r02": "cem"}
    prepare_store(files, tmp_path / "out", ECG, workers=1)
    assert open_store(tmp_path / "out").patients.count(None) == 9


def test_a_table_that_means_nothing_here_or_one_line_of_it_two_files_is_refused(cohort: Path) -> None:
    files = list_files([cohort])
    with pytest.raises(
        ConfigError, match=r"the patients name 1 recordings, but none of the 14 files"
    ) as caught:
        known_files(files, {"R00": "ann"})
    assert "cohort/empty.csv" in (caught.value.hint or "")
    write(cohort / "ward 1" / "r00.npz")
    two = r"recording 'r00' of the labels could be cohort/ward 0/r00\.npz or cohort/ward 1/r00\.npz"
    with pytest.raises(ConfigError, match=two) as caught:
        known_files(list_files([cohort]), labels={"r00": ("MI",)})
    assert "more of the path" in (caught.value.hint or "")
    known, notes = known_files(list_files([cohort]), {"ward 0/r00": "ann", **dict.fromkeys("abcde", "bob")})
    assert [file.name for file in known if file.patient] == ["cohort/ward 0/r00.npz"]
    assert notes[1] == "not used of the patients: a, b, c and 2 more"


def test_two_files_of_one_name_are_refused_before_any_work(tmp_path: Path) -> None:
    files = [File("x", write(tmp_path / folder / "x.npz")) for folder in ("a", "b")]
    with pytest.raises(
        FormatError, match=r"a/x\.npz and .*b/x\.npz would both be 'x' in the store"
    ) as caught:
        prepare_store(files, tmp_path / "out", ECG, workers=1)
    assert "stores of their own" in (caught.value.hint or "")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("recording\nx\n", "no column 'patient'"),
        ("", "no column 'patient'"),
        ("recording,patient\nx,a\nx,b\n", "gives recording 'x' two patients"),
        ("recording,patient\n\xff".encode("latin-1"), "cannot be read"),
    ],
)
def test_a_wrong_table_of_patients_is_refused(tmp_path: Path, text: str | bytes, says: str) -> None:
    table = tmp_path / "patients.csv"
    table.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(FormatError, match=says) as caught:
        read_patients(table)
    assert caught.value.hint


def test_real_recordings_of_three_rates_in_one_store(data: Path, tmp_path: Path) -> None:
    inputs = [
        data / "mitdb/100.hea",
        data / "mitdb/101",
        data / "mitdb/102.hea",
        data / "cinc/cinc2021/E07500.mat",
    ]
    files = list_files(inputs)
    prepare_store(files, tmp_path / "out", replace(ECG, channel="MLII"), workers=1)
    store = open_store(tmp_path / "out", verify=True)
    assert store.sources == ["100.hea", "101.hea", "E07500.hea"]
    assert [rejection.source for rejection in store.rejected] == ["102.hea"]
    assert "MLII" in store.rejected[0].reason
    assert str(data) not in store.rejected[0].reason
    assert store.lengths.tolist() == [180_556, 180_556, 1000]
    assert [store.channels(row) for row in range(3)] == [("MLII",), ("MLII",), ("II",)]
    assert store.recording(0).unit == "mV"
    assert np.median(np.abs(store.recording(0).signal)) == pytest.approx(0.3, abs=0.2)
