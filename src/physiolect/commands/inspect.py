"""`physiolect inspect INPUT`: what a recording, store, tokenizer or checkpoint holds, in one screen."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from physiolect.plain_text import escape_controls
from physiolect.recording import Modality, names_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from physiolect.report.long_recording import Facts

EXAMPLE = "physiolect inspect mitdb/100"
_LABELS = {"seconds": "length (s)", "fs": "fs (Hz)", "missing": "NaN (%)", "notes": "how, or why not"}
_MANY_CHANNELS = 4
"""How many channels of a recording the table of a folder names."""
_MANY = 15
"""How many entries of a long list one screen shows; `--json` shows all."""


@dataclass(frozen=True)
class Config:
    """Show what a recording, a folder of recordings, a store, a tokenizer or a checkpoint holds."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("input",)

    input: str = ""
    """A recording, a folder of them, a store, a checkpoint (or "ecg", our own), a published HeartGPT file, or a
    signal_tokenizer.json."""
    json: bool = False
    """Print JSON, complete and unrounded, in place of tables."""
    verify: bool = False
    """Also prove a store by its hashes, or a checkpoint by its fingerprint."""
    fs: float | None = None
    """Sampling rate in Hz, for a recording whose file states none."""
    channels: tuple[str, ...] | None = None
    """Only these channels of a recording, by name, alias or number from 0."""
    modality: Modality | None = None
    """What a recording is, where its file does not state it."""
    variable: str | None = None
    """Which variable of a MAT or NPZ file is the signal."""
    unit: str | None = None
    """Unit, such as mV, of channels whose file states none."""
    names: tuple[str, ...] = ()
    """Names of all channels of a recording, in their order, where its file names none or others."""
    annotator: tuple[str, ...] = ()
    """Annotation files of WFDB records to read, by extension, such as qrs st (default: the first of atr, qrs, ecg)."""
    formats: bool = False
    """Show which formats are read and written, in place of an input."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = [] if self.input or self.formats else ["INPUT is missing: name a file or folder"]
        if self.fs is not None and not self.fs > 0:
            found.append(f"fs is {self.fs}, but must be above 0 Hz")
        return found


def run(config: Config) -> None:
    """Print what the input holds on stdout."""
    from physiolect.report.inspection import inspect

    if config.formats:
        _show_formats(as_json=config.json)
        return
    settings = {
        name: value for name, value in vars(config).items() if name not in ("input", "json", "formats")
    }
    facts = inspect(config.input, **settings).facts
    if config.json:
        print(json.dumps(facts, indent=2))
    else:
        _show(facts)


def _show_formats(*, as_json: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    from physiolect.formats.support import support_table

    rows = support_table()
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = Table(*rows[0], box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row.values())
    Console(markup=False, highlight=False, emoji=False).print(table)


def _show(facts: Facts) -> None:
    """Print facts: single ones in a column, small groups side by side, then what needs the width."""
    from rich.columns import Columns
    from rich.console import Console

    console = Console(markup=False, highlight=False, emoji=False)
    parts = {key: value for key, value in facts.items() if isinstance(value, list | dict) and value}
    single = {key: value for key, value in facts.items() if not isinstance(value, list | dict)}
    console.print(escape_controls(f"{single.pop('kind')} {single.pop('name')}"), style="bold", soft_wrap=True)
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
        body = Padding(
            Text("   ".join(f"{_text(key)} {_text(value)}" for key, value in part.items())), (0, 0, 0, 2)
        )
    else:
        body = _column(part)
    return Group(Text(f"\n{title}", style="bold"), body)


def _column(facts: Facts) -> RenderableType:
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    for key, value in facts.items():
        grid.add_row(f"  {_text(_LABELS.get(key, key)).replace('_', ' ')}", _text(value))
    return grid


def _table(rows: list[Facts]) -> RenderableType:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    rows = [_on_screen(row) for row in rows]
    for key, value in rows[0].items():
        justify: Literal["left", "right"] = "right" if isinstance(value, float) else "left"
        table.add_column(_LABELS.get(key, key), justify=justify, overflow="fold")
    for row in rows[:_MANY]:
        table.add_row(*(_text(value, "\n") for value in row.values()))
    if len(rows) > _MANY:
        table.add_row(f"… and {len(rows) - _MANY} more (--json lists all)")
    return table


def _on_screen(row: Facts) -> Facts:
    """Return a row of a folder; where it cannot be read, its error replaces its channels."""
    if "error" not in row or "channels" not in row:
        return row
    shown = {key: value for key, value in row.items() if key != "error"}
    channels = row["channels"]
    return shown | {"channels": row["error"] or (names_text(channels, _MANY_CHANNELS) if channels else None)}


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
            return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
        case dict() | list() | tuple() if len(value) > _MANY:
            return f"{len(value)} entries"
        case dict():
            return between.join(f"{_text(key)} {_text(item)}" for key, item in value.items())
        case list() | tuple():
            return between.join(map(_text, value)) or "–"
    return escape_controls(str(value))
