"""`physiolect download` from the outside."""

from __future__ import annotations

import errno
import inspect
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from physiolect.cli import main
from physiolect.commands.download import Config
from physiolect.datasets import DATASETS, open_store
from physiolect.datasets.public.download_dataset import download_dataset
from physiolect.errors import Cancelled
from physiolect.events import Event, Progress
from physiolect.files import lock_folder


@pytest.fixture
def server(
    web: ModuleType, published: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """A server that has a tiny PTB-XL as PhysioNet would."""
    folder = published.ptbxl(tmp_path / "original")
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    monkeypatch.setattr(web, "PROJECT", DATASETS["ptbxl"].physionet)
    with web.serving(files) as running:
        yield running


def test_a_dataset_comes_and_is_prepared(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "ptbxl"
    words = ["download", "ptbxl", "--out", str(out), "--only", "records100", "--base-url", server.url]
    assert main(words) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert "10 files fetched, 0 were there already" in told.err
    assert "PTB-XL (CC BY 4.0); cite: Wagner" in told.err
    assert f"next: physiolect prepare {out} --dataset ptbxl" in told.err
    assert not (out / "records500").exists()
    assert (
        main(["prepare", str(out), "--dataset", "ptbxl", "--out", str(tmp_path / "store"), "--workers", "1"])
        == 0
    )
    assert open_store(tmp_path / "store").splits == ["fold 3", "fold 3", "fold 10", "fold 10"]
    assert main(words) == 0
    assert "0 files fetched, 10 were there already" in capsys.readouterr().err


def test_few_records_come_with_the_tables_they_need(server: Any, tmp_path: Path) -> None:
    out = tmp_path / "ptbxl"
    assert main(["download", "ptbxl", "--out", str(out), "--records", "1", "--base-url", server.url]) == 0
    assert {path.name for path in out.iterdir() if path.is_file()} == {
        "SHA256SUMS.txt",
        "ptbxl_database.csv",
        "scp_statements.csv",
    }
    assert len(list(out.rglob("*.hea"))) == 1


def test_the_folder_is_named_after_the_dataset(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["download", "ptb-xl/1.0.3", "--only", "*.csv", "--base-url", server.url]) == 0
    assert (tmp_path / "ptbxl" / "ptbxl_database.csv").is_file()


def test_a_missing_project_is_told_with_a_hint(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["download", "nothing/1.0", "--out", str(tmp_path / "out"), "--base-url", server.url]) == 1
    told = capsys.readouterr().err
    assert "error: there is no nothing/1.0" in told
    assert "hint: check the project's name" in told


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"name": "ptbx"}, "did you mean 'ptbxl'?"),
        ({"name": "../etc"}, "there is no dataset"),
        ({"name": "code15"}, "handed out by Zenodo, record 4916206, not by PhysioNet"),
        ({"name": "heartbeats"}, "Kaggle"),
        ({"records": 0}, "--records is 0"),
        ({"connections": 99}, "--connections is 99"),
        ({"base_url": "file:///etc"}, "no address of a web server"),
        ({"base_url": "http://[::1"}, "no address of a web server"),
        ({"base_url": "http://localhost:99999"}, "no address of a web server"),
        ({"out": __file__}, "is not a folder"),
    ],
)
def test_what_is_wrong_is_told_before_the_network_is_touched(settings: dict[str, Any], told: str) -> None:
    problems = Config(**{"name": "mitbih", **settings}).problems()
    assert len(problems) == 1
    assert told in problems[0]


def test_a_second_download_into_the_same_folder_is_refused(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    with lock_folder(out):
        assert main(["download", "ptbxl", "--out", str(out), "--base-url", server.url]) == 1
    told = capsys.readouterr().err
    assert f"error: another run is writing {out}: process {os.getpid()} on " in told
    assert "\nhint: wait for it" in told
    assert not out.exists()


@pytest.mark.parametrize("where", ["mkdir", "open"])
def test_a_full_disk_is_a_sentence(
    server: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    out, whole = tmp_path / "out", getattr(Path, where)

    def full(self: Path, *words: Any, **settings: Any) -> Any:
        if self.is_relative_to(out):
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return whole(self, *words, **settings)

    monkeypatch.setattr(Path, where, full)
    assert main(["download", "ptbxl", "--out", str(out), "--base-url", server.url]) == 1
    assert (
        f"error: the disk is full: {out} could not be written\nhint: free some space"
        in capsys.readouterr().err
    )


def test_the_call_does_what_the_verb_does(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parameters = inspect.signature(download_dataset).parameters
    settings = {field.name: field.default for field in fields(Config)}
    assert settings.keys() == parameters.keys() - {"on_event"}
    assert all(settings[name] == parameters[name].default for name in settings.keys() - {"name"})
    heard: list[Event] = []
    fetched = download_dataset(
        "ptbxl", tmp_path / "out", only=["*.csv"], base_url=server.url, on_event=heard.append
    )
    assert capsys.readouterr() == ("", "")
    assert fetched.counts.fetched == 2
    assert repr(fetched).startswith("DownloadedDataset(")
    files = [event for event in heard if isinstance(event, Progress) and event.what == "files"]
    assert (files[-1].done, files[-1].total) == (2, 2)
    assert files[-1].note.endswith(" MB")


def test_a_listener_stops_a_download_and_the_next_call_resumes(server: Any, tmp_path: Path) -> None:
    def stop(event: Event) -> bool:
        return isinstance(event, Progress) and event.what == "files" and event.done > 0

    settings: dict[str, Any] = {"base_url": server.url, "connections": 1}
    with pytest.raises(Cancelled):
        download_dataset("ptbxl", tmp_path / "out", **settings, on_event=stop)
    assert download_dataset("ptbxl", tmp_path / "out", **settings).counts.kept > 0


def test_open_datasets_are_those_of_physionet() -> None:
    for name, dataset in DATASETS.items():
        assert bool(Config(name).problems()) == (dataset.physionet is None)


@pytest.mark.skipif(os.name != "posix", reason="presses Ctrl-C as POSIX does")
@pytest.mark.parametrize("fault", ["drip", "silent"])
def test_ctrl_c_ends_it_politely_and_the_same_command_goes_on(
    server: Any, tmp_path: Path, fault: str
) -> None:
    out = tmp_path / "out"
    server.faults = {path: [fault] for path in server.files if path.endswith(".dat")}
    words = ["download", "ptbxl", "--out", str(out), "--base-url", server.url, "--connections", "1"]
    running = subprocess.Popen(
        [sys.executable, "-m", "physiolect", *words], stderr=subprocess.PIPE, text=True
    )

    def begun() -> bool:
        asked = any(path.endswith(".dat") for path in server.count)
        return asked and (fault == "silent" or bool(list(out.rglob(".*.dat.part"))))

    end = time.monotonic() + 30
    while not (begun() or running.poll() is not None or time.monotonic() > end):
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=15)  # nobody waits 20 s for a connection that is silent
    assert running.returncode == 130
    assert "run the same command again to resume" in told
    assert "Traceback" not in told
    server.faults = {}
    assert main(words) == 0
    assert all((out / path).read_bytes() == content for path, content in server.files.items())
    assert not list(out.rglob("*.part"))
