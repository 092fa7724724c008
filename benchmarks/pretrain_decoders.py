"""Train our own decoders on the stores of benchmarks/pretraining_data.py, or compare variants of them.

`python benchmarks/pretrain_decoders.py ecg stores/ecg --out ecg` trains, on all patients of the store, what comes with
the package as "ecg", and `ppg stores/ppg` its sister: 235 s and 30 s on one H200, days on a CPU unless `--steps` makes
it shorter. Weights are stored in half precision and loaded in single.

`--variants`, all or those named, trains each on the training patients alone, on as many tokens, and scores it on the
validation patients (15 %, PPG 20 %, seed 2): nats per token on up to 400 windows of each source, all scored at the end
of their training. `--beside` scores checkpoints on the same windows, first of all. In brackets: the difference from
the first row on the same windows, with its 95 % bootstrap interval over patients. The last column is for contexts: all
sources' samples 501 to 1000 of windows of 1000, foretold from what came before. Each row is printed, and appended to
`--table`, as soon as it is known. "seconds" are those of all updates but the first, which compiles.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from physiolect import Checkpoint, load_checkpoint
from physiolect.datasets import Store, open_store, split_rows
from physiolect.datasets.examples.augmentation import Augmentation
from physiolect.datasets.examples.batches import LevelBatches
from physiolect.evaluation import nll_of_model, paired_difference
from physiolect.models.gpt import GPT, GPT_PRESETS, GPTConfig
from physiolect.tokenizers import LevelTokenizer
from physiolect.training import NextToken, Recipe, Step, choose_device, choose_form, choose_precision

A_SOURCE = 400
"""Validation windows of each source at most."""
FAR, SEEN = 1000, 500
"""Samples of the windows for long contexts, and how many of them are not scored."""


@dataclass(frozen=True)
class Plan:
    model: GPTConfig
    recipe: Recipe
    varied: Augmentation
    steps: int
    validating: float  # share of the patients, where variants are compared
    contexts: tuple[tuple[int, int], ...]  # others to compare, with the batch that has as many tokens
    likelier: tuple[str, ...] = ()  # sources whose windows are four times as likely as by their length
    share: float = 1.0  # of each source's other patients
    batch_size: int = 64


@dataclass(frozen=True)
class Trained:
    model: GPT
    tokens: int
    seconds: float


@dataclass(frozen=True)
class Windows:
    """Validation windows of one column of the table."""

    title: str
    ids: NDArray[np.int64]  # (n, T)
    patients: NDArray[np.str_]  # (n,)
    first: int = 1  # position from which they are scored


SMALL = replace(GPT_PRESETS["modern"], band=250, context_length=430)
WIDE = replace(GPT_PRESETS["modern"], width=128, mlp_width=340, band=500)
NOISY = Augmentation(tempo=1.15, noise=0.004, wander=0.05, mix=0.5)
PLANS = {
    # records of ten seconds, played 1.15 times faster, give windows of up to 866 samples
    "ecg": Plan(
        WIDE, Recipe(2e-3), NOISY, 41_066, 0.15, ((125, 256), (250, 128), (800, 40)), ("ptbxl", "cinc2021")
    ),
    "ppg": Plan(SMALL, Recipe(3e-3), replace(NOISY, noise=0.002, mix=0), 8_314, 0.2, ((215, 128),)),
}


def variants(plan: Plan) -> dict[str, Plan]:
    """Return the plan, and the plan with one thing changed; each sees as many tokens in an update."""
    c, found = plan.model, {"as planned": plan}
    for w in (32, 64, 128, 192, 256):  # heads stay as wide, and the rate falls as widths grow
        model = replace(c, width=w, n_heads=c.n_heads * w // c.width, mlp_width=c.mlp_width * w // c.width)
        recipe = Recipe(plan.recipe.learning_rate * (c.width / w) ** 0.5)
        found[f"width {w}"] = replace(plan, model=model, recipe=recipe)
    for T, batch_size in plan.contexts:
        model = replace(c, context_length=T, band=T if c.band == c.context_length else c.band)
        found[f"context {T}"] = replace(plan, model=model, batch_size=batch_size)
    found |= {f"{n} layers": replace(plan, model=replace(c, n_layers=n)) for n in (2, 4, 12)}
    found |= {f"band {n}": replace(plan, model=replace(c, band=n)) for n in (125, 250, c.context_length)}
    found |= {f"{share:.0%} of patients": replace(plan, share=share) for share in (0.5, 0.25, 0.1)}
    found["leads not mixed"] = replace(plan, varied=replace(plan.varied, mix=0))
    found["not varied"] = replace(plan, varied=Augmentation())
    found["sources as they come"] = replace(plan, likelier=())
    found["dropout 0.1"] = replace(plan, model=replace(c, residual_dropout=0.1))
    return {name: each for name, each in found.items() if name == "as planned" or each != plan}


def train(plan: Plan, store: Store, rows: NDArray[np.int64], seed: int) -> Trained:
    """Train a decoder on rows of a store; on a GPU every update is a captured graph."""
    torch.manual_seed(seed)
    device, rows = choose_device(), some_patients(store, rows, plan.share, seed)
    times = [4 if source_of(store, row) in plan.likelier else 1 for row in rows]
    batches = LevelBatches(
        store, np.repeat(rows, times), LevelTokenizer(), length=plan.model.context_length + 1, seed=seed,
        augmentation=plan.varied, device=device, resident=True,
    )  # fmt: skip
    model, objective = GPT(plan.model).to(device).train(), NextToken(choose_precision("auto", device))
    step = Step(
        model, objective, lambda at, _: batches.batch(at, plan.batch_size), plan.recipe, plan.steps,
        form=choose_form("auto", device), regions=[*model.blocks, objective.score],
    )  # fmt: skip
    step()
    step.read()  # waits for the device
    begun = time.perf_counter()
    while step.done < step.steps:
        step()
    step.read()  # tells of an update that failed, too
    seconds = time.perf_counter() - begun
    torch._dynamo.reset()  # or what was compiled would stay for the next variant
    trained = GPT(plan.model).to(device)
    trained.load_state_dict(model.state_dict())
    return Trained(trained.eval(), step.steps * plan.batch_size * plan.model.context_length, seconds)


def source_of(store: Store, row: int) -> str:
    return store.sources[row].split("/")[0]


def some_patients(store: Store, rows: NDArray[np.int64], share: float, seed: int) -> NDArray[np.int64]:
    """Return the rows of a share of each source's patients."""
    patients, generator = np.array(store.patients)[rows], np.random.default_rng(seed)
    sources = np.array([source_of(store, row) for row in rows])
    chosen: list[str] = []
    for source in np.unique(sources):
        of_it = generator.permutation(np.unique(patients[sources == source]))
        chosen += of_it[: max(1, round(share * len(of_it)))].tolist()
    return rows[np.isin(patients, chosen)]


