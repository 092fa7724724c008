"""Recordings and stores become tokens in one call."""

from __future__ import annotations

import errno
import inspect
import json
from dataclasses import MISSING, fields, replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from physiolect import InputContract, Recording, adapt, read_recording
from physiolect.commands.tokenize import encode as verb
from physiolect.datasets import Encoded, EncodedStore, TokenStore, encode, open_store
from physiolect.datasets.preparing.prepare import prepare
from physiolect.errors import Cancelled, ConfigError, FormatError, WriteError
from physiolect.events import Event, Message, Progress
from physiolect.files import lock_folder
from physiolect.formats import write_recording
from physiolect.synthetic import ecg
from physiolect.tokenizers import EcgByteTokenizer, LevelTokenizer, save_tokenizer

LEADS = ("I", "II", "V1")
TOKENIZER = EcgByteTokenizer.train(
    [ecg(seconds=4, fs=250, seed=1).select(LEADS).signal],
    percentiles=(-0.4, 0.9),
    n_merges=20,
    channels=LEADS,
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recordings and their store."""
    home = tmp_path_factory.mktemp("home")
    (home / "recordings").mkdir()
    for seed in range(3):
        write_recording(ecg(seconds=4, fs=200, seed=seed), home / "recordings" / f"{seed}.npz")
    contract = InputContract(
        fs=250, min_samples=250, max_samples=1000, modality="ecg", channels=LEADS, unit="mV", normalisation="none"
    )  # fmt: skip
    prepare(home / "recordings", home / "store", contract=contract, workers=1)
    return home


def test_the_defaults_are_those_of_the_verb() -> None:
    call = {name: each.default for name, each in inspect.signature(encode).parameters.items()}
    options = {each.name: each.default for each in fields(verb.Config) if each.default is not MISSING}
    assert {name: call[name] for name in options} == options
    assert set(call) - set(options) == {"tokenizer", "source", "on_event"}


def test_a_recording(home: Path) -> None:
    recording = read_recording(home / "recordings" / "0.npz")
    told: list[Event] = []
    found = encode(TOKENIZER, recording, on_event=told.append)
    adapted, _ = adapt(recording, TOKENIZER.contract(), window="all")
    expected = TOKENIZER.encode_with_spans(adapted.signal, fs=250)
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_array_equal(found.spans, expected.spans)
    n = len(expected.ids)
    assert found.summary == f"{n} tokens for 3,000 samples of {recording.source}"
    assert repr(found) == f"Encoded({found.summary})"
    assert len(found.to_frame()) == n
    assert json.loads(json.dumps(found.to_dict()))["spans"][-1][1] == 3000
    assert isinstance(found.plot(start=1, seconds=2), Figure)
    with pytest.raises(ConfigError, match=r"start is 4, but .* lasts 4 s"):
        found.plot(start=4)
    assert any("resampled 200 -> 250 Hz" in each.text for each in told if isinstance(each, Message))


def test_a_file_and_a_tokenizer_by_their_paths(home: Path, tmp_path: Path) -> None:
    save_tokenizer(TOKENIZER, tmp_path / "signal_tokenizer.json")
    found = encode(tmp_path, home / "recordings" / "1.npz")
    assert isinstance(found, Encoded)
    expected = encode(TOKENIZER, read_recording(home / "recordings" / "1.npz"))
    np.testing.assert_array_equal(found.ids, expected.ids)
    save_tokenizer(LevelTokenizer(), tmp_path / "levels.json")
    with pytest.raises(FormatError, match="is a LevelTokenizer, but an ECG-Byte tokenizer is needed"):
        encode(tmp_path / "levels.json", home / "recordings" / "1.npz")


@pytest.mark.parametrize("opened", [True, False])
def test_a_store(home: Path, tmp_path: Path, opened: bool) -> None:
    store = open_store(home / "store")
    told: list[Event] = []
    source = store if opened else home / "store"
    found = encode(TOKENIZER, source, out=tmp_path / "tokens", on_event=told.append)
    assert isinstance(found, EncodedStore)
    rows = TokenStore(tmp_path / "tokens")
    for k in range(3):
        np.testing.assert_array_equal(rows.row(k).ids, TOKENIZER.encode(store.recording(k).signal, fs=250))
    assert found.summary == (
        f"wrote 3 rows to {tmp_path / 'tokens'}: {rows.n_tokens:,} tokens for 9,000 samples"
    )
    assert found.to_frame()["tokens"].sum() == rows.n_tokens
    assert [(each.done, each.total) for each in told if isinstance(each, Progress)] == [
        (1, 3),
        (2, 3),
        (3, 3),
    ]
    assert not list(tmp_path.glob(".*"))  # the lock is gone
    with pytest.raises(ConfigError, match="holds tokens already"):
        encode(TOKENIZER, store, out=tmp_path / "tokens")


def test_a_second_run_in_the_folder_is_refused_in_a_sentence(home: Path, tmp_path: Path) -> None:
    with (
        lock_folder(tmp_path / "tokens"),
        pytest.raises(WriteError, match=r"another run is writing .*tokens: process") as caught,
    ):
        encode(TOKENIZER, home / "store", out=tmp_path / "tokens")
    assert caught.value.hint
    assert not (tmp_path / "tokens").exists()


def test_a_listener_stops_the_work_and_nothing_half_is_left(home: Path, tmp_path: Path) -> None:
    with pytest.raises(Cancelled, match="stopped by the caller at encoding"):
        encode(TOKENIZER, home / "store", out=tmp_path / "tokens", on_event=lambda event: True)
    assert not list((tmp_path / "tokens").iterdir())
    assert len(encode(TOKENIZER, open_store(home / "store"), out=tmp_path / "tokens").store) == 3


def test_a_full_disk_is_one_sentence(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pa, "record_batch", lambda *_, **__: full())
    with pytest.raises(WriteError, match=r"the disk is full: .*tokens/.* could not be written"):
        encode(TOKENIZER, home / "store", out=tmp_path / "tokens")
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="cannot be written"):
        encode(TOKENIZER, home / "store", out=tmp_path / "file" / "tokens")


def test_what_does_not_fit_the_source_is_refused(home: Path, tmp_path: Path) -> None:
    recording = ecg(seconds=4, fs=200)
    with pytest.raises(ConfigError, match="out is for a store"):
        encode(TOKENIZER, recording, out=tmp_path)  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match="out is missing"):
        encode(TOKENIZER, open_store(home / "store"))  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match="fs and unit are for a file"):
        encode(TOKENIZER, recording, fs=200.0, unit="mV")  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match="derive_limb is for a recording"):
        encode(TOKENIZER, home / "store", out=tmp_path / "tokens", derive_limb=True)


def test_a_wrong_unit_is_doubted() -> None:
    recording: Recording = ecg(seconds=4, fs=200)
    told: list[Event] = []
    encode(TOKENIZER, replace(recording, signal=1000 * recording.signal), on_event=told.append)
    assert any("is the unit right?" in each.text for each in told if isinstance(each, Message))
