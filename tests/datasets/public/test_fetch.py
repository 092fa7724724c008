"""One file over HTTP, from a server that drops, refuses, lies, dawdles and forgets."""

from __future__ import annotations

import errno
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from physiolect.datasets.public.fetch import Fetcher, FileRefusedError, Stopped
from physiolect.errors import DownloadError

CONTENT = bytes(range(256)) * 400  # 102,400 bytes
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(web: ModuleType) -> Iterator[Any]:
    with web.serving({"file.dat": CONTENT}) as running:
        yield running


@pytest.fixture
def fetcher() -> Fetcher:
    """One that a busy machine does not outwait: what is silent on purpose has an `impatient` one."""
    return Fetcher(timeout=20, tries=4, pause=0.01)


@pytest.fixture
def impatient() -> Fetcher:
    return Fetcher(timeout=1.0, tries=4, pause=0.01)


def url_of(server: Any, path: str = "file.dat") -> str:
    return f"{server.url}/tiny/1.0.0/{path}"


def test_a_file_comes_whole_under_its_name_alone(server: Any, fetcher: Fetcher, tmp_path: Path) -> None:
    received: list[int] = []
    fetcher.fetch(url_of(server), tmp_path / "file.dat", SHA256, received.append)
    assert (tmp_path / "file.dat").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["file.dat"]
    assert sum(received) == len(CONTENT)


@pytest.mark.parametrize(
    ("faults", "ranges"),
    [
        ([], [""]),
        (["drop"], ["", "bytes=51200-"]),
        (["drop", "drop"], ["", "bytes=51200-", "bytes=76800-"]),
        (["reset", 500, 503], ["", "", "", ""]),
        (["drop", "no range"], ["", "bytes=51200-"]),
        (["drop", "wrong range"], ["", "bytes=51200-", ""]),
        (["drop", 502, "reset"], ["", "bytes=51200-", "bytes=51200-", "bytes=51200-"]),
        (["no length"], [""]),
        (["HTTP/1.0"], [""]),
        (["HTTP/1.0 drop"], ["", ""]),  # the hash tells, and the file is fetched anew
    ],
)
def test_it_comes_whole_past_faults(
    server: Any, fetcher: Fetcher, tmp_path: Path, faults: list[object], ranges: list[str]
) -> None:
    received: list[int] = []
    server.faults["file.dat"] = list(faults)
    fetcher.fetch(url_of(server), tmp_path / "file.dat", SHA256, received.append)
    assert (tmp_path / "file.dat").read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == ranges
    if "wrong range" not in faults:
        assert sum(received) == len(CONTENT)


@pytest.mark.parametrize("faults", [["silent"], ["drop", "silent"]])
def test_silence_counts_as_a_drop(
    server: Any, impatient: Fetcher, tmp_path: Path, faults: list[object]
) -> None:
    server.faults["file.dat"] = list(faults)
    notes: list[str] = []
    impatient.fetch(url_of(server), tmp_path / "file.dat", SHA256, on_retry=notes.append)
    assert (tmp_path / "file.dat").read_bytes() == CONTENT
    assert len(notes) >= len(faults)
    assert "timed out; trying again in 0 s" in notes[-1]


@pytest.mark.parametrize("fault", ["HTTP/1.0", "HTTP/1.0 drop"])
def test_without_length_chunks_or_hash_nobody_can_tell_whether_a_file_is_whole(
    server: Any, fetcher: Fetcher, tmp_path: Path, fault: str
) -> None:
    server.faults["file.dat"] = [fault] * 4
    with pytest.raises(DownloadError, match="comes without its length") as caught:
        fetcher.fetch(url_of(server), tmp_path / "file.dat")
    assert "proxy" in (caught.value.hint or "")
    assert not (tmp_path / "file.dat").exists()


def test_an_endless_file_is_given_up(server: Any, fetcher: Fetcher, tmp_path: Path) -> None:
    server.faults["file.dat"] = ["endless"]
    with pytest.raises(FileRefusedError, match=r"larger than the 0\.001 GB"):
        fetcher.fetch(url_of(server), tmp_path / "file.dat", SHA256, most=1_000_000)
    with pytest.raises(FileRefusedError, match=r"larger than the 0\.0001 GB"):
        fetcher.fetch(url_of(server), tmp_path / "file.dat", SHA256, most=100_000)  # as it says itself
    assert not list(tmp_path.iterdir())


def test_a_redirection_to_no_address_is_told(server: Any, fetcher: Fetcher, tmp_path: Path) -> None:
    server.faults["file.dat"] = ["http://[::1"]
    with pytest.raises(DownloadError, match="leads to an address that is none") as caught:
        fetcher.fetch(url_of(server), tmp_path / "file.dat", SHA256)
    assert "another network" in (caught.value.hint or "")


def test_a_slow_server_is_waited_for(web: ModuleType, tmp_path: Path) -> None:
    """The timeout is on silence: a file may take longer, and this one does."""
    with web.serving({"file.dat": CONTENT[:1500]}) as server:
        server.faults["file.dat"] = ["drip"]
        begun = time.monotonic()
        Fetcher(timeout=1.5, tries=1).fetch(url_of(server), tmp_path / "file.dat")
        assert time.monotonic() - begun > 1.5
        assert server.count["file.dat"] == 1
    assert (tmp_path / "file.dat").read_bytes() == CONTENT[:1500]


