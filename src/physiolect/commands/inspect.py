"""Show what a recording, store, tokenizer or checkpoint holds, in one screen."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from physiolect.errors import ConfigError, ContractError
from physiolect.models.published.weights_file import SUFFIXES
from physiolect.recording import Annotations, Modality, Recording, modality_of

if TYPE_CHECKING:
    from rich.console import RenderableType

Facts = dict[str, Any]

EXAMPLE = "physiolect inspect mitdb/100"
_TOKENIZER_FILE = "signal_tokenizer.json"
_EMBEDDED = "ecg"
_LABELS = {"seconds": "length (s)", "fs": "fs (Hz)", "missing": "NaN (%)", "notes": "how, or why not"}
_MANY = 15
"""How many entries of a long list one screen shows; `--json` shows all."""


@dataclass(frozen=True)
class Config:
    """What `physiolect inspect` is asked."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("input",)

    input: str
    """A recording, a store, a checkpoint (or "ecg", our own), a published HeartGPT file, or a signal_tokenizer.json."""
    json: bool = False
    """Print JSON, complete and unrounded, in place of tables."""
    verify: bool = False
    """Also prove a store by its hashes, or a checkpoint by its fingerprint."""
    fs: float | None = None
    """Sampling rate in Hz, for a recording whose file states none."""
    channels: tuple[str, ...] | None = None
    """Only these channels of a recording, by name, alias or number from 0."""
    modality: Modality | None = None
    """What a recording is, where its file does not tell."""
    variable: str | None = None
    """Which variable of a MAT or NPZ file is the signal."""
    unit: str | None = None
    """Unit of the channels of which a recording's file states none, such as mV."""
    names: tuple[str, ...] = ()
    """Names of all channels, in their order, of a recording whose file names none."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = [] if self.input else ["INPUT is empty, but must name a file or folder"]
        if self.fs is not None and not self.fs > 0:
            found.append(f"fs is {self.fs}, but must be above 0 Hz")
        return found


def run(config: Config) -> None:
    """Print what the input holds on stdout."""
    facts = _facts(config)
    if config.json:
        print(json.dumps(facts, indent=2))
    else:
        _show(facts)


def _facts(config: Config) -> Facts:
    path = Path(config.input)
    if config.input == _EMBEDDED and not path.exists() and not path.with_suffix(".hea").exists():
        return _checkpoint(path, verify=config.verify)
    if path.is_dir():
        if (path / "config.yaml").is_file() or any((path / kind).is_dir() for kind in ("best", "last")):
            return _checkpoint(path, verify=config.verify)
        from physiolect.datasets import is_store

        if is_store(path):
            return _store(path, verify=config.verify)
        if (path / _TOKENIZER_FILE).is_file() and not config.verify:
            return _tokenizer(path)
    elif path.is_file() and path.suffix.lower() in SUFFIXES:
        return _checkpoint(path, verify=config.verify)
    if config.verify:
        raise ConfigError(
            f"{path} is neither a store nor a checkpoint, and carries nothing to verify it by",
            hint="leave --verify out",
        )
    if path.is_dir():
        return _folder(path)
    if path.is_file() and path.name == _TOKENIZER_FILE:
        return _tokenizer(path)
    from physiolect.formats import read_recording

    return _recording(
        read_recording(
            path,
            fs=config.fs,
            channels=config.channels,
            modality=config.modality,
            variable=config.variable,
            unit=config.unit,
            names=config.names,
        )
    )


def _folder(path: Path) -> Facts:
    from physiolect.formats import list_recordings

    found = [{"recording": str(each.relative_to(path))} for each in list_recordings(path)]
    return {"kind": "folder", "name": str(path), "files": len(found), "recordings": found}


def _recording(recording: Recording) -> Facts:
    return {
        "kind": "recording",
        "name": recording.source,
        "modality": recording.modality,
        "fs": recording.fs,
        "seconds": recording.duration,
        "samples": recording.n_samples,
        "channels": [_channel(recording, row) for row in range(len(recording.channels))],
        "quality": _quality(recording),
        "annotations": _marks(recording.annotations),
        "fits": _fits(recording),
    }


def _channel(recording: Recording, row: int) -> Facts:
    signal, name = recording.signal[row], recording.channels[row]
    present = signal[np.isfinite(signal)]
    low, high, mean = (
        (float(present.min()), float(present.max()), float(present.mean(dtype=np.float64)))
        if present.size
        else (None, None, None)
    )
    return {
        "channel": name,
        "modality": modality_of(name) or recording.modality,
        "unit": recording.units[row],
        "min": low,
        "max": high,
        "mean": mean,
        "missing": 100 * float(np.isnan(signal).mean()) if signal.size else 0.0,
        "flat": low == high,
    }


def _quality(recording: Recording) -> list[Facts]:
    """Say what is remarkable about the samples, for whoever is about to learn from them."""
    from physiolect.contract import quality_remarks

    return [{"remark": remark.kind, "what": remark.note} for remark in quality_remarks(recording)]


def _marks(annotations: Annotations) -> dict[str, int]:
    """Count marks by symbol, the most frequent first; a rhythm's "+" goes with its name."""
    named = (f"+ {note}" if symbol == "+" and note else symbol for _, symbol, note in annotations)
    return dict(Counter(named).most_common())


