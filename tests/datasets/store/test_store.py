"""Stores: what is written comes back, unfinished work goes on, and nothing altered is believed."""

from __future__ import annotations

import errno
import json
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physiolect.contract import CONTRACTS, InputContract
from physiolect.datasets import Part, Row, Store, StoreWriter, is_store, open_store
from physiolect.datasets.store.manifest import Rejection
from physiolect.errors import ConfigError, FormatError, WriteError

MakeRow = Callable[..., Row]
MakeStore = Callable[..., Store]
Fill = Callable[..., None]


@pytest.fixture(scope="session")
def fill(contract: InputContract, make_row: MakeRow) -> Fill:
    """A function that writes one row a file, a shard every two, and may be interrupted before a file."""

    def fill(folder: Path, files: range, *, stop: int | None = None, part: Part | None = None) -> None:
        with StoreWriter(
            folder, contract, provenance={"inputs": ["x"]}, part=part, shard_bytes=2 * 80
        ) as writer:
            for k in files:
                name = f"file {k}"
                if k == stop:
                    raise KeyboardInterrupt
                if name not in writer.finished:
                    rejected = [Rejection(name, "too short")] if k % 3 == 0 else []
                    writer.add(name, [] if rejected else [make_row(name)], rejected)

    return fill


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_written_comes_back(
    make_store: MakeStore, make_row: MakeRow, contract: InputContract
) -> None:
    rows = [
        make_row("a", patient="p1"),
        make_row("b", channels=("I", "II", "V5"), length=70),
        make_row("c", length=11),
    ]
    store = make_store(rows, shard_bytes=200)
    assert len(store.manifests[0].shards) == 2
    assert len(store) == 3
    assert store.contract == contract
    assert store.lengths.tolist() == [40, 70, 11]
    assert store.lengths.dtype == np.int64
    assert store.n_channels.tolist() == [1, 3, 1]
    assert store.sources == ["a", "b", "c"]
    assert store.patients == ["p1", None, None]
    assert store.starts.tolist() == [1.5] * 3
    assert store.channels(1) == ("I", "II", "V5")
    for k, row in enumerate(rows):
        assert np.array_equal(store.samples(k), row.samples)
        assert np.array_equal(store.scale(k), row.scale)
        assert np.array_equal(store.offset(k), row.offset)
        assert np.array_equal(store.recording(k).signal, row.recording().signal)
        assert store.recording(k).units == row.units
    assert np.array_equal(store.samples(-1), store.samples(2))
    with pytest.raises(IndexError, match="row 3 of a store of 3 rows"):
        store.samples(3)


def test_samples_are_a_view_of_the_memory_map(make_store: MakeStore, make_row: MakeRow) -> None:
    import pyarrow as pa

    path = make_store([make_row("a"), make_row("b"), make_row("c", length=500_000)]).path
    before = pa.total_allocated_bytes()
    store = open_store(path)
    assert pa.total_allocated_bytes() - before < 10_000
    samples = store.samples(1)
    assert not samples.flags.owndata
    assert not samples.flags.writeable
    first, second = (store.samples(k).__array_interface__["data"][0] for k in (0, 1))
    assert second - first == 40 * 2


def test_a_shard_is_an_ordinary_arrow_stream(make_store: MakeStore, make_row: MakeRow) -> None:
    """What Hugging Face's `Dataset.from_file` needs."""
    import pyarrow as pa

    row = make_row("a", channels=("I", "II"))
    store = make_store([row])
    with (
        pa.memory_map(str(store.path / store.manifests[0].shards[0].name)) as file,
        pa.ipc.open_stream(file) as stream,
    ):
        table = stream.read_all()
    assert table["signal"].type == pa.large_list(pa.int16())
    assert table["signal"][0].as_py() == row.samples.ravel().tolist()
    assert table["n_channels"].to_pylist() == [2]


def test_a_store_pickles_as_its_path(make_store: MakeStore, make_row: MakeRow) -> None:
    store = make_store([make_row("a", length=5000)])
    pickled = pickle.dumps(store)
    assert len(pickled) < 500
    assert np.array_equal(pickle.loads(pickled).samples(0), store.samples(0))


def test_an_open_store_holds_no_files(make_store: MakeStore, make_row: MakeRow) -> None:
    store = make_store([make_row(str(k)) for k in range(20)], shard_bytes=1)
    held = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
    assert len(store.manifests[0].shards) == 20
    assert not [path for path in held if path.endswith(".arrow")]


def test_the_same_rows_make_the_same_bytes(tmp_path: Path, fill: Fill) -> None:
    for name in ("one", "two"):
        fill(tmp_path / name, range(8))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@settings(max_examples=12, deadline=None)
