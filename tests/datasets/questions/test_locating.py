"""From a question to files and to rows of a store."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from physiolect.contract import InputContract
from physiolect.datasets import Row, StoreWriter, open_store
from physiolect.datasets.questions.locating import RowFinder, recording_file
from physiolect.datasets.questions.question import Question, Stretch
from physiolect.errors import FormatError
from physiolect.recording import Recording


def test_files_below_a_folder(published: ModuleType, tmp_path: Path) -> None:
    published.write_ecg(tmp_path / "a" / "r1")
    assert recording_file(Stretch("r1"), tmp_path / "a").name == "r1.hea"
    assert recording_file(Stretch("a/r1.hea"), tmp_path).name == "r1.hea"
    with pytest.raises(FormatError, match="is not in"):
        recording_file(Stretch("r2"), tmp_path / "a")
    with pytest.raises(FormatError, match="does not lie"):
        recording_file(Stretch("../a/r1"), tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "r1.hea").symlink_to(tmp_path / "a" / "r1.hea")
    with pytest.raises(FormatError, match="leads out"):
        recording_file(Stretch("r1"), tmp_path / "b")


def test_rows_of_a_store(tmp_path: Path) -> None:
    contract = InputContract(fs=100.0, min_samples=10, max_samples=500, modality="ecg")
    with StoreWriter(tmp_path / "store", contract) as writer:
        for name, starts in (("ptbxl/records100/00000/00007_lr", [0.0]), ("mine", [0.0, 3.0])):
            signal = np.random.default_rng(0).standard_normal((1, 300)).astype(np.float32)
            recording = Recording(signal, 100.0, ("II",), "mV", "ecg")
            writer.add(name, [Row.from_recording(recording, source=name, start=start) for start in starts])
    finder = RowFinder(open_store(tmp_path / "store"))

    def rows(*stretches: Stretch, dataset: str = "") -> list[int | None]:
        return finder.find(Question(stretches, "?", ("x",), dataset=dataset))

    assert rows(Stretch("records500/00000/00007_hr"), dataset="ptbxl") == [0]
    assert rows(Stretch("mine", 3.5, 5.0), Stretch("mine", 0.0, 3.0)) == [2, 1]
    assert rows(Stretch("mine", 2.5, 3.5), Stretch("mine"), Stretch("other")) == [None, None, None]
