"""`physiolect generate INPUT`: a recording is continued, by our own ECG decoder or by `--checkpoint`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import floor, inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from physiolect.commands.settings import stretch_problems
from physiolect.commands.terminal import say
from physiolect.errors import ConfigError, ContractError, FormatError
from physiolect.files import check_writable
from physiolect.recording import Modality, Recording, modality_of

if TYPE_CHECKING:
    from physiolect.checkpoint import Checkpoint
    from physiolect.contract import InputContract
    from physiolect.generation import Continuation

EXAMPLE = "physiolect generate mitdb/100 --stop 300 --out continued"

_EMBEDDED = "ecg"
"""Goes on with the recording where no checkpoint is named."""
_SECONDS, _SAMPLES = 5.0, 5
_MOST_SECONDS = 1e9
"""Three decades: a longer wish is a slip of the hand."""
_LEVELS = {"median": 0.5, "q05": 0.05, "q25": 0.25, "q75": 0.75, "q95": 0.95}
_ROUNDED = 0.01
"""Seconds that --stop may lie beyond the end, which is told in two decimals."""
_READ_BEFORE = 60.0
"""Seconds read before the window: more than the filters and gaps that reach into it."""


@dataclass(frozen=True)
class Config:
    """What `physiolect generate` is asked."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("input",)

    input: str
    """The recording to continue, from its end or from --stop."""
    checkpoint: str | None = None
    """A checkpoint's folder, a published HeartGPT file, or owner/name on the Hugging Face Hub; without it the
    ECG decoder that comes with Physiolect."""
    fs: float | None = None
    """Sampling rate in Hz, for a file that states none."""
    channel: str | None = None
    """The channel to continue, by name, alias or number from 0; otherwise the contract chooses."""
    modality: Modality | None = None
    """What was measured, for a file that does not tell."""
    variable: str | None = None
    """Which variable of a MAT or NPZ file is the signal."""
    start: float | None = None
    """Look at nothing before this moment of the recording, in seconds."""
    stop: float | None = None
    """Continue from this moment of the recording, in seconds; what follows is drawn beside it."""
    seconds: float | None = None
    """Length of the continuation in seconds (default: 5)."""
    tokens: int | None = None
    """The same in tokens, one a sample at the model's rate."""
    samples: int | None = None
    """Continuations to draw (default: 5, or 1 with --greedy)."""
    greedy: bool = False
    """Take the likeliest token each time, which leaves nothing to chance."""
    temperature: float = 1.0
    """Above 1 is bolder, below 1 more cautious."""
    top_k: int | None = None
    """Draw among so many of the likeliest tokens only."""
    top_p: float | None = None
    """Draw among the likeliest tokens that together reach this probability."""
    seed: int = 0
    """The same seed gives the same continuations."""
    mode: Literal["exact", "hop"] = "exact"
    """How to go on past the model's context; "hop" is faster and approximate."""
    hop: int | None = None
    """Tokens forgotten at once in mode "hop" (default: a fifth of the context)."""
    device: str = "auto"
    """Where to generate: auto, cpu, cuda …; seeds draw alike on one kind of device, and otherwise on another."""
    precision: Literal["auto", "float32", "bf16"] = "float32"
    """Of the weights and all that is computed with them: float32, or bf16, which auto takes on a GPU made for it."""
    threads: int = 1
    """Processor threads; models this small gain little from more, and stall where other work runs beside them."""
    out: str | None = None
    """Folder for continuation.csv, .npz and .png and summary.json."""
    json: bool = False
    """Print the summary as JSON on stdout."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        above_0 = {"fs": self.fs, "seconds": self.seconds, "temperature": self.temperature}
        from_1 = {
            "tokens": self.tokens, "samples": self.samples, "top-k": self.top_k, "hop": self.hop,
            "threads": self.threads,
        }  # fmt: skip
        found = [
            f"--{name} is {value:g}, but must be above 0"
            for name, value in above_0.items()
            if value is not None and not 0 < value < inf
        ]
        found += [
            f"--{name} is {value}, but must be at least 1"
            for name, value in from_1.items()
            if value is not None and value < 1
        ]
        if self.seconds is not None and _MOST_SECONDS < self.seconds < inf:
            found.append(f"--seconds is {self.seconds:g}, but must be at most {_MOST_SECONDS:g}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            found.append(f"--top-p is {self.top_p:g}, but must be above 0 and at most 1")
        if not 0 <= self.seed < 2**63:
            found.append(f"--seed is {self.seed}, but must be from 0 to {2**63 - 1}")
        found += stretch_problems(self.input, self.start, self.stop)
        if self.seconds is not None and self.tokens is not None:
            found.append("--seconds and --tokens both give the length: leave one out")
        if self.greedy and (self.samples or 1) > 1:
            found.append(f"--samples is {self.samples}, but with --greedy all would be the same")
        drawn = {
            "temperature": self.temperature != 1.0,
            "top-k": self.top_k is not None,
            "top-p": self.top_p is not None,
        }
        if self.greedy and any(drawn.values()):
            names = " and ".join(f"--{name}" for name, given in drawn.items() if given)
            found.append(f"{names} would change nothing with --greedy: leave out one or the other")
        if self.hop is not None and self.mode != "hop":
            found.append("--hop is for --mode hop")
        if self.out is not None and Path(self.out).exists() and not Path(self.out).is_dir():
            found.append(f"--out '{self.out}' is a file, but a folder is needed")
        return found


def run(config: Config) -> int:
    """Continue the recording; 130 where Ctrl-C came first, with what there was by then."""
    import torch

    from physiolect.checkpoint import EMBEDDED, load_checkpoint
    from physiolect.generation import generate
    from physiolect.training import choose_device, choose_precision

    if config.out is not None:
        check_writable(Path(config.out))
    torch.set_num_threads(config.threads)
    device = choose_device(config.device)
    precision = choose_precision(config.precision, device)
    checkpoint = load_checkpoint(EMBEDDED[_EMBEDDED] if config.checkpoint is None else config.checkpoint)
    contract = checkpoint.contract
    n_tokens = config.tokens or max(1, round((config.seconds or _SECONDS) * contract.fs))
    n_samples = config.samples or (1 if config.greedy else _SAMPLES)
    recording, first, n_seen = _read(config, contract, n_tokens)
    if config.checkpoint is None:
        _check_it_is_ecg(recording, config)
    checkpoint.model.to(device, precision)
    with _progress(n_tokens, n_samples, _opening(config, checkpoint, n_samples, n_tokens)) as on_token:
        begun = time.perf_counter()
        continuation = generate(
            checkpoint,
            recording.slice(0, n_seen, by="samples"),
            n_tokens=n_tokens,
            greedy=config.greedy,
            temperature=config.temperature,
            top_k=config.top_k,
            top_p=config.top_p,
            seed=config.seed,
            n_samples=n_samples,
            channel=config.channel,
            mode=config.mode,
            hop=config.hop,
            on_token=on_token,
        )
        rate = continuation.ids.size / (time.perf_counter() - begun)
    if not continuation.ids.size:
        raise KeyboardInterrupt  # before the first token: there is nothing to keep
    truth = _truth(recording, n_seen, continuation, contract, config.channel)
    summary = _summary(config, checkpoint, recording, first, continuation, truth, rate)
    summary |= {"device": str(device), "precision": str(precision).removeprefix("torch.")}
    if config.out is not None:
        summary["files"] = _write(Path(config.out), continuation, truth, summary)
    _tell(summary, continuation)
    if config.json:
        print(json.dumps(summary, indent=2))
    return 130 if continuation.interrupted else 0


def _read(config: Config, contract: InputContract, n_tokens: int) -> tuple[Recording, float, int]:
    """Read the stretch that matters, and what was recorded after it.

    Returns:
        the stretch, where it begins in seconds of the recording, and how many of its samples come before --stop.
    """
    from physiolect.formats import read_recording

    def read(start: float | None, stop: float | None) -> Recording:
        about: dict[str, Any] = {"fs": config.fs, "modality": config.modality, "variable": config.variable}
        try:
            return read_recording(config.input, start=start, stop=stop, **about)
        except FormatError:
            if config.channel is None or config.channel.isdigit():
                raise
            # channels of other rates may stand beside the one that is wanted
            return read_recording(config.input, start=start, stop=stop, channels=[config.channel], **about)

    if config.stop is None:
        recording = read(config.start, None)
        return recording, config.start or 0.0, recording.n_samples
    # whole seconds, so that the grid of samples after a change of rate is that of the whole recording
    needed = floor(config.stop - contract.max_samples / contract.fs - _READ_BEFORE)
    first = max(config.start or 0.0, float(needed))
    try:
        recording = read(first, config.stop + n_tokens / contract.fs)
    except FormatError:
        # it may end before that, or even before `first`; or else reading all of it tells what is wrong
        try:
            recording = read(first, None)
        except FormatError:
            first = config.start or 0.0
            recording = read(first, None)
        end = first + recording.duration
        if config.stop > end + _ROUNDED:
            raise ConfigError(
                f"--stop is {config.stop:g} s, but {config.input} ends at {end:.2f} s",
                hint="leave --stop out to continue from the end",
            ) from None
    n_seen = round(config.stop * recording.fs) - round(first * recording.fs)
    return recording, first, min(n_seen, recording.n_samples)


def _check_it_is_ecg(recording: Recording, config: Config) -> None:
    """Refuse what our own decoder cannot read, and say which model was meant to."""
    rows = range(len(recording.channels)) if config.channel is None else [recording.index(config.channel)]
    told = {modality_of(recording.channels[row]) or recording.modality for row in rows}
    if not told & {"ecg", None}:
        what = config.input if config.channel is None else f"channel {config.channel} of {config.input}"
        raise ContractError(
            f"{what} is {' and '.join(sorted(map(str, told)))}, and the decoder used without --checkpoint "
            "reads ECG",
            hint="give --checkpoint with a model for this signal; HeartGPT's PPGPT_500k_iters.zip reads PPG",
        )


@contextmanager
def _progress(n_tokens: int, n_samples: int, opening: str) -> Iterator[Callable[[NDArray[np.int64]], None]]:
    """Yield what tells of each token: with the first the opening, and on a terminal how far generation is."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.text import Text

    class Speed(ProgressColumn):
        """Tokens a second, all samples together."""

        def render(self, task: Task) -> Text:
            return Text(f"{(task.speed or 0) * n_samples:,.0f} tokens/s")

    console = Console(stderr=True)
    columns = (TextColumn("continuing"), BarColumn(), MofNCompleteColumn(), Speed())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("continuing", total=n_tokens)

        def tell(_: NDArray[np.int64]) -> None:
            if not progress.tasks[0].completed:
                say(opening)
            progress.advance(task)

        yield tell