@given(stops=st.lists(st.integers(0, 8), max_size=3))
def test_an_interrupted_store_ends_as_an_uninterrupted_one(
    tmp_path_factory: pytest.TempPathFactory, stops: list[int], fill: Fill
) -> None:
    folder, whole = tmp_path_factory.mktemp("x"), tmp_path_factory.mktemp("x")
    for stop in stops:
        with pytest.raises(KeyboardInterrupt):
            fill(folder, range(9), stop=stop)
    fill(folder, range(9))
    fill(whole, range(9))
    assert contents(folder) == contents(whole)
    assert [r.source for r in open_store(folder).rejected] == ["file 0", "file 3", "file 6"]


def test_many_short_rows_fill_a_shard_too(
    make_store: MakeStore, make_row: MakeRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("physiolect.datasets.store.writer.SHARD_ROWS", 3)
    store = make_store([make_row(name) for name in "abcdefg"])
    assert [shard.rows for shard in store.manifests[0].shards] == [3, 3, 1]


def test_finished_shards_are_not_written_again(tmp_path: Path, fill: Fill) -> None:
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path, range(9), stop=5)
    first = tmp_path / Part().shard_name(0)
    before = first.stat().st_mtime_ns, first.stat().st_ino
    fill(tmp_path, range(9))
    assert (first.stat().st_mtime_ns, first.stat().st_ino) == before


def test_an_unfinished_store_is_refused(tmp_path: Path, fill: Fill) -> None:
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path, range(9), stop=5)
    with pytest.raises(FormatError, match="unfinished") as caught:
        open_store(tmp_path)
    assert "same `physiolect prepare` again" in (caught.value.hint or "")


def test_parts_are_merged_and_a_missing_one_is_named(tmp_path: Path, fill: Fill) -> None:
    fill(tmp_path, range(0, 4), part=Part(1, 3))
    fill(tmp_path, range(8, 12), part=Part(3, 3))
    with pytest.raises(FormatError, match="part 2 of 3 is missing") as caught:
        open_store(tmp_path)
    assert "--shard 2/3" in (caught.value.hint or "")
    fill(tmp_path, range(4, 8), part=Part(2, 3))
    assert open_store(tmp_path, verify=True).sources == [f"file {k}" for k in range(12) if k % 3]


def test_a_store_is_not_continued_with_other_settings(
    tmp_path: Path, fill: Fill, contract: InputContract
) -> None:
    fill(tmp_path, range(4))
    with pytest.raises(FormatError, match=r"inputs: \['x'\] there, \['y'\] here"):
        StoreWriter(tmp_path, contract, provenance={"inputs": ["y"]})
    with pytest.raises(FormatError, match="begun in 1 parts, not 2"):
        StoreWriter(tmp_path, contract, provenance={"inputs": ["x"]}, part=Part(1, 2))


def test_a_part_of_other_settings_is_refused_at_once(
    tmp_path: Path, fill: Fill, contract: InputContract, make_row: MakeRow
) -> None:
    writer = StoreWriter(
        tmp_path, contract, part=Part(2, 3)
    )  # begun before there is anything to compare with
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path, range(9), stop=5, part=Part(1, 3))  # has shards, but no manifest yet
    with pytest.raises(FormatError, match=r"inputs: \['x'\] there, None here"):
        StoreWriter(tmp_path, contract, part=Part(3, 3))
    with pytest.raises(FormatError, match="other inputs or settings"), writer:
        writer.add("a", [make_row("a")])
    fill(tmp_path, range(9), part=Part(1, 3))
    with pytest.raises(FormatError, match="other inputs or settings"):
        StoreWriter(tmp_path, contract, part=Part(3, 3))
    assert not list(tmp_path.glob("*00002-of-00003*"))
    assert not list(tmp_path.glob(".part-*"))


def test_one_part_has_one_writer_at_a_time(
    tmp_path: Path, contract: InputContract, make_row: MakeRow
) -> None:
    with StoreWriter(tmp_path, contract, part=Part(1, 2)) as writer:
        with pytest.raises(
            WriteError, match=rf"another run is writing part 1/2 of .*: process {os.getpid()} on"
        ) as caught:
            StoreWriter(tmp_path, contract, part=Part(1, 2))
        assert "wait for it" in (caught.value.hint or "")
        with StoreWriter(tmp_path, contract, part=Part(2, 2)) as other:
            other.add("b", [make_row("b")])
        writer.add("a", [make_row("a")])
    assert StoreWriter(tmp_path, contract, part=Part(1, 2)).complete
    assert len(open_store(tmp_path)) == 2


def test_what_a_killed_run_was_writing_is_cleared_away(tmp_path: Path, fill: Fill) -> None:
    for left in (".part-00001-of-00001.lock", f".{Part().shard_name(0)}.0123.tmp", ".manifest.json.4567.tmp"):
        (tmp_path / left).write_text("x")
    fill(tmp_path, range(9))
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_folder_of_other_things_is_not_written_into(tmp_path: Path, contract: InputContract) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(FormatError, match=r"something other than a store: thesis\.tex") as caught:
        StoreWriter(tmp_path, contract)
    assert "new folder" in (caught.value.hint or "")


