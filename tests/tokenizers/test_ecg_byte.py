"""ECG-Byte's letters and tokens: the authors' to the letter, and our own there and back."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from physiolect.contract import adapt
from physiolect.errors import ConfigError, FormatError, PhysiolectError
from physiolect.recording import Recording
from physiolect.synthetic import ecg
from physiolect.tokenizers import EcgByteTokenizer, load_tokenizer, save_tokenizer

LEADS = ("I", "II", "V1")


@pytest.fixture(scope="module")
def signals() -> list[np.ndarray]:
    """Made ECGs, (3, 1000) in mV each."""
    return [ecg(seconds=4, fs=250, seed=seed).select(LEADS).signal for seed in range(12)]


@pytest.fixture(scope="module")
def tokenizer(signals: list[np.ndarray]) -> EcgByteTokenizer:
    low, high = np.percentile(np.stack(signals[:8]), [1, 99])
    return EcgByteTokenizer.train(
        signals[:8], percentiles=(float(low), float(high)), n_merges=400, channels=LEADS
    )


def published(data: Path, name: str) -> EcgByteTokenizer:
    file = data / "ecg_byte" / f"{name}.pkl"
    return EcgByteTokenizer.from_published(file, percentiles=(-0.45, 0.75))


PUBLISHED = ("ecg_byte_tokenizer_1000_25", "ecg_byte_tokenizer_5000_500000")


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_ids(data: Path, name: str) -> None:
    golden = np.load(data / "ecg_byte" / "golden" / "preprocess_encode.npz")
    tokenizer = published(data, name)
    records = {key.partition("/")[0] for key in golden}
    assert len(records) == 2
    for record in records:
        signal, symbols = golden[f"{record}/final"].T, golden[f"{record}/symbols"]
        np.testing.assert_array_equal(tokenizer.quantise(signal) + ord("a"), symbols)
        expected = golden[f"{record}/ids/{name}"]
        letters = symbols.tobytes().decode()
        np.testing.assert_array_equal(tokenizer.encode(signal, fs=250), expected)
        np.testing.assert_array_equal(tokenizer.encode_symbols(letters), expected)
        assert tokenizer.decode_symbols(expected) == letters


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_file_is_kept_whole(data: Path, name: str, tmp_path: Path) -> None:
    tokenizer = published(data, name)
    n_merges = int(name.split("_")[3])
    assert tokenizer.vocabulary_size == 256 + n_merges == len(tokenizer.language_tokens())
    assert sorted(tokenizer.order or ()) == list(range(256 + n_merges))
    assert tokenizer.language_tokens()[0] == {"1000": "signal_274", "5000": "signal_2455"}[str(n_merges)]
    save_tokenizer(tokenizer, tmp_path / "t.json")
    assert load_tokenizer(tmp_path / "t.json") == tokenizer


def test_published_inverse_is_a_step_off_and_ours_half(data: Path) -> None:
    tokenizer = published(data, PUBLISHED[0])
    signal = np.tile(np.linspace(-0.95, 1.25, 5001), (12, 1))
    ids = tokenizer.encode(signal, fs=250)
    theirs, ours = (
        np.abs(tokenizer.decode(ids, preset=preset) - signal).max() for preset in ("published", "modern")
    )
    assert tokenizer.step == pytest.approx(2.2 / 26, abs=1e-6)
    assert ours <= tokenizer.step / 2 * 1.001
    assert theirs > 1.5 * ours
    np.testing.assert_array_equal(tokenizer.decode(ids), tokenizer.decode(ids, preset="published"))


@settings(deadline=None, max_examples=40)
@given(
    arrays(np.float32, (3, 60), elements=st.floats(-1, 1.5, width=32)),
    st.sampled_from(["lead", "record", "concat"]),
    st.sampled_from(["greedy", "bpe"]),
)
def test_there_and_back(tokenizer: EcgByteTokenizer, signal: np.ndarray, boundary: str, method: str) -> None:
    tokenizer = replace(tokenizer, boundary=boundary, method=method)
    found = tokenizer.encode_with_spans(signal, fs=250)
    np.testing.assert_array_equal(found.ids, tokenizer.encode(signal, fs=250))
    inside = np.clip(signal, tokenizer.percentiles[0] - 0.5, tokenizer.percentiles[1] + 0.5)
    back = tokenizer.decode(found.ids)
    assert np.abs(back - inside).max() <= tokenizer.step / 2 * 1.0001
    np.testing.assert_array_equal(tokenizer.quantise(back), tokenizer.quantise(signal))
    # the spans tile the input, and a lead's end where tokens must not cross it
    begins, ends = found.spans.T
    np.testing.assert_array_equal(begins, [0, *ends[:-1]])
    assert ends[-1] == signal.size
    np.testing.assert_array_equal(tokenizer.lengths(found.ids), ends - begins)
    if boundary == "lead":
        assert {60, 120} <= set(ends.tolist())


def test_training_compresses_signals_it_has_not_seen(
    tokenizer: EcgByteTokenizer, signals: list[np.ndarray]
) -> None:
    assert len(tokenizer.merges) == 400
    n_tokens = sum(len(ids) for ids in tokenizer.encode_batch(signals[8:], fs=250))
    assert 5 * n_tokens < sum(signal.size for signal in signals[8:])
    assert tokenizer.vocabulary_size == 426
    assert tokenizer.language_tokens()[:2] == ["signal_0", "signal_1"]


def test_batches_and_threads_give_the_same(tokenizer: EcgByteTokenizer, signals: list[np.ndarray]) -> None:
    expected = [tokenizer.encode(signal, fs=250).tolist() for signal in signals]
    fresh = replace(tokenizer)  # no tables yet
    found = fresh.encode_batch(signals, fs=250, threads=6)
    assert [ids.tolist() for ids in found] == expected
    with ThreadPoolExecutor(6) as pool:
        back = list(pool.map(fresh.decode, found))
    np.testing.assert_array_equal(back[3], tokenizer.decode(expected[3]))


def test_hugging_face_gives_the_same_ids(
    tokenizer: EcgByteTokenizer, signals: list[np.ndarray], data: Path
) -> None:
    merging = replace(tokenizer, method="bpe")
    theirs = merging.to_huggingface()
    for signal in signals:
        words = [merging.decode_symbols(merging.encode_symbols(letters(merging, lead))) for lead in signal]
        assert theirs.encode(" ".join(words)).ids == merging.encode(signal, fs=250).tolist()
    authors = replace(published(data, PUBLISHED[0]), method="bpe")
    line = letters(authors, signals[0][0] / 2)
    ids = authors.to_huggingface().encode(line).ids
    assert ids == authors.encode_symbols(line).tolist()
    assert authors.to_huggingface().decode(ids) == line


def letters(tokenizer: EcgByteTokenizer, lead: np.ndarray) -> str:
    return "".join(tokenizer.alphabet[k] for k in tokenizer.quantise(lead).tolist())


def test_hugging_face_says_what_to_install(
    tokenizer: EcgByteTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    with pytest.raises(PhysiolectError, match="needs the package tokenizers") as raised:
        tokenizer.to_huggingface()
    assert raised.value.hint == "pip install 'physiolect[lm]'"


def test_file_is_for_people_to_read(tokenizer: EcgByteTokenizer, tmp_path: Path) -> None:
    save_tokenizer(tokenizer, tmp_path / "signal_tokenizer.json")
    assert load_tokenizer(tmp_path) == tokenizer
    text = (tmp_path / "signal_tokenizer.json").read_text()
    assert '"channels": ["I", "II", "V1"],' in text
    assert json.loads(text)["merges"] == [list(pair) for pair in tokenizer.merges]
    assert len(text.splitlines()) < 400 + 25


def test_many_doublings_are_refused_in_few_words(tmp_path: Path) -> None:
    merges = [[0, 0], *([i, i] for i in range(26, 20_025))]
    fields = {"kind": "ecg_byte", "percentiles": [-0.5, 0.5], "merges": merges}
    (tmp_path / "t.json").write_text(json.dumps(fields))
    with pytest.raises(ConfigError, match="more than 16000000 symbols in all") as raised:
        load_tokenizer(tmp_path / "t.json")
    assert len(str(raised.value)) < 300


def test_percentiles_may_be_numbers_of_numpy(tmp_path: Path) -> None:
    signal = np.linspace(-1, 1, 500, dtype=np.float32)
    low, high = np.percentile(signal, [1, 99])
    tokenizer = EcgByteTokenizer(percentiles=(np.float32(low), np.float32(high)), fs=np.float32(250))  # type: ignore[arg-type]
    save_tokenizer(tokenizer, tmp_path / "t.json")
    assert load_tokenizer(tmp_path / "t.json") == tokenizer


def test_contract_tells_what_the_training_signals_went_through(tmp_path: Path) -> None:
    tokenizer = EcgByteTokenizer(
        percentiles=(0.0, 1.0),
        channels=("PPG",),
        fs=50,
        unit="au",
        modality="ppg",
        passband=(0.5, None),
        max_gap=0.3,
    )
    contract = tokenizer.contract()
    assert (contract.modality, contract.passband, contract.max_gap) == ("ppg", (0.5, None), 0.3)
    save_tokenizer(tokenizer, tmp_path / "t.json")
    assert load_tokenizer(tmp_path / "t.json") == tokenizer


def test_contract_makes_a_recording_fit(tokenizer: EcgByteTokenizer) -> None:
    recording = ecg(seconds=3, fs=500, seed=5)
    adapted, _ = adapt(recording, tokenizer.contract(), window="all")
    assert adapted.channels == LEADS
    assert len(tokenizer.decode(tokenizer.encode(adapted.signal, fs=adapted.fs))[0]) == 750
    micro = Recording(recording.signal * 1000, 500, recording.channels, "uV", "ecg")
    same, _ = adapt(micro, tokenizer.contract(), window="all")
    np.testing.assert_allclose(same.signal, adapted.signal, atol=1e-5)


def test_refusals(tokenizer: EcgByteTokenizer) -> None:
    signal = np.zeros((3, 50))
    with pytest.raises(FormatError, match="sampled at 500 Hz, but the tokenizer reads 250 Hz"):
        tokenizer.encode(signal, fs=500)
    for wrong in (np.zeros((12, 50)), np.zeros(50), np.zeros((50, 3))):
        with pytest.raises(FormatError, match="3 rows: I, II, V1"):
            tokenizer.encode(wrong, fs=250)
    with pytest.raises(FormatError, match="missing or infinite"):
        tokenizer.encode(np.full((3, 5), np.nan), fs=250)
    with pytest.raises(FormatError, match="'A', 'é' are no letters"):
        tokenizer.encode_symbols("abAé")
    for foreign in ([426], [-1], [0, 10**12]):
        with pytest.raises(FormatError, match="stands for no samples"):
            tokenizer.decode(foreign)
    with pytest.raises(FormatError, match="do not part into 3 leads"):
        tokenizer.decode([0, 1])
    for wrong in ([0.5], [2**70], ["a"], [True]):
        with pytest.raises(FormatError, match="ids are whole numbers"):
            tokenizer.decode(wrong)
    with pytest.raises(FormatError, match="missing samples have no letter"):
        tokenizer.quantise([0.0, np.nan])
    with pytest.raises(ConfigError, match="threads is 0"):
        tokenizer.encode_batch([signal], fs=250, threads=0)
    with pytest.raises(ConfigError, match="preset is 'old'"):
        tokenizer.decode([0, 1, 2], preset="old")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"percentiles": (1.0, -1.0)}, "enclose no range"),
        ({"percentiles": (0.3, -0.3)}, "enclose no range"),  # in the wrong order by less than the margins
        ({"percentiles": (-1e308, 1e308)}, "enclose no range"),
        ({"percentiles": (float("nan"), 1.0)}, "enclose no range"),
        ({"alphabet": "abca"}, "different letters"),
        ({"channels": ("I", "I")}, "name one lead twice"),
        ({"channels": ("II", "V1", "MLII")}, "channels II, V1, MLII are none, or name one lead twice"),
        ({"fs": 0.0}, "above 0 Hz"),
        ({"first_letter": 1}, "reach into the merges"),
        ({"order": (0, 1)}, "order does not name"),
        ({"merges": ((0, 26),)}, "do not follow"),
        ({"merges": ((0, 99),)}, "stands for no samples"),
        ({"merges": ((0, 0), *((i, i) for i in range(26, 90)))}, "symbols in all"),
        ({"merges": ((0, 2**70),)}, "stands for no samples"),
        ({"merges": ((-1, 0),)}, "stands for no samples"),
        ({"first_merge": 10**13}, "ids go beyond 65535"),
        ({"first_merge": 70_000}, "ids go beyond 65535"),
        ({"first_letter": 10**13, "first_merge": 256}, "ids go beyond 65535"),
        ({"first_merge": 65_536, "merges": ((0, 0),)}, "ids go beyond 65535"),
        ({"modality": "ecg", "passband": (40.0, 0.5)}, "passband"),
        ({"preprocessing": "modern", "passband": (0.5, 40.0)}, "a passband of its own"),
        ({"max_gap": -1.0}, "max_gap"),
    ],
)
def test_settings_that_contradict(settings: dict[str, object], problem: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=problem):
        EcgByteTokenizer(**({"percentiles": (-0.5, 0.5)} | settings))  # type: ignore[arg-type]
    fields = {"kind": "ecg_byte", "percentiles": [-0.5, 0.5], **settings}
    (tmp_path / "t.json").write_text(json.dumps(fields))
    with pytest.raises(ConfigError, match=problem):
        load_tokenizer(tmp_path / "t.json")
