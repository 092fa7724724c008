"""Tokens that come apart, drawn."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from physiolect.plots import Token, similarity_figure

TIME = np.arange(100) / 50
COSINE = np.random.default_rng(0).uniform(0, 1, (3, 100))


def figure_of(silhouette: list[float], word: str = "QRS") -> Figure:
    return similarity_figure(
        np.sin(TIME), COSINE, silhouette, time=TIME, stages=("input", "layer 1", "layer 2"),
        reference=Token(50, word), tokens=[Token(10, word), Token(20, "")], unit="mV", title="t", evidence="e",
    )  # fmt: skip


def test_tokens_and_silhouette_are_lines_by_layer() -> None:
    figure = figure_of([0.0, 0.2, 0.5])
    figure.savefig(io.BytesIO())
    below = figure.axes[2]
    lines = {line.get_label(): np.asarray(line.get_ydata()) for line in below.lines}
    np.testing.assert_allclose(lines["0.20 s, QRS"], COSINE[:, 10])
    np.testing.assert_allclose(lines["0.40 s"], COSINE[:, 20])
    np.testing.assert_allclose(lines["silhouette"], [0.0, 0.2, 0.5])
    figure.draw_without_rendering()
    words = [text.get_text() for text in figure.findobj(matplotlib.text.Text)]
    assert "★ reference at 1.00 s, QRS" in words


def test_marks_stand_above_the_wave() -> None:
    wave = np.sin(TIME)
    marks = [
        line for line in figure_of([0.0, 0.2, 0.5]).axes[0].lines if line.get_marker() not in ("None", None)
    ]
    assert sorted(float(line.get_xdata()[0]) for line in marks) == [0.2, 0.4, 1.0]
    assert all(line.get_ydata()[0] > wave.max() for line in marks)


def test_without_beats_there_is_no_silhouette() -> None:
    figure = figure_of([np.nan] * 3, word="")
    assert "silhouette" not in [line.get_label() for line in figure.axes[2].lines]
