"""`physiolect prepare INPUT ... --out STORE`: recordings become a store to train on."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from physiolect.commands.terminal import Terminal, Terminated, listening, say, terminable
from physiolect.events import Event, Progress
from physiolect.recording import Modality
from physiolect.signals.quality import RemarkKind

if TYPE_CHECKING:
    from physiolect.datasets.preparing.settings import PrepareSettings

EXAMPLE = "physiolect prepare mitdb/ more/*.mat --out store --channel MLII"
_SPEAK_EVERY = 30.0
"""Seconds between two lines of progress where there is no terminal to draw a bar on."""


@dataclass(frozen=True)
class Config:
    """Turn recordings, of any mixture of files and folders, into a store to train on."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("inputs",)

    inputs: list[str]
    """Files and folders of recordings; files that a model wrote are skipped."""
    out: str
    """Folder of the store; give the folder of an unfinished one to continue it."""
    contract: str | None = None
    """What every row must be made to fit: a preset, a YAML file, a checkpoint's folder, a checkpoint that comes with
    Physiolect, such as ecg-heartbeats, or an ECG-Byte tokenizer (default: that of the dataset, or heartgpt-ecg)."""
    channel: str | None = None
    """The one channel to take, by name, alias or number from 0; a model trained on the store asks for that name."""
    lead: str | None = None
    """What the channel is, such as II or MLII, where files do not name it so; the store asks for that name."""
    every_channel: bool = False
    """Take every channel as a row of its own: all leads of a recording, all records of a matrix."""
    fs: float | None = None
    """Sampling rate in Hz of files that state none."""
    modality: Modality | None = None
    """What was measured, for files that do not state it."""
    variable: str | None = None
    """Variable of MAT and NPZ files that holds the signal, where they have several."""
    unit: str | None = None
    """Unit of channels whose file states none, such as mV."""
    names: tuple[str, ...] = ()
    """Names of all channels, in their order, where files name none or others."""
    annotator: tuple[str, ...] = ()
    """Annotation files of WFDB records to read, by extension, such as qrs st (default: the first of atr, qrs, ecg)."""
    patients: str | None = None
    """CSV with the columns recording,patient, so that splits keep each patient on one side."""
    labels: str | None = None
    """CSV with the columns recording,label, one line a label: every row of a recording carries its labels."""
    dataset: str | None = None
    """Public dataset that the folders hold as it is published, which brings its patients, labels and split."""
    label_set: str | None = None
    """Which labels of the dataset, where it has several, such as superclass, form or rhythm of ptbxl."""
    split: str = ""  # not None, which is how the command line reads the word "none"
    """Which published split of the dataset, where there are several, such as de-chazal of mitbih; or none."""
    segment: int | None = None
    """Samples, at the contract's rate, of the segments that recordings are cut into; what is left over is dropped."""
    derive_limb: bool = False
    """Compute missing limb leads (III, aVR, aVL, aVF) from I and II."""
    zero_missing: bool = False
    """Put zeros in the place of missing leads, instead of leaving the recording out."""
    refuse: tuple[RemarkKind, ...] = ()
    """Leave out recordings with these quality remarks; by default they are only counted."""
    workers: int = 0
    """Processes to work with; 0 means one for each processor."""
    scheduler: str | None = None
    """Address of a Dask scheduler (tcp://host:port) whose workers do the work instead; they must see the same disk."""
    shard: str | None = None
    """Which share of the work this run does, such as 1/4; other machines do the other shares into the same store."""
    strict: bool = False
    """Stop at the first recording that does not fit, instead of leaving it out."""
    targets: tuple[str, ...] = ()
    """Channels kept beside the signals, which a model will decode, such as Force_x; without --contract the signals are
    all other channels of the first recording."""
    lag: float = 0.0
    """Seconds by which targets lie after the signal that they go with."""
    blocks: tuple[float, ...] = ()
    """Shares of each recording's time that train, validate and test, such as 0.7 0.15 0.15."""
    gap: float = 6.0
    """Seconds that are left out between blocks; at least as long as what a model sees."""
    trials: bool = False
    """Make each trial a row, labelled with its target."""
    bands: tuple[str, ...] = ()
    """Bands in Hz, such as 70-150: electrodes become their power in dB, in bins."""
    common_average: bool = False
    """Before band power, subtract the mean of all electrodes from each."""
    notch: float | None = None
    """Before band power, line noise in Hz that is filtered out, with its harmonics: 50 or 60."""
    bin_rate: float = 20.0
    """Bins a second of band power."""
    verbose: bool = False
    """List every file that is left out, not only the first ones."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        return self.settings().problems()

    def settings(self) -> PrepareSettings:
        """Return the settings that `prepare` checks."""
        from physiolect.datasets.preparing.settings import PrepareSettings

        given = self.arguments()
        return PrepareSettings(**{name: given[name] for name in PrepareSettings.__annotations__})

    def arguments(self) -> dict[str, Any]:
        """Return what `prepare` takes; a checkpoint that comes with the package is its folder."""
        from physiolect.contract import CONTRACTS

        contract = self.contract
        if contract and contract not in CONTRACTS and not Path(contract).exists():
            from physiolect.checkpoint import EMBEDDED  # imports torch, which no other contract needs

            contract = str(EMBEDDED.get(contract, contract))
        return vars(self) | {"contract": contract}


def run(config: Config) -> int:
    """Prepare the store; 130 or 143 where the user, or the machine, stopped it."""
    from physiolect.datasets import prepare

    with listening() as terminal:
        try:
            with terminable():
                prepared = prepare(**config.arguments(), on_event=_Listener(terminal))
        except (KeyboardInterrupt, Terminated) as stop:
            terminal.clear()
            say(f"stopped; finished shards are kept in {config.out}: run the same command again to continue")
            return 143 if isinstance(stop, Terminated) else 130
    say(prepared.summary)
    return 0


class _Listener:
    """Shows events on the terminal or, where there is none, says now and then how much is done."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._spoke = time.monotonic()

    def __call__(self, event: Event) -> None:
        self._terminal(event)
        if not isinstance(event, Progress) or event.what != "files" or sys.stderr.isatty():
            return
        if time.monotonic() - self._spoke >= _SPEAK_EVERY:
            self._spoke = time.monotonic()
            say(", ".join(filter(None, [f"{event.done} of {event.total} files", event.note])))