@pytest.mark.parametrize("name", ["nothing", "empty", "file"])
def test_what_is_no_store_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(FormatError, match="is not a store") as caught:
        open_store(tmp_path / name)
    assert "physiolect prepare" in (caught.value.hint or "")
    assert not is_store(tmp_path / name)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c["header"].update(version=99), "is of format physiolect-store 99"),
        (lambda c: c["header"].update(format="x"), "is of format x"),
        (lambda c: c.pop("shards"), "damaged"),
        (lambda c: c["shards"][0].update(rows="many"), "damaged"),
        (lambda c: c["shards"][0].update(name="../../etc/passwd"), "not its own"),
        (lambda c: c["shards"][0].update(rows=5), "does not belong to this manifest"),
        (lambda c: c["shards"][0].update(samples=5), "do not fit"),
        (lambda c: c["shards"][0].update(bytes=5), "the manifest says 5"),
        (lambda c: c["header"]["contract"].update(fs=50.0), "does not belong to this manifest"),
    ],
)
def test_an_altered_manifest_is_refused(
    make_store: MakeStore, change: Callable[[dict], None], says: str, make_row: MakeRow
) -> None:
    path = make_store([make_row("a")]).path / "manifest.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(FormatError, match=says) as caught:
        open_store(path.parent)
    assert caught.value.hint


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"header": 3}', "[" * 100_000])
def test_a_damaged_manifest_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(FormatError, match="damaged"):
        open_store(tmp_path)


def test_a_missing_and_a_truncated_shard_are_refused(make_store: MakeStore, make_row: MakeRow) -> None:
    store = make_store([make_row("a")])
    shard = store.path / store.manifests[0].shards[0].name
    os.truncate(shard, 100)
    with pytest.raises(FormatError, match="has 100 bytes"):
        open_store(store.path)
    shard.unlink()
    with pytest.raises(FormatError, match="has 0 bytes"):
        open_store(store.path)


def test_rows_whose_columns_contradict_one_another_are_refused(
    make_store: MakeStore, make_row: MakeRow
) -> None:
    import pyarrow as pa

    store = make_store([make_row("a")])
    path = store.path / store.manifests[0].shards[0].name
    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
        table = stream.read_all()
    manifest = store.path / "manifest.json"
    for name, values in (("annotation_note", [["one of two"]]), ("units", [["mV", "mV"]])):
        field = table.schema.field(name)
        spoilt = table.set_column(table.schema.get_field_index(name), field, pa.array(values, field.type))
        other = path.with_suffix(".new")  # the samples are still mapped
        with pa.OSFile(str(other), "wb") as sink, pa.ipc.new_stream(sink, spoilt.schema) as stream:
            stream.write_table(spoilt)
        other.replace(path)
        content = json.loads(manifest.read_text())
        content["shards"][0]["bytes"] = path.stat().st_size
        manifest.write_text(json.dumps(content))
        with pytest.raises(FormatError, match="do not fit its samples, channels or marks"):
            open_store(store.path)


def test_a_row_of_parts_that_contradict_one_another_is_refused_when_it_is_made(make_row: MakeRow) -> None:
    with pytest.raises(FormatError, match="a row of 1 channels has 1 scales, 1 offsets, 2 names") as caught:
        replace(make_row("a"), channels=("I", "II"))
    assert caught.value.hint


def test_verify_finds_one_altered_byte(make_store: MakeStore, make_row: MakeRow) -> None:
    store = make_store([make_row("a", length=5000)])
    shard = store.path / store.manifests[0].shards[0].name
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    open_store(store.path)  # a sample more or less: only reading everything tells
    with pytest.raises(FormatError, match="its bytes are not those"):
        open_store(store.path, verify=True)


@settings(max_examples=100, deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), what=st.binary(min_size=1, max_size=8))
def test_a_spoilt_shard_opens_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, where: float, what: bytes, fill: Fill
) -> None:
    folder = tmp_path_factory.mktemp("x")
    fill(folder, range(3))
    shard = folder / Part().shard_name(0)
    content = bytearray(shard.read_bytes())
    at = int(where * len(content))
    content[at : at + len(what)] = what[: len(content) - at]
    spoilt = bytes(content) != shard.read_bytes()
    shard.write_bytes(content)
    if spoilt:
        with pytest.raises(FormatError):
            open_store(folder, verify=True)
    try:
        store = open_store(folder)
    except FormatError:
        return
    assert sum(store.row(k).samples.size for k in range(len(store))) == 80
    assert len(store.sources) == len(store.patients) == 2


@pytest.mark.parametrize(("number", "count"), [(0, 1), (2, 1), (1, 0), (1, 100_000)])
def test_an_impossible_part_is_refused(number: int, count: int) -> None:
    with pytest.raises(ConfigError, match="does not lie in"):
        Part(number, count)


def test_a_full_disk_is_a_sentence_before_the_first_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(WriteError, match=f"the disk is full: {tmp_path / 'out'} could not be written"):
        StoreWriter(tmp_path / "out", CONTRACTS["heartgpt-ecg"])
