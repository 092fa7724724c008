"""What was recorded after the context of a continuation."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from physiolect.contract import InputContract, adapt
from physiolect.generation.continuation import Continuation
from physiolect.recording import Recording


def recorded_truth(
    recording: Recording,
    continuation: Continuation,
    contract: InputContract,
    channel: str | int | None = None,
) -> NDArray[np.float32]:
    """Return the samples that follow a continuation's context, on the same grid, in the recording's unit.

    Args:
        recording: begins where the one that was continued begins, and goes on after its end.
        continuation: what was generated.
        contract: what the context was adapted to.
        channel: as for `generate`.

    Returns:
        (n,), as many as were generated or as the recording holds.

    Raises:
        ContractError: the recording cannot be adapted.
    """
    fs = contract.fs
    seen, ahead = continuation.context.n_samples, continuation.signal.shape[1]
    end = ceil((continuation.report.start + (seen + ahead) / fs) * recording.fs)
    longer = replace(
        contract,
        max_samples=seen + ahead + ceil(fs / recording.fs),
        unit=None,  # as recorded
        normalisation="none",
    )
    adapted, report = adapt(recording.slice(0, min(end, recording.n_samples), by="samples"), longer, channel)
    seam = round((continuation.report.start - report.start) * fs) + seen
    return adapted.signal[0, seam : seam + ahead]
