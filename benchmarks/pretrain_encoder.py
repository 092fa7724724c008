"""Training step of learning without labels: a masked encoder, and MERL with a ResNet-18, 12 leads of ten seconds.

The plain side is the description written down in eager float32: attention as softmax(q k^T) v, the losses as sums,
`torch.optim.AdamW`, and windows that are made on the CPU and copied. Ours is the step that `pretrain` makes, in the
form that it takes on the device, fed from a store. Both sides hold the same weights, are proved to make the same first
loss from the same mask, and take turns in one process. Ratios are medians over the rounds, with their range.

The last column is the share of time in which the device computes: the time of updates on one batch that stays on the
device, over the time of updates that are fed from the store.

    python benchmarks/pretrain_encoder.py --device cuda                    # one GPU: batch 256, bf16
    python benchmarks/pretrain_encoder.py --device cpu --toy               # a few seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from physiolect.contract import CONTRACTS
from physiolect.datasets import Row, Store, StoreWriter, open_store
from physiolect.datasets.examples.signal_batches import SignalBatches
from physiolect.learning.unlabelled.learner import Learner
from physiolect.learning.unlabelled.settings import FIRST_STAGES, FirstStage
from physiolect.models.encoder import ENCODER_PRESETS, Encoder
from physiolect.models.layers import Block
from physiolect.models.model import Model
from physiolect.models.paired import PairedViews
from physiolect.models.resnet import ResNet
from physiolect.models.resnet_config import RESNET_PRESETS
from physiolect.models.unlabelled import MaskedPatches, draw_masked
from physiolect.recording import Recording
from physiolect.training import RECIPES, Step, Unlabelled, choose_form, contrastive_loss

TEXT_WIDTH = 384
"""Features of a text, as a small BERT gives them."""


@dataclass(frozen=True)
class Work:
    """What both sides do."""

    name: str
    stage: FirstStage
    network: Learner
    batches: Callable[[bool], SignalBatches]
    """Windows of the store; True keeps it on the device."""
    device: torch.device


def write_store(folder: Path, n_rows: int) -> Store:
    """Write noise of 12 leads, ten seconds at 250 Hz a row."""
    contract = CONTRACTS["ecg-byte"]
    rng = np.random.default_rng(0)
    with StoreWriter(folder / "store", contract) as writer:
        for k in range(n_rows):
            signal = rng.standard_normal((12, contract.max_samples)).astype(np.float32)
            recording = Recording(signal, contract.fs, contract.channels, "mV", "ecg")
            writer.add(f"r{k}", [Row.from_recording(recording, source=f"r{k}", patient=f"p{k}")])
    return open_store(folder / "store")


def make_works(store: Store, device: torch.device, *, batch: int, toy: bool) -> list[Work]:
    """Return the two works, with seeded weights."""
    n = len(store)
    texts = (torch.randn(n, TEXT_WIDTH, generator=torch.Generator().manual_seed(0)),)

    def batches(resident: bool) -> SignalBatches:
        return SignalBatches(
            store, range(n), length=store.contract.max_samples, size=batch, texts=texts, device=device,
            resident=resident,
        )  # fmt: skip

    encoder = ENCODER_PRESETS["twelve-lead"]
    resnet = replace(
        RESNET_PRESETS["resnet18"], n_channels=12, context_length=2500, n_outputs=256, scaling="joint-range"
    )
    if toy:
        encoder = replace(encoder, width=32, n_layers=2, n_heads=2, mlp_width=64)
        resnet = replace(resnet, width=8)
    stages = {
        "masked encoder": FirstStage({"masked": 1.0}, encoder, RECIPES["modern"]),
        "MERL, ResNet-18": replace(FIRST_STAGES["merl"], network=resnet, recipe=RECIPES["modern"]),
    }
    found = []
    for name, stage in stages.items():
        stage = replace(stage, pairing=replace(stage.pairing, dropout=0.0).of(stage.weights))
        torch.manual_seed(0)
        model: Model = Encoder(encoder) if stage.network is encoder else ResNet(resnet)
        network = Learner(model, stage, steps=10**6, text_width=TEXT_WIDTH).to(device).train()
        found.append(Work(name, stage, network, batches, device))
    return found


def plain_block(block: Block, x: Tensor, n_heads: int, turn: Callable[[Tensor], Tensor]) -> Tensor:
    """Return what a block makes of x (B, N, E), with the whole attention matrix."""
    B, N, E = x.shape
    q, k, v = (
        block.attention.qkv(block.attention_norm(x))
        .view(B, N, 3, n_heads, E // n_heads)
        .permute(2, 0, 3, 1, 4)
    )
    if block.attention.qk_norm:
        q, k = (F.rms_norm(each, each.shape[-1:]) for each in (q, k))
    scores = torch.einsum("bhid,bhjd->bhij", turn(q), turn(k)) * (E // n_heads) ** -0.5
    mixed = torch.einsum("bhij,bhjd->bhid", scores.softmax(-1), v).transpose(1, 2).reshape(B, N, E)
    x = x + block.attention.projection(mixed)
    return x + block.mlp(block.mlp_norm(x))


def plain_masked(network: Learner, x: Tensor) -> Tensor:
    """Return the loss of masked patches of windows (B, C, T)."""
    encoder, part = cast(Encoder, network.model), cast(MaskedPatches, network.parts["masked"])
    c = encoder.config
    B, C, n = len(x), c.n_channels, c.n_patches
    masked = draw_masked((B, C, n), part.n_masked, x.device)
    x = (x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True, correction=0)
    patches = x.reshape(B, C, n, c.patch)
    tokens = encoder.embedding(patches) + encoder.lead_positions.weight[:, None]  # type: ignore[union-attr]
    kept = ~masked.flatten(1)
    tokens = tokens.flatten(1, 2)[kept].view(B, -1, c.width)
    time = torch.arange(n, device=x.device).repeat(C).expand(B, -1)[kept].view(B, 1, -1, 1)
    half = c.width // c.n_heads // 2
    angle = time * c.rotary_base ** (-torch.arange(half, device=x.device) / half)

    def turn(q: Tensor) -> Tensor:
        even, odd = q.chunk(2, -1)
        return torch.cat((even * angle.cos() - odd * angle.sin(), even * angle.sin() + odd * angle.cos()), -1)

    for block in encoder.trunk.blocks:
        tokens = plain_block(cast(Block, block), tokens, c.n_heads, turn)
    decoder = part.decoder
    known = decoder.source(encoder.trunk.norm(tokens))
    filled = decoder.mask_token.expand(B, C * n, -1).clone()
    filled[kept] = known.flatten(0, 1)
    h = (filled.view(B, C, n, -1) + decoder.positions).flatten(0, 1)
    for block in decoder.trunk.blocks:
        h = plain_block(cast(Block, block), h, cast(Any, block).attention.n_heads, lambda q: q)
    predicted = decoder.out(decoder.trunk.norm(h)).view(B, C, n, -1)
    target = (patches - patches.mean(-1, keepdim=True)) / (patches.var(-1, keepdim=True) + 1e-6).sqrt()
    return (predicted - target).square().mean(-1)[masked].mean()


def plain_merl(network: Learner, x: Tensor, text: Tensor) -> Tensor:
    """Return MERL's loss of windows (B, C, T) and features of their texts (B, W)."""
    part = cast(PairedViews, network.parts["merl"])
    signal = network.model(x, last_only=True)[:, 0]
    views = [view(signal) for view in part.views]
    return contrastive_loss(signal, part.projection(text), part.scale()) + contrastive_loss(
        *views, part.scale()
    )