def test_what_was_begun_on_another_day_is_gone_on_with(server: Any, fetcher: Fetcher, tmp_path: Path) -> None:
    (tmp_path / ".file.dat.part").write_bytes(CONTENT[:70_000])
    fetcher.fetch(url_of(server), tmp_path / "file.dat", SHA256)
    assert (tmp_path / "file.dat").read_bytes() == CONTENT
    assert server.asked == [("file.dat", "bytes=70000-")]


def test_a_part_that_is_whole_already_is_not_fetched_again(
    server: Any, fetcher: Fetcher, tmp_path: Path
) -> None:
    (tmp_path / ".file.dat.part").write_bytes(CONTENT)
    received: list[int] = []
    fetcher.fetch(url_of(server), tmp_path / "file.dat", SHA256, received.append)
    assert (tmp_path / "file.dat").read_bytes() == CONTENT
    assert received == []


@pytest.mark.parametrize("part", [b"other bytes", CONTENT + b"too many", bytes(len(CONTENT))])
def test_a_part_of_something_else_is_thrown_away(
    server: Any, fetcher: Fetcher, tmp_path: Path, part: bytes
) -> None:
    (tmp_path / ".file.dat.part").write_bytes(part)
    fetcher.fetch(url_of(server), tmp_path / "file.dat", SHA256)
    assert (tmp_path / "file.dat").read_bytes() == CONTENT
    assert server.asked[-1] == ("file.dat", "")


def test_a_wrong_hash_is_fetched_anew_once(server: Any, fetcher: Fetcher, tmp_path: Path) -> None:
    server.faults["file.dat"] = ["wrong"]
    fetcher.fetch(url_of(server), tmp_path / "file.dat", SHA256)
    assert (tmp_path / "file.dat").read_bytes() == CONTENT
    assert server.count["file.dat"] == 2


def test_a_hash_that_is_wrong_twice_is_refused_and_nothing_is_left(
    server: Any, fetcher: Fetcher, tmp_path: Path
) -> None:
    server.faults["file.dat"] = ["wrong", "wrong"]
    with pytest.raises(FileRefusedError, match=r"where its index says .* twice over") as caught:
        fetcher.fetch(url_of(server), tmp_path / "file.dat", SHA256)
    assert "index is wrong" in (caught.value.hint or "")
    assert not list(tmp_path.iterdir())
    assert server.count["file.dat"] == 2


@pytest.mark.parametrize(
    ("status", "told", "hint"),
    [(404, "is not there", "name and version"), (410, "is not there", "name and version"),
     (401, "not open to everybody", "account"), (403, "not open to everybody", "account"),
     (400, "was refused", "try later")],
)  # fmt: skip
def test_a_refusal_is_not_asked_twice(
    server: Any, fetcher: Fetcher, tmp_path: Path, status: int, told: str, hint: str
) -> None:
    server.faults["file.dat"] = [status]
    with pytest.raises(DownloadError, match=told) as caught:
        fetcher.fetch(url_of(server), tmp_path / "file.dat", SHA256)
    assert hint in (caught.value.hint or "")
    assert server.count["file.dat"] == 1


def test_a_server_that_keeps_failing_is_given_up_and_the_part_kept(
    server: Any, fetcher: Fetcher, tmp_path: Path
) -> None:
    server.faults["file.dat"] = ["drop", 500, "reset", 503, 500]
    with pytest.raises(DownloadError, match="4 times in a row") as caught:
        fetcher.fetch(url_of(server), tmp_path / "file.dat", SHA256)
    assert "goes on where this one stopped" in (caught.value.hint or "")
    assert (tmp_path / ".file.dat.part").read_bytes() == CONTENT[:51_200]


def test_no_network_is_told(fetcher: Fetcher, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DownloadError, match=r"cannot be fetched: .*refused") as caught:
        fetcher.fetch(f"http://127.0.0.1:{port}/x", tmp_path / "x")
    assert "check the network" in (caught.value.hint or "")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x"])
def test_nothing_but_http_is_spoken(tmp_path: Path, url: str) -> None:
    with pytest.raises(DownloadError, match="unknown url type"):
        Fetcher(tries=1).fetch(url, tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_stopping_keeps_the_part_and_ends_a_pause(web: ModuleType, tmp_path: Path) -> None:
    content = bytes(3_000_000)
    with web.serving({"file.dat": content}) as server:
        fetcher = Fetcher(pause=30)
        with pytest.raises(Stopped):
            fetcher.fetch(url_of(server), tmp_path / "file.dat", on_bytes=lambda _: fetcher.stopped.set())
        kept = (tmp_path / ".file.dat.part").stat().st_size
        assert 0 < kept < len(content)
        again = Fetcher(pause=30)
        server.faults["file.dat"] = [500]
        threading.Timer(0.2, again.stopped.set).start()
        with pytest.raises(Stopped):
            again.fetch(url_of(server), tmp_path / "file.dat")
    assert (tmp_path / ".file.dat.part").stat().st_size == kept


def test_a_full_disk_is_no_fault_of_the_network(
    server: Any, fetcher: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, *_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="No space left"):
        fetcher.fetch(url_of(server), tmp_path / "file.dat", SHA256)
    assert server.count["file.dat"] == 1


def test_a_connection_that_drops_again_and_again_but_gets_further_is_not_given_up(
    web: ModuleType, tmp_path: Path
) -> None:
    content = bytes(range(256)) * (8 << 12)  # 8 MiB: halves of it are progress three times
    with web.serving({"file.dat": content}) as server:
        server.faults["file.dat"] = ["drop", "drop", "drop"]
        Fetcher(tries=2, pause=0.01).fetch(url_of(server), tmp_path / "file.dat")
    assert (tmp_path / "file.dat").read_bytes() == content
