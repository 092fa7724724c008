"""Marks on a recording's time axis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Annotations:
    """Marks on a recording's time axis, in order of time; three columns of one length."""

    sample: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """Positions in samples at the recording's own rate, (n,)."""
    symbol: tuple[str, ...] = ()
    """Kind of each mark: the codes of WFDB ("N", "V", "+" …) or a label."""
    note: tuple[str, ...] = ()
    """Free text of each mark ("(AFIB"), "" for none."""

    def __post_init__(self) -> None:
        sample = np.asarray(self.sample, np.int64).reshape(-1)
        note = tuple(self.note) or ("",) * len(sample)
        if not len(sample) == len(self.symbol) == len(note):
            raise ValueError(
                f"annotations need as many symbols and notes as samples, got {len(sample)}, "
                f"{len(self.symbol)} and {len(note)}"
            )
        object.__setattr__(self, "sample", sample)
        object.__setattr__(self, "symbol", tuple(self.symbol))
        object.__setattr__(self, "note", note)

    def __len__(self) -> int:
        return len(self.sample)

    def __iter__(self) -> Iterator[tuple[int, str, str]]:
        return zip(self.sample.tolist(), self.symbol, self.note, strict=True)

    def window(self, start: int, stop: int) -> Annotations:
        """Return those in [start, stop), counted from `start`."""
        keep = np.flatnonzero((self.sample >= start) & (self.sample < stop))
        return Annotations(
            self.sample[keep] - start,
            tuple(self.symbol[i] for i in keep),
            tuple(self.note[i] for i in keep),
        )

    def at_rate(self, ratio: float) -> Annotations:
        """Return the same marks with positions multiplied by new rate / old rate."""
        return replace(self, sample=np.round(self.sample * ratio).astype(np.int64))