def plain(work: Work) -> Callable[[], Tensor]:
    """Return a step of the plain side; calling it returns the loss."""
    network = deepcopy(work.network)
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=1e-4)
    batches = work.batches(False)
    batches.device = torch.device("cpu")  # windows are made where they are read
    batches.texts = tuple(each.cpu() for each in batches.texts)
    count = iter(range(10**9))

    def step() -> Tensor:
        places = batches._chosen(next(count))
        x, (text,) = batches._made(*batches._read(*places))
        x, text = x.to(work.device), text.to(work.device)
        loss = plain_masked(network, x) if "masked" in work.stage.weights else plain_merl(network, x, text)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def ours(work: Work, *, precision: torch.dtype, form: str, feed: str) -> Callable[[], Tensor]:
    """Return a step of the training loop; calling it returns the sum of losses, which is read seldom.

    Args:
        work: what is done.
        precision: of products.
        form: eager, compiled, captured or auto.
        feed: "resident" and "streamed" windows of the store, or "fixed": one batch that stays.
    """
    network = deepcopy(work.network)
    objective = Unlabelled(work.stage.weights, precision=precision)
    batches = work.batches(feed == "resident" and work.device.type == "cuda")
    batches.stage(0)
    fixed = tuple(each.clone() if isinstance(each, Tensor) else each for each in batches.batch(0, 0))
    chosen = choose_form(form, work.device)  # type: ignore[arg-type]
    made = Step(
        cast(nn.Module, network), objective, (lambda at, part: fixed) if feed == "fixed" else batches.batch,
        replace(RECIPES["modern"], learning_rate=1e-4, warmup_steps=0), 10**6,
        stage=None if feed == "fixed" else batches.stage, form=chosen, regions=network.regions, after=network.follow,
    )  # fmt: skip

    def step() -> Tensor:
        made()
        return made._total

    return step


