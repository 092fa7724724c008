"""`explain`: one call for every view."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from physiolect import Annotations, Checkpoint, Recording, synthetic
from physiolect.commands.explain import Config
from physiolect.detection import detect
from physiolect.errors import Cancelled, CheckpointError, ConfigError, FormatError
from physiolect.events import Event, Message, Progress
from physiolect.explanation import attend, cut_window, cut_windows, explain
from physiolect.explanation.views import VIEWS
from physiolect.formats import write_recording

Make = Callable[..., Checkpoint]

ON_THE_COMMAND_LINE = {
    "no_score",
    "out",
    "format",
    "numbers",
    "json",
    "device",
    "fs",
    "annotator",
    "modality",
    "variable",
    "lead",
    "names",
    "unit",
    "row",
}
"""What is said otherwise in Python: by `score`, `write_explanation`, the model's place and `read_recording`."""


def test_the_defaults_are_those_of_the_verb() -> None:
    call = {name: each.default for name, each in inspect.signature(explain).parameters.items()}
    verb = {each.name: each.default for each in fields(Config)}
    both = {name for name, default in verb.items() if default is not MISSING} - ON_THE_COMMAND_LINE
    assert {name: call[name] for name in both} == {name: verb[name] for name in both}
    assert (call["score"], call["first"], call["on_event"]) == (not verb["no_score"], 0.0, None)
    assert set(call) - both - {"score", "first", "on_event"} == {"checkpoint", "recording", "view"}


@pytest.mark.parametrize("view", [view for view in VIEWS if view not in ("beat", "cross")])
def test_every_view_has_words_numbers_a_table_and_a_figure(make: Make, heart: Recording, view: Any) -> None:
    base = make() if view == "change" else None
    found = explain(make("rhythm"), heart, view=view, base=base)
    assert found.summary.startswith(f"{view} of synthetic ECG, seed 3, II, ")
    assert repr(found) == f"Explanation({found.summary.splitlines()[0]})"
    assert found.summary.splitlines()[1] in found._repr_html_().replace("&#x27;", "'")
    held = json.loads(json.dumps(found.to_dict()))
    assert (held["view"], held["channel"], held["fs"]) == (view, "II", 100.0)
    assert held["window"]["start"] == pytest.approx(float(found.window.time[0]))
    assert found.numbers["signal"].shape == (300,)
    rows = (
        {"probing": found.numbers["auroc"].size, "faithfulness": 3}
        if view == "probing"
        else {"faithfulness": 3}
    )
    assert len(found.to_frame()) == rows.get(view, 300)
    assert isinstance(found.plot(), Figure)


def test_numbers_are_those_of_the_function_below(make: Make, heart: Recording) -> None:
    found = explain(make(), heart, view="attention", layer="all", head=2, query=7.5, score=False)
    window = cut_window(make(), heart)
    expected = attend(make(), window, heads=[2], queries=[7.5])
    np.testing.assert_array_equal(found.numbers["attention"], expected.weights[:, :, 0])
    assert found.facts["layers"] == (1, 2, 3)
    assert found.facts["faithfulness"] is None
    np.testing.assert_array_equal(found.to_frame()["attention"], expected.band())


def test_a_stretch_of_a_whole_recording_is_that_of_one_cut_before(make: Make, heart: Recording) -> None:
    whole = explain(make(), heart, view="attention", start=1.0, stop=7.0)
    cut = explain(make(), heart.slice(1.0, 7.0), view="attention", first=1.0)
    assert whole.to_dict() == cut.to_dict()
    assert whole.window.time[-1] == pytest.approx(6.99)
    with pytest.raises(FormatError, match="does not lie in a recording of 8 seconds"):
        explain(make(), heart, view="attention", stop=9.0)


def test_checkpoints_and_a_recording_may_be_paths(make: Make, heart: Recording, tmp_path: Path) -> None:
    write_recording(heart, tmp_path / "heart.npz")
    model, base = make("rhythm").save(tmp_path / "model"), make().save(tmp_path / "base")
    found = explain(model, tmp_path / "heart.npz", view="change", base=base, score=False)
    opened = explain(make("rhythm"), heart, view="change", base=make(), score=False)
    np.testing.assert_array_equal(found.numbers["signal"], opened.numbers["signal"])
    judged = detect(model, tmp_path / "heart.npz")
    np.testing.assert_array_equal(judged.to_frame(), detect(make("rhythm"), heart).to_frame())