def validation(store: Store, rows: NDArray[np.int64]) -> list[Windows]:
    """Return windows of each source, of MIT-BIH's lead MLII alone, and long ones of all sources."""
    groups: dict[str, list[int]] = {}
    for row in rows.tolist():
        groups.setdefault(source_of(store, row), []).append(row)
    sources = sorted(groups)
    groups["MLII"] = [row for row in groups.get("mitdb", []) if store.channels(row) == ("MLII",)]
    shortest, found = int(store.lengths[rows].min()), []
    found += [windows(store, name, of, min(SEEN + 1, shortest)) for name, of in groups.items() if of]
    if shortest >= FAR:
        far = [windows(store, name, groups[name], FAR) for name in sources]
        ids, patients = np.concatenate([w.ids for w in far]), np.concatenate([w.patients for w in far])
        found.append(Windows(f"all, {SEEN + 1}-{FAR}", ids, patients, SEEN))
    return found


def windows(store: Store, title: str, rows: list[int], length: int) -> Windows:
    batches = LevelBatches(store, rows, LevelTokenizer(), length=length, seed=0)
    return Windows(
        title,
        batches.fixed(A_SOURCE).numpy(),
        np.array(store.patients)[batches.loader.spread(A_SOURCE).rows.numpy()],
    )


