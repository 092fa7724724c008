"""What a model says of prepared windows is what it says of a recording."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from physiolect import Checkpoint, InputContract, detect_rhythm
from physiolect.checkpoint import Outputs
from physiolect.datasets import Examples, Row, StoreWriter, make_examples, open_store
from physiolect.detection import predict_windows
from physiolect.errors import CheckpointError, ConfigError
from physiolect.models.encoder import Encoder, EncoderConfig
from physiolect.recording import Annotations, Recording

CONTRACT = InputContract(fs=50.0, min_samples=100, max_samples=100, modality="ppg")
Make = Callable[..., Checkpoint]


@pytest.fixture
def examples(tmp_path: Path) -> Callable[..., Examples]:
    """What makes examples of a task out of two recordings of seven windows each."""

    def make(task: str, contract: InputContract = CONTRACT, **arguments: object) -> Examples:
        folder = tmp_path / task
        with StoreWriter(folder, contract) as writer:
            for k, label in enumerate(("AF", "sinus")):
                signal = np.random.default_rng(k).standard_normal((1, 700)).astype(np.float32)
                marks = Annotations(np.array([60, 150]), ("N", "N"), ("", ""))
                recording = Recording(signal, contract.fs, ("PPG",), contract.unit, annotations=marks)
                writer.add(label, [Row.from_recording(recording, source=label, labels=(label,))])
        return make_examples(
            open_store(folder),
            task,
            **{"length": 100, **arguments},  # type: ignore[arg-type]
        )

    return make


def headed(make: Make, task: str, n_outputs: int, **outputs: object) -> Checkpoint:
    base = make(task)
    model = base.model.with_head(n_outputs=n_outputs, pooling="mean").eval()
    return replace(base, model=model, outputs=Outputs(task, **outputs))  # type: ignore[arg-type]


def test_a_rhythm_is_that_of_the_whole_recording(make: Make, examples: Callable[..., Examples]) -> None:
    checkpoint, windows = make("rhythm"), examples("rhythm")
    seen: list[tuple[int, int]] = []
    said = predict_windows(checkpoint, windows, batch_size=4, on_window=lambda *at: seen.append(at))
    whole = [detect_rhythm(checkpoint, windows.store.recording(row)).probability for row in (0, 1)]
    np.testing.assert_allclose(said, np.concatenate(whole), rtol=1e-5)
    assert seen == [(4, 14), (8, 14), (12, 14), (14, 14)]


def test_beats_are_told_of_every_sample(make: Make, examples: Callable[..., Examples]) -> None:
    checkpoint, windows = make("beats"), examples("beats")
    said = predict_windows(checkpoint, windows)
    assert said.shape == windows.target.shape == (14, 100)
    ids, _ = checkpoint.tokenizer.encode(windows.windows([3]))
    with torch.inference_mode():
        expected = torch.sigmoid(checkpoint.model(torch.from_numpy(ids)))[0, :, 0]
    np.testing.assert_allclose(said[3], expected, rtol=1e-5)


@pytest.mark.parametrize("several", [False, True])
def test_classes_are_probabilities(make: Make, examples: Callable[..., Examples], several: bool) -> None:
    checkpoint = headed(make, "classify", 2, classes=("AF", "sinus"), several=several)
    windows = examples("classify", several=several)
    said = predict_windows(checkpoint, windows)
    assert said.shape == windows.target.shape == (14, 2)
    assert bool(np.allclose(said.sum(1), 1)) is not several
    ids, _ = checkpoint.tokenizer.encode(windows.windows([3]))
    with torch.inference_mode():
        scores = checkpoint.model(torch.from_numpy(ids), last_only=True)[0, 0]
    np.testing.assert_allclose(said[3], scores.sigmoid() if several else scores.softmax(0), rtol=1e-5)


def test_numbers_come_in_the_targets_unit(
    make: Make, examples: Callable[..., Examples], tmp_path: Path
) -> None:
    (tmp_path / "age.csv").write_text("recording,age\nAF,70\nsinus,30\n")
    windows = examples("regress", labels=str(tmp_path / "age.csv"), column="age")
    plain, scaled = (
        predict_windows(headed(make, "regress", 1, mean=mean, sd=sd), windows)
        for mean, sd in ((0.0, 1.0), (50.0, 10.0))
    )
    np.testing.assert_allclose(scaled, plain * 10 + 50, rtol=1e-5)


def test_a_flat_window_has_a_number(make: Make, examples: Callable[..., Examples]) -> None:
    windows = examples("rhythm")
    flat = replace(windows.store.row(0), samples=np.zeros((1, 700), np.int16))
    with StoreWriter(windows.store.path.parent / "flat", CONTRACT) as writer:
        writer.add("flat", [flat])
        writer.add("other", [windows.store.row(1)])
    flats = make_examples(open_store(windows.store.path.parent / "flat"), "rhythm", length=100)
    assert np.isfinite(predict_windows(make("rhythm"), flats)).all()


def test_other_amplitudes_are_refused_where_the_model_does_not_scale_them(
    examples: Callable[..., Examples],
) -> None:
    windows = examples("rhythm", replace(CONTRACT, normalisation="none", unit="mV"))
    for scaling, refused in (("none", True), ("joint-range", True), ("standard", False), ("range", False)):
        config = EncoderConfig(context_length=100, patch=10, width=8, n_layers=1, n_heads=1, scaling=scaling)
        for changed in ({"normalisation": "zscore"}, {"normalisation": "none", "unit": "uV"}):
            contract = replace(CONTRACT, **changed)  # type: ignore[arg-type]
            checkpoint = Checkpoint(Encoder(config).eval(), None, contract, Outputs("rhythm"))
            if refused:
                with pytest.raises(CheckpointError, match="holds amplitudes in mV, but the model takes"):
                    predict_windows(checkpoint, windows)
            else:
                assert np.isfinite(predict_windows(checkpoint, windows)).all()
        checkpoint = Checkpoint(Encoder(config).eval(), None, windows.store.contract, Outputs("rhythm"))
        assert np.isfinite(predict_windows(checkpoint, windows)).all()


def test_refusals(make: Make, examples: Callable[..., Examples]) -> None:
    windows = examples("rhythm")
    for checkpoint, said in (
        (make("beats"), "is for beats"),
        (make("rhythm", fs=100.0), r"at 50 Hz, but the model takes 100 Hz"),
        (make("rhythm", modality="ecg"), "holds ppg"),
        (make("rhythm", max_samples=120, min_samples=110), "windows of 100 samples"),
        (make("rhythm", passband=(0.5, 8.0)), "passband"),
        (make("rhythm", channels=("PPG", "II")), "takes 2"),
    ):
        with pytest.raises(CheckpointError, match=said) as caught:
            predict_windows(checkpoint, windows)
        assert caught.value.hint
        if said == "holds ppg":
            assert caught.value.hint == "take a model for ppg, or recordings of ecg"
        elif said != "is for beats":
            assert caught.value.hint.endswith("physiolect prepare … --contract CHECKPOINT")
    with pytest.raises(ConfigError, match="batch_size is 0"):
        predict_windows(make("rhythm"), windows, batch_size=0)
    with pytest.raises(CheckpointError, match="classes are a, b"):
        predict_windows(headed(make, "classify", 2, classes=("a", "b")), examples("classify"))