@pytest.mark.parametrize("first", [0.0, 100.0])
def test_a_rhythm_that_began_before_the_stretch_holds_in_it(make: Make, first: float) -> None:
    fibrillating = synthetic.ecg(seconds=14, fs=250.0, leads=("II",), rhythm="af", seed=2)
    told: list[Event] = []
    found = explain(
        make(), fibrillating, view="similarity", start=first + 4, first=first, on_event=told.append
    )
    (without,) = found.facts["without_p"]
    assert without["rhythm"] == "AFIB"
    assert without["start"] == pytest.approx(first + 11.0)
    assert any("P waves are left out" in each.text for each in told if isinstance(each, Message))
    unmarked = replace(fibrillating, annotations=Annotations())
    assert explain(make(), unmarked, view="similarity", start=4).facts["without_p"] == []


def test_several_windows_are_scored_and_the_one_that_is_drawn_is_named(make: Make, heart: Recording) -> None:
    checkpoint = make("beats")
    found = explain(checkpoint, heart, view="faithfulness", windows=2)
    one = explain(checkpoint, heart, view="faithfulness")
    assert [window.start for window in found.windows] == [2.0, 5.0]
    lines = found.summary.splitlines()
    assert lines[0].endswith("II, 2.00 to 7.99 s, 2 windows")
    assert lines[1].startswith(
        "  explained   the model's output in each of 2 windows, mean; in the last: log odds"
    )
    assert lines[2] == "  drawn       the last window, 5.00 to 7.99 s; scores are the mean of all 2"
    assert found.to_dict()["drawn"] == {"start": 5.0, "stop": pytest.approx(7.99)}
    np.testing.assert_array_equal(found.numbers["attention_map"], one.numbers["attention_map"])
    assert "drawn: the last of 2 windows, 5.00 to 7.99 s" in words_of(found.plot())
    assert "drawn" not in one.to_dict()
    assert "windows" not in words_of(one.plot())


def words_of(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(lambda each: hasattr(each, "get_text")))


def test_the_several_channels_of_a_recording_are_never_passed_over_in_silence(make: Make) -> None:
    two = synthetic.ecg(seconds=8, fs=250.0, leads=("V1", "II"), seed=3)
    told: list[Event] = []
    found = explain(make(), two, view="attention", score=False, on_event=told.append)
    assert found.window.channel == "II"
    assert any("kept channel II of V1, II" in each.text for each in told if isinstance(each, Message))
    assert explain(make(), two, view="attention", score=False, channel="V1").window.channel == "V1"
    checkpoint = make()
    wide = replace(checkpoint, contract=replace(checkpoint.contract, channels=("V1", "II")))
    for view in ("attention", "similarity", "probing", "faithfulness"):
        with pytest.raises(CheckpointError, match="takes 2 channels, but explanations of levels are of one"):
            explain(wide, two, view=view)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"view": "change"}, "base is missing: view change needs the model"),
        (
            {"view": "heads", "query": 1.0},
            "query is for view attention or change or gradients or faithfulness or beat, not heads",
        ),
        ({"view": "heads", "layer": "all"}, "layer is all, but view heads is of one layer"),
        ({"layer": 0, "head": "first"}, "layer is '0', .*; head is 'first', but must be a number from 1 on"),
        ({"query": float("inf")}, "query is inf, but must be a moment in seconds"),
        ({"view": "probing", "windows": 0}, "windows is 0, but must be at least 1"),
        ({"view": "faithfulness", "span": -1.0}, "span is -1, but must be above 0"),
        ({"seed": -1}, "seed is -1, but must be from 0"),
        ({"combine": "most"}, "combine is 'most', which is not one of sum, mean"),
        ({"view": "faithfulness", "replace": "zero"}, "replace is 'zero', which is not one of interpolation"),
        ({"view": "look"}, "view is 'look', which is not one of attention, heads"),
    ],
)
def test_what_is_wrong_is_listed_before_any_work(
    make: Make, heart: Recording, options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        explain(make(), heart, **{"view": "attention", **options})


def test_a_listener_stops_the_work(make: Make, heart: Recording) -> None:
    def stop(event: Event) -> bool:
        return isinstance(event, Progress) and event.done == 1

    with pytest.raises(Cancelled, match="stopped by the caller at windows"):
        explain(make("rhythm"), heart, view="faithfulness", windows=2, on_event=stop)
    with pytest.raises(Cancelled, match="stopped by the caller at windows"):
        explain(make(), heart, view="probing", on_event=stop)


def test_the_callers_threads_come_back(make: Make, heart: Recording) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        explain(make(), heart, view="attention")
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_progress_counts_windows(make: Make, heart: Recording) -> None:
    told: list[Event] = []
    explain(make(), heart, view="probing", on_event=told.append)
    counted = [(each.done, each.total) for each in told if isinstance(each, Progress)]
    n = len(cut_windows(make(), heart))
    assert counted == [(k + 1, n) for k in range(n)]
