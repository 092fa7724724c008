"""What a recording, store, tokenizer or checkpoint holds, as plain values."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physiolect.errors import ConfigError, ContractError, FormatError
from physiolect.models.published.weights_file import SUFFIXES
from physiolect.recording import Modality, Recording, modality_of, shared_modality, start_text
from physiolect.report.long_recording import STRETCH, Facts, count_marks, describe_stretches, needs_stretches
from physiolect.result import Result, make_frame

if TYPE_CHECKING:
    import pandas

_TOKENIZER_FILE = "signal_tokenizer.json"
_EMBEDDED = "ecg"


@dataclass(frozen=True, repr=False)
class Inspection(Result):
    """What a file or folder holds."""

    facts: Facts
    """Plain values, unrounded, as `physiolect inspect --json` prints them."""

    @property
    def summary(self) -> str:
        """What it is, and its single facts, a line each."""
        single = {name: value for name, value in self.facts.items() if not isinstance(value, list | dict)}
        first = f"{single.pop('kind')} {single.pop('name')}"
        return "\n".join([first, *(f"  {name}: {value}" for name, value in single.items())])

    def to_frame(self) -> pandas.DataFrame:
        """Return a table: a line for each channel of a recording or file of a folder, else one for each single fact.

        Raises:
            PhysiolectError: pandas is not installed.
        """
        lines = self.facts.get("channels") or self.facts.get("recordings")
        if not isinstance(lines, list):
            single = {k: value for k, value in self.facts.items() if not isinstance(value, list | dict)}
            return make_frame({"fact": list(single), "value": list(single.values())})
        return make_frame({name: [line[name] for line in lines] for name in lines[0]})


def inspect(
    path: str | os.PathLike[str],
    *,
    verify: bool = False,
    fs: float | None = None,
    channels: Sequence[str] | None = None,
    modality: Modality | None = None,
    variable: str | None = None,
    unit: str | None = None,
    names: Sequence[str] = (),
    annotator: str | Sequence[str] = (),
) -> Inspection:
    """Return what a recording, folder, store, tokenizer or checkpoint holds.

    Args:
        path: The file or folder; "ecg" is the checkpoint that comes with Physiolect.
        verify: Also prove a store by its hashes, or a checkpoint by its fingerprint.
        fs: Sampling rate in Hz, for a recording whose file states none.
        channels: Only these channels of a recording, by name, alias or number from 0.
        modality: "ecg", "ppg" or "ecog", for a recording whose file does not state it.
        variable: Which variable of a MAT or NPZ file is the signal.
        unit: Unit of channels whose file states none.
        names: Names of all channels, for a recording whose file names none.
        annotator: Which annotation files of a WFDB record to read, by extension, one or several.

    Raises:
        PhysiolectError: it cannot be read, or there is nothing to verify it by, or it does not verify.
    """
    place = Path(path)
    kind = _kind(place, verify=verify)
    if kind is not None:
        return Inspection(kind(place))
    if verify:
        raise ConfigError(
            f"{path} is neither a store nor a checkpoint, and carries nothing to verify it by",
            hint="leave --verify out",
        )
    if place.is_dir():
        return Inspection(_folder(place))
    if place.is_file() and place.name == _TOKENIZER_FILE:
        return Inspection(_tokenizer(place))
    from physiolect.formats import read_every_rate, read_stretches
    from physiolect.formats.outputs import is_output

    long = needs_stretches(place)
    read = partial(
        partial(read_stretches, n_samples=STRETCH, every_rate=True) if long else read_every_rate,
        path, fs=fs, channels=channels, modality=modality, variable=variable, unit=unit, names=names,
        annotator=annotator or None,
    )  # fmt: skip

    def describe() -> Facts:
        return _every_rate(describe_stretches(read(), _recording) if long else list(map(_recording, read())))

    return Inspection(_output(place, describe) if is_output(place) else describe())


def _kind(path: Path, *, verify: bool) -> Callable[[Path], Facts] | None:
    """Return what describes a checkpoint, a store or, where there is nothing to verify, a tokenizer's folder."""
    checkpoint = partial(_checkpoint, verify=verify)
    if str(path) == _EMBEDDED and not path.exists() and not path.with_suffix(".hea").exists():
        return checkpoint
    if path.is_dir():
        if (path / "config.yaml").is_file() or any((path / kind).is_dir() for kind in ("best", "last")):
            return checkpoint
        from physiolect.datasets import is_store

        if is_store(path):
            return partial(_store, verify=verify)
        if (path / _TOKENIZER_FILE).is_file() and not verify:
            return _tokenizer
    elif path.is_file() and path.suffix.lower() in SUFFIXES:
        from physiolect.formats.text_source import holds_tables

        return None if holds_tables(path) else checkpoint
    return None


