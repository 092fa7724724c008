"""`physiolect tokenize inspect TOK [--store STORE] [--out FOLDER]`: what tokens are, and what they make of a store."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from physiolect.commands.settings import at_least_one, folder_problems

EXAMPLE = "physiolect tokenize inspect tokenizer --store store --out tokens-seen"


@dataclass(frozen=True)
class Config:
    """Show what a tokenizer's tokens are, and what they make of a store."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("tokenizer",)

    tokenizer: str
    """Folder or signal_tokenizer.json of an ECG-Byte tokenizer."""
    store: str | None = None
    """A store to measure compression, use and error on; best one it was not trained on."""
    rows: int = 1000
    """Rows of the store that are measured, spread evenly over it."""
    out: str | None = None
    """Folder for tokens.png and, with a store, use.png."""
    json: bool = False
    """Print JSON in place of lines."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        return [*at_least_one({"rows": self.rows}), *folder_problems(self.out)]


def run(config: Config) -> None:
    """Print what there is to know, and draw it."""
    from physiolect.commands.terminal import listening, say, show
    from physiolect.evaluation import measure_tokenizer
    from physiolect.files import check_writable
    from physiolect.report.tokens import write_measured_tokenizer

    if config.out is not None:
        check_writable(Path(config.out))
    with listening() as terminal:
        found = measure_tokenizer(config.tokenizer, store=config.store, rows=config.rows, on_event=terminal)
    if config.out is not None:
        for file in write_measured_tokenizer(found, config.out):
            say(f"wrote {file}")
    show(json.dumps(found.facts, indent=2) if config.json else found.summary)
