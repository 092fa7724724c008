"""A Holter's report: one page of counts, episodes and strips, and its tables as files."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from physiolect.detection import HolterResult, length_text
from physiolect.detection.ectopy import LONGEST, PAUSE, RATE_INTERVALS
from physiolect.detection.heart_rate_variability import UNITS
from physiolect.files import replacing
from physiolect.plots import ecg_paper_figure
from physiolect.report.html import Report

STRIP = 10.0
"""Seconds of a strip: one row of paper."""
_LISTED = 10
"""Episodes and pauses that the page lists; the tables have all."""
_MEASURES = ("MeanNN", "SDNN", "SDANN5", "SDNNI5", "RMSSD", "pNN50", "LF", "HF", "LFHF", "SD1", "SD2")
_NOT_KNOWN = "–"
_TO = "\u2060–\u2060"
"""A dash at which no line breaks."""


@dataclass(frozen=True)
class Moment:
    """A stretch of the recording that is worth a look."""

    title: str
    start: float
    """When the strip begins, in seconds of the recording."""


def write_holter(result: HolterResult, folder: Path) -> list[Path]:
    """Write the page and the tables of hours and of episodes, each whole or not at all.

    Args:
        result: of `detect_all`.
        folder: is there already.

    Returns:
        holter-hours.csv, holter-episodes.csv, holter.html.

    Raises:
        WriteError: a file cannot be written.
    """
    files = [folder / f"holter-{name}.csv" for name in ("hours", "episodes")]
    for file, rows in zip(files, (_hour_rows(result), _episode_rows(result)), strict=True):
        with replacing(file) as path, path.open("w", encoding="utf-8", newline="") as opened:
            csv.writer(opened, lineterminator="\n").writerows(rows)
    files.append(folder / "holter.html")
    with replacing(files[-1]) as path:
        path.write_text(holter_report(result).html(), encoding="utf-8")
    return files


def holter_report(result: HolterResult) -> Report:
    """Return the page: overview, hours, rhythm, pauses, ectopic beats, variability, strips on ECG paper, and limits."""
    source = Path(result.recording.source).name or "recording"
    page = Report(f"Holter report: {source}").text(
        "**Computed by Physiolect's detectors without a physician. This is no medical device: nothing here is a "
        "diagnosis, and no decision about a person may rest on it.**"
    )
    page.table(("", ""), list(_overview(result)))
    page.figure(
        result.plot(),
        f"Rate ({RATE_INTERVALS} intervals in a row: range and mean), {result.rhythm_name}, ectopic beats and pauses. "
        "Bars count beats; the number beside them is that of the highest.",
    )
    _hours(page, result)
    _rhythm(page, result)
    _pauses(page, result)
    _ectopy(page, result)
    _variability(page, result)
    _strips(page, result)
    return page.text(_LIMITS)


_LIMITS = "\n".join(
    (
        "## Limits",
        "",
        "- The classes are AAMI's: N holds all beats that are neither ectopic nor fused, bundle branch block too. "
        "S beats are found least reliably. In atrial fibrillation the model's S beats mean nothing: hours list them, "
        "and the table of ectopic beats leaves them out. Q are paced beats and those that cannot be sorted: few "
        "recordings taught it, and beats of reversed electrodes may count as Q.",
        "- Noise and loose electrodes produce beats that are not there and hide others. Each missed beat looks like "
        "a pause, and so does ventricular flutter or fibrillation. Look at the strips and at the recording itself "
        "before you believe a pause, a run or a rate.",
        "- The rhythm is judged over windows of half a minute: shorter episodes are missed, and each begins or ends "
        "some seconds early or late. Atrial flutter may count as fibrillation or as neither.",
        f"- Least and greatest rates are of {RATE_INTERVALS} intervals in a row. A pause is an interval of more than "
        f"{PAUSE:g} s and at most {LONGEST:g} s.",
        "- The detectors learned from public recordings. How well they do, and on which, is in their model cards.",
    )
)


def telling_moments(result: HolterResult) -> list[Moment]:
    """Return the moments that a strip is drawn of: longest pause and runs, fastest, slowest, longest episode."""
    found = []
    pause = max(result.pauses, key=lambda each: each.stop - each.start, default=None)
    if pause is not None:
        length = pause.stop - pause.start
        title = f"Longest pause, {length:.2f} s"
        found.append(Moment(title, (pause.start + min(length, STRIP - 2) / 2) - STRIP / 2))
    silent = max(result.without_beats, key=lambda each: each.stop - each.start, default=None)
    if silent is not None:
        found.append(
            Moment(
                f"No beat found for {length_text(silent.stop - silent.start)}, its beginning",
                silent.start - 1,
            )
        )
    for name, each in result.ectopy.items():
        run = each.longest_run
        if run is not None:
            title = f"Longest run of {name} beats, {run.beats} beats"
            found.append(Moment(title, run.start - max(1.0, (STRIP - (run.stop - run.start)) / 2)))
        elif each.beats:
            at = float(result.times[result.ectopic(name)][0])
            found.append(Moment(f"First {name} beat", at - STRIP / 2))
    moments, rates = result.rates
    if len(rates):
        for title, k in (("Fastest", int(rates.argmax())), ("Slowest", int(rates.argmin()))):
            found.append(Moment(f"{title}, {rates[k]:.0f} a minute", float(moments[k]) - STRIP / 2))
    episodes = result.rhythm_episodes()
    if episodes:
        first = episodes[0]
        title = f"Longest {result.rhythm_name}, {length_text(first.stop - first.start)}, its middle"
        found.append(Moment(title, (first.start + first.stop - STRIP) / 2))
    latest = max(0.0, result.recording.duration - STRIP)
    return [replace(each, start=float(np.clip(each.start, 0.0, latest))) for each in found]


def _overview(result: HolterResult) -> Iterator[tuple[str, str]]:
    recording, beats = result.recording, result.beats
    start = f", from {result.moment(0)}" if recording.start_time is not None else ""
    missing = sum(each.stop - each.start for each in beats.unjudged)
    yield "recorded", f"{length_text(recording.duration)}{start}"
    yield "channels", f"{result.channel}, {recording.fs:g} Hz"
    yield (
        "judged",
        length_text(recording.duration - missing) + (" (interrupted)" if result.interrupted else ""),
    )
    for name, text in result._lines():
        if name != "not judged":
            yield name, text


def _hours(page: Report, result: HolterResult) -> None:
    classes = result.heartbeats.classes
    rows = [
        (
            result.moment(hour.start)[:-3], *(f"{hour.beats[name]:,}" for name in classes), _share(hour.rhythm_share),
            _whole(hour.rate), f"{_whole(hour.lowest)}{_TO}{_whole(hour.highest)}", hour.pauses, _share(hour.judged),
        )
        for hour in result.hours
    ]  # fmt: skip
    page.text("## Hour by hour")
    page.table(
        ("from", *classes, result.rhythm_name, "mean", "range", "pauses", "judged"), rows,
        f"Beats by class, share of {result.rhythm_name}, and beats a minute.",
    )  # fmt: skip


def _rhythm(page: Report, result: HolterResult) -> None:
    name, episodes = result.rhythm_name, result.rhythm_episodes()
    page.text(f"## Rhythm: {name}")
    if np.isnan(result.rhythm_share):
        page.text("Nothing could be judged.")
    elif not episodes:
        page.text(f"No {name} was found.")
    else:
        rows = [
            (result.moment(each.start), result.moment(each.stop), length_text(each.stop - each.start))
            for each in episodes[:_LISTED]
        ]
        page.table(("from", "to", "length"), rows, _listed(len(episodes)))


def _pauses(page: Report, result: HolterResult) -> None:
    page.text(f"## Pauses of more than {PAUSE:g} s")
    if result.without_beats:
        rows = [
            (result.moment(each.start), length_text(each.stop - each.start))
            for each in result.without_beats[:_LISTED]
        ]
        page.text(
            f"**In {len(result.without_beats):,} stretches of more than {LONGEST:g} s no beat was found.** They may "
            "hold noise, ventricular flutter or fibrillation, in which no beat is marked, or a standstill: look there."
        )
        page.table(("no beat from", "length"), rows)
    if not result.pauses:
        page.text("None was found.")
        return
    longest = sorted(result.pauses, key=lambda each: each.start - each.stop)[:_LISTED]
    rows = [(result.moment(each.start), f"{each.stop - each.start:.2f} s") for each in longest]
    page.table(("from", "length"), rows, _listed(len(result.pauses)))


def _ectopy(page: Report, result: HolterResult) -> None:
    page.text("## Ectopic beats")
    hours = result.recording.duration / 3600
    rows = []
    for name, each in result.ectopy.items():
        run = each.longest_run
        longest = _NOT_KNOWN if run is None else f"{run.beats},\u00a0at\u00a0{result.moment(run.start)}"
        hourly = f"{each.beats / hours:,.0f}" if hours >= 1 else _NOT_KNOWN
        rows.append(
            (name, f"{each.beats:,}", hourly, f"{each.single:,}", f"{len(each.couplets):,}",
             f"{len(each.runs):,}", longest, f"{len(each.bigeminy):,}")
        )  # fmt: skip
    headers = ("class", "beats", "an hour", "single", "couplets", "runs", "longest run", "bigeminy")
    words = "A run is three or more in a row; bigeminy, three or more in turn with other beats."
    left_out = {
        name: result.heartbeats.counts[name] - each.beats
        for name, each in result.ectopy.items()
        if each.beats < result.heartbeats.counts[name]
    }
    for name, n in left_out.items():
        words += f" {n:,} {name} beats in {result.rhythm_name} are left out."
    page.table(headers, rows, words)


def _variability(page: Report, result: HolterResult) -> None:
    page.text("## Heart-rate variability")
    found = result.variability
    if found is None:
        page.text("Left out: it needs NeuroKit2, `pip install 'physiolect[evaluation]'`.")
        return
    known = [name for name in _MEASURES if np.isfinite(found.measures[name])]
    if not known:
        page.text("Too few beats in a row.")
        return
    rows = [(name, f"{found.measures[name]:.4g}", UNITS[name].replace("ms2", "ms²")) for name in known]
    page.table(
        ("measure", "value", "unit"), rows, f"Outside {result.rhythm_name}, after correction of artefacts."
    )
    if found.doubtful:
        page.text(
            f"{found.corrected_share:.0%} of the beats were corrected: these measures may not be reliable."
        )


def _strips(page: Report, result: HolterResult) -> None:
    page.text("## Strips")
    marked = replace(result.recording, annotations=result.heartbeats.annotations())
    for moment in telling_moments(result):
        stretch = marked.slice(moment.start, min(moment.start + STRIP, marked.duration))
        at = result.moment(moment.start)
        figure = ecg_paper_figure(stretch, layout="strip", title=f"{moment.title} · {at}")
        page.figure(
            figure, f"{moment.title}: {length_text(stretch.duration)} from {at}. Letters are the classes."
        )


def _hour_rows(result: HolterResult) -> Iterator[Sequence[Any]]:
    classes = result.heartbeats.classes
    yield [
        "start_s", "stop_s", "start", *(f"beats_{name}" for name in classes), "rate_bpm", "lowest_bpm", "highest_bpm",
        "pauses", f"share_{result.rhythm.positive}", "share_judged",
    ]  # fmt: skip
    for hour in result.hours:
        numbers = (hour.rate, hour.lowest, hour.highest, hour.pauses, hour.rhythm_share, hour.judged)
        yield [
            f"{hour.start + result.first:g}", f"{hour.stop + result.first:g}", result.moment(hour.start),
            *(hour.beats[name] for name in classes), *(_cell(each) for each in numbers),
        ]  # fmt: skip


def _episode_rows(result: HolterResult) -> Iterator[Sequence[Any]]:
    """Yield rhythms, pauses, couplets, runs and bigeminy, in order of time."""
    yield ["start_s", "stop_s", "start", "what", "beats"]
    found: list[tuple[float, float, str, object]] = [
        (each.start, each.stop, each.rhythm or "not judged", "") for each in result.episodes()
    ]
    found += [(each.start, each.stop, "pause", "") for each in result.pauses]
    found += [(each.start, each.stop, "no beat", "") for each in result.without_beats]
    for name, ectopy in result.ectopy.items():
        for what in ("couplets", "runs", "bigeminy"):
            word = f"{name} {what.removesuffix('s')}"
            found += [(each.start, each.stop, word, each.beats) for each in getattr(ectopy, what)]
    for start, stop, what, beats in sorted(found, key=lambda each: (each[0], each[1])):
        yield [f"{start + result.first:.6f}", f"{stop + result.first:.6f}", result.moment(start), what, beats]


def _listed(n: int) -> str:
    return f"The {_LISTED} longest of {n:,}." if n > _LISTED else "The longest first."


def _cell(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.6g}"


def _whole(value: float) -> str:
    return _NOT_KNOWN if np.isnan(value) else f"{value:.0f}"


def _share(value: float) -> str:
    return _NOT_KNOWN if np.isnan(value) else f"{value:.1%}"
