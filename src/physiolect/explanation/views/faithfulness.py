"""The view of whether maps of important samples are true of the model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from physiolect.explanation.faithfulness import Faithfulness, cascade, measure_faithfulness
from physiolect.explanation.maps import Map, methods_for
from physiolect.explanation.target import Target, choose_target
from physiolect.explanation.views.drawing import drawn, on_grid, over_leads
from physiolect.explanation.views.explanation import Explanation
from physiolect.explanation.views.question import Question
from physiolect.explanation.views.words import titled, window_numbers
from physiolect.explanation.window import Window

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COUNTS = {2: "two", 3: "three"}
_PLURAL = {"sample": "samples", "patch": "patches", "beat": "heartbeats"}


@dataclass(frozen=True, eq=False)
class _Measured:
    """Curves of each method over all windows, and what the last window adds."""

    curves: dict[str, Faithfulness]
    """Method -> mean over the windows."""
    maps: dict[str, Map]
    """Method -> map of the last window."""
    kept: dict[str, dict[str, float]]
    """Method -> stage -> rank correlation of the last window's map with that of randomised weights."""
    targets: tuple[Target, ...]
    """What was followed in each window."""

    @property
    def words(self) -> str:
        """What was followed, over all windows."""
        n, last = len(self.targets), self.targets[-1].words
        if n == 1:
            return last
        if {each.words for each in self.targets} == {last}:
            return f"{last}, mean of {n} windows"
        return f"the model's output in each of {n} windows, mean; in the last: {last}"


def show_faithfulness(asked: Question) -> Explanation:
    """Hold the maps that a model allows against deletion, insertion and randomised weights."""
    source = asked.recording.source
    windows = asked.last_windows(asked.windows or 1)
    found = _measure(asked, windows)
    window, random = windows[-1], next(iter(found.curves.values()))
    n, stretch = len(windows), f"{window.time[0]:.2f} to {window.time[-1]:.2f} s"

    def draw() -> Figure:
        from physiolect.plots import faithfulness_figure

        maps = _COUNTS[len(found.maps)]
        which = f"\ndrawn: the last of {n} windows, {stretch}" if n > 1 else ""
        return faithfulness_figure(
            maps={name: on_grid(window, each) for name, each in found.maps.items()},
            curves={name: (each.deletion, each.insertion) for name, each in found.curves.items()},
            random=(random.random_deletion, random.random_insertion), cascade=found.kept, shares=random.shares,
            tokens=_PLURAL[window.token], what=found.words, unit_of_what=random.unit, **drawn(window),
            title=titled(f"Faithfulness of {maps} maps", source, window) + over_leads(window) + which,
        )  # fmt: skip

    methods = [_facts(name, each, found.kept[name]) for name, each in found.curves.items()]
    lines = [f"  explained   {found.words}"]
    facts = {"explained": found.targets[-1].words, "windows": n, "methods": methods}
    if n > 1:
        lines.append(f"  drawn       the last window, {stretch}; scores are the mean of all {n}")
        facts["drawn"] = {"start": float(window.time[0]), "stop": float(window.time[-1])}
    for each in methods:
        low, high = each["random_95"]
        lines.append(
            f"  {each['method']:21}{each['score']:+.2f} {each['unit']} "
            f"(95 % of random orders {low:+.2f} to {high:+.2f})"
        )
    return Explanation(
        view="faithfulness",
        source=source,
        windows=windows,
        numbers=_numbers(window, found),
        facts=facts,
        lines=tuple(lines),
        draw=draw,
        columns=_columns(methods),
    )


def _measure(asked: Question, windows: tuple[Window, ...]) -> _Measured:
    """Measure all windows; each has random orders of its own, or their mean would not even out."""
    methods = methods_for(asked.checkpoint)
    curves: dict[str, list[Faithfulness]] = {name: [] for name in methods}
    targets = []
    tell = asked.report.progress("windows", len(windows))
    for number, window in enumerate(windows):
        target = choose_target(asked.checkpoint, window, query=asked.query, span=asked.span)
        targets.append(target)
        maps = {name: method(asked.checkpoint, window, target) for name, method in methods.items()}
        measured = measure_faithfulness(
            asked.checkpoint, window, target, maps, replacement=asked.replace or "interpolation",
            seed=asked.seed + number,
            tell=asked.report.progress(f"changed windows, for the scores of window {number + 1} of {len(windows)}"),
        )  # fmt: skip
        for name, each in measured.items():
            curves[name].append(each)
        tell(number + 1)
    tell = asked.report.progress("methods under randomised weights", len(methods))
    kept = {}
    for number, name in enumerate(methods):
        kept[name] = cascade(asked.checkpoint, window, target, name, seed=asked.seed)
        tell(number + 1)
    return _Measured({name: _mean(each) for name, each in curves.items()}, maps, kept, tuple(targets))


def _mean(each: list[Faithfulness]) -> Faithfulness:
    """Return the mean curves of several windows."""
    names = ("deletion", "insertion", "random_deletion", "random_insertion")
    return replace(each[0], **{name: np.mean([getattr(one, name) for one in each], 0) for name in names})


def _facts(name: str, curve: Faithfulness, kept: dict[str, float]) -> dict[str, Any]:
    return {
        "method": name,
        "score": curve.score,
        "random_95": curve.interval,
        "deletion_area": curve.deletion_area,
        "insertion_area": curve.insertion_area,
        "unit": curve.unit,
        "cascade": kept,
    }


def _numbers(window: Window, found: _Measured) -> dict[str, Any]:
    random = next(iter(found.curves.values()))
    numbers = {
        **window_numbers(window), "shares": random.shares, "random_deletion": random.random_deletion,
        "random_insertion": random.random_insertion,
    }  # fmt: skip
    for name, each in found.curves.items():
        key = name.replace(" ", "_")
        numbers |= {
            f"{key}_map": found.maps[name],
            f"{key}_deletion": each.deletion,
            f"{key}_insertion": each.insertion,
            f"{key}_cascade": np.array(list(found.kept[name].values())),
        }
    return numbers


def _columns(methods: list[dict[str, Any]]) -> dict[str, list[Any]]:
    columns = {
        name: [each[name] for each in methods]
        for name in ("method", "score", "deletion_area", "insertion_area", "unit")
    }
    columns["random_low"] = [each["random_95"][0] for each in methods]
    columns["random_high"] = [each["random_95"][1] for each in methods]
    return columns
