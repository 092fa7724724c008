"""Percentiles of a store: over the rows named, and no others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from physiolect.datasets import Row, Store, amplitude_percentiles, split_rows
from physiolect.errors import ConfigError

MakeStore = Callable[..., Store]
MakeRow = Callable[..., Row]


def test_only_the_rows_that_train_count(make_store: MakeStore, make_row: MakeRow) -> None:
    rows = [make_row(f"r{k}", channels=("I", "II")) for k in range(10)]
    store = make_store(rows)
    train, validate = split_rows(store, 0.3, seed=0)
    assert len(validate)
    told = amplitude_percentiles(store, train)
    samples = np.concatenate([store.recording(row).signal.ravel() for row in train.tolist()])
    np.testing.assert_allclose(told, np.percentile(samples.astype(np.float64), (1, 99)), rtol=0, atol=1e-12)

    louder = [replace(row, scale=row.scale * (50 if k in validate else 1)) for k, row in enumerate(rows)]
    (store.path / "manifest.json").unlink()
    for shard in store.path.glob("*.arrow"):
        shard.unlink()
    assert amplitude_percentiles(make_store(louder), train) == told


def test_zeros_for_missing_leads_do_not_count(make_store: MakeStore, make_row: MakeRow) -> None:
    row = make_row("r", channels=("I", "II"))
    samples = row.samples.copy()
    samples[1] = 0
    half = replace(row, samples=samples, offset=np.zeros_like(row.offset))
    store = make_store([half])
    lead = store.recording(0).signal[0].astype(np.float64)
    np.testing.assert_allclose(amplitude_percentiles(store, [0]), np.percentile(lead, (1, 99)), atol=1e-9)


def test_what_has_no_common_range_is_refused(make_store: MakeStore, make_row: MakeRow) -> None:
    store = make_store([make_row("a"), replace(make_row("b"), units=("uV",))])
    assert len(amplitude_percentiles(store, [0], (50,))) == 1
    with pytest.raises(ConfigError, match="mV, uV") as caught:
        amplitude_percentiles(store, [0, 1])
    assert caught.value.hint
    with pytest.raises(ConfigError, match="no rows"):
        amplitude_percentiles(store, [])
