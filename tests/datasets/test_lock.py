"""A lock keeps others out while its process lives, and no longer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from physiolect.datasets import lock
from physiolect.datasets.lock import Lock
from physiolect.errors import FormatError


def test_it_keeps_others_out_until_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    path.write_text("process 1 on a machine that lost its power")  # left behind, and locked by nobody
    first = Lock(path, "the store")
    with pytest.raises(
        FormatError, match=f"another run is writing the store: process {os.getpid()} on"
    ) as caught:
        Lock(path, "the store")
    assert "finished shards are kept" in (caught.value.hint or "")
    first.release()
    first.release()
    assert not path.exists()
    Lock(path, "the store").release()


def test_a_lock_on_a_file_that_was_just_removed_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, locked = tmp_path / ".lock", lock._locked
    tries: list[int] = []

    def slowly(file: int) -> bool | None:
        if not tries:
            path.unlink()  # its holder ends between our opening and our locking
        tries.append(file)
        return locked(file)

    monkeypatch.setattr(lock, "_locked", slowly)
    held = Lock(path, "the store")
    assert len(tries) == 2
    with pytest.raises(FormatError):
        Lock(path, "the store")
    held.release()


def test_where_there_are_no_locks_nobody_is_kept_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_locked", lambda file: None)
    one, two = (Lock(tmp_path / ".lock", "the store") for _ in range(2))
    assert one.holds is two.holds is None
    one.release()
    two.release()
    assert not (tmp_path / ".lock").exists()
