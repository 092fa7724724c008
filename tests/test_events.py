"""Events reach the listener, and a listener that returns True stops the work."""

from __future__ import annotations

import pytest

from physiolect.errors import Cancelled
from physiolect.events import Event, Message, Progress, Reporter
from physiolect.result import Result, make_frame


def test_a_listener_gets_every_event_in_order() -> None:
    heard: list[Event] = []
    reporter = Reporter(heard.append)
    reporter.say("reading")
    tell = reporter.progress("windows", 3)
    tell(1)
    tell(2, 4)
    assert heard == [Message("reading"), Progress("windows", 1, 3), Progress("windows", 2, 4)]
    assert not reporter.stopping


def test_without_a_listener_nothing_happens(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = Reporter()
    reporter.say("reading")
    reporter.progress("windows")(1)
    assert capsys.readouterr() == ("", "")


def test_a_listener_that_returns_true_stops_the_work() -> None:
    reporter = Reporter(lambda event: isinstance(event, Progress) and event.done == 2)
    tell = reporter.progress("windows", 3)
    tell(1)
    with pytest.raises(Cancelled, match="stopped by the caller at windows"):
        tell(2)
    assert reporter.stopping


def test_a_reporter_can_be_the_listener_of_other_work() -> None:
    outer = Reporter(lambda event: True)
    inner = Reporter(outer.send)
    inner.say("training")
    assert inner.stopping


class Found(Result):
    summary = "2 < 3 beats\nall judged"  # type: ignore[assignment]


def test_a_result_shows_its_summary() -> None:
    assert repr(Found()) == "Found(2 < 3 beats)"
    assert Found()._repr_html_() == "<b>Found</b><pre>2 &lt; 3 beats\nall judged</pre>"


def test_a_frame_has_columns_by_name() -> None:
    frame = make_frame({"time_s": [0.5, 1.5], "label": ["N", "V"]})
    assert list(frame.columns) == ["time_s", "label"]
    assert len(frame) == 2
