"""An ECG on paper is true to scale: one millimetre of the figure is one millimetre of paper."""

from __future__ import annotations

import io
import re
import zlib

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from physiolect import synthetic
from physiolect.errors import ConfigError, ContractError
from physiolect.plots import Paper, ecg_paper_figure, sheet_notes
from physiolect.recording import LEADS, Annotations, Recording

FS = 500.0
LAYOUTS = ("3x4", "6x2", "12x1", "strip")


def steps(leads: tuple[str, ...] = LEADS, seconds: float = 10.0, fs: float = FS) -> Recording:
    """Return a recording of 1 mV in each first half of a second but the first, and 0 else."""
    time = np.arange(round(seconds * fs)) / fs
    wave = ((time % 1 < 0.4) & (time >= 1)).astype(np.float32)
    return Recording(np.tile(wave, (len(leads), 1)), fs, leads, "mV", "ecg")


def lines(figure: Figure, label: str) -> list[np.ndarray]:
    """Return the lines of a label in millimetres of the figure, from its lower left corner."""
    figure.draw_without_rendering()
    found = []
    for line in figure.axes[0].lines:
        if isinstance(line, Line2D) and line.get_label() == label:
            pixels = line.get_transform().transform(line.get_xydata())
            found.append(pixels / figure.dpi * 25.4)
    return found


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("speed", "gain"), [(25.0, 10.0), (50.0, 20.0), (25.0, 5.0)])
def test_a_second_and_a_millivolt_have_the_length_that_is_stated(
    layout: str, speed: float, gain: float
) -> None:
    figure = ecg_paper_figure(steps(), layout=layout, paper=Paper(speed, gain))
    x, y = lines(figure, "lead II")[-1].T
    assert np.diff(x) == pytest.approx(speed / FS)
    assert np.ptp(y) == pytest.approx(gain)
    for pulse in lines(figure, "calibration"):
        assert np.ptp(pulse[:, 1]) == pytest.approx(gain)
        assert pulse[4, 0] - pulse[1, 0] == pytest.approx(0.2 * speed)
    assert any(f"{speed:g} mm/s · {gain:g} mm/mV" in text for text in texts(figure))


def test_the_grid_has_lines_every_millimetre_and_stronger_ones_every_fifth() -> None:
    figure = ecg_paper_figure(steps())
    figure.draw_without_rendering()
    spacing = {}
    for grid in figure.axes[0].collections:
        assert isinstance(grid, LineCollection)
        ends = np.array(grid.get_segments())  # (lines, 2, 2)
        upright = ends[ends[:, 0, 0] == ends[:, 1, 0], 0]
        at = grid.get_transform().transform(upright)[:, 0] / figure.dpi * 25.4
        spacing[grid.get_label()] = (np.diff(at), grid.get_linewidths()[0])
    assert spacing["1 mm"][0] == pytest.approx(1.0)
    assert spacing["5 mm"][0] == pytest.approx(5.0)
    assert spacing["5 mm"][1] > spacing["1 mm"][1]


def test_a_pdf_is_as_large_as_the_paper_and_holds_lines_to_scale() -> None:
    figure = ecg_paper_figure(steps(), layout="3x4")
    held = io.BytesIO()
    figure.savefig(held, format="pdf")
    content = held.getvalue()
    box = re.search(rb"/MediaBox \[ ?([\d. ]+) ?\]", content)
    assert box is not None
    width, height = (float(each) / 72 * 25.4 for each in box[1].split()[2:])
    assert (width, height) == pytest.approx((297, 195), abs=0.01)
    streams = [
        zlib.decompress(part) for part in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL)
        if part[:1] == b"x"
    ]  # fmt: skip
    path = max(streams, key=len).decode("latin-1")
    # the calibration pulse: four corners at one x or one y, 10 mm apart
    points = np.array(re.findall(r"^([\d.]+) ([\d.]+) [ml]$", path, re.MULTILINE), float) / 72 * 25.4
    rises = np.abs(np.diff(points, axis=0))
    assert np.isclose(rises, (0, 10), atol=0.01).all(axis=1).sum() >= 8  # up and down, four rows
    assert np.isclose(rises, (5, 0), atol=0.01).all(axis=1).sum() >= 4


def test_columns_follow_one_another_in_time() -> None:
    recording = steps()
    ramp = Recording(recording.signal + np.arange(5000, dtype=np.float32) / 500, FS, LEADS, "mV", "ecg")
    figure = ecg_paper_figure(ramp, layout="3x4")
    for column, lead in enumerate(("I", "aVR", "V1", "V4")):
        (drawn,) = lines(figure, f"lead {lead}")
        assert drawn[0, 0] == pytest.approx(25 + 62.5 * column, abs=0.05)
        assert drawn[-1, 0] == pytest.approx(25 + 62.5 * (column + 1), abs=0.06)
    whole = max(lines(figure, "lead II"), key=len)
    assert len(whole) == 5000
    assert len(lines(figure, "divider")) == 2 * 9


