"""Recordings of electrodes as recordings of their features, which a model of neural signals reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from physiolect.contract.contract import InputContract
from physiolect.errors import ContractError
from physiolect.recording import Recording
from physiolect.signals.gaps import bridge_gaps, find_gaps
from physiolect.signals.neural import NeuralFeatures, neural_features


def with_features(recording: Recording, contract: InputContract) -> Recording:
    """Return the recording whose channels the contract names: of features, where the contract has some.

    What lies beside the electrodes is averaged over the bins. A bin with a missing sample is missing, and so is
    what the filters would carry on from there for one bin more. A recording that has the contract's channels already,
    or a contract without features, is left alone.

    Raises:
        ContractError: the recording's rate does not allow the features, or it has none of the electrodes.
    """
    features = contract.features
    if features is None or set(contract.channels) <= set(recording.channels):
        return recording
    suffix = f" {features.bands[0]} Hz"
    wanted = [name.removesuffix(suffix) for name in contract.channels if name.endswith(suffix)]
    missing = [name for name in wanted if name not in recording.channels]
    if missing:
        raise ContractError(
            f"the model needs {len(wanted)} electrodes, but the recording has no {', '.join(missing[:4])}",
            hint=f"the recording has {', '.join(recording.channels[:8])} …",
        )
    return features_of(recording, features, tuple(wanted))


def features_of(recording: Recording, features: NeuralFeatures, electrodes: tuple[str, ...]) -> Recording:
    """Return band power of these electrodes in bins, and the bins' means of all that lies beside them.

    Raises:
        ContractError: the recording's rate does not allow it.
    """
    problems = features.problems(recording.fs)
    if problems:
        raise ContractError("; ".join(problems), hint="choose other bands, or another rate of the bins")
    size = round(recording.fs / features.rate)
    n = recording.n_samples // size
    if not n:
        raise ContractError("the recording is shorter than a bin", hint="give a longer one")
    held = recording.select(electrodes).signal
    gaps = find_gaps(held)
    power = neural_features(np.nan_to_num(bridge_gaps(held, gaps)), recording.fs, features)
    lost = np.atleast_2d(
        np.isnan(held[:, : n * size]).reshape(len(held), n, size).any(-1)
    )  # (electrodes, bins)
    lost[:, 1:] |= lost[:, :-1].copy()
    power[np.tile(lost, (len(features.bands), 1))] = np.nan
    others = [name for name in recording.channels if name not in electrodes]
    means = [
        recording.signal[recording.channels.index(name), : n * size].reshape(n, size).mean(-1)
        for name in others
    ]
    names = features.names(electrodes)
    units = tuple(recording.units[recording.channels.index(name)] for name in others)
    return replace(
        recording,
        signal=np.concatenate([power, np.array(means, np.float32).reshape(len(others), n)]),
        fs=features.rate,
        channels=(*names, *others),
        unit=(*("dB",) * len(names), *units),
        modality="ecog",
        annotations=recording.annotations.at_rate(features.rate / recording.fs).window(0, n),
        beside=tuple(others),
    )