def _opening(config: Config, checkpoint: Checkpoint, n_samples: int, n_tokens: int) -> str:
    """Return what is being done, and where it is the slow way."""
    from physiolect.generation import outgrows_cache

    contract = checkpoint.contract
    opening = f"continuing {config.input}: {n_samples} x {n_tokens / contract.fs:g} s"
    if config.checkpoint is None:
        opening += ", by the ECG decoder that comes with Physiolect"
    if config.out is None:
        opening += "\nnothing of it is kept: --out DIR keeps table, arrays, figure and summary"
    if config.mode == "exact" and outgrows_cache(checkpoint.model, contract.max_samples, n_tokens):
        opening += f"\npast {contract.max_samples} tokens the model sees its whole context anew for each; "
        opening += "--mode hop is faster, and approximate"
    return opening


def _truth(
    recording: Recording,
    n_seen: int,
    continuation: Continuation,
    contract: InputContract,
    channel: str | None,
) -> NDArray[np.float32] | None:
    """Return what was recorded after the context, or None where there is nothing to show."""
    from physiolect.generation import recorded_truth

    if recording.n_samples <= n_seen:
        return None
    try:
        return recorded_truth(recording, continuation, contract, channel)
    except ContractError as error:
        say(f"what was recorded after --stop is not shown: {error}")
        return None


