"""Heads against landmarks, and maps against deletion, drawn."""

from __future__ import annotations

import io

import numpy as np

from physiolect.plots import faithfulness_figure, probing_figure


def test_heads_above_chance_have_a_dot() -> None:
    auroc = np.full((2, 3, 4), 0.5)
    auroc[0, 2, 1], auroc[1, 0, 3], auroc[1, 1, 1] = 0.9, 0.65, 0.58
    figure = probing_figure(auroc, [0.6, 0.6], landmarks=["P", "R"], title="t", evidence="e")
    figure.savefig(io.BytesIO())
    dots = [
        [tuple(point) for line in axes.lines for point in np.asarray(line.get_xydata()).tolist()]
        for axes in figure.axes[:2]
    ]
    assert dots == [[(1.0, 2.0)], [(3.0, 0.0)]]
    assert [axes.get_title() for axes in figure.axes[:2]] == ["P", "R"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["1", "2", "3"]


def test_curves_stand_beside_those_of_random_orders() -> None:
    shares = np.linspace(0, 1, 5)
    rng = np.random.default_rng(0)
    figure = faithfulness_figure(
        rng.normal(size=100), {"attention": rng.random(80)}, {"attention": (shares * -1, shares * 2)},
        (rng.random((6, 5)), rng.random((6, 5))), {"attention": {"head": 1.0, "layer 1": 0.2, "embeddings": 0.1}},
        shares=shares, time=np.arange(100) / 50, unit="mV", what="log odds", title="t",
    )  # fmt: skip
    figure.savefig(io.BytesIO())
    named = {axes.get_title(loc="left"): axes for axes in figure.axes}
    np.testing.assert_allclose(named["deletion"].lines[0].get_ydata(), shares * -1)
    np.testing.assert_allclose(named["insertion"].lines[0].get_xdata(), 100 * shares)
    np.testing.assert_allclose(figure.axes[-1].lines[0].get_ydata(), [1.0, 1.0, 0.2, 0.1])
    assert [label.get_text() for label in figure.axes[-1].get_xticklabels()] == ["none", "head", "1", "emb."]
    strip = figure.axes[1].images[0]
    np.testing.assert_allclose(strip.get_extent()[:2], [-0.01, 79.5 / 50])  # what is foretold has no map
