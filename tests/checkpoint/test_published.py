"""The published HeartGPT weights give the published code's numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from physiolect import generate, load_checkpoint, read_recording
from physiolect.checkpoint import Checkpoint
from physiolect.models.capture import Capture

BASE = {
    "ecg": ("ECGPT_560k_iters", "example_context_ECG"),
    "ppg": ("PPGPT_500k_iters", "example_context_PPG"),
}
FS = {"ecg": 100, "ppg": 50}


@pytest.fixture(scope="module", params=["ecg", "ppg"])
def base(request: pytest.FixtureRequest, weights: Path) -> tuple[str, Checkpoint]:
    return request.param, load_checkpoint(weights / f"{BASE[request.param][0]}.zip")


def stored(golden: Path, modality: str) -> dict[str, np.ndarray]:
    return dict(np.load(golden / f"base_{modality}__{BASE[modality][1]}.npz"))


def test_tokens_and_logits(base: tuple[str, Checkpoint], golden: Path) -> None:
    modality, checkpoint = base
    expected = stored(golden, modality)
    ids, _ = checkpoint.tokenizer.encode(expected["raw"][-500:])
    np.testing.assert_array_equal(ids, expected["token_ids"])
    with torch.inference_mode():
        logits = checkpoint.model(torch.from_numpy(ids)[None])[0].numpy()
    np.testing.assert_allclose(logits, expected["logits"], atol=1e-4, rtol=0)


def test_greedy_continuation_from_the_csv(base: tuple[str, Checkpoint], golden: Path, examples: Path) -> None:
    modality, checkpoint = base
    recording = read_recording(examples / f"{BASE[modality][1]}.csv", fs=FS[modality], modality=modality)
    continuation = generate(checkpoint, recording, n_tokens=200, greedy=True)
    np.testing.assert_array_equal(continuation.ids[0], stored(golden, modality)["greedy_tokens"])


def test_seeded_continuation(base: tuple[str, Checkpoint], golden: Path, examples: Path) -> None:
    torch.manual_seed(1234)
    if torch.rand(1).item() != pytest.approx(0.02897924, abs=1e-7):
        pytest.skip("torch's CPU generator differs here from the one that drew the stored tokens")
    modality, checkpoint = base
    expected = stored(golden, modality)
    recording = read_recording(examples / f"{BASE[modality][1]}.csv", fs=FS[modality], modality=modality)
    continuation = generate(
        checkpoint, recording, n_tokens=200, n_samples=1, seed=int(expected["multinomial_seed"])
    )
    np.testing.assert_array_equal(continuation.ids[0], expected["multinomial_tokens"])


def test_attention(weights: Path, golden: Path) -> None:
    checkpoint = load_checkpoint(weights / "ECGPT_560k_iters.zip")
    expected = np.load(golden / "attention_ecg__example_context_ECG.npz")
    ids = torch.from_numpy(stored(golden, "ecg")["token_ids"].astype(np.int64))[None]
    capture = Capture.of(range(8))
    with torch.inference_mode():
        checkpoint.model(ids, capture=capture)
    attention = torch.stack([capture.attention[i][0] for i in range(8)]).numpy()  # (8, H, T, T)
    np.testing.assert_allclose(attention[[0, 7]], expected["attn_layers_1_and_8"], atol=1e-3, rtol=0)
    np.testing.assert_allclose(attention[7].sum(0), expected["attn_headsum_block8_f32"], atol=1e-4, rtol=0)
    np.testing.assert_allclose(attention[:, :, -1], expected["attn_lastrow_f32"], atol=1e-4, rtol=0)
    np.testing.assert_allclose(attention.mean(2), expected["attn_colmean_f32"], atol=1e-4, rtol=0)


def test_embeddings(weights: Path, golden: Path) -> None:
    checkpoint = load_checkpoint(weights / "ECGPT_560k_iters.zip")
    expected = np.load(golden / "embeddings_ecg__example_context_ECG.npz")
    ids = torch.from_numpy(stored(golden, "ecg")["token_ids"].astype(np.int64))[None]
    capture = Capture.of(hidden=True)
    with torch.inference_mode():
        checkpoint.model(ids, capture=capture)
    hidden = torch.cat(capture.hidden_states).numpy()
    np.testing.assert_allclose(hidden, expected["vector_propagation"], atol=1e-4, rtol=0)


def test_ten_training_steps(weights: Path, golden: Path) -> None:
    expected = np.load(golden / "trainstep_ecg_dropout0.npz")
    model = load_checkpoint(weights / "ECGPT_560k_iters.zip").model  # eval mode: no dropout
    x, y = (torch.from_numpy(expected[name].astype(np.int64)) for name in ("x", "y"))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.01)
    losses = []
    for step in range(10):
        loss = torch.nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            grad = model.trunk.blocks[3].attention.qkv.weight.grad[8:16]  # type: ignore[union-attr, index]
            stored_grad = expected["grad0__blocks.3.sa.heads.1.query.weight"]
            np.testing.assert_allclose(grad, stored_grad, atol=1e-5, rtol=1e-3)
        optimizer.step()
        losses.append(loss.item())
    np.testing.assert_allclose(losses, expected["losses"], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("ECGPT_AF_1k_iters", "af_ecg__example_context_ECG_AFib1"),
        ("PPGPT_AF_1k_iters", "af_ppg__example_context_PPG"),
    ],
)
def test_rhythm_probability(weights: Path, golden: Path, examples: Path, name: str, example: str) -> None:
    checkpoint = load_checkpoint(weights / f"{name}.zip")
    assert checkpoint.task.name == "rhythm"
    raw = np.loadtxt(examples / f"{example.split('__')[1]}.csv", delimiter=",").ravel()
    ids, _ = checkpoint.tokenizer.encode(raw[-500:])
    with torch.inference_mode():
        logits = checkpoint.model(torch.from_numpy(ids)[None])[0, :, 0].numpy()
    expected = np.load(golden / f"{example}.npz")
    np.testing.assert_allclose(logits, expected["logits_all_positions"], atol=1e-4, rtol=0)
    np.testing.assert_allclose(1 / (1 + np.exp(-logits[-1])), expected["prob"], atol=1e-4, rtol=0)


def test_beat_probabilities(weights: Path, golden: Path) -> None:
    checkpoint = load_checkpoint(weights / "PPGPT_beat_5k_iters.zip")
    assert checkpoint.task.name == "beats"
    expected = np.load(golden / "beat_ppg__example_context_PPG_beat_detect_long_input.npz")
    with torch.inference_mode():
        logits = checkpoint.model(torch.from_numpy(expected["windows"].astype(np.int64)))[:, :, 0]
    np.testing.assert_allclose(logits.sigmoid(), expected["window_probs"], atol=1e-4, rtol=0)
