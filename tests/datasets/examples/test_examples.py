"""Examples: which windows a store's labels give, and what is told of each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from physiolect.contract import InputContract
from physiolect.datasets import Row, Store, StoreWriter, make_examples, open_store
from physiolect.errors import ConfigError
from physiolect.recording import Annotations, Recording

Make = Callable[..., Store]


def row(
    source: str,
    length: int = 100,
    *,
    marks: tuple[tuple[int, str, str], ...] = (),
    labels: tuple[str, ...] = (),
    patient: str | None = None,
    channels: tuple[str, ...] = ("II",),
) -> Row:
    rng = np.random.default_rng(list(source.encode()))
    signal = rng.standard_normal((len(channels), length)).astype(np.float32) + 3
    columns = list(zip(*marks, strict=True)) or [(), (), ()]
    annotations = Annotations(np.array(columns[0], np.int64), tuple(columns[1]), tuple(columns[2]))
    recording = Recording(signal, 100.0, channels, unit="mV", modality="ecg", annotations=annotations)
    return Row.from_recording(recording, source=source, patient=patient, labels=labels)


@pytest.fixture
def store_of(tmp_path: Path) -> Make:
    def make(*rows: Row) -> Store:
        contract = InputContract(fs=100.0, min_samples=1, max_samples=10**6, modality="ecg")
        with StoreWriter(tmp_path / "store", contract) as writer:
            for k, each in enumerate(rows):
                writer.add(f"file {k}", [each])
        return open_store(tmp_path / "store")

    return make


RHYTHMS = ((0, "+", "(N"), (5, "N", ""), (47, "+", "(AFIB\0"), (80, "+", "(AFL"), (90, "+", "(N"))


def test_windows_of_a_rhythm_lie_inside_one_episode(store_of: Make) -> None:
    store = store_of(row("a", 200, marks=RHYTHMS, patient="p"), row("b", 30), row("c", 45, marks=RHYTHMS[:1]))
    found = make_examples(store, "rhythm", length=10)
    assert list(zip(found.rows, found.starts, found.target, strict=True)) == [
        *((0, s, 0) for s in (0, 10, 20, 30)),
        *((0, s, 1) for s in (47, 57, 67)),
        *((0, s, 0) for s in range(90, 191, 10)),
        *((2, s, 0) for s in (0, 10, 20, 30)),
    ]
    assert found.target.dtype == np.float32
    assert set(found.groups) == {"patient p", "source c"}
    assert not found.by_patient
    assert found.take(found.rows == 0).by_patient is False  # of the whole it was taken from
    assert len(make_examples(store, "rhythm", length=10, stride=5)) > 1.8 * len(found)


def test_other_rhythms_can_be_asked_for(store_of: Make) -> None:
    store = store_of(row("a", 200, marks=RHYTHMS))
    found = make_examples(store, "rhythm", length=10, positive=["AFL", "AFIB"], negative=["n"])
    assert found.target.sum() == 4
    with pytest.raises(ConfigError, match="labelled VT") as caught:
        make_examples(store, "rhythm", length=10, positive=["AFIB", "VT"])
    assert "N (2), AFIB (1), AFL (1)" in str(caught.value.hint)


def test_few_windows_are_drawn_evenly_from_each_negative_episode(store_of: Make) -> None:
    marks = ((0, "+", "(N"), (1000, "+", "(AFIB"), (1300, "+", "(N"))
    store = store_of(row("a", 2000, marks=marks))
    found = make_examples(store, "rhythm", length=10, max_per_episode=5, seed=1)
    starts = found.starts[found.target == 0]
    assert len(starts) == 10
    assert [s // 200 for s in starts[:5]] == [0, 1, 2, 3, 4]
    assert (found.target == 1).sum() == 30
    again, other = (
        make_examples(store, "rhythm", length=10, max_per_episode=5, seed=s).starts for s in (1, 2)
    )
    assert np.array_equal(found.starts, again)
    assert not np.array_equal(found.starts, other)


def test_a_rhythm_from_rows_labels(store_of: Make) -> None:
    store = store_of(row("a", labels=("AF", "AFIB")), row("b", labels=("Sinus",)), row("c", labels=("PVC",)))
    found = make_examples(store, "rhythm", length=50)
    assert found.rows.tolist() == [0, 0, 1, 1]
    assert found.target.tolist() == [1, 1, 0, 0]
    assert found.sources == ("a", "a", "b", "b")


def test_windows_come_in_physical_units(store_of: Make) -> None:
    store = store_of(
        row("a", labels=("x",), channels=("I", "II")), row("b", labels=("y",), channels=("II", "I"))
    )
    found = make_examples(store, "classify", length=30, channel="II")
    assert found.channels.tolist() == [1, 1, 1, 0, 0, 0]
    index = np.array([4, 2])
    for window, i in zip(found.windows(index), index, strict=True):
        signal = store.recording(found.rows[i]).signal[found.channels[i]]
        assert np.array_equal(window, signal[found.starts[i] : found.starts[i] + 30])
    assert np.array_equal(found.take([4, 2]).windows([0]), found.windows([4]))


def test_beats_are_told_of_every_sample(store_of: Make) -> None:
    marks = ((0, "+", "(N"), (3, "N", ""), (49, "V", ""), (70, "~", ""), (99, "r", ""))
    store = store_of(row("a", marks=marks), row("b"))
    found = make_examples(store, "beats", length=50, beat_width=0.02)
    assert found.target.dtype == np.uint8
    assert found.target.shape == (2, 50)
    assert np.flatnonzero(found.target[0]).tolist() == [1, 2, 3, 4, 5, 47, 48, 49]
    assert np.flatnonzero(found.targets([1])[0]).tolist() == [0, 1, 47, 48, 49]
    assert np.array_equal(found.take([1]).target, found.target[1:])


def test_one_class_or_several(store_of: Make) -> None:
    store = store_of(row("a", labels=("x", "z")), row("b", labels=("y",)), row("c"), row("d", labels=("w",)))
    several = make_examples(store, "classify", length=100, classes=["y", "x"], several=True)
    assert several.classes == ("y", "x")
    assert several.target.tolist() == [[0, 1], [1, 0], [0, 0]]
    assert several.rows.tolist() == [0, 1, 3]
    one = make_examples(store, "classify", length=100, classes=["y", "x"])
    assert one.target.tolist() == [[0, 1], [1, 0]]
    with pytest.raises(ConfigError, match="a is x and z at once") as caught:
        make_examples(store, "classify", length=100)
    assert "--several" in str(caught.value.hint)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_labels_from_a_table(store_of: Make, tmp_path: Path, kind: str) -> None:
    import pyarrow as pa
    from pyarrow import csv, parquet

    store = store_of(row("100"), row("101"), row("102"), row("103"))
    columns = {
        "recording": ["101", "100", "102", "999"],
        "age": [40.5, 60.0, None, 1.0],
        "kind": ["x", "x; y", "", "z"],
        "af": [1, 0, None, 0],
    }
    file = tmp_path / f"labels.{kind}"
    (csv.write_csv if kind == "csv" else parquet.write_table)(pa.table(columns), str(file))
    age = make_examples(store, "regress", length=100, labels=str(file), column="age", unit="years")
    assert (age.rows.tolist(), age.target.tolist(), age.unit) == ([0, 1], [60, 40.5], "years")
    classes = make_examples(store, "classify", length=100, labels=str(file), column="kind", several=True)
    assert classes.target.tolist() == [[1, 1], [1, 0]]
    found = make_examples(
        store, "rhythm", length=100, labels=str(file), column="af", positive=["1"], negative=["0"]
    )
    assert found.target.tolist() == [0, 1]


def test_an_empty_list_says_none_of_these_and_an_empty_text_nothing(store_of: Make, tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    store = store_of(*(row(name) for name in "abcde"))
    cells = [["x", "y"], [], None, ["x"], [None, ""]]
    parquet.write_table(pa.table({"recording": list("abcde"), "kind": cells}), str(tmp_path / "k.parquet"))
    table = str(tmp_path / "k.parquet")
    found = make_examples(store, "classify", length=100, labels=table, column="kind", several=True)
    assert dict(zip(found.sources, found.target.tolist(), strict=True)) == {
        "a": [1, 1], "b": [0, 0], "d": [1, 0],
    }  # fmt: skip
    (tmp_path / "k.csv").write_text("recording,kind\na,x;y\nb,\nc, ; \nd,x\n")
    table = str(tmp_path / "k.csv")
    found = make_examples(store, "classify", length=100, labels=table, column="kind", several=True)
    assert found.sources == ("a", "d")


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("recording,age\na,3\na,4\n", "age", "says of a both 3 and 4"),
        ("recording,age\na,3\n", "agee", "no column 'agee'"),
        ("name,age\na,3\n", "age", "no column that names recordings: it has name, age"),
        ("recording,age\nx,3\n", "age", "says nothing of any of 2 recordings"),
        ("recording,age\na,old\nb,3\n", "age", "says 'old' of a"),
        ("recording,age\na,3\nb,3\n", "age", "says the same of all"),
        ("recording,age\na,3,4\n", "age", "cannot be read"),
        ("", "age", "cannot be read"),
    ],
)
def test_bad_tables_are_refused(store_of: Make, tmp_path: Path, text: str, column: str, said: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(ConfigError, match=said) as caught:
        make_examples(
            store_of(row("a"), row("b")),
            "regress",
            length=10,
            labels=str(tmp_path / "labels.csv"),
            column=column,
        )
    assert caught.value.hint
    assert ("as the store does: a, b …" in caught.value.hint) is ("name" in said or "nothing" in said)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_table_is_refused(store_of: Make, tmp_path: Path) -> None:
    store = store_of(row("a"))
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 nothing")
    for name, said in (
        ("x.txt", "no table"),
        ("gone.csv", "there is no"),
        ("broken.parquet", "cannot be read"),
    ):
        with pytest.raises(ConfigError, match=said):
            make_examples(store, "classify", length=10, labels=str(tmp_path / name), column="x")


@pytest.mark.parametrize(
    ("task", "arguments", "said"),
    [
        ("rhythms", {}, "not one of"),
        ("rhythm", {"length": 0}, "length is 0"),
        ("rhythm", {"positive": ["N"]}, "and its opposite"),
        ("rhythm", {"negative": ["VT"]}, "labelled VT"),
        ("rhythm", {"length": 1000}, "as long as a window of 1000"),
        ("beats", {}, "marks of beats"),
        ("beats", {"labels": "x.csv", "column": "y"}, "marks of moments"),
        ("classify", {}, "at once"),
        ("classify", {"classes": ["AFIB", "VT"]}, "labelled VT"),
        ("classify", {"classes": ["N"]}, "nothing to tell apart"),
        ("regress", {}, "from a table"),
        ("regress", {"labels": "x.csv"}, "go together"),
        ("rhythm", {"channel": "V9"}, "has no channel 'V9'"),
        ("rhythm", {"channel": 2}, "no channel 2"),
    ],
)  # fmt: skip
def test_refusals(store_of: Make, task: str, arguments: dict[str, object], said: str) -> None:
    marks = ((0, "+", "(AFIB"), (30, "+", "(N"))
    store = store_of(row("a", marks=marks, labels=("AFIB", "N")), row("b", labels=("N",)))
    with pytest.raises(ConfigError, match=said) as caught:
        make_examples(store, task, **{"length": 10, **arguments})  # type: ignore[arg-type]
    assert caught.value.hint


def test_what_is_not_labelled_or_has_many_channels_is_refused(store_of: Make) -> None:
    store = store_of(row("a", channels=("I", "II"), marks=((2, "N", ""),)))
    for task in ("rhythm", "classify"):
        with pytest.raises(ConfigError, match="is labelled"):
            make_examples(store, task, length=10)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="have 2 channels") as caught:
        make_examples(store, "beats", length=10)
    assert "I, II" in str(caught.value.hint)


def test_a_row_of_both_rhythms_is_refused(store_of: Make) -> None:
    with pytest.raises(ConfigError, match="with its opposite"):
        make_examples(store_of(row("a", labels=("AF", "sinus"))), "rhythm", length=10)
