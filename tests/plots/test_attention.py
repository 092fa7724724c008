"""Attention on a signal: figures are judged by eye, here by what they hold."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from physiolect.plots import attention_figure, change_figure, heads_figure
from physiolect.plots.style import COLUMN

TIME = 100 + np.arange(200) / 50
SIGNAL = np.sin(TIME * 6)
RNG = np.random.default_rng(0)
WEIGHTS = RNG.random((4, 200))
CHANGE = RNG.normal(0, 0.01, 200)


def texts(figure: Figure) -> str:
    figure.draw_without_rendering()
    return "\n".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


def attention(rows: np.ndarray) -> Figure:
    names = [f"head {k + 1}" for k in range(len(rows))]
    return attention_figure(
        SIGNAL,
        rows.sum(0),
        rows,
        time=TIME,
        names=names,
        queries=[103.0],
        unit="mV",
        title="t",
        evidence="proof",
    )


FIGURES = {
    "attention": lambda: attention(WEIGHTS),
    "one head": lambda: attention(WEIGHTS[:1]),
    "change": lambda: change_figure(
        SIGNAL, CHANGE, time=TIME, query=103.0, unit=None, title="t", evidence="proof"
    ),
    "heads": lambda: heads_figure(
        SIGNAL, WEIGHTS, [[5], [], [1, 2], [199]], time=TIME, names=list("abcd"), title="t", evidence="proof"
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_as_wide_as_a_column_and_carries_its_evidence(name: str) -> None:
    settings = dict(matplotlib.rcParams)
    figure = FIGURES[name]()
    file = io.BytesIO()
    figure.savefig(file)
    assert file.getvalue().startswith(b"\x89PNG")
    assert figure.get_figwidth() == pytest.approx(COLUMN) == pytest.approx(8.5 / 2.54)
    words = texts(figure)
    assert all(word in words for word in ("proof", "seconds", "unit unknown" if name == "change" else ""))
    sizes = [text.get_fontsize() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]
    assert min(sizes) >= 5.5  # points
    assert dict(matplotlib.rcParams) == settings


def test_bands_lie_where_the_samples_do() -> None:
    figure = attention(WEIGHTS)
    (image,) = figure.axes[0].images
    np.testing.assert_allclose(image.get_extent()[:2], [TIME[0] - 0.01, TIME[-1] + 0.01])
    np.testing.assert_allclose(image.get_array()[0], WEIGHTS.sum(0))
    np.testing.assert_allclose(figure.axes[2].images[0].get_array(), WEIGHTS)
    assert len(attention(WEIGHTS[:1]).axes) == 2  # one head needs no table
    assert [label.get_text() for label in figure.axes[2].get_yticklabels()] == [
        f"head {k}" for k in (1, 2, 3, 4)
    ]


def test_bands_darken_evenly_in_grey_too() -> None:
    (image,) = attention(WEIGHTS).axes[0].images
    colours = image.get_cmap()(np.linspace(0, 1, 20))[:, :3]
    luminance = colours @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance) < 0).all()
    assert luminance[-1] > 0.4  # a black line stays visible


def test_a_change_has_a_sign_and_what_would_flatten_it_is_told() -> None:
    plain, spiked = CHANGE.copy(), CHANGE.copy()
    spiked[7] = 0.9
    figure = change_figure(SIGNAL, spiked, time=TIME, query=103.0)
    assert "beyond the scale: +0.90 at 100.14 s" in texts(figure)
    low, high = figure.axes[1].get_ylim()
    assert low < 0 < high < 0.1
    assert "beyond" not in texts(change_figure(SIGNAL, plain, time=TIME, query=103.0))
    words = texts(figure)
    assert "more than before" in words
    assert "less than before" in words


def test_a_sample_that_all_look_at_does_not_flatten_the_rest_of_the_curve() -> None:
    rows = WEIGHTS / 100
    rows[:, 0] = 0.2
    figure = attention(rows)
    assert "beyond the scale: 0.80 at 100.00 s" in texts(figure)
    low, high = figure.axes[1].get_ylim()
    assert low == 0
    assert high < 0.1
    assert "beyond" not in texts(attention(WEIGHTS))


def test_peaks_of_a_head_are_marked_above_the_signal() -> None:
    figure = FIGURES["heads"]()
    marks = [line for line in figure.axes[2].lines if line.get_marker() == "v"]
    np.testing.assert_allclose(marks[0].get_xdata(), TIME[[1, 2]])
    assert np.ptp(marks[0].get_ydata()) == 0
    assert SIGNAL.max() < marks[0].get_ydata()[0] < figure.axes[2].get_ylim()[1]


def test_a_head_tells_its_scale_and_what_it_cuts_off() -> None:
    even = np.ones((2, 200))
    even[0, 198] = 31.0
    figure = heads_figure(SIGNAL, even, [[], []], time=TIME, names=["a", "b"])
    assert [axes.texts[-1].get_text() for axes in figure.axes[:2]] == ["×1.0\n×31 at\n103.96 s", "×1.0"]
    assert "full height of each head" in texts(figure)