def test_missing_samples_leave_gaps_and_missing_leads_are_named() -> None:
    whole = steps()
    signal = whole.signal.copy()
    signal[1, 600:700] = np.nan
    figure = ecg_paper_figure(Recording(signal[:8], FS, LEADS[:8], "mV", "ecg"), layout="3x4")
    assert np.isnan(lines(figure, "lead II")[0][600:700, 1]).all()
    assert "V6 (not recorded)" in texts(figure)
    assert not lines(figure, "lead V6")


def test_a_channel_without_voltage_has_its_own_scale_and_no_pulse() -> None:
    time = np.arange(2500) / 250
    signal = np.stack([np.sin(time), 40 * np.sin(7 * time)]).astype(np.float32)
    figure = ecg_paper_figure(Recording(signal, 250, ("II", "PLETH"), ("mV", "NU")))
    assert any("PLETH: 10 mm = 100 NU" in text for text in texts(figure))
    assert len(lines(figure, "calibration")) == 1
    assert np.ptp(lines(figure, "lead PLETH")[0][:, 1]) == pytest.approx(8, rel=0.02)
    alone = ecg_paper_figure(Recording(signal[:1], 250, ("II",), None, "ecg"))
    assert any("of an unknown unit" in text and "mm/mV" not in text for text in texts(alone))


@pytest.mark.parametrize(("unit", "factor"), [("uV", 1e3), ("V", 1e-3)])
def test_other_voltages_are_converted(unit: str, factor: float) -> None:
    whole = steps()
    figure = ecg_paper_figure(Recording(whole.signal * np.float32(factor), FS, LEADS, unit, "ecg"))
    assert np.ptp(lines(figure, "lead II")[-1][:, 1]) == pytest.approx(10, rel=1e-5)


def test_a_long_strip_is_drawn_in_part_and_says_so() -> None:
    figure = ecg_paper_figure(steps(("II",), seconds=150, fs=100))
    assert len(lines(figure, "lead II")) == 12
    assert any("first 120 s of 150 s" in text for text in texts(figure))
    assert any("first 10 s of 12 s" in text for text in texts(ecg_paper_figure(steps(seconds=12))))


def test_channels_that_a_layout_leaves_out_are_named() -> None:
    figure = ecg_paper_figure(steps((*LEADS, "vx", "vy")))
    assert any("not drawn: vx, vy" in text for text in texts(figure))


def test_marked_beats_get_their_letters_where_they_are() -> None:
    whole = steps()
    marked = Recording(
        whole.signal, FS, LEADS, "mV", "ecg", Annotations(np.array([0, 1000, 2000]), ("+", "N", "V"))
    )
    figure = ecg_paper_figure(marked, layout="3x4")
    at = {text.get_text(): text.get_position()[0] for text in figure.findobj(matplotlib.text.Text)}
    assert at["N"] == pytest.approx(25 + 50)
    assert at["V"] == pytest.approx(25 + 100)
    assert "N" not in texts(ecg_paper_figure(marked, layout="3x4", marks=False))


def test_no_lead_crosses_the_letter_of_a_beat() -> None:
    signal = np.zeros((1, 5000), np.float32)
    signal[0, 995:1006], signal[0, 1995:2006] = 0.5, 1.4
    marks = Annotations(np.array([1000, 2000]), ("N", "V"))
    figure = ecg_paper_figure(Recording(signal, 500.0, ("II",), "mV", "ecg", marks))
    at = {text.get_text(): text for text in figure.findobj(matplotlib.text.Text)}
    assert at["N"].get_position()[0] == pytest.approx(25 + 50, abs=5)
    assert at["V"].get_ha() == "right"
    assert at["V"].get_position()[0] < at["N"].get_position()[0] + 50


def test_the_layout_follows_the_leads() -> None:
    assert len(lines(ecg_paper_figure(synthetic.ecg(seconds=10)), "divider")) == 18
    assert not lines(ecg_paper_figure(steps(("I", "II", "III"))), "divider")


def test_a_sheet_of_twelve_leads_fits_a4() -> None:
    for layout in ("3x4", "6x2", "12x1"):
        width, height = ecg_paper_figure(steps(), layout=layout).get_size_inches() * 25.4
        assert width == pytest.approx(297)
        assert height <= 210


@pytest.mark.parametrize(
    ("recording", "settings", "what"),
    [
        (steps(("ch1",)), {"layout": "3x4"}, "layout 3x4 needs standard leads"),
        (steps(("II", "MLII")), {"layout": "3x4"}, "are both lead II"),
        (steps(), {"layout": "4x3"}, "layout is '4x3'"),
        (steps(), {"paper": Paper(speed=0)}, "speed is 0 mm/s"),
        (steps(), {"paper": Paper(gain=float("nan"))}, "gain is nan mm/mV"),
    ],
)
def test_what_cannot_be_drawn_is_refused(recording: Recording, settings: dict, what: str) -> None:
    with pytest.raises((ContractError, ConfigError), match=re.escape(what)) as refused:
        ecg_paper_figure(recording, **settings)
    assert refused.value.hint


