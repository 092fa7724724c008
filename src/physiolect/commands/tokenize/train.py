"""`physiolect tokenize train STORE --out TOK`: find the tokens of a store of ECGs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from physiolect.commands.settings import folder_problems
from physiolect.errors import PhysiolectError

EXAMPLE = "physiolect tokenize train store --merges 3500 --out tokenizer"


@dataclass(frozen=True)
class Config:
    """Find the tokens of a store of ECGs."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("store",)

    store: str
    """Folder made by `physiolect prepare`, every row with the same leads."""
    out: str
    """Folder for signal_tokenizer.json."""
    merges: int = 3500
    """Tokens to find beside the 26 letters."""
    boundary: Literal["lead", "record", "concat"] = "lead"
    """What a token never crosses: the end of a lead, of a row, or nothing, as published."""
    memory: str | None = None
    """Memory that training may take, such as 256MB; with less the disk is used, for the same tokens."""
    validation: float = 0.1
    """Share of the patients that is left out of training, to measure compression on; 0 trains on all."""
    seed: int = 0
    """Another seed leaves out other patients."""
    validate_on: tuple[str, ...] = ()
    """Parts of a published split to measure on in place of that share: "fold 9"."""
    leave_out: tuple[str, ...] = ()
    """Parts of a published split, or recordings, that neither train nor validate: "fold 10", "mitbih/202"."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = []
        if not 0 <= self.merges <= 60_000:
            found.append(f"--merges is {self.merges}, but must be from 0 to 60000")
        if not 0 <= self.validation < 1:
            found.append(f"--validation is {self.validation:g}, but must be from 0 to below 1")
        if self.memory is not None:
            from physiolect.tokenizers.bpe import bytes_of

            try:
                bytes_of(self.memory)
            except PhysiolectError as error:
                found.append(f"--{error}")
        found += folder_problems(self.out)
        if (Path(self.out) / "signal_tokenizer.json").exists():
            found.append(f"--out '{self.out}' holds a tokenizer already: name another folder, or remove it")
        return found


def run(config: Config) -> None:
    """Train, write the tokenizer, and print how well it does on patients that were left out."""
    from physiolect.commands.terminal import listening, say
    from physiolect.learning import train_tokenizer

    with listening() as terminal:
        found = train_tokenizer(**vars(config), on_event=terminal)
    say(found.summary)
