"""`physiolect generate INPUT ...`: recordings are continued, by our own ECG decoder or by `--checkpoint`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from physiolect.commands.inputs import Done, Input, input_problems, run_inputs
from physiolect.commands.settings import Computing, Reading, above_zero, at_least_one, folder_problems
from physiolect.commands.terminal import listening, say
from physiolect.errors import ContractError
from physiolect.files import check_writable
from physiolect.recording import Recording, modality_of

if TYPE_CHECKING:
    from physiolect.checkpoint import Checkpoint

EXAMPLE = "physiolect generate mitdb/100 --stop 300 --out continued"

_EMBEDDED = "ecg"
"""The decoder that is used without --checkpoint."""
_MOST_SECONDS = 1e9
"""Three decades: a longer wish is a slip of the hand."""


@dataclass(frozen=True, kw_only=True)
class Config(Reading, Computing):
    """Settings of `physiolect generate`."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("inputs",)

    inputs: list[str]
    """Recordings to continue, from their end or from --stop; folders of them; or - for standard input."""
    checkpoint: str | None = None
    """A checkpoint's folder, a published HeartGPT file, or owner/name on the Hugging Face Hub (default: the ECG decoder
    that comes with Physiolect)."""
    stop: float | None = None
    """Continue from this moment of the recording, in seconds; what was recorded after it is drawn beside it."""
    seconds: float | None = None
    """Length of the continuation in seconds (default: 5)."""
    tokens: int | None = None
    """The same in tokens, one a sample at the model's rate."""
    samples: int | None = None
    """Continuations to draw (default: 5, or 1 with --greedy)."""
    greedy: bool = False
    """Take the likeliest token each time, so that nothing is random."""
    temperature: float = 1.0
    """Above 1 is bolder, below 1 more cautious."""
    top_k: int | None = None
    """Draw among so many of the likeliest tokens only."""
    top_p: float | None = None
    """Draw among the likeliest tokens that together reach this probability."""
    seed: int = 0
    """Seed of the random draws: the same seed gives the same continuations on one kind of device."""
    mode: Literal["exact", "hop"] = "exact"
    """How to continue past the model's context; "hop" is faster and approximate."""
    hop: int | None = None
    """Tokens forgotten at once in mode "hop" (default: a fifth of the context)."""
    precision: Literal["auto", "float32", "bf16"] = "float32"
    """Of the weights and all that is computed with them: float32, or bf16, which auto takes on a GPU made for it."""
    out: str | None = None
    """Folder for continuation.csv, .npz and .png and summary.json; of several recordings each gets a folder in it, and
    summary.csv has a line for each."""
    json: bool = False
    """Print the summary as JSON on stdout."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = above_zero({"seconds": self.seconds, "temperature": self.temperature})
        counts = {"tokens": self.tokens, "samples": self.samples, "top_k": self.top_k, "hop": self.hop}
        found += at_least_one(counts) + self.computing_problems()
        if self.seconds is not None and _MOST_SECONDS < self.seconds < inf:
            found.append(f"--seconds is {self.seconds:g}, but must be at most {_MOST_SECONDS:g}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            found.append(f"--top-p is {self.top_p:g}, but must be above 0 and at most 1")
        if not 0 <= self.seed < 2**63:
            found.append(f"--seed is {self.seed}, but must be from 0 to {2**63 - 1}")
        found += self.reading_problems(self.inputs[0] if self.inputs else "the recording")
        found += input_problems(self.inputs)
        if self.seconds is not None and self.tokens is not None:
            found.append("--seconds and --tokens both give the length: leave one out")
        found += self._greedy_problems()
        if self.hop is not None and self.mode != "hop":
            found.append("--hop is for --mode hop")
        return found + folder_problems(self.out)

    def _greedy_problems(self) -> list[str]:
        if not self.greedy:
            return []
        found = []
        if (self.samples or 1) > 1:
            found.append(f"--samples is {self.samples}, but with --greedy all would be the same")
        drawn = {
            "temperature": self.temperature != 1.0,
            "top-k": self.top_k is not None,
            "top-p": self.top_p is not None,
        }
        if any(drawn.values()):
            names = " and ".join(f"--{name}" for name, given in drawn.items() if given)
            found.append(f"{names} would change nothing with --greedy: leave out one or the other")
        return found


def run(config: Config) -> int:
    """Continue recordings; 130 after Ctrl-C and 143 after SIGTERM, with what there was; 1 if a recording failed."""
    from physiolect.checkpoint import EMBEDDED, load_checkpoint
    from physiolect.training import choose_device, choose_precision

    if config.out is not None:
        check_writable(Path(config.out))
    device = choose_device(config.device)
    precision = choose_precision(config.precision, device)
    checkpoint = load_checkpoint(EMBEDDED[_EMBEDDED] if config.checkpoint is None else config.checkpoint)
    checkpoint.model.to(device, precision)

    def work(source: Input, out: Path | None) -> Done:
        return _continue(config, checkpoint, source, out)

    return run_inputs(config.inputs, work, out=config.out, as_json=config.json)


def _continue(config: Config, checkpoint: Checkpoint, source: Input, out: Path | None) -> Done:
    """Continue one recording."""
    from physiolect.generation import count_tokens, generate, read_stretch
    from physiolect.report import write_continuation

    contract = checkpoint.contract
    n_tokens = count_tokens(config.seconds, config.tokens, contract.fs)
    stretch = read_stretch(
        lambda start, stop: source.read(config, start=start, stop=stop, for_modality=contract.modality),
        contract,
        start=config.start,
        stop=config.stop,
        seconds=n_tokens / contract.fs,
    )
    recording = replace(stretch.recording, source=source.path)
    if config.checkpoint is None:
        _check_it_is_ecg(recording, config.chosen)
    with listening() as terminal:
        continuation = generate(
            checkpoint,
            recording,
            n_tokens=n_tokens,
            stop=stretch.stop,
            n_samples=config.samples,
            greedy=config.greedy,
            temperature=config.temperature,
            top_k=config.top_k,
            top_p=config.top_p,
            seed=config.seed,
            channel=config.chosen,
            mode=config.mode,
            hop=config.hop,
            first=stretch.first,
            threads=config.threads,
            on_event=terminal,
        )
    if not continuation.ids.size:
        raise KeyboardInterrupt  # before the first token: there is nothing to keep
    about = _about(config, checkpoint, source)
    summary = about | continuation.to_dict()
    say(continuation.summary)
    if config.checkpoint is None:
        say("made by the ECG decoder that comes with Physiolect")
    if out is None:
        say("nothing was written: --out DIR keeps table, arrays, figure and summary")
    else:
        files = [str(file) for file in write_continuation(continuation, out, about=about)]
        say("\n".join(f"wrote {file}" for file in files))
        summary["files"] = files
    return Done(continuation, summary)


def _about(config: Config, checkpoint: Checkpoint, source: Input) -> dict[str, Any]:
    """Return what the summary says about the command."""
    from physiolect.training import choose_device

    hidden = ("inputs", "checkpoint", "out", "json")
    return {
        "input": source.path,
        "checkpoint": config.checkpoint or f"{_EMBEDDED} (with Physiolect)",
        "published_as": checkpoint.run.get("published_as"),
        "device": str(choose_device(config.device)),
        "precision": str(checkpoint.model.dtype).removeprefix("torch."),
        "settings": {name: value for name, value in asdict(config).items() if name not in hidden},
    }


def _check_it_is_ecg(recording: Recording, channel: str | None) -> None:
    """Refuse what our own decoder cannot read, and name an option that helps."""
    rows = range(len(recording.channels)) if channel is None else [recording.index(channel)]
    measured = {modality_of(recording.channels[row]) or recording.modality for row in rows}
    if not measured & {"ecg", None}:
        what = recording.source if channel is None else f"channel {channel} of {recording.source}"
        raise ContractError(
            f"{what} is {' and '.join(sorted(map(str, measured)))}, and the decoder used without --checkpoint "
            "reads ECG",
            hint="give --checkpoint with a model for this signal; HeartGPT's PPGPT_500k_iters.zip reads PPG",
        )
