"""The view of which heads respond to which wave of the heartbeat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from physiolect.explanation.landmarks import find_landmarks, leave_out_p
from physiolect.explanation.probing import HeadScore, probe_heads
from physiolect.explanation.views.drawing import usual_row
from physiolect.explanation.views.explanation import Explanation
from physiolect.explanation.views.question import Question
from physiolect.explanation.views.words import no_p_line, titled, window_numbers, without_p_waves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WINDOWS = 20
"""Windows on which heads are probed by default."""
_LISTED = 3
"""Heads that the summary lists for each landmark."""


def show_probing(asked: Question) -> Explanation:
    """Show which heads respond to which wave."""
    source = asked.recording.source
    windows = asked.last_windows(asked.windows or _WINDOWS)
    channels, channel = windows[-1].channels, asked.channel
    if len(channels) > 1:  # waves are found in one lead, and looked for in all
        channel = channels[usual_row(windows[-1])]
    landmarks = find_landmarks(asked.recording, asked.checkpoint.contract, channel=channel, first=asked.first)
    without_p = without_p_waves(asked, windows)
    found = probe_heads(
        asked.checkpoint, windows, leave_out_p(landmarks, without_p), seed=asked.seed,
        tell=asked.report.progress("windows", len(windows)),
    )  # fmt: skip
    scores = found.scores()

    def draw() -> Figure:
        from physiolect.plots import probing_figure

        count = f"{found.n_windows} window{'s' * (found.n_windows != 1)}"
        return probing_figure(
            found.auroc, found.chance.tolist(), landmarks=found.landmarks,
            title=titled(f"Heads and waves, {count}", source, windows[-1]),
            evidence=f"dots: above the best of all heads by chance (95 %){no_p_line(without_p)}",
        )  # fmt: skip

    lines, best = [], []
    for name, chance, count in zip(found.landmarks, found.chance, found.counts, strict=True):
        top = [each for each in scores if each.landmark == name][:_LISTED]
        best += [{**each._asdict(), "chance": float(chance)} for each in top]
        lines.append(f"  {name} ({count}), best by chance {chance:.2f}")
        lines += [
            f"    layer {each.layer} head {each.head}: AUROC {each.auroc:.2f}, ×{each.lift:.1f}, p {each.p:.3f}"
            for each in top
        ]
    return Explanation(
        view="probing",
        source=source,
        windows=windows,
        numbers={
            **window_numbers(windows[-1]), "auroc": found.auroc, "lift": found.lift, "chance": found.chance,
            "landmarks": np.array(found.landmarks), "counts": np.array(found.counts),
        },
        facts={
            "windows": found.n_windows, "best": best, "without_p": [each._asdict() for each in without_p]
        },
        lines=tuple(lines),
        draw=draw,
        columns=dict(zip(HeadScore._fields, zip(*scores, strict=True), strict=True)),
        listed=True,
    )  # fmt: skip
