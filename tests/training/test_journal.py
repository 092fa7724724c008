from __future__ import annotations

import json
from pathlib import Path

import pytest

from physiolect.training import Journal, TrainingProgress


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
