"""What the verbs of tokens share: the tokenizer they are given, and a recording made to fit it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError

if TYPE_CHECKING:
    from physiolect.contract import AdaptationReport
    from physiolect.tokenizers import EcgByteTokenizer


def ecg_byte(path: str) -> EcgByteTokenizer:
    """Load an ECG-Byte tokenizer.

    Raises:
        FormatError: there is none at that path.
    """
    from physiolect.tokenizers import EcgByteTokenizer, load_tokenizer

    tokenizer = load_tokenizer(path)
    if not isinstance(tokenizer, EcgByteTokenizer):
        raise FormatError(
            f"{path} is a {type(tokenizer).__name__}, but an ECG-Byte tokenizer is needed",
            hint="make one with `physiolect tokenize train STORE`",
        )
    return tokenizer


def read_for(
    tokenizer: EcgByteTokenizer,
    path: str | Path,
    *,
    fs: float | None = None,
    start: float | None = None,
    stop: float | None = None,
) -> tuple[NDArray[np.float32], AdaptationReport]:
    """Read a recording as a tokenizer takes it, (channels, time), and what that took.

    Raises:
        FormatError: it cannot be read.
        ContractError: it cannot be made to fit.
    """
    from physiolect.contract import adapt
    from physiolect.formats import read_recording

    recording = read_recording(path, fs=fs, start=start, stop=stop)
    adapted, report = adapt(recording, tokenizer.contract(), window="all")
    return adapted.signal, report