def _summary(
    config: Config,
    checkpoint: Checkpoint,
    recording: Recording,
    first: float,
    continuation: Continuation,
    truth: NDArray[np.float32] | None,
    tokens_per_second: float,
) -> dict[str, Any]:
    from physiolect.generation import outgrows_cache

    context, report = continuation.context, continuation.report
    start = first + report.start
    n_samples, n_tokens = continuation.ids.shape
    past_context = outgrows_cache(checkpoint.model, context.n_samples, n_tokens)
    return {
        "input": config.input,
        "checkpoint": config.checkpoint or f"{_EMBEDDED} (with Physiolect)",
        "published_as": checkpoint.run.get("published_as"),
        "read": {"start": first, "stop": first + recording.duration},
        "channel": context.channels[0],
        "modality": context.modality,
        "unit": continuation.unit,
        "fs": continuation.fs,
        "adaptation": {**report.to_dict(), "start": start},
        "context": {"start": start, "stop": start + context.duration, "tokens": context.n_samples},
        "continuation": {
            "seconds": n_tokens / continuation.fs, "tokens": n_tokens, "samples": n_samples,
            "recorded_tokens": 0 if truth is None else len(truth),
        },
        "mode": continuation.mode,
        "past_context": past_context,
        "approximate": continuation.mode == "hop" and past_context,
        "interrupted": continuation.interrupted,
        "tokens_per_second": round(tokens_per_second, 1),
        "settings": {
            name: value for name, value in asdict(config).items() if name not in ("input", "checkpoint", "out", "json")
        },
    }  # fmt: skip


