"""`physiolect tokenize encode INPUT --tokenizer TOK`: a recording or a store becomes tokens."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from physiolect.commands.settings import above_zero

EXAMPLE = "physiolect tokenize encode store --tokenizer tokenizer --out tokens"


@dataclass(frozen=True)
class Config:
    """Turn a recording or a store into tokens."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("input",)

    input: str
    """A recording, or the folder of a store."""
    tokenizer: str
    """Folder or signal_tokenizer.json of an ECG-Byte tokenizer."""
    out: str | None = None
    """Folder of the tokenised store, for a store; a recording's tokens are printed as JSON."""
    fs: float | None = None
    """Sampling rate in Hz, for a recording whose file states none."""
    unit: str | None = None
    """Unit of the channels of which a recording's file states none, such as mV."""
    names: tuple[str, ...] = ()
    """Names of all channels, in their order, of a recording whose file names none."""
    derive_limb: bool = False
    """Compute III, aVR, aVL and aVF of a recording from I and II where they are missing."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        from physiolect.datasets import is_store

        found = above_zero({"fs": self.fs})
        if is_store(self.input) and self.out is None:
            found.append("--out is missing: name a folder for the tokenised store")
        if not is_store(self.input) and self.out is not None:
            found.append("--out is for a store; the tokens of a recording go to stdout")
        if self.out is not None and (Path(self.out) / "tokens.arrow").exists():
            found.append(f"--out '{self.out}' holds tokens already: name another folder, or remove it")
        return found


def run(config: Config) -> None:
    """Encode; ids go to stdout, or a whole store's to a folder."""
    from physiolect.commands.terminal import listening, say
    from physiolect.datasets import Encoded, encode

    with listening() as terminal:
        found = encode(
            config.tokenizer, config.input, out=config.out, fs=config.fs, unit=config.unit, names=config.names,
            derive_limb=config.derive_limb, on_event=terminal,
        )  # fmt: skip
    if isinstance(found, Encoded):
        print(json.dumps({**found.to_dict(), "input": config.input}))
    else:
        say(found.summary)
