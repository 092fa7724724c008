"""The range of a store's amplitudes, from the rows that train and no others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from physiolect.datasets.store.store import Store
from physiolect.errors import ConfigError
from physiolect.signals import Percentiles


def amplitude_percentiles(
    store: Store, rows: Iterable[int], percents: Sequence[float] = (1.0, 99.0)
) -> tuple[float, ...]:
    """Return percentiles over all samples of all channels of some rows, flat ones left out, in the store's unit.

    They are exact up to `signals.percentiles.EXACT_BELOW` samples, and within its RELATIVE_ERROR beyond; memory does
    not grow with the number of rows.

    Args:
        store: where the signals are.
        rows: the rows that train, as `split_rows` returns them: a percentile over the others would leak.
        percents: which, from 0 to 100.

    Raises:
        ConfigError: there are no rows, or their channels have different units.
    """
    gathered, units = Percentiles(), set[str | None]()
    for row in rows:
        recording = store.recording(int(row))
        units.update(recording.units)
        gathered.add(
            recording.signal[np.ptp(recording.signal, axis=1) > 0]
        )  # zeros for a missing lead are no signal
    if not units:
        raise ConfigError(
            f"percentiles of {store.path} were asked for over no rows", hint="give the rows that train"
        )
    if len(units) > 1:
        raise ConfigError(
            f"the rows of {store.path} are in {', '.join(sorted(map(str, units)))}, which have no common range",
            hint="prepare it under a contract that names a unit",
        )
    return gathered.at(percents)
