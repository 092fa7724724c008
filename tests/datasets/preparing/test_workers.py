"""Processes that prepare files: light, several, and one dying does no harm to the others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from physiolect.datasets import open_store
from physiolect.formats import write_recording
from physiolect.recording import Recording

RUN = """
import os, signal, sys, time
from pathlib import Path
from physiolect.contract import CONTRACTS
from physiolect.datasets.preparing import preparation
from physiolect.datasets.preparing.outcomes import Watcher
from physiolect.datasets.preparing.listing import list_files
from physiolect.datasets.preparing.prepare import prepare_store

read = preparation.read_recordings
others = Path(sys.argv[2]).with_suffix(".others")  # appears when all the others have ended

def strange(path, **keywords):
    if path.stem == "slow" and sys.argv[3] == "2":  # by itself alone it comes first
        while not others.exists():
            time.sleep(0.02)
    once = path.with_suffix(".once")
    if path.stem == "deadly" or (path.stem == "deadly once" and not once.exists()):
        once.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return read(path, **keywords)

preparation.read_recordings = strange  # in the workers too: a spawned process runs its parent's file

class Tell(Watcher):
    left = int(sys.argv[4])
    def ended(self, outcome):
        self.left -= 1
        if self.left == 1:
            others.touch()
        print("ended", outcome.file.name, flush=True)
    def lost(self, note):
        print("lost", note, flush=True)

if __name__ == "__main__":
    folder, out, workers, _ = sys.argv[1:]
    prepare_store(list_files([folder]), out, preparation.Preparation(CONTRACTS["heartgpt-ecg"]), workers=int(workers),
                  shard_bytes=2000, watcher=Tell())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eleven recordings, of which some are told to be slow or deadly by their names."""
    folder = tmp_path / "in"
    folder.mkdir()
    names = ["deadly", "deadly once", "slow", *(f"r{k}" for k in range(8))]
    for k, name in enumerate(names):
        signal = np.random.default_rng(k).standard_normal((1, 800))
        write_recording(Recording(signal, 200.0, ("II",), unit="mV"), folder / f"{name}.npz")
    return folder


def run(folder: Path, out: Path, workers: int) -> list[str]:
    script = folder.parent / "run.py"
    script.write_text(RUN)
    count = len(list(folder.rglob("*.npz")))
    command = [sys.executable, str(script), str(folder), str(out), str(workers), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert not done.stderr
    return done.stdout.splitlines()


def test_a_killed_worker_is_told_and_its_file_tried_once_more_then_refused_by_name(
    folder: Path, tmp_path: Path
) -> None:
    told = run(folder, tmp_path / "out", 2)
    lost = [line for line in told if line.startswith("lost")]
    assert [name in "".join(lost) for name in ("in/deadly.npz", "in/deadly once.npz")] == [True, True]
    assert all("was killed by SIGKILL, perhaps for want of memory" in line for line in lost)
    store = open_store(tmp_path / "out", verify=True)
    assert store.sources == sorted(
        f"in/{path.name}" for path in folder.glob("*.npz") if path.stem != "deadly"
    )
    (rejection,) = store.rejected
    assert rejection.source == "in/deadly.npz"
    assert "every worker process that prepared it was killed by SIGKILL" in rejection.reason


def test_the_others_end_while_one_is_slow_and_the_store_is_the_same(folder: Path, tmp_path: Path) -> None:
    for name in ("deadly", "deadly once"):
        (folder / f"{name}.npz").unlink()
    (folder / "a").mkdir()
    (folder / "slow.npz").rename(folder / "a" / "slow.npz")
    one, two = (run(folder, tmp_path / out, workers) for out, workers in (("one", 1), ("two", 2)))
    assert one[0].startswith("ended in/a/slow.npz")
    assert two[-1].startswith("ended in/a/slow.npz")  # first in order
    assert len(one) == len(two) == 9
    contents = [
        {path.name: path.read_bytes() for path in (tmp_path / out).iterdir()} for out in ("one", "two")
    ]
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    ("guard", "says"),
    [
        ("if True:", "cannot start: it ended with code 1"),
        ('if __name__ == "__mp_main__":\n    import nothing\nelse:', "cannot start: it ended with code 1"),
    ],
)
def test_workers_that_cannot_start_end_the_run_and_blame_no_file(
    folder: Path, tmp_path: Path, guard: str, says: str
) -> None:
    script = tmp_path / "run.py"
    script.write_text(RUN.replace('if __name__ == "__main__":', guard))
    command = [sys.executable, str(script), str(folder), str(tmp_path / "out"), "2", "11"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "PhysiolectError: a worker process " + says in done.stderr
    assert not done.stdout  # no file ended, and none was lost
    assert list((tmp_path / "out").iterdir()) == []


def test_a_worker_that_ends_of_itself_ends_the_run(folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(RUN.replace("os.kill(os.getpid(), signal.SIGKILL)", "os._exit(3)"))
    command = [sys.executable, str(script), str(folder), str(tmp_path / "out"), "2", "11"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "ended with code 3, though nobody killed it" in done.stderr
    assert "in/deadly" in done.stderr


def test_a_worker_needs_no_torch(folder: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom physiolect.contract import CONTRACTS\n"
        "from physiolect.datasets.preparing.workers import _serve\n"
        "from physiolect.datasets.preparing.preparation import *\n"
        f"path = Path({str(folder / 'r0.npz')!r})\n"
        "assert prepare_file(File('r', path), Preparation(CONTRACTS['heartgpt-ecg'])).rows\n"
        "print(*{'torch', 'sklearn', 'matplotlib', 'rich', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
