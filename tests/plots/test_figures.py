"""Figures are judged by eye; here by what they hold, and by leaving matplotlib as they found it."""

from __future__ import annotations

import io
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import FillBetweenPolyCollection, LineCollection, PathCollection
from matplotlib.figure import Figure

from physiolect import synthetic
from physiolect.plots import (
    Shape,
    agreement_figure,
    beats_figure,
    continuation_figure,
    forecast_figure,
    loss_figure,
    precision_figure,
    recording_figure,
    records_figure,
    reliability_figure,
    rhythm_figure,
    roc_figure,
    strips_figure,
    timing_figure,
    token_shapes_figure,
    token_track_figure,
    token_use_figure,
)
from physiolect.recording import Annotations, Recording

RNG = np.random.default_rng(0)
CONTEXT = np.sin(np.arange(200) / 8)
SAMPLES = np.sin(np.arange(200, 300) / 8) + RNG.normal(0, 0.2, (30, 100))


def texts(figure: Figure) -> str:
    figure.draw_without_rendering()
    return "\n".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


def drawn(figure: Figure, label: str) -> np.ndarray:
    line = next(line for axes in figure.axes for line in axes.lines if line.get_label() == label)
    return np.asarray(line.get_xydata())


def track(signal: np.ndarray, **stretch: float) -> Figure:
    spans = [[0, 20], [20, 21], [21, 70], [70, 100]]  # the third crosses from lead to lead
    return token_track_figure(signal, spans, fs=100, channels=("I", "II"), unit="mV", title="t", **stretch)


GRID = np.linspace(0, 1, 11)
CURVES = {
    "model": (GRID, np.sqrt(GRID), np.sqrt(GRID) - 0.1, np.minimum(np.sqrt(GRID) + 0.1, 1)),
    "rule": (GRID, GRID, np.full(11, np.nan), np.full(11, np.nan)),
}