def test_flat_missing_and_short_signals_are_drawn() -> None:
    for signal in (np.zeros((1, 1)), np.full((1, 50), np.nan), np.full((2, 3), 7.0), np.full((1, 500), 1e20)):
        figure = ecg_paper_figure(Recording(signal.astype(np.float32), 100))
        figure.savefig(io.BytesIO())


@pytest.mark.parametrize(("seconds", "has_small"), [(3.0, True), (10.0, False)])
def test_a_drawn_recording_in_millivolts_lies_on_squares(seconds: float, has_small: bool) -> None:
    made = synthetic.ecg(seconds=seconds, leads=("II",))
    axes = made.plot().axes[0]
    ends = [np.array(each.get_segments()) for each in axes.collections if isinstance(each, LineCollection)]
    upright = [np.unique(each[:, 0, 0]) for each in ends if (each[:, 0, 0] == each[:, 1, 0]).all()]
    apart = sorted(float(np.diff(at).mean()) for at in upright)
    assert apart == pytest.approx([0.04, 0.2] if has_small else [0.2])
    unknown = Recording(made.signal, made.fs, made.channels, None, "ecg").plot().axes[0]
    assert not [each for each in unknown.collections if isinstance(each, LineCollection)]


def test_names_out_of_files_are_drawn_as_they_are() -> None:
    signal = np.zeros((2, 100), np.float32)
    figure = ecg_paper_figure(Recording(signal, 100, ("$\\frac$", "a\x1bb"), "mV", source="x$_$y\x07.csv"))
    figure.savefig(io.BytesIO())
    found = texts(figure)
    assert "$\\frac$" in found
    assert not any("\x1b" in text or "\x07" in text for text in found)


def test_a_strip_of_many_channels_is_drawn_in_part_and_says_so() -> None:
    figure = ecg_paper_figure(Recording(np.zeros((512, 600), np.float32), 100))
    assert len([line for line in figure.axes[0].lines if str(line.get_label()).startswith("lead ")]) == 24
    assert any("first 24 of 512 channels" in text for text in texts(figure))


def test_leads_without_a_unit_share_one_scale_and_no_calibration_pulse() -> None:
    signal = np.outer(np.arange(1, 13), np.sin(np.arange(5000) / 50)).astype(np.float32)
    figure = ecg_paper_figure(Recording(signal, FS, LEADS, None, "ecg"), layout="12x1")
    assert not lines(figure, "calibration")
    heights = [np.ptp(lines(figure, f"lead {lead}")[0][:, 1]) for lead in LEADS]
    np.testing.assert_allclose(np.array(heights) / heights[0], np.arange(1, 13), rtol=1e-3)
    assert any("12 leads: 10 mm = 20 of an unknown unit" in text for text in texts(figure))


@pytest.mark.parametrize(("seconds", "at_once"), [(1.0, True), (4.0, True), (9.5, False), (10.0, False)])
def test_every_column_of_a_short_recording_holds_signal(seconds: float, at_once: bool) -> None:
    figure = ecg_paper_figure(steps(seconds=seconds), layout="3x4")
    for lead in LEADS:
        assert len(lines(figure, f"lead {lead}")[0]) > 1
    assert any("all columns begin at its start" in text for text in texts(figure)) == at_once


def test_leads_without_samples_are_named_so_and_are_no_rhythm_strip() -> None:
    recording = steps()
    recording.signal[1] = np.nan
    recording.signal[6] = 0.0
    figure = ecg_paper_figure(recording, layout="3x4")
    assert "II (no samples)" in texts(figure)
    assert len(lines(figure, "lead I")) == 2  # and not II, which is missing, or V1, which is flat


def test_what_reaches_beyond_the_sheet_is_cut_off_and_named() -> None:
    recording = steps()
    recording.signal[9] *= 100
    figure = ecg_paper_figure(recording, layout="3x4")
    assert any("cut off at the edge: V4" in text for text in texts(figure))
    assert sheet_notes(recording, layout="3x4") == (
        "cut off at the edge: V4, for which a gain below 10 is needed",
    )
    figure.draw_without_rendering()
    (line,) = [each for each in figure.axes[0].lines if each.get_label() == "lead V4"]
    assert line.get_clip_box().height / figure.dpi * 25.4 == pytest.approx(170)
    assert sheet_notes(steps()) == ()


def test_channels_that_are_the_same_lead_are_drawn_as_a_strip() -> None:
    figure = ecg_paper_figure(steps(("II", "MLII", "V1")))
    assert len(lines(figure, "lead II")) == len(lines(figure, "lead MLII")) == 1