class Table:
    """Rows in Markdown, each with its differences from the first, printed and kept at once.

    Args:
        columns: what models are scored on.
        path: file that the rows are appended to.
    """

    def __init__(self, columns: list[Windows], path: str | None) -> None:
        self.columns, self.path = columns, path
        self._first: list[NDArray[np.float64] | None] = []
        titles = [f"{each.title} ({len(set(each.patients.tolist()))} patients)" for each in columns]
        self._tell(" | ".join(("| variant", "parameters", "tokens", "seconds", *titles)) + " |")
        self._tell("|---" * (4 + len(columns)) + "|")

    def add(self, name: str, model: GPT, *about: str) -> None:
        """Score a model and tell."""
        nats = [self._nats(model, each) for each in self.columns]
        cells = [name, f"{model.n_parameters():,}", *about]
        for k, mine in enumerate(nats):
            cell = "" if mine is None else f"{mine.mean():.3f}"
            first = self._first[k] if self._first else None
            if mine is not None and first is not None:
                parted = paired_difference(mine, first, self.columns[k].patients)
                cell += " ({:+.3f} [{:+.3f}, {:+.3f}])".format(*parted)
            cells.append(cell)
        self._first = self._first or nats
        self._tell(f"| {' | '.join(cells)} |")

    def _nats(self, model: GPT, on: Windows) -> NDArray[np.float64] | None:
        """Return the nats of what is scored, (n, T'), or None where positions end before."""
        if model.positions is not None and on.ids.shape[1] - 1 > model.config.context_length:
            return None
        return nll_of_model(model, on.ids)[:, on.first - 1 :]

    def _tell(self, line: str) -> None:
        print(line, flush=True)
        if self.path is not None:
            with Path(self.path).open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("decoder", choices=PLANS)
    parser.add_argument("store")
    parser.add_argument("--out", help="folder of the checkpoint")
    parser.add_argument(
        "--variants", nargs="*", metavar="NAME", help="those to compare; without a name, all of them"
    )
    parser.add_argument("--beside", nargs="*", default=[], metavar="CHECKPOINT", help="scored with them")
    parser.add_argument("--table", help="file that each row is appended to as soon as it is known")
    parser.add_argument("--steps", type=int, help="updates, if not the plan's")
    parser.add_argument("--seed", type=int, default=0)
    o = parser.parse_args()
    store, plan = open_store(o.store), replace(PLANS[o.decoder], steps=o.steps or PLANS[o.decoder].steps)
    known = variants(plan)
    named = [] if o.variants is None else o.variants or list(known)
    if not known.keys() >= set(named):
        parser.error(f"variants are {', '.join(known)}")
    torch.set_float32_matmul_precision("high")
    if o.out:
        contract = replace(store.contract, max_samples=plan.model.context_length)
        model = train(plan, store, np.arange(len(store)), o.seed).model.cpu().half()
        run = {"made_by": f"benchmarks/pretrain_decoders.py {o.decoder}", "seed": o.seed, "step": plan.steps}
        Checkpoint(model, LevelTokenizer(), contract, run=run).save(o.out)
    if o.beside or named:
        training, validating = split_rows(store, plan.validating, 2)
        table = Table(validation(store, validating), o.table)
        for path in o.beside:
            table.add(path, load_checkpoint(path).model.to(choose_device()), "", "")
        for name in named:
            trained = train(known[name], store, training, o.seed)
            table.add(name, trained.model, f"{trained.tokens:,}", f"{trained.seconds:.1f}")


if __name__ == "__main__":
    main()
