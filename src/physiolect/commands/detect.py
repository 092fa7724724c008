"""`physiolect detect INPUT --checkpoint CHECKPOINT`: rhythm or beats of a recording, or of numbers that come in."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from math import inf, isnan
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from physiolect.commands.settings import stretch_problems
from physiolect.commands.terminal import progress, say
from physiolect.errors import CheckpointError, ConfigError, ContractError, FormatError
from physiolect.files import check_writable
from physiolect.recording import Modality, Recording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from physiolect.checkpoint import Checkpoint
    from physiolect.detection import BeatDecision, BeatResult, RhythmDecision, RhythmResult, Unjudged

EXAMPLE = "physiolect detect mitdb/201 --checkpoint ECGPT_AF_1k_iters.zip --out found"


@dataclass(frozen=True)
class Config:
    """What `physiolect detect` is asked."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("input",)

    checkpoint: str
    """A rhythm or beat model: a checkpoint's folder, a published HeartGPT file, or owner/name on the Hub."""
    input: str | None = None
    """The recording; none with --stream."""
    task: Literal["rhythm", "beats"] | None = None
    """What you expect the checkpoint to do; it knows, and this only checks."""
    fs: float | None = None
    """Sampling rate in Hz, for a file that states none, or of the numbers of --stream."""
    channel: str | None = None
    """The channel to judge, by name, alias or number from 0; otherwise the contract chooses."""
    modality: Modality | None = None
    """What was measured, for a file that does not tell."""
    variable: str | None = None
    """Which variable of a MAT or NPZ file is the signal."""
    start: float | None = None
    """Look at nothing before this moment of the recording, in seconds."""
    stop: float | None = None
    """Look at nothing after this moment of the recording, in seconds."""
    stride: float | None = None
    """Seconds from one window to the next (default: rhythm, a window; beats, a fifth of one, as published)."""
    batch_size: int = 64
    """Windows that go through the model at once."""
    device: str = "auto"
    """Where to compute: auto, cpu, cuda …"""
    threads: int = 1
    """Processor threads; models this small gain little from more, and stall where other work runs beside them."""
    stream: bool = False
    """Read one number a line from stdin ("nan" for a missing sample), and print each decision as a line of JSON."""
    latency: float | None = None
    """With --stream, of beats: seconds to wait for windows that cover a beat; less is sooner, out of fewer windows
    (default: a window's length, for all of them, as published)."""
    out: str | None = None
    """Folder for table, WFDB annotations, figure and summary.json, and the trace of beats as .npz."""
    json: bool = False
    """Print the summary as JSON on stdout."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        above_0 = {"fs": self.fs, "stride": self.stride, "latency": self.latency}
        found = [
            f"--{name} is {value:g}, but must be above 0"
            for name, value in above_0.items()
            if value is not None and not 0 < value < inf
        ]
        found += [
            f"--{name} is {value}, but must be at least 1"
            for name, value in (("batch-size", self.batch_size), ("threads", self.threads))
            if value < 1
        ]
        found += stretch_problems(self.input or "the recording", self.start, self.stop)
        if self.out is not None and Path(self.out).exists() and not Path(self.out).is_dir():
            found.append(f"--out '{self.out}' is a file, but a folder is needed")
        return found + (self._stream_problems() if self.stream else self._file_problems())

    def _file_problems(self) -> list[str]:
        found = ["INPUT is missing: name a recording, or give --stream"] if self.input in (None, "-") else []
        return [*found, "--latency is for --stream"] if self.latency is not None else found

    def _stream_problems(self) -> list[str]:
        found = (
            []
            if self.fs is not None
            else ["--fs is missing: with --stream, give the rate of the numbers in Hz"]
        )
        if self.input not in (None, "-"):
            found.append(f"INPUT is '{self.input}', but --stream reads from stdin: leave one out")
        useless = {
            "channel": self.channel, "variable": self.variable, "start": self.start, "stop": self.stop, "out": self.out
        }  # fmt: skip
        names = [f"--{name}" for name, value in useless.items() if value is not None]
        return [*found, f"{' and '.join(names)} cannot be had with --stream"] if names else found


def run(config: Config) -> int:
    """Detect; 130 where Ctrl-C came first, with what there was by then."""
    import torch

    from physiolect.checkpoint import load_checkpoint
    from physiolect.detection import check_task, name_detectors
    from physiolect.tasks import TASKS
    from physiolect.training import choose_device

    if config.out is not None:
        check_writable(Path(config.out))
    torch.set_num_threads(config.threads)
    device = choose_device(config.device)
    checkpoint = load_checkpoint(config.checkpoint)
    if config.task is None and checkpoint.outputs.kind != "binary":
        detectors = [task for task in TASKS.values() if task.kind == "binary"]
        raise CheckpointError(
            f"{config.checkpoint} {checkpoint.task.does}, and detects nothing in a recording",
            hint=f"use {name_detectors(checkpoint.contract.modality, *detectors)}",
        )
    check_task(checkpoint, TASKS[config.task] if config.task else checkpoint.task)
    checkpoint.model.to(device)
    return _stream(config, checkpoint) if config.stream else _judge(config, checkpoint)


def _judge(config: Config, checkpoint: Checkpoint) -> int:
    """Detect in a file."""
    from physiolect.contract import select_channels
    from physiolect.detection import detect_beats, detect_rhythm
    from physiolect.report import detection_words

    recording = _read(config)
    chosen = select_channels(recording, checkpoint.contract, config.channel)
    with progress(f"windows of {config.input}, {chosen.channels[0]}") as on_window:
        found = (detect_rhythm if checkpoint.outputs.scope == "window" else detect_beats)(
            checkpoint,
            recording,
            channel=config.channel,
            stride=config.stride,
            batch_size=config.batch_size,
            on_window=on_window,
        )
    say(str(found.report))
    if found.interrupted:
        if _nothing_judged(found):
            raise KeyboardInterrupt
        say("interrupted by Ctrl-C: what was judged by then is kept")
    first = config.start or 0.0
    summary = _summary(config, checkpoint, chosen, found, first)
    if config.out is not None:
        summary["files"] = _write(Path(config.out), chosen, found, first, summary)
        say("\n".join(f"wrote {file}" for file in summary["files"]))
    print(json.dumps(summary, indent=2) if config.json else detection_words(summary))
    return 130 if found.interrupted else 0


def _nothing_judged(found: RhythmResult | BeatResult) -> bool:
    from physiolect.detection import RhythmResult

    return bool(np.isnan(found.probability if isinstance(found, RhythmResult) else found.trace).all())


def _read(config: Config) -> Recording:
    from physiolect.formats import read_recording

    about: dict[str, Any] = {
        "fs": config.fs, "modality": config.modality, "variable": config.variable,
        "start": config.start, "stop": config.stop,
    }  # fmt: skip
    assert config.input is not None
    try:
        return read_recording(config.input, **about)
    except FormatError:
        if config.channel is None or config.channel.isdigit():
            raise
        # channels of other rates may stand beside the one that is wanted
        return read_recording(config.input, channels=[config.channel], **about)


def _summary(
    config: Config, checkpoint: Checkpoint, chosen: Recording, found: RhythmResult | BeatResult, first: float
) -> dict[str, Any]:
    about = {
        "input": config.input,
        "checkpoint": config.checkpoint,
        "published_as": checkpoint.run.get("published_as"),
        "task": checkpoint.task.name,
        "read": {"start": first, "stop": first + chosen.duration},
        "channel": chosen.channels[0],
        "fs": chosen.fs,
        "adaptation": {**found.report.to_dict(), "start": first},
        "interrupted": found.interrupted,
    }
    from physiolect.report import detection_summary

    settings = {
        name: value for name, value in asdict(config).items() if name not in ("input", "checkpoint", "out")
    }
    return {**about, **detection_summary(found, first), "settings": settings}


def _write(
    out: Path, chosen: Recording, found: RhythmResult | BeatResult, first: float, summary: dict[str, Any]
) -> list[str]:
    """Write table, annotations, figure and summary, each whole or not at all, the summary last."""
    from physiolect.detection import RhythmResult
    from physiolect.files import replacing
    from physiolect.formats import write_annotations

    out.mkdir(parents=True, exist_ok=True)
    title = f"{Path(summary['input']).name} · {chosen.channels[0]}"
    is_rhythm = isinstance(found, RhythmResult)
    name, annotator = ("rhythm", "atr") if is_rhythm else ("beats", "qrs")
    rows = _windows_table(found, first) if isinstance(found, RhythmResult) else _beats_table(found, first)
    figure = _rhythm_figure if is_rhythm else _beats_figure
    files = [out / f"{name}.csv"]
    with replacing(files[0]) as path, path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    marks = found.annotations()
    (out / f"{name}.{annotator}").unlink(missing_ok=True)
    if len(marks):  # WFDB has no file without a mark
        files.append(out / f"{name}.{annotator}")
        offset = round(first * chosen.fs)
        write_annotations(replace(marks, sample=marks.sample + offset), chosen.fs, files[-1])
    if not isinstance(found, RhythmResult):
        files.append(out / f"{name}.npz")
        with replacing(files[-1]) as path:
            np.savez(
                path, samples=found.samples + round(first * chosen.fs), times_s=found.times + first,
                confidence=found.confidence, trace=found.trace, trace_time_s=found.trace_times + first,
                fs=np.float64(chosen.fs), trace_fs=np.float64(found.fs),
            )  # fmt: skip
    files.append(out / f"{name}.png")
    with replacing(files[-1]) as path:
        figure(chosen, found, first, title).savefig(path)  # type: ignore[arg-type]
    files.append(out / "summary.json")
    told = [str(file) for file in files]
    with replacing(files[-1]) as path:
        path.write_text(json.dumps({**summary, "files": told}, indent=2) + "\n", encoding="utf-8")
    return told


def _windows_table(found: RhythmResult, first: float) -> Iterable[tuple[object, ...]]:
    yield "start_s", "time_s", "probability", "rhythm", "not_judged"
    for start, time, said, af, reason in zip(
        found.start, found.time, found.probability, found.is_af, found.reasons, strict=True
    ):
        rhythm = "" if reason else "AFIB" if af else "N"
        yield f"{start + first:.6f}", f"{time + first:.6f}", "" if reason else f"{said:.6f}", rhythm, reason


def _beats_table(found: BeatResult, first: float) -> Iterable[tuple[object, ...]]:
    yield "time_s", "sample", "confidence", "category"
    samples = found.samples + round(first * found.recording_fs)
    for time, sample, height, word in zip(
        found.times + first, samples, found.confidence, found.categories, strict=True
    ):
        yield f"{time:.6f}", sample, f"{height:.6f}", word


def _rhythm_figure(chosen: Recording, found: RhythmResult, first: float, title: str) -> Figure:
    from physiolect.plots import rhythm_figure

    return rhythm_figure(
        chosen.signal[0], fs=chosen.fs, begin=found.start, end=found.time, probability=found.probability,
        start=first, unit=chosen.units[0], title=title,
    )  # fmt: skip


def _beats_figure(chosen: Recording, found: BeatResult, first: float, title: str) -> Figure:
    from physiolect.plots import beats_figure

    return beats_figure(
        chosen.signal[0], fs=chosen.fs, samples=found.samples, categories=found.categories, trace=found.trace,
        trace_fs=found.fs, unjudged=[each[:2] for each in found.unjudged], start=first, unit=chosen.units[0],
        title=title,
    )  # fmt: skip


def _stream(config: Config, checkpoint: Checkpoint) -> int:
    """Detect in numbers from stdin, decision by decision."""
    from physiolect.detection import BeatStream, RhythmStream

    assert config.fs is not None
    if config.modality not in (None, checkpoint.contract.modality):
        raise ContractError(
            f"the numbers are {config.modality}, but the model reads {checkpoint.contract.modality}",
            hint=f"give a checkpoint for {config.modality}",
        )
    if config.latency is not None and checkpoint.outputs.scope == "window":
        raise ConfigError(
            f"--latency is for beats, but the checkpoint {checkpoint.task.does}",
            hint="leave --latency out; --stride sets how often",
        )
    stream: RhythmStream | BeatStream
    if checkpoint.outputs.scope == "window":
        stream = RhythmStream(checkpoint, fs=config.fs, stride=config.stride)
    else:
        stream = BeatStream(checkpoint, fs=config.fs, stride=config.stride, latency=config.latency)
    what = "window's end" if checkpoint.outputs.scope == "window" else "beat"
    say(
        f"reading one number a line at {config.fs:g} Hz; a {what} is told at most {stream.delay:.2f} s after it, "
        "and the time of computing"
    )
    latencies: list[tuple[float, float]] = []
    read, code = 0, 0
    try:
        for value in _numbers():
            read += 1
            _tell_decisions(stream.push(value), latencies)
        _tell_decisions(stream.finish(), latencies)
    except KeyboardInterrupt:
        say("interrupted by Ctrl-C")
        code = 130
    finally:
        n = len(latencies)
        say(f"read {read:,} samples ({read / config.fs:g} s), told {n:,} decision{'s' * (n != 1)}")
        if latencies:
            after, compute = zip(*latencies, strict=True)
            say(
                f"they came {median(after):.2f} s after in the median, {max(after):.2f} s at most, "
                f"and {1000 * median(compute):.0f} ms of computing, {1000 * max(compute):.0f} ms at most"
            )
    return code


def _numbers() -> Iterator[float]:
    """Yield the number in each line of stdin; blank lines are passed over."""
    for number, line in enumerate(sys.stdin, 1):
        text = line.strip()
        try:
            if "_" in text:  # Python reads 1_000 as a number
                raise ValueError(text)
            if text:
                yield float(text)
        except ValueError:
            raise FormatError(
                f"line {number} of stdin is '{text[:40]}', which is no number",
                hint="write one number a line, and nan for a missing sample",
            ) from None


def _tell_decisions(
    decisions: Iterable[RhythmDecision | BeatDecision | Unjudged], latencies: list[tuple[float, float]]
) -> None:
    """Print decisions as lines of JSON, at once, and note how late they are."""
    from physiolect.detection import BeatDecision, RhythmDecision

    for each in decisions:
        line: dict[str, Any]
        if isinstance(each, RhythmDecision):
            line = {
                "start_s": each.start, "time_s": each.time,
                "probability": None if isnan(each.probability) else round(each.probability, 6),
                "rhythm": None if each.reason else "AFIB" if each.is_af else "N", "not_judged": each.reason or None,
            }  # fmt: skip
        elif isinstance(each, BeatDecision):
            line = {
                "time_s": round(each.time, 6), "sample": each.sample, "confidence": round(each.confidence, 6),
                "category": each.category,
            }  # fmt: skip
        else:
            line = {"start_s": each.start, "stop_s": each.stop, "not_judged": each.reason}
        if isinstance(each, RhythmDecision | BeatDecision):
            line |= {"after_s": round(each.after, 4), "compute_ms": round(1000 * each.compute, 3)}
            latencies.append((each.after, each.compute))
        print(json.dumps(line), flush=True)
