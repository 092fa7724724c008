"""A dataset by its index: what is chosen, checked, gone on with, refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from physiolect.datasets.public import download as download_module
from physiolect.datasets.public.download import Downloaded, Selection, Watch, download
from physiolect.datasets.public.fetch import Fetcher
from physiolect.errors import ConfigError, DownloadError, FormatError

FILES = {
    "LICENSE.txt": b"free",
    "RECORDS": b"records100/1_lr\n",
    "table.csv": b"a,b\n",
    "notes/long name + %41.txt": b"notes",
    **{
        f"records{rate}/{k}_{kind}.{suffix}": f"{rate} {k} {suffix}".encode() * 1000
        for rate, kind in ((100, "lr"), (500, "hr"))
        for k in range(3)
        for suffix in ("dat", "hea")
    },
}


@pytest.fixture
def server(web: ModuleType) -> Iterator[Any]:
    with web.serving(FILES) as running:
        yield running


@pytest.fixture
def get(server: Any, web: ModuleType, tmp_path: Path) -> Callable[..., Downloaded]:
    """A function that downloads a selection into tmp_path/out."""

    def get(watch: Watch | None = None, connections: int = 3, **selection: Any) -> Downloaded:
        fetcher = Fetcher(timeout=5.0, tries=4, pause=0.01)
        chosen = Selection(**selection)
        return download(
            web.PROJECT,
            tmp_path / "out",
            chosen,
            base_url=server.url,
            connections=connections,
            fetcher=fetcher,
            watch=watch,
        )

    return get


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_everything_comes_and_nothing_twice(
    server: Any, get: Callable[..., Downloaded], tmp_path: Path
) -> None:
    assert get() == Downloaded(len(FILES), 0)
    assert contents(tmp_path / "out") == server.files
    server.asked.clear()
    assert get() == Downloaded(0, len(FILES))
    assert server.count == {"SHA256SUMS.txt": 1}


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        ({"only": ("records100",)}, {f"records100/{k}_lr.{s}" for k in range(3) for s in ("dat", "hea")}),
        ({"only": ("*.csv", "records500/1_hr.hea")}, {"table.csv", "records500/1_hr.hea"}),
        ({"records": 2}, {f"records100/{k}_lr.{s}" for k in range(2) for s in ("dat", "hea")}),
        ({"records": 1, "only": ("records500/",)}, {"records500/0_hr.dat", "records500/0_hr.hea"}),
        ({"only": ("notes",), "beside": ("table.csv",)}, {"notes/long name + %41.txt", "table.csv"}),
    ],
)
def test_only_what_is_asked_for_comes(
    get: Callable[..., Downloaded], tmp_path: Path, selection: dict[str, Any], names: set[str]
) -> None:
    get(**selection)
    assert set(contents(tmp_path / "out")) == {"LICENSE.txt", "RECORDS", "SHA256SUMS.txt", *names}


def test_a_choice_that_fits_nothing_is_told(get: Callable[..., Downloaded]) -> None:
    with pytest.raises(DownloadError, match="nothing that fits record100") as caught:
        get(only=("record100",))
    assert "records100, records500" in (caught.value.hint or "")
    with pytest.raises(DownloadError, match="nothing that fits notes"):
        get(only=("notes",), records=3)


def test_a_choice_of_which_a_part_fits_nothing_is_told_before_anything_is_fetched(
    server: Any, get: Callable[..., Downloaded]
) -> None:
    with pytest.raises(DownloadError, match=r"nothing that fits typo, \*\.cvs\b"):
        get(only=("records100/1_lr.dat", "typo", "*.csv", "*.cvs"))
    assert server.count == {"SHA256SUMS.txt": 1}


def test_an_altered_file_is_mended(server: Any, get: Callable[..., Downloaded], tmp_path: Path) -> None:
    get()
    (tmp_path / "out" / "table.csv").write_bytes(b"a,x\n")
    (tmp_path / "out" / "records100" / "1_lr.dat").unlink()
    assert get() == Downloaded(2, len(FILES) - 2)
    assert contents(tmp_path / "out") == server.files


def test_faults_of_all_kinds_at_once(server: Any, get: Callable[..., Downloaded], tmp_path: Path) -> None:
    faults = (["drop"], ["reset", 500], ["wrong"], ["silent"], ["drop", "no range"], ["no length"])
    for k, path in enumerate(FILES):
        server.faults[path] = list(faults[k % len(faults)])
    server.faults["SHA256SUMS.txt"] = ["drop"]
    get()
    assert contents(tmp_path / "out") == server.files


def test_a_file_that_is_refused_does_not_cost_the_others(
    server: Any, get: Callable[..., Downloaded], tmp_path: Path
) -> None:
    server.faults["table.csv"] = [404]
    server.faults["records100/1_lr.dat"] = ["wrong", "wrong"]
    with pytest.raises(DownloadError, match=f"and 1 more files; the other {len(FILES) - 2} files are there"):
        get()
    assert set(server.files) - set(contents(tmp_path / "out")) == {"table.csv", "records100/1_lr.dat"}
    assert get() == Downloaded(2, len(FILES) - 2)


def test_a_server_that_wants_an_account_ends_it(server: Any, get: Callable[..., Downloaded]) -> None:
    server.faults["table.csv"] = [403]
    with pytest.raises(DownloadError, match="not open to everybody"):
        get()


def test_a_version_that_is_not_there(server: Any, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"there is no tiny/9\.9\.9 at http") as caught:
        download("tiny/9.9.9", tmp_path / "out", Selection(), base_url=server.url)
    assert "name and version" in (caught.value.hint or "")


@pytest.mark.parametrize("path", ["../outside", "/outside", "a/../../outside", "C:\\outside"])
def test_a_path_that_climbs_is_refused_before_anything_is_fetched(
    server: Any, get: Callable[..., Downloaded], tmp_path: Path, path: str
) -> None:
    server.files["SHA256SUMS.txt"] += b"0" * 64 + b" " + path.encode() + b"\n"
    with pytest.raises(FormatError, match="does not lie in the dataset's folder"):
        get()
    assert list(contents(tmp_path)) == ["out/SHA256SUMS.txt"]


@pytest.mark.parametrize(
    "path", ["notes/" + "x" * 300, "é" * 125, ".table.csv.part", "notes/..part", ".a.part/b"]
)
def test_a_name_that_no_file_can_have_is_refused_before_anything_is_fetched(
    server: Any, get: Callable[..., Downloaded], tmp_path: Path, path: str
) -> None:
    server.files["SHA256SUMS.txt"] += b"0" * 64 + b" " + path.encode() + b"\n"
    with pytest.raises(DownloadError, match=f"line {len(FILES) + 1} of .* names no usable file") as caught:
        get()
    assert "another network" in (caught.value.hint or "")
    assert list(contents(tmp_path)) == ["out/SHA256SUMS.txt"]


@pytest.mark.parametrize("paths", [("a", "a/b"), ("a/b", "a")])
def test_a_name_that_is_a_file_and_a_folder_costs_itself_alone(
    server: Any, get: Callable[..., Downloaded], tmp_path: Path, paths: tuple[str, str]
) -> None:
    server.files |= dict.fromkeys(paths, b"one of two")
    server.files["SHA256SUMS.txt"] = server.index()
    with pytest.raises(DownloadError, match=f"to be a file and a folder at once; the other {len(FILES) + 1}"):
        get(connections=1)
    assert set(server.files) - set(contents(tmp_path / "out")) == {paths[1]}


@pytest.mark.parametrize("faults", [["HTTP/1.0 drop"] * 4, ["HTTP/1.0"] * 4])
def test_an_index_that_may_be_cut_short_is_not_believed(
    server: Any, get: Callable[..., Downloaded], tmp_path: Path, faults: list[object]
) -> None:
    server.faults["SHA256SUMS.txt"] = faults
    with pytest.raises(DownloadError, match=r"SHA256SUMS\.txt comes without its length"):
        get()
    assert not contents(tmp_path / "out")


def test_an_index_that_ends_within_a_line_is_refused(
    server: Any, get: Callable[..., Downloaded], tmp_path: Path
) -> None:
    server.files["SHA256SUMS.txt"] = server.files["SHA256SUMS.txt"][:-3]
    with pytest.raises(DownloadError, match=f"is cut short in line {len(FILES)}") as caught:
        get()
    assert "proxy" in (caught.value.hint or "")
    assert list(contents(tmp_path)) == ["out/SHA256SUMS.txt"]


def test_an_endless_index_is_given_up(
    server: Any, get: Callable[..., Downloaded], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_module, "_INDEX_BYTES", 1_000_000)
    server.faults["SHA256SUMS.txt"] = ["endless"]
    with pytest.raises(DownloadError, match=r"is larger than the 0\.001 GB"):
        get()


def test_a_link_out_of_the_folder_is_not_followed(get: Callable[..., Downloaded], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "notes").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=r"leads out of .* by a link"):
        get()
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("index", [b"<html>log in</html>\n", b"0123 table.csv\n", b"x" * 5000])
def test_something_else_than_an_index_is_refused(
    server: Any, get: Callable[..., Downloaded], index: bytes
) -> None:
    server.files["SHA256SUMS.txt"] = index
    with pytest.raises(DownloadError, match=r"line 1 of .* is not a hash and a path") as caught:
        get()
    assert "log in" in (caught.value.hint or "")


def test_an_index_with_stars_two_blanks_and_a_file_twice(
    server: Any, get: Callable[..., Downloaded], tmp_path: Path
) -> None:
    lines = server.files["SHA256SUMS.txt"].decode().splitlines()
    text = "".join(line.replace(" ", "  *", 1) + "\r\n" for line in (*lines, *lines))
    server.files["SHA256SUMS.txt"] = text.encode()
    assert get() == Downloaded(len(FILES), len(FILES))
    assert contents(tmp_path / "out") == server.files


def test_an_index_of_another_dataset_in_the_folder_is_not_trusted(
    get: Callable[..., Downloaded], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "SHA256SUMS.txt").write_text("0" * 64 + " other.dat\n")
    (tmp_path / "out" / ".SHA256SUMS.txt.part").write_text("0" * 64 + " other.dat\n")
    assert get().fetched == len(FILES)


def test_stopping_and_going_on(server: Any, get: Callable[..., Downloaded], tmp_path: Path) -> None:
    class Impatient(Watch):
        files = 0

        def finished(self) -> None:
            self.files += 1
            if self.files == 5:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(Impatient(), connections=1)
    there = set(contents(tmp_path / "out"))
    assert 5 <= len(there) < len(server.files)
    assert get().kept >= 5
    assert contents(tmp_path / "out") == server.files


def test_stopping_does_not_wait_for_silent_connections(server: Any, tmp_path: Path, web: ModuleType) -> None:
    server.faults = {path: ["silent"] for path in FILES if path != "LICENSE.txt"}

    class Impatient(Watch):
        def finished(self) -> None:
            raise KeyboardInterrupt

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        download(
            web.PROJECT,
            tmp_path / "out",
            Selection(),
            base_url=server.url,
            connections=3,
            fetcher=Fetcher(timeout=30),
            watch=Impatient(),
        )
    assert time.monotonic() - begun < 10


def test_progress_is_told(
    server: Any, get: Callable[..., Downloaded], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_module, "_TELL_EVERY", 5)
    server.faults["table.csv"] = [500, "drop"]

    class Counting(Watch):
        total = n_bytes = files = 0

        def __init__(self) -> None:
            self.lines: list[int] = []
            self.failures: list[str] = []

        def read(self, lines: int) -> None:
            self.lines.append(lines)

        def failed(self, note: str) -> None:
            self.failures.append(note)

        def listed(self, files: int) -> None:
            self.total = files

        def received(self, n_bytes: int) -> None:
            self.n_bytes += n_bytes

        def finished(self) -> None:
            self.files += 1

    watch = Counting()
    get(watch, connections=1)
    assert watch.total == watch.files == len(FILES)
    assert watch.lines == [0, 5, 10, 15]
    assert [note.partition("table.csv: ")[2] for note in watch.failures] == [
        "the server answered 500 (Internal Server Error); trying again in 0 s",
        "the connection ended early; trying again in 0 s",
    ]
    assert watch.n_bytes > sum(map(len, FILES.values()))  # the index too
