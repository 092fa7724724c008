"""`physiolect detect INPUT ...`: rhythm, beats, heartbeats of recordings, by our own detectors or `--checkpoint`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar

from physiolect.commands.inputs import STDIN, Done, Input, input_problems, run_inputs
from physiolect.commands.settings import Computing, Reading, above_zero, at_least_one, folder_problems
from physiolect.commands.terminal import listening, say, show
from physiolect.files import check_writable
from physiolect.tasks import DetectedTaskName

if TYPE_CHECKING:
    import torch

    from physiolect.checkpoint import Checkpoint
    from physiolect.detection import BeatDecision, Detectors, RhythmDecision, Unjudged
    from physiolect.report.detection import Found

EXAMPLE = "physiolect detect holter.edf --out found"


@dataclass(frozen=True, kw_only=True)
class Config(Reading, Computing):
    """Settings of `physiolect detect`."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("inputs",)

    inputs: list[str] = field(default_factory=list)
    """Recordings, folders of them, or - for standard input (CSV, or one number a line); leave out with --stream."""
    checkpoint: str | None = None
    """A model of rhythm, beats or heartbeats: a folder, a published HeartGPT file, or owner/name on the Hub (default:
    on an ECG all three that come with Physiolect; on a PPG NeuroKit2's pulses)."""
    task: DetectedTaskName | None = None
    """Check that the checkpoint is for this task (default: not checked)."""
    beats: str | None = None
    """For a checkpoint that reads heartbeats: a beats checkpoint, which finds them."""
    rhythm: str | None = None
    """For heartbeats: a rhythm checkpoint, whose probability describes each beat."""
    stride: float | None = None
    """Seconds from one window to the next (default: rhythm, a window; beats, a fifth of one, as published)."""
    batch_size: int = 64
    """Windows that go through the model at once."""
    stream: bool = False
    """Read one number a line from stdin ("nan" for a missing sample), and print each decision as a line of JSON."""
    latency: float | None = None
    """With --stream, for beats: seconds to wait for windows that cover a beat; a shorter wait uses fewer windows
    (default: a window's length, for all of them, as published)."""
    out: str | None = None
    """Folder for table, WFDB annotations, figure and summary.json, and the trace of beats as .npz, or without
    --checkpoint a Holter report, holter.html; of several recordings each gets a folder in it, and summary.csv has a
    line for each."""
    json: bool = False
    """Print the summary as JSON on stdout."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = above_zero({"stride": self.stride, "latency": self.latency})
        found += at_least_one({"batch_size": self.batch_size}) + self.computing_problems()
        found += self.reading_problems(self.inputs[0] if self.inputs else "the recording")
        found += folder_problems(self.out) + input_problems(self.inputs)
        if self.checkpoint is None:
            given = {"task": self.task, "beats": self.beats, "rhythm": self.rhythm, "stride": self.stride}
            useless = [f"--{name}" for name, value in given.items() if value is not None]
            if self.stream:
                found.append("--checkpoint is missing: --stream reads a signal with one model")
            elif useless:
                found.append(f"{' and '.join(useless)} cannot be used without --checkpoint")
        return found + (self._stream_problems() if self.stream else self._file_problems())

    def _file_problems(self) -> list[str]:
        found = [] if self.inputs else ["INPUTS is missing: name a recording, or give --stream"]
        return [*found, "--latency is for --stream"] if self.latency is not None else found

    def _stream_problems(self) -> list[str]:
        found = []
        if self.fs is None:
            found.append("--fs is missing: with --stream, give the rate of the numbers in Hz")
        if self.inputs not in ([], [STDIN]):
            found.append(f"INPUTS is '{' '.join(self.inputs)}', but --stream reads from stdin: leave one out")
        useless = {
            "channel": self.channel, "lead": self.lead, "names": self.names or None, "unit": self.unit,
            "variable": self.variable, "annotator": self.annotator or None, "start": self.start,
            "stop": self.stop, "out": self.out, "beats": self.beats, "rhythm": self.rhythm,
        }  # fmt: skip
        names = [f"--{name}" for name, value in useless.items() if value is not None]
        return [*found, f"{' and '.join(names)} cannot be used with --stream"] if names else found


def run(config: Config) -> int:
    """Detect; 130 after Ctrl-C and 143 after SIGTERM, with what there was by then; 1 if a recording failed."""
    from physiolect.checkpoint import load_checkpoint
    from physiolect.detection import check_detector
    from physiolect.training import choose_device

    if config.out is not None:
        check_writable(Path(config.out))
    device = choose_device(config.device)
    if config.checkpoint is None:
        return run_inputs(config.inputs, _Whole(config, device), out=config.out, as_json=config.json)
    checkpoint = load_checkpoint(config.checkpoint)
    check_detector(checkpoint, config.task)
    checkpoint.model.to(device)
    if config.stream:
        return _stream(config, checkpoint)

    def work(source: Input, out: Path | None) -> Done:
        return _detect(config, checkpoint, source, out)

    return run_inputs(config.inputs, work, out=config.out, as_json=config.json)


class _Whole:
    """Rhythm, beats and heartbeats of a recording; the detectors are loaded when the first ECG comes."""

    def __init__(self, config: Config, device: torch.device) -> None:
        self._config, self._device = config, device
        self._detectors: Detectors | None = None

    def __call__(self, source: Input, out: Path | None) -> Done:
        from physiolect.detection import detect_all, load_detectors, modality_to_judge

        config = self._config
        recording = replace(source.read(config, for_modality=config.modality or "ecg"), source=source.path)
        if self._detectors is None and modality_to_judge(recording, config.chosen) == "ecg":
            self._detectors = load_detectors().to(self._device)
        with listening() as terminal:
            found = detect_all(
                recording,
                detectors=self._detectors,
                channel=config.chosen,
                batch_size=config.batch_size,
                first=config.start or 0.0,
                threads=config.threads,
                on_event=terminal,
            )
        made_by: dict[str, Any] = {"checkpoint": None, "published_as": None}
        if self._detectors is not None:
            made_by["detectors"] = self._detectors.digests
        return _tell(config, found, source, out, made_by)


def _detect(config: Config, checkpoint: Checkpoint, source: Input, out: Path | None) -> Done:
    """Detect in one recording."""
    from physiolect.detection import detect

    recording = replace(source.read(config, for_modality=checkpoint.contract.modality), source=source.path)
    with listening() as terminal:
        found = detect(
            checkpoint,
            recording,
            channel=config.chosen,
            stride=config.stride,
            batch_size=config.batch_size,
            first=config.start or 0.0,
            beats=config.beats,
            rhythm=config.rhythm,
            threads=config.threads,
            on_event=terminal,
        )
    made_by = {"checkpoint": config.checkpoint, "published_as": checkpoint.run.get("published_as")}
    return _tell(config, found, source, out, made_by)


def _tell(config: Config, found: Found, source: Input, out: Path | None, made_by: dict[str, Any]) -> Done:
    """Say what was found, and write it."""
    from physiolect.report import write_detection

    say(str(found.report))
    if found.interrupted:
        if not found.anything_judged:
            raise KeyboardInterrupt
        say("interrupted: what was judged by then is kept")
    about: dict[str, Any] = {"input": source.path, **made_by}
    about["settings"] = {
        name: value for name, value in asdict(config).items() if name not in ("inputs", "checkpoint", "out")
    }
    summary = about | found.to_dict()
    if out is not None:
        files = [str(file) for file in write_detection(found, out, about=about)]
        say("\n".join(f"wrote {file}" for file in files))
        summary["files"] = files
    if not config.json:
        show(found.summary)
    return Done(found, summary)


def _stream(config: Config, checkpoint: Checkpoint) -> int:
    """Detect in numbers from stdin, decision by decision."""
    from physiolect.detection import open_stream
    from physiolect.formats.csv import read_numbers

    assert config.fs is not None
    stream = open_stream(
        checkpoint,
        fs=config.fs,
        modality=config.modality,
        stride=config.stride,
        latency=config.latency,
        threads=config.threads,
    )
    what = "a window's end" if checkpoint.outputs.scope == "window" else "a beat"
    say(
        f"reading one number a line at {config.fs:g} Hz; a decision comes at most {stream.delay:.2f} s after {what}, "
        "plus the time of computing"
    )
    latencies: list[tuple[float, float]] = []
    n_read, code = 0, 0
    try:
        for value in read_numbers(sys.stdin, "stdin"):
            n_read += 1
            _print_decisions(stream.push(value), latencies)
        _print_decisions(stream.finish(), latencies)
    except KeyboardInterrupt:
        say("interrupted by Ctrl-C")
        code = 130
    finally:
        n = len(latencies)
        say(f"read {n_read:,} samples ({n_read / config.fs:g} s), made {n:,} decision{'s' * (n != 1)}")
        if latencies:
            after, compute = zip(*latencies, strict=True)
            say(
                f"they came {median(after):.2f} s after in the median, {max(after):.2f} s at most, "
                f"and {1000 * median(compute):.0f} ms of computing, {1000 * max(compute):.0f} ms at most"
            )
    return code


def _print_decisions(
    decisions: Iterable[RhythmDecision | BeatDecision | Unjudged], latencies: list[tuple[float, float]]
) -> None:
    """Print decisions as lines of JSON, at once, and note how late they are."""
    from physiolect.detection import Unjudged

    for each in decisions:
        if not isinstance(each, Unjudged):
            latencies.append((each.after, each.compute))
        print(json.dumps(each.to_dict()), flush=True)
