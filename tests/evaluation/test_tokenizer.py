"""Measure a tokenizer in one call."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from physiolect import InputContract
from physiolect.commands.tokenize import inspect as verb
from physiolect.datasets import Store, open_store
from physiolect.datasets.preparing.prepare import prepare
from physiolect.errors import ConfigError, FormatError
from physiolect.evaluation import measure_tokenizer, measure_tokens
from physiolect.formats import write_recording
from physiolect.report.tokens import write_measured_tokenizer
from physiolect.synthetic import ecg
from physiolect.tokenizers import EcgByteTokenizer, save_tokenizer

TOKENIZER = EcgByteTokenizer.train(
    [ecg(seconds=4, fs=250, seed=1).select(["II"]).signal],
    percentiles=(-0.4, 0.9),
    n_merges=20,
    channels=("II",),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    home = tmp_path_factory.mktemp("home")
    for seed in range(4):
        write_recording(ecg(seconds=4, fs=200, seed=seed), home / f"{seed}.npz")
    contract = InputContract(
        fs=250, min_samples=250, max_samples=1000, modality="ecg", channels=("II",), unit="mV", normalisation="none"
    )  # fmt: skip
    prepare(home, home / "store", contract=contract, workers=1)
    return open_store(home / "store")


def test_the_defaults_are_those_of_the_verb() -> None:
    call = {name: each.default for name, each in inspect.signature(measure_tokenizer).parameters.items()}
    verb_only = ("out", "json")
    options = {
        e.name: e.default for e in fields(verb.Config) if e.default is not MISSING and e.name not in verb_only
    }
    assert {name: call[name] for name in options} == options
    assert set(call) - set(options) == {"tokenizer", "on_event"}


def test_tokens_alone(tmp_path: Path) -> None:
    save_tokenizer(TOKENIZER, tmp_path / "signal_tokenizer.json")
    found = measure_tokenizer(tmp_path)
    assert found.use is None
    assert found.facts["tokens"] == len(found.to_frame()) == 46
    assert found.summary.splitlines()[0].split() == ["tokens", "46"]
    assert isinstance(found.plot(), Figure)
    with pytest.raises(ConfigError, match="the use of tokens was not measured"):
        found.plot_use()
    assert [file.name for file in write_measured_tokenizer(found, tmp_path / "seen")] == ["tokens.png"]


def test_tokens_in_rows_spread_over_a_store(store: Store, tmp_path: Path) -> None:
    found = measure_tokenizer(TOKENIZER, store=store, rows=2)
    expected = measure_tokens(TOKENIZER, [store.recording(k).signal for k in (0, 3)], fs=250)
    assert found.facts["rows measured"] == 2
    assert found.facts["samples a token"] == expected.compression
    np.testing.assert_array_equal(found.to_frame()["count"], expected.counts[TOKENIZER.ids])
    files = write_measured_tokenizer(found, tmp_path)
    assert [file.name for file in files] == ["use.png", "tokens.png"]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)


def test_what_cannot_be_measured_is_refused(store: Store) -> None:
    with pytest.raises(ConfigError, match="rows is 0, but must be at least 1"):
        measure_tokenizer(TOKENIZER, store=store, rows=0)
    slow = EcgByteTokenizer(percentiles=(0, 1), channels=("II",), fs=100)
    with pytest.raises(FormatError, match="it is at 250 Hz, and the tokenizer reads 100 Hz"):
        measure_tokenizer(slow, store=store.path)
