"""Train our own decoders on the stores of benchmarks/pretraining_data.py, or compare variants of them.

`python benchmarks/pretrain_decoders.py ecg stores/ecg --out ecg` trains, on all patients of the store, what comes with
the package as "ecg", and `ppg stores/ppg` its sister: 235 s and 30 s on one H200, days on a CPU unless `--steps` makes
it shorter. Weights are stored in half precision and loaded in single. `--variants`, all or those named, trains each on
the training patients alone, on as many tokens, and prints what it needs on the validation patients (15 %, PPG 20 %,
seed 2): nats per token on up to 400 windows of each source. `--beside` scores checkpoints on the same windows.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from physiolect import Checkpoint, load_checkpoint
from physiolect.datasets import Store, open_store, split_rows
from physiolect.datasets.augmentation import Augmentation
from physiolect.datasets.batches import LevelBatches
from physiolect.models.gpt import GPT, PRESETS, GPTConfig
from physiolect.tokenizers import LevelTokenizer
from physiolect.training import NextToken, Recipe, Step, choose_device, choose_form, choose_precision


@dataclass(frozen=True)
class Plan:
    model: GPTConfig
    recipe: Recipe
    varied: Augmentation
    steps: int
    validating: float  # share of the patients, where variants are compared
    likelier: tuple[str, ...] = ()  # sources whose windows are four times as likely as by their length
    share: float = 1.0  # of the other patients
    batch_size: int = 64


SMALL = replace(PRESETS["modern"], band=250, context_length=430)
WIDE = replace(PRESETS["modern"], width=128, mlp_width=340, band=500)
NOISY = Augmentation(tempo=1.15, noise=0.004, wander=0.05, mix=0.5)
PLANS = {
    "ecg": Plan(WIDE, Recipe(2e-3), NOISY, 41_066, 0.15, ("ptbxl", "cinc2021")),
    "ppg": Plan(SMALL, Recipe(3e-3), replace(NOISY, noise=0.002, mix=0), 8_314, 0.2),
}


def variants(plan: Plan) -> dict[str, Plan]:
    """Return the plan, and the plan with one thing changed; each sees as many tokens in an update."""
    c, found = plan.model, {"as planned": plan}
    for w in (32, 64, 128, 192, 256):  # heads stay as wide, and the rate falls as widths grow
        model = replace(c, width=w, n_heads=c.n_heads * w // c.width, mlp_width=c.mlp_width * w // c.width)
        recipe = Recipe(plan.recipe.learning_rate * (c.width / w) ** 0.5)
        found[f"width {w}"] = replace(plan, model=model, recipe=recipe)
    for n, T in ((2, c.context_length // 2), (4, c.context_length // 4)):
        model = replace(c, context_length=T, band=min(T, c.band or T))
        found[f"context {T}"] = replace(plan, model=model, batch_size=plan.batch_size * n)
    found |= {f"{n} layers": replace(plan, model=replace(c, n_layers=n)) for n in (2, 4, 12)}
    found |= {f"band {n}": replace(plan, model=replace(c, band=n)) for n in (125, 250, c.context_length)}
    found |= {f"{share:.0%} of patients": replace(plan, share=share) for share in (0.5, 0.25, 0.125)}
    found["leads not mixed"] = replace(plan, varied=replace(plan.varied, mix=0))
    found["not varied"] = replace(plan, varied=Augmentation())
    found["sources as they come"] = replace(plan, likelier=())
    found["dropout 0.1"] = replace(plan, model=replace(c, residual_dropout=0.1))
    return {name: each for name, each in found.items() if name == "as planned" or each != plan}


def train(plan: Plan, store: Store, rows: NDArray[np.int64], seed: int) -> GPT:
    """Return a decoder trained on rows of a store; on a GPU every update is a captured graph."""
    torch.manual_seed(seed)
    patients, device = np.array(store.patients)[rows], choose_device()
    chosen = np.random.default_rng(seed).permutation(np.unique(patients))
    rows = rows[np.isin(patients, chosen[: round(plan.share * len(chosen))])]
    times = [4 if store.sources[row].split("/")[0] in plan.likelier else 1 for row in rows]
    batches = LevelBatches(
        store, np.repeat(rows, times), LevelTokenizer(), length=plan.model.context_length + 1, seed=seed,
        augmentation=plan.varied, device=device, resident=True,
    )  # fmt: skip
    model, objective = GPT(plan.model).to(device).train(), NextToken(choose_precision("auto", device))
    step = Step(
        model, objective, lambda at, _: batches.batch(at, plan.batch_size), plan.recipe, plan.steps,
        form=choose_form("auto", device), regions=[*model.trunk.blocks, objective.score],
    )  # fmt: skip
    while step.done < step.steps:
        step()
    step.read()  # tells of an update that failed
    torch._dynamo.reset()  # or what was compiled would stay for the next variant
    trained = GPT(plan.model).to(device)
    trained.load_state_dict(model.state_dict())
    return trained.eval()


@torch.inference_mode()
def score(model: GPT, store: Store, rows: NDArray[np.int64]) -> str:
    """Return nats per token on windows of rows, by source, and for MIT-BIH's lead MLII alone."""
    kinds = {row: store.sources[row].split("/")[0] for row in rows.tolist()}
    groups = {kind: [row for row in kinds if kinds[row] == kind] for kind in sorted(set(kinds.values()))}
    groups["MLII"] = [row for row in groups.get("mitdb", []) if store.channels(row) == ("MLII",)]
    told, length, device = [], min(501, int(store.lengths.min())), choose_device()
    for kind, of in ((kind, of) for kind, of in groups.items() if of):
        ids = LevelBatches(store, of, LevelTokenizer(), length=length, seed=0, device=device).fixed(400)
        nats = sum(NextToken()(model.to(device), x).item() * len(x) for x in ids.split(100)) / len(ids)
        told.append(f"{kind} {nats:.3f}")
    return f"{model.n_parameters():,} | {' | '.join(told)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("decoder", choices=PLANS)
    parser.add_argument("store")
    parser.add_argument("--out", help="folder of the checkpoint")
    parser.add_argument("--variants", nargs="*", help="names; without any, all")
    parser.add_argument("--beside", nargs="*", default=[], metavar="CHECKPOINT")
    parser.add_argument("--steps", type=int, help="updates, if not the plan's")
    parser.add_argument("--seed", type=int, default=0)
    o = parser.parse_args()
    torch.set_float32_matmul_precision("high")
    store, plan = open_store(o.store), replace(PLANS[o.decoder], steps=o.steps or PLANS[o.decoder].steps)
    if o.out:
        contract = replace(store.contract, max_samples=plan.model.context_length)
        model = train(plan, store, np.arange(len(store)), o.seed).cpu().half()
        run = {"made_by": f"benchmarks/pretrain_decoders.py {o.decoder}", "seed": o.seed, "step": plan.steps}
        Checkpoint(model, LevelTokenizer(), contract, run=run).save(o.out)
    training, validating = split_rows(store, plan.validating, 2)
    named = [] if o.variants is None else o.variants or variants(plan)
    for name in [*o.beside, *named]:
        chosen = None if name in o.beside else variants(plan)[name]
        model = train(chosen, store, training, o.seed) if chosen else load_checkpoint(name).model
        print(f"| {name} | {score(model, store, validating)}", flush=True)


if __name__ == "__main__":
    main()