def _folder(path: Path) -> Facts:
    from physiolect.formats.folder import list_folder

    held = list_folder(path)
    return {
        "kind": "folder",
        "name": str(path),
        "files": len(held.recordings),
        **({"files that a model wrote": len(held.outputs)} if held.outputs else {}),
        **({"skipped files": dict(held.skipped)} if held.skipped else {}),
        "recordings": [{"recording": str(each.relative_to(path))} for each in held.recordings],
    }


def _output(path: Path, describe: Callable[[], Facts]) -> Facts:
    """Describe a file that a model wrote; where it can be read as a recording, as one."""
    try:
        facts = describe()
    except FormatError:
        facts = {"name": str(path)}
    note = "physiolect generate, detect or explain; not training data"
    return {**facts, "kind": "model output", "name": str(path), "written by": note}


def _every_rate(each: list[Facts]) -> Facts:
    """Describe a file: one recording, or one for each sampling rate of its channels."""
    facts = dict(each[0])
    if len(each) == 1:
        return facts
    facts["modality"] = shared_modality([row["channel"] for part in each for row in part["channels"]])
    del facts["fs"], facts["samples"]
    facts["channels"] = [{**row, "fs": part["fs"]} for part in each for row in part["channels"]]
    facts["quality"] = [remark for part in each for remark in part["quality"]]
    meant = [part for part in each if any(modality_of(row["channel"]) for row in part["channels"])]
    facts["fits"] = [
        next((answer for answer in answers if answer["fits"]), answers[0])
        for answers in zip(*(part["fits"] for part in meant), strict=True)
    ] or [{"contract": "any", "fits": False, "notes": "the channels differ in sampling rate: choose one"}]
    return facts


def _recording(recording: Recording, first: float = 0.0) -> Facts:
    return {
        "kind": "recording",
        "name": recording.source,
        "modality": recording.modality,
        "fs": recording.fs,
        "seconds": recording.duration,
        "samples": recording.n_samples,
        **({"start_time": start_text(start)} if (start := recording.start_time) is not None else {}),
        "channels": [_channel(recording, row) for row in range(len(recording.channels))],
        "notices": [{"notice": notice} for notice in recording.notices],
        "quality": _quality(recording),
        "annotations": dict(count_marks(recording.annotations).most_common()),
        "fits": _fits(recording, first),
    }


def _channel(recording: Recording, row: int) -> Facts:
    from physiolect.contract.channels import channel_modality

    signal, name = recording.signal[row], recording.channels[row]
    present = signal[np.isfinite(signal)]
    low, high, mean = (
        (float(present.min()), float(present.max()), float(present.mean(dtype=np.float64)))
        if present.size
        else (None, None, None)
    )
    return {
        "channel": name,
        "modality": channel_modality(recording, row),
        "unit": recording.units[row],
        "min": low,
        "max": high,
        "mean": mean,
        "missing": 100 * float(np.isnan(signal).mean()) if signal.size else 0.0,
        "flat": low == high,
    }


def _quality(recording: Recording) -> list[Facts]:
    """Return the quality remarks on the samples."""
    from physiolect.contract import quality_remarks

    return [{"remark": remark.kind, "what": remark.note} for remark in quality_remarks(recording)]


def _fits(recording: Recording, first: float) -> list[Facts]:
    """Return for each preset contract whether the recording fits, and what that takes or why not.

    Args:
        recording: All of it, or a stretch.
        first: Moment in seconds at which the stretch begins.
    """
    from physiolect.contract import CONTRACTS, adapt

    found = []
    for preset, contract in CONTRACTS.items():
        try:
            report = adapt(recording, contract, first=first)[1]
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
        "error at most": f"{max(m.max_error for m in store.manifests):.4g} "
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
    facts = _about_tokenizer(tokenizer)
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
    return {} if tokenizer is None else {"tokenizer": _about_tokenizer(tokenizer)}


def _about_tokenizer(tokenizer: Any) -> Facts:
    """Return the settings of a tokenizer; of one of heartbeats, how many numbers it gives and not their means."""
    facts = {"class": type(tokenizer).__name__, **asdict(tokenizer)}
    if "mean" in facts:
        fitted = bool(facts.pop("mean")) and bool(facts.pop("sd"))
        facts |= {"numbers_per_beat": tokenizer.n_features, "fitted": fitted}
    return facts