def _fits(recording: Recording) -> list[Facts]:
    """Say for each preset contract whether the recording fits, and what that takes or why not."""
    from physiolect.contract import CONTRACTS, adapt

    found = []
    for preset, contract in CONTRACTS.items():
        try:
            report = adapt(recording, contract)[1]
            found.append({"contract": preset, "fits": True, "notes": [*report.steps, *report.notices]})
        except ContractError as error:
            found.append({"contract": preset, "fits": False, "notes": str(error).split("; ")})
    return found


def _store(path: Path, *, verify: bool) -> Facts:
    from physiolect.config import to_dict
    from physiolect.datasets import open_store

    store = open_store(path, verify=verify)
    header = store.manifests[0].header
    patients = store.patients
    return {
        "kind": "store",
        "name": str(path),
        "rows": len(store),
        "hours": float(store.lengths.sum()) / store.contract.fs / 3600,
        "recordings": len(set(store.sources)),
        "patients": len(set(patients) - {None}),
        "rows of unknown patient": patients.count(None),
        "channels in a row": " or ".join(map(str, sorted(set(store.n_channels.tolist())))),
        "samples": "int16, a scale and an offset for each channel of a row",
        "error at most": f"{_text(max(manifest.max_error for manifest in store.manifests))} "
        f"{store.contract.unit or 'in the unit of its channel'}",
        "shards": sum(len(manifest.shards) for manifest in store.manifests),
        **({"verified": "every shard by its SHA-256"} if verify else {}),
        "made by": f"physiolect {header.physiolect}",
        "contract": to_dict(store.contract),
        "provenance": header.provenance,
        "labels": dict(Counter(label for labels in store.labels for label in labels).most_common()),
        "splits": dict(Counter(split for split in store.splits if split is not None)),
        "quality": [asdict(remark) for remark in store.remarks],
        "rejected": [asdict(rejection) for rejection in store.rejected],
    }


def _tokenizer(path: Path) -> Facts:
    from physiolect.datasets.store.tokens import TOKENS_FILE, TokenStore
    from physiolect.tokenizers import load_tokenizer

    tokenizer = load_tokenizer(path)
    facts = {"class": type(tokenizer).__name__, **asdict(tokenizer)}
    if not (path / TOKENS_FILE).is_file():
        return {"kind": "tokenizer", "name": str(path), **facts}
    store = TokenStore(path)
    rows = [store.row(row) for row in range(len(store))]
    return {
        "kind": "tokens",
        "name": str(path),
        "rows": len(store),
        "tokens": sum(len(row.ids) for row in rows),
        "recordings": len({row.source for row in rows}),
        "patients": len({row.patient for row in rows} - {None}),
        "tokenizer": facts,
    }