def turn(run: Callable[[], Tensor], at_least: float, device: torch.device) -> tuple[int, float]:
    """Run again and again for so many seconds; return how often, and how long it took."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    n, start, taken = 0, time.perf_counter(), 0.0
    while taken < at_least:
        for _ in range(5 if device.type == "cuda" else 1):
            run()
            n += 1
        wait()
        taken = time.perf_counter() - start
    return n, taken


def prove(work: Work) -> None:
    """Compare the first loss of both sides, in float32 and with one mask."""
    losses = []
    for run in (plain(work), ours(work, precision=torch.float32, form="eager", feed="streamed")):
        torch.manual_seed(1)
        losses.append(float(run()))
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-3, atol=1e-4)


def row(work: Work, options: argparse.Namespace, batch: int) -> str:
    """Return a row of the table."""
    prove(work)
    precision = torch.bfloat16 if options.precision == "bf16" else torch.float32
    feeds = ("resident", "streamed", "fixed")
    runs = [plain(work), *(ours(work, precision=precision, form=options.form, feed=feed) for feed in feeds)]
    for run in runs:
        for _ in range(3):
            run()
    seconds: list[list[float]] = [[] for _ in runs]
    for _ in range(options.rounds):
        for run, found in zip(runs, seconds, strict=True):
            n, taken = turn(run, options.turn, work.device)
            found.append(taken / n)
    reference, resident, streamed, fixed = seconds
    ratios = [a / b for a, b in zip(reference, resident, strict=True)]
    busy = [median(f / fed for f, fed in zip(fixed, each, strict=True)) for each in (resident, streamed)]
    return (
        f"| {work.name} | {batch / median(reference):,.0f} | {batch / median(resident):,.0f} "
        f"| **{median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f}) "
        f"| {100 * min(busy[0], 1):.0f} % / {100 * min(busy[1], 1):.0f} % |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, help="default: 256, or 8 for a toy")
    parser.add_argument("--rows", type=int, help="of the store; default: 2048, or 32 for a toy")
    parser.add_argument("--precision", choices=("bf16", "float32"), help="of ours; default: bf16 on a GPU")
    parser.add_argument("--form", default="auto", help="of our step: eager, compiled, captured")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turn", type=float, default=1.0, help="seconds that each side works in a round")
    parser.add_argument("--toy", action="store_true", help="small models, to see that it runs")
    options = parser.parse_args()
    device = torch.device(options.device)
    options.precision = options.precision or ("bf16" if device.type == "cuda" else "float32")
    batch, n_rows = (
        options.batch or (8 if options.toy else 256),
        options.rows or (32 if options.toy else 2048),
    )
    if device.type == "cpu":
        torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        works = make_works(write_store(Path(folder), n_rows), device, batch=batch, toy=options.toy)
        print(f"batch {batch}, 12 leads of 2500 samples, ours in {options.precision}, {device}\n")
        print(
            "| work | plain, samples/s | ours, samples/s | ratio (range) | device busy, resident / streamed |"
        )
        print("|---|---|---|---|---|")
        for work in works:
            print(row(work, options, batch), flush=True)


if __name__ == "__main__":
    main()
