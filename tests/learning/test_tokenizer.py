"""Train a tokenizer in one call."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from physiolect import InputContract
from physiolect.commands.tokenize import train as verb
from physiolect.datasets import Store, open_store, split_rows
from physiolect.datasets.preparing.prepare import prepare
from physiolect.errors import Cancelled, ConfigError, WriteError
from physiolect.evaluation import measure_tokens
from physiolect.events import Event, Message, Progress
from physiolect.files import lock_folder
from physiolect.formats import write_recording
from physiolect.learning import train_tokenizer
from physiolect.synthetic import ecg
from physiolect.tokenizers import load_tokenizer

LEADS = ("I", "II", "V1")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    home = tmp_path_factory.mktemp("home")
    for seed in range(5):
        write_recording(ecg(seconds=4, fs=200, seed=seed), home / f"{seed}.npz")
    contract = InputContract(
        fs=250, min_samples=250, max_samples=1000, modality="ecg", channels=LEADS, unit="mV", normalisation="none"
    )  # fmt: skip
    prepare(home, home / "store", contract=contract, workers=1)
    return open_store(home / "store")


def test_the_defaults_are_those_of_the_verb() -> None:
    call = {name: each.default for name, each in inspect.signature(train_tokenizer).parameters.items()}
    options = {each.name: each.default for each in fields(verb.Config) if each.default is not MISSING}
    assert {name: call[name] for name in options} == options
    assert set(call) - set(options) == {"store", "out", "on_event"}


def test_a_tokenizer_and_how_well_it_does_on_others(store: Store, tmp_path: Path) -> None:
    told: list[Event] = []
    found = train_tokenizer(
        store, merges=30, validation=0.4, out=tmp_path / "deep" / "tokenizer", on_event=told.append
    )
    train, held_out = split_rows(store, 0.4, 0)
    np.testing.assert_array_equal(found.train_rows, train)
    np.testing.assert_array_equal(found.held_out_rows, held_out)
    assert load_tokenizer(tmp_path / "deep" / "tokenizer") == found.tokenizer
    expected = measure_tokens(found.tokenizer, [store.recording(int(k)).signal for k in held_out], fs=250)
    assert found.use is not None
    assert found.use.compression == expected.compression
    first, second, third = found.summary.splitlines()
    assert first.startswith("found 30 merges in ")
    n = len(held_out)  # it depends on the folder's name, by which recordings are split
    assert second.startswith(
        f"{n} row{'s' * (n != 1)} left out: {expected.compression:.2f} samples a token, "
    )
    assert third == f"wrote {tmp_path / 'deep' / 'tokenizer' / 'signal_tokenizer.json'}"
    assert repr(found) == f"TrainedTokenizer({first})"
    assert len(found.to_frame()) == 56
    assert found.to_frame()["count"].sum() == expected.per_signal.sum()
    assert isinstance(found.plot(), Figure)
    assert any(
        each.text.startswith(f"{len(train)} rows to train on, I, II, V1")
        for each in told
        if isinstance(each, Message)
    )
    assert {each.what for each in told if isinstance(each, Progress)} == {
        "percentiles", "reading", "merging", "measuring"
    }  # fmt: skip
    assert not list((tmp_path / "deep").glob(".*"))  # the lock is gone
    with pytest.raises(ConfigError, match="holds a tokenizer already"):
        train_tokenizer(store, out=tmp_path / "deep" / "tokenizer")


def test_without_a_folder_nothing_is_written(store: Store, tmp_path: Path) -> None:
    found = train_tokenizer(store.path, merges=5, validation=0, memory="16MB")
    assert (found.use, found.out, len(found.held_out_rows)) == (None, None, 0)
    assert found.tokenizer == train_tokenizer(store, merges=5, validation=0).tokenizer
    assert "count" not in found.to_frame()
    assert len(found.summary.splitlines()) == 1


def test_a_second_run_in_the_folder_is_refused_in_a_sentence(store: Store, tmp_path: Path) -> None:
    with (
        lock_folder(tmp_path / "tokenizer"),
        pytest.raises(WriteError, match=r"another run is writing .*tokenizer: process") as caught,
    ):
        train_tokenizer(store, out=tmp_path / "tokenizer")
    assert caught.value.hint


def test_a_listener_stops_the_work(store: Store, tmp_path: Path) -> None:
    def stop(event: Event) -> bool:
        return isinstance(event, Progress) and event.what == "merging"

    with pytest.raises(Cancelled, match="stopped by the caller at merging"):
        train_tokenizer(store, merges=30, out=tmp_path / "tokenizer", on_event=stop)
    assert not list((tmp_path / "tokenizer").iterdir())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"merges": -1}, "merges is -1, but must be from 0 to 60000"),
        ({"validation": 1.0}, "validation is 1, but must be from 0 to below 1"),
        ({"memory": "1KB"}, "no size of at least 16 MB"),
        ({"boundary": "word"}, "boundary is 'word', which is not one of"),
    ],
)
def test_settings_out_of_range_are_refused(store: Store, options: dict[str, object], error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        train_tokenizer(store, **options)  # type: ignore[arg-type]