def _checkpoint(path: Path, *, verify: bool) -> Facts:
    from physiolect.checkpoint import load_checkpoint
    from physiolect.config import to_dict

    checkpoint = load_checkpoint(path)
    return {
        "kind": "checkpoint",
        "name": str(path),
        "task": checkpoint.task.name,
        **({"classes": ", ".join(checkpoint.outputs.classes)} if checkpoint.outputs.classes else {}),
        **(
            {"target": f"{checkpoint.outputs.target} ({checkpoint.outputs.unit})"}
            if checkpoint.outputs.target
            else {}
        ),
        "parameters": checkpoint.model.n_parameters(),
        "fingerprint": checkpoint.fingerprint is not None,
        **({"verified": str(checkpoint.verify())} if verify else {}),
        "model": to_dict(checkpoint.model.config),
        "contract": to_dict(checkpoint.contract),
        **_tokenizer_facts(checkpoint),
        "run": checkpoint.run,
    }


def _tokenizer_facts(checkpoint: Any) -> Facts:
    tokenizer = checkpoint.tokenizer
    return (
        {} if tokenizer is None else {"tokenizer": {"class": type(tokenizer).__name__, **asdict(tokenizer)}}
    )


def _show(facts: Facts) -> None:
    """Print facts: single ones in a column, small groups side by side, then what needs the width."""
    from rich.columns import Columns
    from rich.console import Console

    console = Console(markup=False, highlight=False, emoji=False)
    parts = {key: value for key, value in facts.items() if isinstance(value, list | dict) and value}
    single = {key: value for key, value in facts.items() if not isinstance(value, list | dict)}
    console.print(f"{single.pop('kind')} {single.pop('name')}", style="bold", soft_wrap=True)
    console.print(_column(single))
    small = [key for key, part in parts.items() if _is_small(part)]
    if small:
        console.print(Columns([_titled(key, parts[key]) for key in small], padding=(0, 2)))
    for key in (key for key in parts if key not in small):
        console.print(_titled(key, parts[key]))


def _is_small(part: Facts | list[Facts]) -> bool:
    return isinstance(part, dict) and not _is_count(part) and all(len(_text(v)) < 20 for v in part.values())


def _is_count(part: Facts) -> bool:
    return all(type(value) is int for value in part.values())


def _titled(title: str, part: Facts | list[Facts]) -> RenderableType:
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    if isinstance(part, list):
        body: RenderableType = Padding(_table(part), (0, 0, 0, 2))
    elif _is_count(part):
        body = Padding(Text("   ".join(f"{key} {_text(value)}" for key, value in part.items())), (0, 0, 0, 2))
    else:
        body = _column(part)
    return Group(Text(f"\n{title}", style="bold"), body)


def _column(facts: Facts) -> RenderableType:
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    for key, value in facts.items():
        grid.add_row(f"  {_LABELS.get(key, key).replace('_', ' ')}", _text(value))
    return grid


def _table(rows: list[Facts]) -> RenderableType:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for key, value in rows[0].items():
        table.add_column(_LABELS.get(key, key), justify="right" if isinstance(value, float) else "left")
    for row in rows[:_MANY]:
        table.add_row(*(_text(value, "\n") for value in row.values()))
    if len(rows) > _MANY:
        table.add_row(f"… and {len(rows) - _MANY} more")
    return table


def _text(value: Any, between: str = ", ") -> str:
    """Return a value as a person would write it."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.4g}"
        case dict() | list() | tuple() if len(value) > _MANY:
            return f"{len(value)} entries"
        case dict():
            return between.join(f"{key} {_text(item)}" for key, item in value.items())
        case list() | tuple():
            return between.join(map(_text, value)) or "–"
    return str(value)
