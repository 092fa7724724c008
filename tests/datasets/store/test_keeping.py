"""Shards whose rows break the contract of their store are refused, with the rule and the row."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physiolect.contract import InputContract
from physiolect.datasets import Row, Store, StoreWriter, open_store
from physiolect.errors import FormatError

MakeRow = Callable[..., Row]
MakeStore = Callable[..., Store]


def alter(store: Store, name: str, values: list[Any]) -> Path:
    """Give a column of the only shard other values, and let the manifest state the new size."""
    import pyarrow as pa

    path = store.path / store.manifests[0].shards[0].name
    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
        table = stream.read_all()
    field = table.schema.field(name)
    spoilt = table.set_column(table.schema.get_field_index(name), field, pa.array(values, field.type))
    other = path.with_suffix(".new")  # the samples are still mapped
    with pa.OSFile(str(other), "wb") as sink, pa.ipc.new_stream(sink, spoilt.schema) as stream:
        stream.write_table(spoilt)
    other.replace(path)
    manifest = store.path / "manifest.json"
    content = json.loads(manifest.read_text())
    content["shards"][0]["bytes"] = path.stat().st_size
    manifest.write_text(json.dumps(content))
    return store.path


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("fs", [100.0, 250.0], "row 1 is at 250 Hz, and the contract at 100 Hz"),
        ("fs", [float("nan"), 100.0], "row 0 is at nan Hz"),
        ("start", [0.0, float("inf")], "row 1 begins at inf s"),
        ("scale", [[0.1], [0.0]], "row 1 has a scale of 0"),
        ("scale", [[-0.1], [0.1]], "row 0 has a scale of -0.1"),
        ("scale", [[0.1], [float("nan")]], "row 1 has a scale of nan"),
        ("scale", [[float("inf")], [0.1]], "row 0 has a scale of inf"),
        ("offset", [[0.0], [float("nan")]], "row 1 has an offset of nan"),
        ("scale", [[1e36], [0.1]], "row 0 has an offset of .* and a scale of 1e"),
        ("units", [["mV"], ["uV"]], "a row is in uV, and the contract in mV"),
        ("modality", ["ecg", "ppg"], "a row is ppg, and the contract for ecg"),
        ("annotation_sample", [[0, 7], [0, 40]], "row 1 of 40 samples has a mark at sample 40"),
        ("annotation_sample", [[-1, 7], [0, 7]], "row 0 of 40 samples has a mark at sample -1"),
    ],
)
def test_rows_that_break_the_contract_are_refused(
    tmp_path: Path, contract: InputContract, make_row: MakeRow, name: str, values: list[Any], message: str
) -> None:
    with StoreWriter(tmp_path / "s", replace(contract, unit="mV")) as writer:
        for source in ("a", "b"):
            writer.add(source, [make_row(source)])
    store = open_store(tmp_path / "s")
    with pytest.raises(FormatError, match=message) as caught:
        open_store(alter(store, name, values))
    assert caught.value.hint


def test_rows_of_other_channels_than_the_contract_names_are_refused(
    tmp_path: Path, contract: InputContract, make_row: MakeRow
) -> None:
    two = replace(contract, channels=("I", "II"))
    with StoreWriter(tmp_path / "s", two) as writer:
        writer.add("a", [make_row("a", channels=("I", "MLII"))])  # another name of II
    store = open_store(tmp_path / "s")
    with pytest.raises(FormatError, match="row 0 has channel V5 where the contract has II"):
        open_store(alter(store, "channels", [["I", "V5"]]))
    with StoreWriter(tmp_path / "t", two) as writer:
        writer.add("a", [make_row("a"), make_row("b", channels=("I", "II"))])
    with pytest.raises(FormatError, match="row 0 has 1 channels, and the contract 2"):
        open_store(tmp_path / "t")


def test_the_look_at_many_rows_is_short(tmp_path: Path, contract: InputContract, make_row: MakeRow) -> None:
    import time

    row = make_row("a")
    with StoreWriter(tmp_path / "s", contract) as writer:
        writer.add("a", [row] * 20_000)
    start = time.perf_counter()
    store = open_store(tmp_path / "s")
    assert time.perf_counter() - start < 5
    np.testing.assert_array_equal(store.samples(19_999), row.samples)
