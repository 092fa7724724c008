"""`physiolect.datasets.prepare`: one call from recordings to a store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from physiolect.contract import CONTRACTS
from physiolect.datasets import open_store, prepare
from physiolect.datasets.preparing.reporting import ReportingWatcher
from physiolect.errors import Cancelled, ConfigError, FormatError
from physiolect.events import Event, Message, Progress, Reporter
from physiolect.formats import write_recording
from physiolect.recording import Recording


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four recordings and a file that is none."""
    folder = tmp_path / "in"
    folder.mkdir()
    for k in range(4):
        signal = np.random.default_rng(k).standard_normal((2, 800))
        write_recording(Recording(signal, 200.0, ("II", "V5"), unit="mV"), folder / f"r{k}.npz")
    (folder / "bad.csv").write_text("")
    return folder


def test_the_result_describes_the_store(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    result = prepare(folder, tmp_path / "out", channel="V5", workers=1)
    assert (result.n_files, result.n_rows, len(result.store), len(result.rejected)) == (5, 4, 4, 1)
    assert result.rejected[0].source == "in/bad.csv"
    assert repr(result).startswith("PreparedStore(")
    assert "4 rows out of 5 files" in repr(result)
    assert "1 left out" in result.summary
    assert "4 rows" in result._repr_html_()
    frame = result.to_frame()
    assert list(frame["recording"]) == [f"in/r{k}.npz" for k in range(4)]
    assert set(frame["seconds"]) == {4.0}
    assert set(frame["channels"]) == {"V5"}
    assert capfd.readouterr() == ("", "")


def test_a_contract_of_ones_own_and_a_channel_by_number(folder: Path, tmp_path: Path) -> None:
    result = prepare(
        [folder / "r0.npz"], tmp_path / "out", contract=CONTRACTS["heartgpt-ecg"], channel=1, workers=1
    )
    assert result.store.channels(0) == ("V5",)


def test_wrong_settings_are_listed_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="2 problems") as caught:
        prepare(tmp_path / "nowhere", tmp_path / "out", workers=-1)
    assert "  - workers is -1" in str(caught.value)  # the keyword, not the option
    assert not (tmp_path / "out").exists()


def test_words_that_mean_nothing_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"modality is 'emg'.*\n.*refuse is 'flatt'"):
        prepare(folder, tmp_path / "out", modality="emg", refuse="flatt", workers=1)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_events_tell_of_progress_and_of_what_is_left_out(folder: Path, tmp_path: Path) -> None:
    heard: list[Event] = []
    prepare(folder, tmp_path / "out", channel="V5", workers=1, on_event=heard.append)
    files = [event for event in heard if isinstance(event, Progress) and event.what == "files"]
    assert [event.done for event in files] == list(range(6))
    assert files[-1].total == 5
    assert any(
        isinstance(event, Message) and event.text.startswith("left out: in/bad.csv") for event in heard
    )


def test_a_listener_stops_the_work_and_the_next_call_continues(folder: Path, tmp_path: Path) -> None:
    def stop(event: Event) -> bool:
        return isinstance(event, Progress) and event.done == 3

    settings = {"channel": "V5", "workers": 1}
    with pytest.raises(Cancelled):
        prepare(folder, tmp_path / "out", **settings, on_event=stop)
    assert prepare(folder, tmp_path / "out", **settings).n_rows == 4
    assert len(open_store(tmp_path / "out")) == 4


def test_a_folder_of_outputs_alone_is_no_training_data(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    np.savez(tmp_path / "in" / "x.npz", signal=np.zeros((1, 300)), fs=100.0, physiolect_output="generate")
    with pytest.raises(FormatError, match=r"a model wrote all files that are named: .*x\.npz"):
        prepare(tmp_path / "in", tmp_path / "out")


def test_the_file_that_is_waited_for_is_named() -> None:
    heard: list[Event] = []
    watcher = ReportingWatcher(Reporter(heard.append), verbose=False)
    watcher.begin(2, 5)
    watcher.waiting("in/slow.npz", 12.3)
    assert heard[0] == Message("continuing: 2 of 5 files were finished before")
    assert heard[-1] == Progress("files", 2, 5, "waiting for in/slow.npz (12 s)")
