"""Whether a map of important samples is true of the model: deletion, insertion, and randomised weights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.errors import ConfigError, check_option
from physiolect.explanation.maps import METHODS, Map
from physiolect.explanation.target import Target
from physiolect.explanation.window import Replacement, Window

SHARES = np.array([0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1])
"""Shares of the samples that are deleted, or inserted."""
ORDERS = 20
"""Random orders that a map is compared with."""


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """How a model's output falls as samples are deleted, and rises as they are inserted, the most important first."""

    shares: NDArray[np.float64]
    """(n,) share of the samples that are deleted or inserted, from 0 to 1."""
    deletion: NDArray[np.float64]
    """(n,) the model's output without the most important ones, in `unit`."""
    insertion: NDArray[np.float64]
    """(n,) its output for the most important ones alone."""
    random_deletion: NDArray[np.float64]
    """(orders, n) the same in random orders."""
    random_insertion: NDArray[np.float64]
    """(orders, n)."""
    unit: str = "nats"
    """Of the model's output."""

    @property
    def deletion_area(self) -> float:
        """Mean height of the deletion curve: low where the map names the samples that matter."""
        return float(_area(self.deletion, self.shares))

    @property
    def insertion_area(self) -> float:
        """Mean height of the insertion curve: high where the map names the samples that matter."""
        return float(_area(self.insertion, self.shares))

    @property
    def gap(self) -> float:
        """Area between insertion and deletion."""
        return self.insertion_area - self.deletion_area

    @property
    def random_gaps(self) -> NDArray[np.float64]:
        """The same in random orders, (orders,)."""
        return _area(self.random_insertion, self.shares) - _area(self.random_deletion, self.shares)

    @property
    def score(self) -> float:
        """How far the gap lies above the mean gap of random orders; 0 is chance."""
        return self.gap - float(self.random_gaps.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """Where the score of 95 % of the random orders lies."""
        low, high = np.quantile(self.random_gaps - self.random_gaps.mean(), [0.025, 0.975])
        return float(low), float(high)

    def __str__(self) -> str:
        low, high = self.interval
        return f"faithfulness {self.score:+.2f} {self.unit} (95 % of random orders {low:+.2f} to {high:+.2f})"


def measure_faithfulness(
    checkpoint: Checkpoint,
    window: Window,
    target: Target,
    maps: Mapping[str, Map],
    *,
    replacement: Replacement = "interpolation",
    n_orders: int = ORDERS,
    seed: int = 0,
    tell: Callable[[int, int], None] | None = None,
) -> dict[str, Faithfulness]:
    """Delete and insert samples in the order of each map, and in random orders, and record the model's output.

    Args:
        checkpoint: a model.
        window: from `cut_window`.
        target: from `choose_target`: the output that is followed.
        maps: by name, (n_context,) how much each sample counts; a longer one is cut.
        replacement: what takes the place of a sample that is left out.
        n_orders: random orders.
        seed: of those.
        tell: is called with the number of changed windows that have passed the model, and of all.

    Returns:
        name -> curves; the random orders are the same for all.

    Raises:
        ConfigError: a map is too short or not finite, or an option is unknown.

    Source: Petsiuk et al. 2018, arXiv:1806.07421 (deletion and insertion).
    """
    check_option("replacement", replacement, ("interpolation", "median"))
    n = target.n_context
    _check_maps(maps, n)
    if n_orders < 2:
        raise ConfigError(f"n_orders is {n_orders}, but must be at least 2", hint=f"{ORDERS} is usual")
    rng = np.random.default_rng(seed)
    orders = [
        *(np.argsort(-each[:n], kind="stable") for each in maps.values()),
        *(rng.permutation(n) for _ in range(n_orders)),
    ]
    counts = np.round(SHARES * n).astype(np.int64)
    places: list[int] = []
    shown: dict[bytes, tuple[int, NDArray[np.generic]]] = {}  # all orders begin and end alike
    for order in orders:
        for count in counts:
            for out in (order[:count], order[count:]):
                row = window.without(out, replacement=replacement, n_context=n)[..., : target.n_shown]
                places.append(shown.setdefault(row.tobytes(), (len(shown), row))[0])
    inputs = torch.from_numpy(np.stack([row for _, row in shown.values()])).to(checkpoint.model.device)
    outputs = target.of_inputs(checkpoint, inputs, window.n_tokens, tell=tell).double().cpu().numpy()
    curves = outputs[places].reshape(len(orders), len(counts), 2)
    by_chance = curves[len(maps) :]
    return {
        name: Faithfulness(
            SHARES, each[:, 0], each[:, 1], by_chance[:, :, 0], by_chance[:, :, 1], target.unit
        )
        for name, each in zip(maps, curves, strict=False)
    }


def _check_maps(maps: Mapping[str, Map], n: int) -> None:
    for name, each in maps.items():
        if len(each) < n or not np.isfinite(each[:n]).all():
            raise ConfigError(
                f"the map {name} has {np.isfinite(each).sum()} finite numbers, but {n} are needed",
                hint="use a map of the same window",
            )


def cascade(
    checkpoint: Checkpoint,
    window: Window,
    target: Target,
    method: str,
    *,
    stages: Sequence[str] | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """Return how much of a map remains while weights are randomised, from the output back to the input.

    A map that does not change explains the signal, not the model. Each tensor of weights is drawn from a normal
    distribution with its own mean and standard deviation.

    Args:
        checkpoint: a model.
        window: from `cut_window`.
        target: from `choose_target`.
        method: one of `METHODS`.
        stages: which of `stage_names` to compare at; None means all.
        seed: of the weights.

    Returns:
        stage -> rank correlation (Spearman) with the trained model's map; 0 where a map is the same everywhere.

    Raises:
        ConfigError: the method or a stage is unknown.

    Source: Adebayo et al. 2018, arXiv:1810.03292 (cascading randomisation).
    """
    from scipy.stats import rankdata

    check_option("method", method, METHODS)
    for stage in stages or ():
        check_option("stage", stage, stage_names(checkpoint))
    trained = rankdata(METHODS[method](checkpoint, window, target))
    found = {}
    for stage, drawn in _randomised(checkpoint, seed):
        if stages is None or stage in stages:
            ranks = rankdata(METHODS[method](drawn, window, target))
            even = np.ptp(ranks) == 0 or np.ptp(trained) == 0
            found[stage] = 0.0 if even else float(np.corrcoef(trained, ranks)[0, 1])
    return found


def stage_names(checkpoint: Checkpoint) -> tuple[str, ...]:
    """Return the stages of a cascade in order: head, layers from the last to 1, embeddings."""
    return ("head", *(f"layer {i}" for i in range(len(checkpoint.model.blocks), 0, -1)), "embeddings")


def _randomised(checkpoint: Checkpoint, seed: int) -> Iterator[tuple[str, Checkpoint]]:
    """Yield a copy of the checkpoint whose weights are randomised up to each stage; it is one copy that changes."""
    model = copy.deepcopy(checkpoint.model)
    drawn = replace(checkpoint, model=model)
    generator = torch.Generator().manual_seed(seed)
    for stage in stage_names(checkpoint):
        if stage == "head":
            parts = model.output_parts
        elif stage == "embeddings":
            parts = model.input_parts
        else:
            parts = [model.blocks[int(stage.split()[1]) - 1]]
        with torch.no_grad():
            for part in parts:
                for weights in part.parameters():
                    new = torch.randn(weights.shape, generator=generator).to(weights)
                    weights.copy_(weights.mean() + new * weights.std(correction=0))
        yield stage, drawn


def _area(curve: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.trapezoid(curve, shares, axis=-1))