FIGURES = {
    "roc": lambda: roc_figure(CURVES, areas={"model": "0.9 [0.8, 1.0]"}, title="t"),
    "precision": lambda: precision_figure(CURVES, share=0.95, title="t"),
    "reliability": lambda: reliability_figure(
        [0.1, np.nan, 0.9], [0.2, np.nan, 0.8], [10, 0, 5], [0.1, np.nan, np.nan], [0.3, np.nan, np.nan]
    ),
    "strips": lambda: strips_figure(["a", "b"], [[0.1, 0.9], [0.2]], [[0, 1], [0]], positive="AF"),
    "many strips": lambda: strips_figure([f"{k}" for k in range(40)], [[0.1]] * 40, [[1]] * 40),
    "records": lambda: records_figure(["a", "b"], {"PPV": [0.9, np.nan], "F1": [0.8, np.nan]}),
    "timing": lambda: timing_figure({"model": [0.01, -0.02], "none": []}, tolerance=0.15),
    "agreement": lambda: agreement_figure([1.0, 2, 3], [1.0, 2, 2], ["a", "a", "b"], name="age (years)"),
    "continuation": lambda: continuation_figure(
        CONTEXT, SAMPLES, fs=100, unit="mV", title="t", truth=SAMPLES[0]
    ),
    "loss": lambda: loss_figure((np.arange(5), np.ones(5)), ([], []), {"unigram": 3.4}),
    "forecast": lambda: forecast_figure(["a", "b"], [2.0, 1.0], [(1.9, 2.1), (0.9, 1.1)]),
    "recording": lambda: recording_figure(synthetic.ecg(seconds=5, fs=100)),
    "token shapes": lambda: token_shapes_figure(
        {"longest": [Shape(f"{k}", RNG.normal(0, 1, 5).astype(np.float32)) for k in range(8)], "none": []},
        fs=250,
        unit="mV",
    ),
    "token use": lambda: token_use_figure([5, 0, 3, 1], [4, 5], seconds=[10, 10]),
    "token track": lambda: track(np.zeros((2, 50))),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_can_be_saved_and_changes_no_setting(name: str) -> None:
    settings = dict(matplotlib.rcParams)
    for kind, start in (("png", b"\x89PNG"), ("svg", b"<?xml")):
        out = io.BytesIO()
        FIGURES[name]().savefig(out, format=kind)
        assert out.getvalue().startswith(start)
    assert dict(matplotlib.rcParams) == settings


def test_an_operating_curve_begins_in_the_corner_and_tells_its_area() -> None:
    figure = roc_figure(CURVES, areas={"model": "0.9 [0.8, 1.0]"}, banded="model")
    assert "95 % interval of model" in texts(figure)
    bare = roc_figure(CURVES)
    assert not [c for c in bare.axes[0].collections if isinstance(c, FillBetweenPolyCollection)]
    assert figure.legends[0].get_title().get_text() == "AUROC, with its interval"
    line = drawn(figure, "model  0.9 [0.8, 1.0]")
    assert line[0].tolist() == [0, 0]
    (band,) = (c for c in figure.axes[0].collections if isinstance(c, FillBetweenPolyCollection))
    assert band.get_paths()[0].get_extents().y1 <= 1


def test_reliability_tells_how_many_windows_stand_behind_each_point() -> None:
    figure = FIGURES["reliability"]()
    assert {"10", "0", "5"} <= set(texts(figure).split("\n"))
    (marks,) = (c for c in figure.axes[0].collections if isinstance(c, PathCollection))
    assert len(marks.get_offsets()) == 2
    assert marks.get_sizes()[0] > marks.get_sizes()[1]


def test_what_reliability_is_of_stands_above_its_error() -> None:
    figure = reliability_figure([0.1], [0.2], [10], [0.1], [0.3], error="error 0.1", title="a long name")
    axes = figure.axes[0]
    assert axes.get_title(loc="left") == "a long name\n"
    assert axes.get_title(loc="right") == "error 0.1"


def test_records_stand_with_the_worst_on_top_and_strips_by_what_was_so() -> None:
    figure = records_figure(["good", "bad"], {"F1": [0.99, 0.5]})
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["bad", "good"]
    assert figure.axes[0].yaxis_inverted()
    figure = strips_figure(["sick", "well"], [[0.4], [0.6]], [[1], [0]])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["well", "sick"]
    assert figure.axes[0].get_xlim() == (-0.02, 1.02)


def test_importing_plots_does_not_import_matplotlib() -> None:
    code = "import sys, physiolect.plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_seam_is_at_zero_and_nothing_gapes() -> None:
    figure = continuation_figure(CONTEXT, SAMPLES, fs=100, unit="mV")
    context, first, median = (drawn(figure, name) for name in ("context", "first continuation", "median"))
    assert context[0, 0] == pytest.approx(-1.99)
    np.testing.assert_allclose(context[-1], [0, CONTEXT[-1]])
    np.testing.assert_allclose(median[0], context[-1])
    np.testing.assert_allclose(first[0], context[-1])
    np.testing.assert_allclose(first[1:, 1], SAMPLES[0])
    np.testing.assert_allclose(median[1:, 0], np.arange(1, 101) / 100)
    np.testing.assert_allclose(median[1:, 1], np.median(SAMPLES, axis=0))


def test_the_bands_hold_their_share_of_the_samples() -> None:
    figure = continuation_figure(CONTEXT, SAMPLES, fs=100, unit="mV")
    alone, every = figure.axes
    assert not [c for c in alone.collections if isinstance(c, FillBetweenPolyCollection)]
    bands = {c.get_label(): c for c in every.collections if isinstance(c, FillBetweenPolyCollection)}
    assert set(bands) == {"90 %", "50 %"}
    for label, inner in (("90 %", (0.05, 0.95)), ("50 %", (0.25, 0.75))):
        outline = bands[label].get_paths()[0].vertices
        at_end = outline[np.isclose(outline[:, 0], 1.0), 1]
        np.testing.assert_allclose(
            [at_end.min(), at_end.max()], np.quantile(SAMPLES[:, -1], inner), rtol=1e-6
        )


def test_one_sample_has_no_bands_and_an_unknown_unit_is_said() -> None:
    figure = continuation_figure(CONTEXT, SAMPLES[0], fs=100, unit=None)
    assert not [c for c in figure.axes[0].collections if isinstance(c, FillBetweenPolyCollection)]
    np.testing.assert_allclose(drawn(figure, "continuation")[1:, 1], SAMPLES[0])
    assert "unit unknown" in texts(figure)


def test_a_truth_longer_than_the_continuation_is_cut_there() -> None:
    figure = continuation_figure(CONTEXT, SAMPLES, fs=100, unit="mV", truth=np.zeros(500))
    assert drawn(figure, "truth")[-1, 0] == 1.0


def test_many_losses_are_smoothed_without_shift() -> None:
    steps = np.arange(301)
    figure = loss_figure((steps, 5.0 - steps / 100), ([0, 300], [5.1, 2.1]))
    smooth = drawn(figure, "training (smoothed)")
    np.testing.assert_allclose(smooth[:, 1], 5.0 - steps / 100)
    np.testing.assert_allclose(drawn(figure, "validation")[:, 1], [5.1, 2.1])


def test_names_of_close_baselines_do_not_touch() -> None:
    figure = loss_figure((np.arange(9), np.linspace(4, 1, 9)), ([], []), {"AR(2)": 2.0, "AR(8)": 2.01})
    named = [text for text in figure.axes[0].texts if text.get_text().startswith("AR")]
    low, high = sorted((text.get_window_extent() for text in named), key=lambda box: box.y0)
    assert low.y1 <= high.y0


def test_the_best_forecaster_is_on_top_and_coloured() -> None:
    figure = forecast_figure(["bad", "good", "fair"], [3.0, 1.0, 2.0], [(2, 4), (0.5, 1.5), (1.5, 2.5)])
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["good", "fair", "bad"]
    assert axes.yaxis_inverted()
    assert [bar.get_width() for bar in axes.patches] == [1.0, 2.0, 3.0]
    colours = [bar.get_facecolor() for bar in axes.patches]
    assert colours[0] != colours[1] == colours[2]
    assert "1.000  [0.500, 1.500]" in texts(figure)


def test_channels_beyond_the_limit_are_left_out_and_counted() -> None:
    figure = recording_figure(synthetic.ecg(seconds=3, fs=100), max_channels=4)
    assert len(figure.axes) == 4
    assert "mV · first 4 of 12 channels" in texts(figure)


def test_units_stand_at_the_channels_where_they_differ() -> None:
    recording = Recording(np.zeros((2, 50)), 50, ("II", "PPG"), ("mV", None))
    assert "II\nmV" in texts(recording_figure(recording))
    assert "PPG\n?" in texts(recording_figure(recording))


def test_beats_are_marked_and_rhythm_marks_are_not() -> None:
    marks = Annotations(np.array([0, 10, 30]), ("+", "N", "V"), ("(N", "", ""))
    figure = recording_figure(Recording(np.zeros((1, 50)), 50, ("II",), "mV", annotations=marks))
    letters = {text.get_text(): text.xy[0] for text in figure.axes[0].texts}
    assert letters == {"N": 10 / 50, "V": 30 / 50}


def test_a_long_recording_keeps_its_extremes_and_its_gaps() -> None:
    signal = np.zeros(500_000, np.float32)
    signal[77_777] = 9
    signal[100_000:200_000] = np.nan
    (band,) = recording_figure(Recording(signal, 500)).axes[0].collections
    places = np.concatenate([path.vertices for path in band.get_paths()])
    assert places[:, 1].max() == 9
    assert len(band.get_paths()) == 2
    assert not ((places[:, 0] > 203) & (places[:, 0] < 397)).any()
    assert places[:, 0].max() == pytest.approx(1000, rel=0.01)


def test_where_every_column_holds_several_beats_the_band_is_pale() -> None:
    seconds = np.arange(1800 * 100) / 100
    for length, alpha in ((6000, None), (len(seconds), 0.22)):
        figure = recording_figure(Recording(np.sin(2 * np.pi * seconds[:length]) ** 15, 100, unit="mV"))
        (band,) = figure.axes[0].collections
        assert band.get_alpha() == alpha
        assert len(figure.axes[0].lines) == (0 if alpha is None else 2)


def test_numbers_on_axes_are_whole() -> None:
    late = {"fs": 100.0, "samples": [250, 350, 450], "categories": ["high"] * 3, "trace": np.zeros(2000)}
    figure = beats_figure(np.zeros(2000), trace_fs=100, start=12083.3, title="t", **late)
    figures = [figure, recording_figure(Recording(3e7 + np.arange(100.0), 1))]
    for each in figures:
        each.draw_without_rendering()
        for axes in each.axes:
            assert axes.xaxis.get_offset_text().get_text() == ""
            assert axes.yaxis.get_offset_text().get_text() == ""
    assert "12090" in texts(figure)


def test_a_track_shows_each_token_on_its_lead_from_where_it_begins() -> None:
    figure = track(np.arange(100.0).reshape(2, 50))
    assert leads_drawn(figure) == [[(0, 20), (0.2, 21), (0.21, 49)], [(0, 70), (0.2, 99)]]
    assert len({tuple(colour) for colour in leads(figure)[0].get_colors()}) == 3  # tokens of three lengths
    assert "mV" in texts(figure)
    assert figure.axes[-1].get_ylabel() == "length of a token (s)"


def test_what_is_written_beside_a_track_of_one_lead_leaves_the_title_alone() -> None:
    figure = token_track_figure(
        np.arange(50)[None], [[0, 50]], fs=100, channels=("II",), unit="mV", title="100"
    )
    figure.draw_without_rendering()
    (title,) = (text for text in figure.texts if text.get_text() == "100")
    (unit,) = (text for text in figure.texts if text.get_text().startswith("mV"))
    for text in (unit, figure.axes[-1].yaxis.label):
        assert text.get_window_extent().y0 >= 0
        assert text.get_window_extent().y1 <= title.get_window_extent().y0


def test_a_track_of_a_stretch_shows_the_tokens_of_the_whole_signal() -> None:
    figure = track(np.arange(100.0).reshape(2, 50), start=0.1, seconds=0.2)
    assert leads_drawn(figure) == [[(0.1, 20), (0.2, 21), (0.21, 29)], [(0.1, 70), (0.2, 79)]]


def leads(figure: Figure) -> list[LineCollection]:
    return [next(c for c in axes.collections if isinstance(c, LineCollection)) for axes in figure.axes[:2]]


def leads_drawn(figure: Figure) -> list[list[tuple[float, float]]]:
    """Return when each piece begins, and the sample it ends with, lead by lead."""
    return [
        [(round(float(piece[0, 0]), 9), float(piece[-1, 1])) for piece in lead.get_segments()]
        for lead in leads(figure)
    ]


def test_tokens_fill_their_pictures_on_one_scale_of_amplitude() -> None:
    shapes = [Shape("7", np.array([0.5, -0.5], np.float32)), Shape("9", np.full(50, 0.25, np.float32))]
    figure = token_shapes_figure({"longest": shapes}, fs=250, unit="mV")
    first, second = figure.axes[:2]
    assert (first.get_xlim(), second.get_xlim()) == ((0, 8), (0, 200))  # milliseconds
    assert first.get_ylim() == second.get_ylim()
    assert first.patches[0].get_data().edges.tolist() == [0, 4, 8]
    assert {"longest", "7 · 8 ms", "9 · 200 ms", "mV"} <= set(texts(figure).split("\n"))


def test_use_is_told_by_rank_and_by_recording() -> None:
    figure = token_use_figure([1, 0, 6, 2, 1], [100, 300, 110], seconds=[10, 10, 10])
    line = figure.axes[0].lines[0].get_xydata()
    assert line.tolist() == [[1, 6], [2, 2], [3, 1], [4, 1]]
    assert "half of all use is\nof 1 token" in texts(figure)
    assert "median 110" in texts(figure)
    assert "Tokens a second" in texts(token_use_figure([1], [100, 300], seconds=[10, 20]))


def beats(seconds: float, **changes: object) -> Figure:
    at = np.arange(round(seconds)) * 100 + 30
    names = np.resize(["high", "high", "medium", "low"], len(at)).tolist()
    given = {"samples": at, "categories": names, "trace": np.zeros(round(50 * seconds)), "trace_fs": 50.0}
    wave = np.sin(np.arange(round(100 * seconds)) / 16)
    return beats_figure(wave, fs=100.0, unit="au", title="finger", **given | changes)  # type: ignore[arg-type]


def test_beats_stand_on_the_signal_in_the_colour_and_shape_of_their_confidence() -> None:
    figure = beats(30, start=600.0)
    rate, first, second = figure.axes
    assert first.get_xlim() == (600, 615)
    assert second.get_xlim() == (615, 630)
    marks = {line.get_marker(): line.get_xdata() for line in first.lines[1:]}
    assert set(marks) == {"o", "D", "X"}
    assert len({line.get_color() for line in first.lines[1:]}) == 3
    assert marks["D"].tolist() == pytest.approx([602.3, 606.3, 610.3, 614.3])
    np.testing.assert_allclose(np.concatenate([line.get_ydata() for line in rate.lines[:3]]), 60)
    assert {"finger", "seconds", "au", "high (16)", "medium (7)", "low (7)"} <= set(texts(figure).split("\n"))


def test_of_a_long_recording_the_ends_and_the_least_sure_beat_are_drawn() -> None:
    trace = np.full(200_000, 0.6)
    trace[100_015] = 0.02
    figure = beats(4000, trace=trace)
    assert [axes.get_xlim() for axes in figure.axes[1:]] == [(0, 20), (1990, 2010), (3980, 4000)]
    assert "around the beat that is least sure" in texts(figure)
    columns = figure.axes[0].collections
    assert 200 < len(columns) <= 300  # in place of 4,000 dots that hide one another
    assert (
        len({tuple(column.get_facecolor()[0]) for column in columns}) == 1
    )  # "high" is commonest throughout
    assert figure.axes[0].get_xlabel() == "minutes"
    assert figure.axes[0].get_xlim() == pytest.approx((0, 4000 / 60))


@pytest.mark.parametrize("seconds", [5.0, 24.0, 30.5, 40.02, 60.3, 119.9])
def test_no_strip_of_a_short_recording_is_empty(seconds: float) -> None:
    figure = beats(seconds)
    spans = [axes.get_xlim() for axes in figure.axes[1:]]
    lengths = np.diff(spans)[:, 0]
    np.testing.assert_allclose(lengths, lengths[0])
    assert lengths[0] <= 25
    assert spans[-1][1] == pytest.approx(seconds, abs=0.01)
    for axes in figure.axes[1:]:
        assert np.ptp(axes.lines[0].get_xdata()) > 0.95 * lengths[0]


def test_no_interval_is_drawn_across_what_was_not_judged() -> None:
    rate = beats(30, unjudged=[(5.5, 6.2)]).axes[0]
    drawn = np.concatenate([line.get_xdata()[~np.isnan(line.get_ydata())] for line in rate.lines[:3]])
    assert sorted(drawn) == pytest.approx([i + 0.3 for i in range(1, 30) if i != 6])
    assert "not judged" in texts(rate.figure)


def test_no_beats_are_said_so() -> None:
    figure = beats(10, samples=[], categories=())
    assert "finger · no beats" in texts(figure)
    assert len(figure.axes) == 1


def test_probability_is_drawn_over_time_beside_its_most_telling_windows() -> None:
    begin = np.arange(0, 100, 5.0)
    said = np.full(20, 0.1)
    said[[3, 7, 9, 12]] = 0.95, 0.45, 0.01, np.nan
    signal = np.sin(np.arange(10_000) / 7)
    figure = rhythm_figure(
        signal, fs=100.0, begin=begin, end=begin + 5, probability=said, start=50.0, unit="mV"
    )
    (bars,) = (c for c in figure.axes[0].collections if isinstance(c, LineCollection))
    assert len(bars.get_segments()) == 19
    assert bars.get_segments()[3].tolist() == [[65, 0.95], [70, 0.95]]
    assert len({tuple(colour) for colour in bars.get_colors()}) == 2
    assert [axes.get_xlim() for axes in figure.axes[1:]] == [(65, 70), (85, 90), (95, 100)]
    assert {"highest: 0.95", "nearest to a half: 0.45", "lowest: 0.01", "not judged", "mV"} <= set(
        texts(figure).split("\n")
    )
    short = rhythm_figure(signal[:500], fs=100.0, begin=[0], end=[5], probability=[np.nan])
    assert len(short.axes) == 2
    none = rhythm_figure(signal, fs=100.0, begin=begin, end=begin + 5, probability=np.full(20, np.nan))
    assert len(none.axes) == 6


@pytest.mark.parametrize(
    ("said", "titles"),
    [
        ([0.1] * 10 + [0.3] + [0.2] * 9, ["highest, nearest to a half: 0.30", "lowest: 0.10"]),
        ([0.9] * 10 + [0.6] + [0.8] * 9, ["highest: 0.90", "nearest to a half, lowest: 0.60"]),
        ([0.7] * 20, ["highest, nearest to a half, lowest: 0.70"]),
    ],
)
def test_no_window_is_drawn_twice(said: list[float], titles: list[str]) -> None:
    begin = np.arange(0, 100, 5.0)
    figure = rhythm_figure(
        np.sin(np.arange(10_000) / 7), fs=100.0, begin=begin, end=begin + 5, probability=np.array(said)
    )
    assert [axes.get_title(loc="left") for axes in figure.axes[1:]] == titles


def test_a_beat_found_at_its_moment_lies_in_the_middle_bin() -> None:
    figure = timing_figure({"model": [0.0, 0.0, 0.15, -0.15]}, tolerance=0.15)
    (outline, _) = (each for each in figure.axes[0].patches)
    shares, edges, _ = outline.get_data()
    assert (shares[0], shares[30], shares[-1]) == (25, 50, 25)
    np.testing.assert_allclose(edges[30:32], [-2.5, 2.5], atol=1e-9)


def test_marks_of_numbers_are_told_apart() -> None:
    figure = agreement_figure([1.0, 2], [1.0, 3], ["a", "b"], name="age (years)", of="patient")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a window", "mean of a patient"]
