"""Several inputs of a verb, one after another: files, folders, and standard input."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physiolect.commands.settings import Reading
from physiolect.commands.terminal import say
from physiolect.errors import FormatError, PhysiolectError, WriteError
from physiolect.recording import Recording

if TYPE_CHECKING:
    from physiolect.detection import BeatResult, HeartbeatResult, RhythmResult
    from physiolect.generation import Continuation
    from physiolect.report import InputRow

STDIN = "-"


@dataclass(frozen=True)
class Input:
    """One recording."""

    path: str
    """What the user named, or found in a folder; "standard input"."""
    label: str
    """Name of the folder of its results, where there are several recordings."""
    content: bytes | None = None
    """What standard input gave."""
    failure: PhysiolectError | None = None
    """Why there is no recording, as in a folder of other things."""

    def read(self, reading: Reading, **changed: Any) -> Recording:
        """Read it; see `Reading.read`.

        Raises:
            FormatError: it cannot be read.
        """
        if self.failure is not None:
            raise self.failure
        return reading.with_lead(reading.read(self.path, content=self.content, **changed))


@dataclass(frozen=True)
class Done:
    """What a verb made of one recording."""

    result: RhythmResult | BeatResult | HeartbeatResult | Continuation
    summary: dict[str, Any]
    """As in summary.json."""


Work = Callable[[Input, Path | None], Done]
"""Does the verb's work on one recording, and writes it to a folder.

It raises KeyboardInterrupt where it was stopped before there was anything to keep.
"""


def input_problems(inputs: Sequence[str]) -> list[str]:
    """List what is wrong with the inputs of a verb."""
    if list(inputs).count(STDIN) > 1:
        return ["INPUTS has '-' twice, but standard input can be read once"]
    return ["INPUTS has an empty name"] if "" in inputs else []


def run_inputs(words: Sequence[str], work: Work, *, out: str | None, as_json: bool) -> int:
    """Do the work on every recording, and return the exit code.

    One file's results go to `out`, and what is wrong with it is raised. Of several inputs, or a folder, each recording
    has a folder of its own and a line in summary.csv; one that fails is reported, and the others go on.

    Raises:
        PhysiolectError: the work on the only file failed, or a folder holds no recording.
    """
    folder = None if out is None else Path(out)
    with _ending_in_order() as ended:
        inputs = _list_inputs(words)
        if len(words) == 1 and not Path(words[0]).is_dir():
            _refuse_other_results(folder, words[0])
            try:
                done = work(inputs[0], folder)
            except KeyboardInterrupt:
                if ended.code == 130:
                    raise
                say("ended by SIGTERM before there was anything to keep")
                return ended.code
            if as_json:
                print(json.dumps(done.summary, indent=2))
            return ended.code if done.result.interrupted else 0
        return _run_all(inputs, work, folder, ended, as_json=as_json)


def _run_all(inputs: list[Input], work: Work, out: Path | None, ended: _Ended, *, as_json: bool) -> int:
    from physiolect.report import InputRow, input_numbers, write_inputs

    rows: list[InputRow] = []
    summaries: list[dict[str, Any]] = []
    n_failed, stopped = 0, False
    for each in inputs:
        folder = None if out is None else out / each.label
        try:
            _refuse_other_results(folder, each.path)
            done = work(each, folder)
        except KeyboardInterrupt:
            stopped = True
        except WriteError:
            raise  # the others could not be written either
        except PhysiolectError as error:
            n_failed += 1
            sentence = str(error) if each.path in str(error) else f"{each.path}: {error}"
            say(f"error: {sentence}" + (f"\nhint: {error.hint}" if error.hint else ""))
            rows.append(InputRow(each.path, error=str(error)))
            if as_json:
                summaries.append({"input": each.path, "error": str(error), "hint": error.hint})
        else:
            rows.append(InputRow(each.path, folder, numbers=input_numbers(done.result)))
            if as_json:
                summaries.append(done.summary)
            stopped = done.result.interrupted
        if stopped:
            break
    if out is not None and rows:
        out.mkdir(parents=True, exist_ok=True)
        say(f"wrote {write_inputs(rows, out / 'summary.csv')}")
    failed = f", {n_failed:,} failed" if n_failed else ""
    say(f"{len(rows) - n_failed:,} of {len(inputs):,} recordings done{failed}")
    if as_json:
        print(json.dumps(summaries, indent=2))
    return ended.code if stopped else 1 if n_failed else 0


def _refuse_other_results(folder: Path | None, path: str) -> None:
    """Refuse a folder that holds the results of another recording, or of several: they would be mixed.

    Raises:
        FormatError: it does.
    """
    if folder is None or not folder.is_dir():
        return
    if (folder / "summary.csv").is_file():
        raise FormatError(f"{folder} holds the results of several recordings", hint="name another folder")
    try:
        earlier = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["input"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if earlier != path:
        raise FormatError(
            f"{folder} holds the results of {earlier}", hint="name another folder, or remove this one"
        )


def _list_inputs(words: Sequence[str]) -> list[Input]:
    """Return the recordings that words name, those of a folder without what a model wrote.

    Raises:
        FormatError: the only word is a folder without a recording.
    """
    from physiolect.formats.folder import without_extension

    paths: list[str] = []
    failures: dict[str, PhysiolectError] = {}
    for word in dict.fromkeys(words):
        try:
            paths += _recordings_in(word) if Path(word).is_dir() else [word]
        except PhysiolectError as error:
            if len(words) == 1:
                raise
            paths.append(word)
            failures[word] = error
    found: list[Input] = []
    labels: dict[str, int] = {}
    for path in dict.fromkeys(paths):
        label = _new_label("stdin" if path == STDIN else without_extension(Path(path)).name or path, labels)
        if path == STDIN:
            content = getattr(sys.stdin, "buffer", sys.stdin).read()
            content = content.encode() if isinstance(content, str) else content
            found.append(Input("standard input", label, content))
        else:
            found.append(Input(path, label, failure=failures.get(path)))
    return found


def _new_label(stem: str, taken: dict[str, int]) -> str:
    """Return the stem, or with a number behind it where it is taken; from then on it is.

    Args:
        stem: Name of an input.
        taken: Labels so far, each with the last number that was put behind it.
    """
    label = stem
    while label in taken:
        taken[stem] += 1
        label = f"{stem}-{taken[stem]}"
    taken[label] = 1
    return label


def _recordings_in(folder: str) -> list[str]:
    from physiolect.formats.folder import list_folder

    found = list_folder(folder, or_outputs=False)
    if found.outputs:
        say(f"skipped {len(found.outputs):,} files in {folder} that a model wrote")
    if found.notice:
        say(found.notice)
    return [str(path) for path in found.recordings]


class _Ended:
    """How the run was ended from outside."""

    code = 130
    """Exit code: 130 for Ctrl-C, 143 for SIGTERM."""


@contextmanager
def _ending_in_order() -> Iterator[_Ended]:
    """Let SIGTERM end the run as Ctrl-C does."""
    ended = _Ended()

    def end(*_: object) -> None:
        ended.code = 143
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield ended
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield ended
    finally:
        signal.signal(signal.SIGTERM, before)