def _write(
    out: Path, continuation: Continuation, truth: NDArray[np.float32] | None, summary: dict[str, Any]
) -> list[str]:
    """Write table, arrays, figure and summary, each whole or not at all, the summary last."""
    from physiolect.files import replacing
    from physiolect.plots import continuation_figure

    out.mkdir(parents=True, exist_ok=True)
    signal = continuation.signal
    ahead = summary["context"]["stop"] + np.arange(signal.shape[1]) / continuation.fs  # (n,) of the recording
    names, columns = [f"sample_{i + 1}" for i in range(len(signal))], signal
    if len(signal) > 1:
        names += _LEVELS
        columns = np.concatenate((signal, continuation.quantiles(list(_LEVELS.values()))))
    arrays: dict[str, Any] = {
        "signal": signal, "ids": continuation.ids, "time_s": ahead, "context": continuation.seen,
        "fs": np.float64(continuation.fs), "unit": np.array(continuation.unit or ""),
    }  # fmt: skip
    figure = continuation_figure(
        continuation.seen,
        signal,
        fs=continuation.fs,
        unit=continuation.unit,
        title=_title(summary),
        truth=truth,
    )
    if truth is not None:
        arrays["truth"] = truth
    names_of_files = ("continuation.csv", "continuation.npz", "continuation.png", "summary.json")
    files = [str(out / name) for name in names_of_files]
    table, formats = np.column_stack((ahead, columns.T)), ["%.6f"] + ["%.6g"] * len(names)
    with replacing(Path(files[0])) as path:
        np.savetxt(path, table, formats, ",", header=",".join(("time_s", *names)), comments="")
    with replacing(Path(files[1])) as path:
        np.savez(path, **arrays)
    with replacing(Path(files[2])) as path:
        figure.savefig(path)
    with replacing(Path(files[3])) as path:
        path.write_text(json.dumps({**summary, "files": files}, indent=2) + "\n", encoding="utf-8")
    return files


def _title(summary: dict[str, Any]) -> str:
    parts = [
        Path(summary["input"]).name,
        summary["channel"],
        f"continued at {summary['context']['stop']:g} s",
    ]
    return " · ".join([*parts, "approximate"] if summary["approximate"] else parts)


def _tell(summary: dict[str, Any], continuation: Continuation) -> None:
    """Say on stderr what was done: adaptation, context, continuation, files."""
    read, context, ahead = summary["read"], summary["context"], summary["continuation"]
    say(f"{summary['input']}: read {read['start']:g} to {read['stop']:g} s")
    say(str(continuation.report))
    span = f"{context['start']:g} to {context['stop']:g} s"
    say(f"context: {summary['channel']}, {span}, {context['tokens']} tokens")
    if summary["interrupted"]:
        say(f"interrupted after {ahead['tokens']} tokens, which are kept")
    kind = "approximate (hop)" if summary["approximate"] else "exact"
    say(
        f"continuation: {ahead['samples']} x {ahead['seconds']:g} s at {summary['fs']:g} Hz in "
        f"{summary['unit'] or 'an unknown unit'}, {kind}, {summary['tokens_per_second']:,.0f} tokens/s"
    )
    if "files" in summary:
        say("\n".join(f"wrote {file}" for file in summary["files"]))
