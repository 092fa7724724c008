"""ECG-Byte's merges as a tokenizer of Hugging Face."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import require
from physiolect.tokenizers.bpe import PairEncoder

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def build_huggingface(pairs: PairEncoder, ids: NDArray[np.int64], alphabet: str) -> Tokenizer:
    """Return a `tokenizers.Tokenizer` with the same ids.

    Args:
        pairs: the merges.
        ids: (tokens,) id of each token, letters first.
        alphabet: the letters.

    Raises:
        PhysiolectError: the package tokenizers is not installed.
    """
    library = require("tokenizers", extra="lm")
    names = [
        "".join(alphabet[k] for k in pairs.symbols_of(token).tolist()) for token in range(pairs.n_tokens)
    ]
    built = library.Tokenizer(
        library.models.BPE(
            vocab=dict(zip(names, ids.tolist(), strict=True)),
            merges=[(names[left], names[right]) for left, right in pairs.pairs.tolist()],
        )
    )
    built.pre_tokenizer = library.pre_tokenizers.WhitespaceSplit()
    built.decoder = library.decoders.Fuse()
    return built
