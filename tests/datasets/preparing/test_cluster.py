"""A Dask cluster prepares what one process would, byte for byte, and a worker that dies takes nothing with it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physiolect.cli import main
from physiolect.contract import CONTRACTS
from physiolect.datasets import open_store
from physiolect.datasets.preparing import cluster as cluster_module
from physiolect.datasets.preparing.listing import list_files
from physiolect.datasets.preparing.outcomes import Watcher
from physiolect.datasets.preparing.preparation import File, Preparation, Prepared
from physiolect.datasets.preparing.prepare import prepare_store
from physiolect.errors import PhysiolectError
from physiolect.formats import write_recording
from physiolect.recording import Recording

ECG = Preparation(CONTRACTS["heartgpt-ecg"])
N = 80


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings long enough that a worker may be killed while it works, and a file that is none."""
    folder = tmp_path_factory.mktemp("cluster") / "in"
    folder.mkdir()
    for k in range(N):
        signal = np.random.default_rng(k).standard_normal((1, 20_000))
        write_recording(Recording(signal, 200.0, ("II",), unit="mV"), folder / f"r{k:03}.npz")
    (folder / "bad.csv").write_text("")
    return folder


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a busy machine time to answer, too."""
    monkeypatch.setattr(cluster_module, "_CONNECT", 60.0)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two worker processes on this machine, which may be busy: they have minutes to begin in."""
    import dask
    from distributed import LocalCluster

    patient = {"distributed.comm.timeouts.connect": "180s", "distributed.comm.timeouts.tcp": "180s"}
    with (
        dask.config.set(patient),
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as cluster,
    ):
        cluster.wait_for_workers(2, timeout=180)
        yield cluster


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_with_a_worker_killed_half_way_nothing_is_lost_and_nothing_twice(
    folder: Path, tmp_path: Path, cluster: Any
) -> None:
    class Kill(Watcher):
        names: list[str]
        killed = 0

        def ended(self, outcome: Prepared) -> None:
            self.names.append(outcome.file.name)
            if len(self.names) == N // 2:
                self.killed = cluster.workers[0].pid
                os.kill(self.killed, signal.SIGKILL)

    watcher = Kill()
    watcher.names = []
    files = list_files([folder])
    prepare_store(
        files,
        tmp_path / "out",
        ECG,
        scheduler=cluster.scheduler_address,
        shard_bytes=100_000,
        watcher=watcher,
    )
    assert watcher.killed
    assert sorted(watcher.names) == [file.name for file in files]
    prepare_store(files, tmp_path / "alone", ECG, workers=1, shard_bytes=100_000)
    assert len(list((tmp_path / "alone").iterdir())) > 5
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")


def test_the_command_goes_by_the_scheduler_too(
    folder: Path, tmp_path: Path, cluster: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["prepare", str(folder), "--out", str(tmp_path / "out"), "--scheduler", cluster.scheduler_address]
    assert main(words) == 0
    told = capsys.readouterr().err
    assert "left out: in/bad.csv" in told
    assert f"{N} rows out of {N + 1} files" in told
    assert len(open_store(tmp_path / "out", verify=True)) == N


def test_a_worker_that_does_not_see_the_recordings_ends_the_work(
    tmp_path: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    exists = Path.exists  # patched for this process, not for the workers
    monkeypatch.setattr(Path, "exists", lambda path: path.name == "x.npz" or exists(path))
    files = [File("x", tmp_path / "nowhere" / "x.npz")]
    with pytest.raises(PhysiolectError, match="a worker does not see") as caught:
        prepare_store(files, tmp_path / "out", ECG, scheduler=cluster.scheduler_address)
    assert "same path" in (caught.value.hint or "")


def test_a_link_that_leads_nowhere_is_one_rejection_as_without_a_cluster(
    folder: Path, tmp_path: Path, cluster: Any
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "gone.npz").symlink_to(tmp_path / "nowhere.npz")
    (tmp_path / "in" / "there.npz").symlink_to(folder / "r000.npz")
    files = list_files([tmp_path / "in"])
    prepare_store(files, tmp_path / "out", ECG, scheduler=cluster.scheduler_address)
    prepare_store(files, tmp_path / "alone", ECG, workers=1)
    assert open_store(tmp_path / "out").rejected[0].source == "in/gone.npz"
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")


def test_a_scheduler_without_workers_is_told(tmp_path: Path) -> None:
    from distributed import LocalCluster

    with LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50) as empty:
        crew = cluster_module.Cluster(ECG, empty.scheduler_address)
        with pytest.warns(UserWarning, match="has no workers: the work waits for one"):
            assert crew.slots
        crew.close()


def test_a_worker_of_another_version_ends_the_work(
    folder: Path, tmp_path: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "__version__", "99.0")
    with pytest.raises(PhysiolectError, match=r"physiolect 99\.0 asks it to work") as caught:
        prepare_store(list_files([folder]), tmp_path / "out", ECG, scheduler=cluster.scheduler_address)
    assert "same version" in (caught.value.hint or "")


def test_where_no_scheduler_answers_it_is_told(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "_CONNECT", 0.5)
    with pytest.raises(PhysiolectError, match="no Dask scheduler answers at tcp:") as caught:
        prepare_store(list_files([folder]), tmp_path / "out", ECG, scheduler="tcp://127.0.0.1:9")
    assert "dask scheduler" in (caught.value.hint or "")
