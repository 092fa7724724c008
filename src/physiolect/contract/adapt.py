"""Making a recording fit a contract, or saying why it cannot be done."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, floor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physiolect.contract.channels import channel_modality, choose_channels, model_names
from physiolect.contract.contract import InputContract
from physiolect.contract.latest import latest_good
from physiolect.contract.report import AdaptationReport, Findings
from physiolect.contract.units import unit_factors
from physiolect.contract.window import Plan, WindowChoice, gap_samples, plan_window
from physiolect.errors import check_option
from physiolect.recording import NEURAL, Annotations, Recording, later, names_text, seconds_text
from physiolect.signals import bridge_gaps, filter_band, find_gaps, preprocess, resample
from physiolect.signals.preprocessing import Preset

Signal = NDArray[np.floating]

_STANDARD = 1e-5  # mean and deviation this near 0 and 1 are z-scores already


def adapt(
    recording: Recording,
    contract: InputContract,
    channel: str | int | None = None,
    *,
    window: WindowChoice = "last",
    first: float = 0.0,
) -> tuple[Recording, AdaptationReport]:
    """Make a recording into what a model accepts, and report what that took.

    The steps are: choose channels, convert units, bridge gaps, filter the passband and change the rate (or apply
    the contract's preprocessing instead of these two), take the window, z-score the amplitude. What fits already is
    left alone: adapting twice equals adapting once, except where the contract has a passband or preprocessing, which
    filter again. Only samples that the window depends on are touched; the result equals adapting the whole recording.

    Args:
        recording: the signal to adapt.
        contract: what the model accepts.
        channel: the one channel to take, whatever the contract names: a name, an alias, or a number from 0.
        window: "last" takes at most the last `contract.max_samples`; "all" keeps the whole length.
        first: when the recording begins, in seconds of the one it was cut from, so that refusals name its times.

    Returns:
        The recording as the contract wants it, with annotations moved along, and the report.

    Raises:
        ContractError: the recording cannot be adapted; the message lists all reasons found.
    """
    rows, factors, plan, block, gaps, findings = _examine(recording, contract, channel, window, first)
    signal = _bridge(_scale(block.signal, factors), gaps, block, plan, contract.max_gap, findings)
    if contract.modality == "spikes":
        signal = _in_bins(signal, recording.fs, contract.fs, plan, findings)
    else:
        signal = _at_rate(signal, recording.fs, contract, plan, findings)
    signal = _take_window(signal, recording, contract, plan, findings)
    offset, scale = np.zeros(len(rows)), np.ones(len(rows))  # (channels,) each
    if contract.normalisation == "zscore":
        offset, scale = _moments(signal, block.channels, findings)
        signal = (signal - offset[:, np.newaxis]) / scale[:, np.newaxis]
    return _adapted(recording, rows, block, signal, contract, plan), AdaptationReport(
        steps=tuple(findings.steps),
        notices=tuple(dict.fromkeys(findings.notices)),
        start=float(plan.start / plan.ratio) / recording.fs,
        units=block.units,
        scale=tuple((scale / factors).tolist()),
        offset=tuple((offset / factors).tolist()),
    )


def check_adaptable(
    recording: Recording,
    contract: InputContract,
    channel: str | int | None = None,
    *,
    window: WindowChoice = "last",
) -> None:
    """Refuse a recording that `adapt` would refuse, without adapting it; the arguments are those of `adapt`.

    Raises:
        ContractError: the recording cannot be adapted.
    """
    _examine(recording, contract, channel, window)


class _Examined(NamedTuple):
    """What adapting a recording needs to know about it."""

    rows: list[int]
    factors: list[float]
    plan: Plan
    block: Recording
    gaps: NDArray[np.int64]
    findings: Findings


def _examine(
    recording: Recording,
    contract: InputContract,
    channel: str | int | None,
    window: WindowChoice,
    first: float = 0.0,
) -> _Examined:
    """Choose channels, factors and the window, and refuse what cannot be adapted."""
    check_option("window", window, ("last", "all"))
    findings = Findings(notices=list(recording.notices), reading=recording.notices, first=first)
    rows = choose_channels(recording, contract, channel, findings)
    factors = unit_factors(recording, rows, contract.unit, findings)
    plan = plan_window(recording, contract, window, findings)
    if plan is not None and contract.modality == "spikes" and plan.ratio.numerator != 1:
        findings.refuse(
            f"the counts are of bins of {1000 / recording.fs:g} ms, but the model reads bins of "
            f"{1000 / contract.fs:g} ms, which is no multiple of them",
            f"count the spikes in bins of {1000 / contract.fs:g} ms",
        )
        plan = None
    if not rows or plan is None:
        raise findings.error()
    block = recording.slice(plan.first, None, by="samples").select(rows)
    gaps = find_gaps(block.signal)
    _check_samples(block, gaps, plan, contract, findings)
    if findings.refusals:
        _offer_latest(recording, rows, plan, contract, findings)
        raise findings.error()
    return _Examined(rows, factors, plan, block, gaps, findings)


def split_at_gaps(recording: Recording, max_gap: float) -> list[tuple[float, Recording]]:
    """Return the stretches between gaps too long to bridge, and where in seconds each begins; nothing is copied.

    Args:
        recording: what to split; a gap in any one channel ends a stretch.
        max_gap: longest gap, in seconds, that may stay inside a stretch.
    """
    gaps = find_gaps(recording.signal)
    long = gaps[gaps[:, 2] - gaps[:, 1] > gap_samples(recording.fs, max_gap)]
    stretches, begin, end = [], 0, recording.n_samples
    for _, start, stop in [*long[np.argsort(long[:, 1])].tolist(), (0, end, end)]:
        if start > begin:
            stretches.append((begin / recording.fs, recording.slice(begin, start, by="samples")))
        begin = max(begin, stop)
    return stretches


def _check_samples(
    block: Recording, gaps: NDArray[np.int64], plan: Plan, contract: InputContract, findings: Findings
) -> None:
    """Refuse what no model can use: long gaps, infinite samples, flat or empty channels."""
    opening = plan.opening - plan.first
    inside = gaps[gaps[:, 2] > opening]
    too_long = inside[inside[:, 2] - inside[:, 1] > gap_samples(block.fs, contract.max_gap)]
    for row, start, stop in too_long[:1].tolist():
        more = f", the first of {len(too_long)} such gaps" if len(too_long) > 1 else ""
        findings.refuse(
            f"channel {block.channels[row]} misses {seconds_text((stop - start) / block.fs)} of samples from "
            f"{seconds_text(findings.first + (plan.first + start) / block.fs)} on{more}, but at most "
            f"{seconds_text(contract.max_gap)} can be bridged",
            "choose a stretch without the gap",
        )
    for row in np.flatnonzero(np.isinf(block.signal).any(axis=1)):
        where = plan.first + int(np.isinf(block.signal[row]).argmax())
        findings.refuse(
            f"channel {block.channels[row]} is infinite at {seconds_text(findings.first + where / block.fs)}",
            "mark bad samples as missing (NaN), or choose another stretch",
        )
    view = block.signal[:, opening:]
    begin, end = (findings.first + (plan.first + place) / block.fs for place in (opening, block.n_samples))
    window = (
        f"in the window, {seconds_text(begin)[:-2]} to {seconds_text(end)}"
        if plan.opening or findings.first
        else ""
    )
    lowest, highest = np.fmin.reduce(view, axis=1), np.fmax.reduce(view, axis=1)
    for row in np.flatnonzero(np.isnan(lowest)):
        findings.refuse(
            f"channel {block.channels[row]} has no samples {window or 'in the window'}",
            "choose another channel or stretch",
        )
    flat = np.flatnonzero(lowest == highest)
    if contract.modality in NEURAL and len(flat) == len(block.channels) > 1:
        findings.refuse(
            f"none of the {len(flat)} channels ever changes {window}".rstrip(),
            "choose another recording or stretch",
        )
        return
    if contract.modality in NEURAL and len(flat) < len(block.channels):
        _notice_silent(block, flat, contract, findings)
        return
    for row in flat:
        findings.refuse(
            f"channel {block.channels[row]} is flat (always {lowest[row]:g}) {window}".rstrip(),
            "choose another channel or stretch",
        )


def _notice_silent(
    block: Recording, flat: NDArray[np.int64], contract: InputContract, findings: Findings
) -> None:
    """Tell which of many electrodes or units give nothing: a day later some are always lost."""
    if len(flat):
        names = names_text([block.channels[row] for row in flat])
        what = "has no spikes" if contract.modality == "spikes" else "is flat"
        findings.notices.append(
            f"{names} {what if len(flat) == 1 else what.replace('has', 'have').replace('is', 'are')}"
        )


def _offer_latest(
    recording: Recording, rows: list[int], plan: Plan, contract: InputContract, findings: Findings
) -> None:
    """Add to the hints where the latest window ends that could be read, if the one refused was not the whole."""
    if not plan.opening:
        return
    length = ceil(plan.length / plan.ratio)
    end = latest_good(
        recording.select(rows).signal[:, : recording.n_samples - 1],
        length,
        gap_samples(recording.fs, contract.max_gap),
    )
    if end is None:
        return
    moment = floor(1000 * end / recording.fs) / 1000
    of_file = round(findings.first + moment, 3)
    last = next(reversed(findings.refusals))
    findings.refusals[last] += (
        f"; the latest {seconds_text(length / recording.fs)} that can be read end at {of_file:.10g} s: "
        f"--stop {of_file:.10g}"
    )


def _scale(signal: Signal, factors: list[float]) -> Signal:
    if all(factor == 1.0 for factor in factors):
        return signal
    return signal * np.asarray(factors, np.float32)[:, np.newaxis]


def _bridge(
    signal: Signal,
    gaps: NDArray[np.int64],
    block: Recording,
    plan: Plan,
    max_gap: float,
    findings: Findings,
) -> Signal:
    before = gaps[:, 2] <= plan.opening - plan.first
    if (gaps[before, 2] - gaps[before, 1] > gap_samples(block.fs, max_gap)).any():
        findings.notices.append(
            "there is a long gap just before the window; its first samples are less certain"
        )
    inside = gaps[~before]
    if len(inside):
        missing = int((inside[:, 2] - inside[:, 1]).sum())
        findings.steps.append(
            f"bridged {len(inside)} gap{'s' * (len(inside) > 1)} of {missing} missing samples in all "
            f"({seconds_text(missing / block.fs)})"
        )
    if (inside[:, 2] == block.n_samples).any():
        findings.notices.append("the recording ends with missing samples, which repeat the last value before")
    return bridge_gaps(signal, gaps)


def _in_bins(signal: Signal, fs: float, target_fs: float, plan: Plan, findings: Findings) -> Signal:
    """Add up the counts of narrower bins; wider ones were refused before."""
    n = plan.ratio.denominator
    if n == 1:
        return signal
    findings.steps.append(f"added up {n} bins each, {fs:g} -> {target_fs:g} Hz")
    padded = np.pad(signal, ((0, 0), (0, -signal.shape[1] % n)))
    return padded.reshape(len(signal), -1, n).sum(-1)


def _at_rate(signal: Signal, fs: float, contract: InputContract, plan: Plan, findings: Findings) -> Signal:
    """Filter the signal and bring it to the contract's rate."""
    if contract.preprocessing:
        return _preprocess(signal, fs, contract.fs, contract.preprocessing, findings)
    return _change_rate(_filter(signal, fs, plan, findings), fs, contract.fs, plan, findings)


def _filter(signal: Signal, fs: float, plan: Plan, findings: Findings) -> Signal:
    if plan.band == (None, None):
        return signal
    low, high = plan.band
    kept = " and ".join(
        f"{word} {edge:g} Hz" for word, edge in (("above", low), ("below", high)) if edge is not None
    )
    findings.steps.append(f"kept frequencies {kept} (zero-phase Butterworth)")
    return filter_band(signal, fs, plan.band)


def _change_rate(signal: Signal, fs: float, target_fs: float, plan: Plan, findings: Findings) -> Signal:
    if plan.ratio == 1:
        return signal
    up, down = plan.ratio.numerator, plan.ratio.denominator
    findings.steps.append(f"resampled {fs:g} -> {target_fs:g} Hz (up {up}, down {down})")
    return resample(signal, fs, target_fs)


def _preprocess(signal: Signal, fs: float, target_fs: float, preset: Preset, findings: Findings) -> Signal:
    findings.steps.append(
        f"took out mains, wander and noise as ECG-Byte does ({preset}), {fs:g} -> {target_fs:g} Hz"
    )
    return preprocess(signal, fs, preset=preset, target_fs=target_fs)[0]


def _take_window(
    signal: Signal, recording: Recording, contract: InputContract, plan: Plan, findings: Findings
) -> Signal:
    if plan.start:
        length, end = plan.length / contract.fs, findings.first + recording.duration
        findings.steps.append(
            f"took the last {seconds_text(length)} ({plan.length} samples)"
            + (f", {end - length:g} to {seconds_text(end)}" if findings.first else f" of {seconds_text(end)}")
        )
    return signal[:, plan.skip : plan.skip + plan.length]


def _moments(
    signal: Signal, channels: tuple[str, ...], findings: Findings
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of each channel, (channels,); 0 and 1 where they are nearly that."""
    mean = signal.mean(axis=1, dtype=np.float64)
    deviation = signal.std(axis=1, dtype=np.float64)
    if (np.abs(mean) < _STANDARD).all() and (np.abs(deviation - 1) < _STANDARD).all():
        return np.zeros_like(mean), np.ones_like(deviation)
    findings.steps.append(
        "z-scored "
        + ", ".join(
            f"{name} (mean {m:.4g}, standard deviation {d:.4g})"
            for name, m, d in zip(channels, mean, deviation, strict=True)
        )
    )
    return mean, deviation


def _adapted(
    recording: Recording,
    rows: list[int],
    block: Recording,
    signal: Signal,
    contract: InputContract,
    plan: Plan,
) -> Recording:
    """Return the chosen rows with the adapted signal, as the contract names and measures them."""
    modalities = {channel_modality(recording, row) for row in rows}
    return replace(
        block,
        signal=signal.astype(np.float32, copy=False),
        fs=contract.fs,
        channels=model_names(block.channels, contract),
        unit=_unit(block, contract),
        modality=modalities.pop() if len(modalities) == 1 else None,
        annotations=_marks(recording, plan),
        notices=(),  # the report has them
        start_time=later(recording.start_time, plan.start / contract.fs),
    )


def _marks(recording: Recording, plan: Plan) -> Annotations:
    """Return the marks in the window, counted from its start at the new rate."""
    marks = recording.annotations.window(0, recording.n_samples).at_rate(float(plan.ratio))
    end = plan.start + plan.length
    # a mark on the last sample may round to one past the end
    return replace(marks, sample=np.minimum(marks.sample, end - 1)).window(plan.start, end)


def _unit(block: Recording, contract: InputContract) -> str | tuple[str | None, ...] | None:
    if contract.normalisation == "zscore":
        return "sd"
    return contract.unit or block.unit
