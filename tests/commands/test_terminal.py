"""Lines and bars beside the data."""

from __future__ import annotations

import pytest

from physiolect.commands.terminal import progress, say


def test_lines_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    say("read 3 files")
    assert capsys.readouterr() == ("", "read 3 files\n")


def test_a_bar_is_drawn_on_a_terminal_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with progress("reading", 2) as tell:
        tell(1)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("FORCE_COLOR", "1")  # what rich takes for a terminal
    with progress("merging [bold]", 7) as outer:
        with progress("reading") as inner:  # one bar at a time: the outer one begins when it first tells
            inner(1, 2)
        outer(7)
    out, drawn = capsys.readouterr()
    assert out == ""
    assert "reading" in drawn
    assert "1/2" in drawn
    assert "merging [bold]" in drawn
    assert "7/7" in drawn
