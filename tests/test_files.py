"""A lock keeps others out while its process lives, and no longer."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from physiolect import files
from physiolect.errors import WriteError
from physiolect.files import GrowingFile, Lock, lock_folder


def test_it_keeps_others_out_until_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    path.write_text("process 1 on a machine that lost its power")  # left behind, and locked by nobody
    first = Lock(path, "the store")
    with pytest.raises(
        WriteError, match=f"another run is writing the store: process {os.getpid()} on"
    ) as caught:
        Lock(path, "the store")
    assert "wait for it" in (caught.value.hint or "")
    first.release()
    first.release()
    assert not path.exists()
    Lock(path, "the store").release()


def test_a_lock_on_a_file_that_was_just_removed_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, locked = tmp_path / ".lock", files._locked
    tries: list[int] = []

    def slowly(file: int) -> bool | None:
        if not tries:
            path.unlink()  # its holder ends between our opening and our locking
        tries.append(file)
        return locked(file)

    monkeypatch.setattr(files, "_locked", slowly)
    held = Lock(path, "the store")
    assert len(tries) == 2
    with pytest.raises(WriteError):
        Lock(path, "the store")
    held.release()


def test_where_there_are_no_locks_nobody_is_kept_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_locked", lambda file: None)
    one, two = (Lock(tmp_path / ".lock", "the store") for _ in range(2))
    assert one.holds is two.holds is None
    one.release()
    two.release()
    assert not (tmp_path / ".lock").exists()


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyError), files.replacing(path) as fresh:
        raise KeyError(fresh.write_text("half"))
    assert path.read_text() == "old"
    with files.replacing(path, durable=True) as fresh:
        assert fresh.suffix == ".txt"
        fresh.write_text("new")
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "run"
    for content in ("old", "new"):
        with files.replacing_folder(path) as fresh:
            (fresh / "a").write_text(content)
    with pytest.raises(KeyError), files.replacing_folder(path) as fresh:
        raise KeyError
    assert (path / "a").read_text() == "new"
    assert os.listdir(tmp_path) == ["run"]


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("I/O error: No space left on device")],
)
def test_a_full_disk_is_one_sentence_whoever_found_it(tmp_path: Path, error: Exception) -> None:
    path = tmp_path / "a"
    for context in (files.replacing(path), files.replacing_folder(path), files.writing(path)):
        with (
            pytest.raises(WriteError, match=f"the disk is full: {path} could not be written") as caught,
            context,
        ):
            raise error
        assert "free some space" in (caught.value.hint or "")
    assert not list(tmp_path.iterdir())


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "af"
    with files.lock_folder(folder):
        with pytest.raises(WriteError, match=r"another run is writing .*af: process"):
            files.lock_folder(folder)
        folder.mkdir()
    files.lock_folder(folder).release()
    assert os.listdir(tmp_path / "runs") == ["af"]


def test_a_folder_that_cannot_be_written_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    files.check_writable(tmp_path / "new" / "deep")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="cannot be written"):
        files.check_writable(tmp_path / "file" / "out")


def test_a_growing_file_keeps_its_content_and_makes_its_folder(tmp_path: Path) -> None:
    for part in (b"one\n", b"two\n"):
        file = GrowingFile(tmp_path / "a" / "b.txt")
        file.append(part)
        assert (tmp_path / "a" / "b.txt").read_bytes().endswith(part)  # before it is closed
        file.close()
    assert (tmp_path / "a" / "b.txt").read_bytes() == b"one\ntwo\n"
    with pytest.raises(WriteError, match="cannot be written"):
        GrowingFile(tmp_path / "a")


def test_a_lock_that_cannot_be_written_is_released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(WriteError, match="the disk is full"):
            lock_folder(tmp_path / "out")
    assert not list(tmp_path.iterdir())
    with lock_folder(tmp_path / "out"):
        pass
