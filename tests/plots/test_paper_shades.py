"""Shades lie behind the leads they are of, to scale."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import PatchCollection

from physiolect.plots import Shades, shaded_sheet_figure
from physiolect.recording import LEADS, Recording


def flat(channels: tuple[str, ...], seconds: float) -> Recording:
    time = np.arange(round(100 * seconds)) / 100
    return Recording(
        np.tile(np.sin(time), (len(channels), 1)).astype(np.float32), 100.0, channels, "mV", "ecg"
    )


def boxes(figure) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Return left, right, lower and upper edge of each shade in mm, and its strength."""
    found = [each for each in figure.axes[0].collections if isinstance(each, PatchCollection)]
    extents = [path.get_extents() for each in found for path in each.get_paths()]
    strength = np.concatenate([each.get_facecolor()[:, 3] for each in found])
    return np.array([[e.x0, e.x1, e.y0, e.y1, a] for e, a in zip(extents, strength, strict=True)])


def test_a_shade_lies_behind_its_own_lead_as_long_as_it_lasts() -> None:
    shades = Shades(
        np.array([[1.0, 3.0], [4.0, 4.5]]), np.array([1, -1]), np.array([0.5, 1.0]), queries=(2.0,)
    )
    figure = shaded_sheet_figure(
        flat(("II", "V1"), 10), shades, what="attention", title="x", evidence="score 1"
    )
    first, *others = boxes(figure)[boxes(figure)[:, 1].argsort()]
    assert first[1] - first[0] == pytest.approx(50)  # 2 s at 25 mm/s
    assert first[3] - first[2] == pytest.approx(30, abs=0.6)  # a row
    assert len(others) == 2  # behind both leads
    assert others[0][4] == pytest.approx(2 * first[4], rel=0.02)
    words = [text.get_text() for text in figure.axes[0].texts]
    assert any("shades: attention, darkest at 0.99" in each and "score 1" in each for each in words)
    assert len([line for line in figure.axes[0].lines if line.get_label() == "query"]) == 2


def test_rows_of_shades_do_not_overlap_and_signs_are_told() -> None:
    spans = np.tile([[0.0, 9.9]], (12, 1))
    shades = Shades(spans, np.arange(12), np.linspace(-1, 1, 12))
    figure = shaded_sheet_figure(flat(LEADS, 10), shades, what="change")
    found = boxes(figure)
    found = found[found[:, 2].argsort()]
    assert len(found) == 12
    assert (found[1:, 2] >= found[:-1, 3] - 1e-6).all()
    assert any("orange: more, hatched blue: less" in text.get_text() for text in figure.axes[0].texts)


@pytest.mark.parametrize(("seconds", "n_leads", "speed"), [(10, 12, "25"), (30, 12, "5"), (30, 2, "25")])
def test_a_longer_stretch_is_drawn_whole_at_a_lower_speed(seconds: float, n_leads: int, speed: str) -> None:
    shades = Shades(np.array([[0.0, seconds]]), np.array([-1]), np.array([1.0]))
    figure = shaded_sheet_figure(flat(LEADS[:n_leads], seconds), shades, what="attention")
    words = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert f"{speed} mm/s" in words
    assert "first" not in words
    assert (
        boxes(figure)[:, :2] @ [-1, 1]
        == pytest.approx(min(250, seconds * float(speed)), abs=2.6 * float(speed) / 25)
        or n_leads == 2
    )
