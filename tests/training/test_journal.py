from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from physiolect.errors import WriteError
from physiolect.training import Journal, TrainingProgress

needs_dev_full = pytest.mark.skipif(sys.platform != "linux", reason="/dev/full and /proc are of Linux")


def test_a_resumed_journal_drops_what_lies_past_it_and_what_a_kill_left_half_written(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    file.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"step": 2, "lo')
    with Journal(tmp_path, 5, 10, resumed_at=2) as journal:
        journal.report(TrainingProgress(3, 1.0, 0.1, 0.5, 2.0))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert lines[-1]["tokens_per_second"] == 5


def test_what_was_written_outlives_a_resume_that_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    file = tmp_path / "metrics.jsonl"
    file.write_text('{"step": 1}\n{"step": 2}\n')
    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        Journal(tmp_path, 5, 10, resumed_at=1)
    assert file.read_text() == '{"step": 1}\n{"step": 2}\n'


def test_a_new_run_begins_its_journal_anew(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n')
    with Journal(tmp_path, 5, 10):
        pass
    assert (tmp_path / "metrics.jsonl").read_text() == ""


def fill_disk(path: Path) -> None:
    """Let every further write to an open file fail as on a full disk."""
    (number,) = (
        int(each.name)
        for each in Path("/proc/self/fd").iterdir()
        if each.exists() and each.resolve() == path.resolve()
    )
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, number)
    os.close(full)


def progress(step: int) -> TrainingProgress:
    return TrainingProgress(step, 1.0 / step, 0.1, 0.5, 2.0)


@needs_dev_full
def test_a_full_disk_ends_the_run_with_one_sentence(tmp_path: Path) -> None:
    with Journal(tmp_path, 5, 10) as journal:
        journal.report(progress(1))
        fill_disk(tmp_path / "metrics.jsonl")
        with pytest.raises(WriteError, match=r"the disk is full: .*metrics\.jsonl could not be") as caught:
            journal.report(progress(2))
    assert "free some space" in (caught.value.hint or "")
    assert [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [1]


@needs_dev_full
def test_where_only_the_board_cannot_be_written_the_run_goes_on_with_a_warning(tmp_path: Path) -> None:
    with Journal(tmp_path, 40, 10) as journal:
        journal.report(progress(1))
        (board,) = (tmp_path / "tensorboard").iterdir()
        fill_disk(board)
        with pytest.warns(UserWarning, match="TensorBoard gets no more metrics: the disk is full"):
            journal.report(progress(2))
        for step in range(3, 41):  # more than any queue holds
            journal.report(progress(step))
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 40


def test_the_board_of_a_resumed_run_drops_what_lies_past_it(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for resumed_at, steps in ((0, [1, 2, 3]), (2, [3, 4])):
        with Journal(tmp_path, 5, 10, resumed_at=resumed_at) as journal:
            for step in steps:
                journal.report(progress(step))
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in board.Scalars("loss")] == [1, 2, 3, 4]
    assert board.Scalars("loss")[3].value == pytest.approx(1 / 4)
    assert board.Scalars("learning_rate")[0].value == pytest.approx(0.1)
