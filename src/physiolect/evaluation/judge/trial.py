"""What a judge works with: store, models and settings."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.datasets import Examples, Store
from physiolect.datasets.examples.splits import rows_named
from physiolect.errors import ConfigError
from physiolect.evaluation.bootstrap import Bootstrap
from physiolect.evaluation.leakage import find_leaks, unrecorded_training
from physiolect.evaluation.models import EvaluatedModel, place
from physiolect.evaluation.protocol import Fold, Protocol, make_folds
from physiolect.evaluation.result import EvaluationResult
from physiolect.evaluation.settings import EvaluationSettings

if TYPE_CHECKING:
    import torch

    from physiolect.events import Reporter


@dataclass(frozen=True, eq=False)
class Trial:
    """One evaluation before anything is computed."""

    settings: EvaluationSettings
    store: Store
    store_name: str
    """The store as the user named it."""
    models: tuple[EvaluatedModel, ...]
    """The model, and what it is compared with."""
    device: torch.device
    """Where models compute."""
    reporter: Reporter

    @property
    def lead(self) -> Checkpoint:
        """The checkpoint that decides how windows are cut."""
        return place(self.models[0].checkpoint, self.device)

    @property
    def titles(self) -> dict[str, str]:
        """Names of the models -> names in tables and figures."""
        return {model.name: model.title for model in self.models}

    @property
    def channel(self) -> str | int | Sequence[str] | None:
        """The channel that windows show; without a setting, all channels of a model that reads several."""
        channels = self.models[0].checkpoint.contract.channels
        if self.settings.channel is None and len(channels) > 1:
            return channels
        return self.settings.chosen_channel

    def check_leakage(self, model: EvaluatedModel, groups: Collection[str]) -> tuple[list[str], list[str]]:
        """Return warnings and notes about the patients that a model was trained on."""
        return find_leaks(model, groups, self.store.digest), unrecorded_training(model)

    @property
    def takes_test_blocks(self) -> bool:
        """Whether the blocks of time that test are evaluated, since nobody names other rows."""
        settings = self.settings
        return self.store.is_cut_in_blocks and not (settings.test_on or settings.leave_out)

    @property
    def rows_remark(self) -> list[str]:
        """What a reader should know of the rows that are evaluated."""
        return (
            ["Rows of the split test are evaluated; name others with test_on."]
            if self.takes_test_blocks
            else []
        )

    @property
    def rows(self) -> NDArray[np.int64]:
        """The rows that `test_on` and `leave_out` let be evaluated, in order; of blocks of time, those that test.

        Raises:
            ConfigError: a name is not there.
        """
        settings, store = self.settings, self.store
        if self.takes_test_blocks:
            return rows_named(store, ["test"])
        rows = rows_named(store, settings.test_on) if settings.test_on else np.arange(len(store))
        return np.setdiff1d(rows, rows_named(store, settings.leave_out))

    def kept(self, examples: Examples) -> Examples:
        """Return the windows of rows that are evaluated.

        Raises:
            ConfigError: nothing is left to evaluate.
        """
        if not (self.settings.test_on or self.settings.leave_out or self.takes_test_blocks):
            return examples
        left = examples.take(np.isin(examples.rows, self.rows))
        if not len(left):
            raise ConfigError(
                f"no labelled window of {self.store.path} is left to evaluate", hint="leave fewer parts out"
            )
        return left

    def bootstrap(self, groups: Collection[str]) -> Bootstrap:
        """Return the resamples that all measures share."""
        return Bootstrap(list(groups), n_resamples=self.settings.resamples, seed=self.settings.seed)

    def make_folds(self, examples: Examples) -> tuple[list[Fold], str]:
        """Return the folds in which baselines are trained, and a description of them.

        Raises:
            ConfigError: some windows are in no given split.
        """
        settings = self.settings
        if settings.baselines == "none":
            return [], "none"
        n = len(set(examples.groups))
        if n < 2:
            return [], "none: all windows are of one patient or recording"
        parts = examples.store.splits
        folds = make_folds(
            examples.groups, cast(Protocol, settings.protocol), k=min(settings.k, n), seed=settings.seed,
            stratify_by=examples.strata,
            given=[parts[row] for row in examples.rows.tolist()] if settings.protocol == "given" else None,
        )  # fmt: skip
        tested = sum(len(fold.test) for fold in folds)
        if tested < len(examples):
            raise ConfigError(
                f"{len(examples) - tested} windows are in no given split, and no baseline can be tested on them",
                hint="prepare the store with a published split, or take k-fold",
            )
        by = "patient" if examples.by_patient else "patient or recording"
        return (
            folds,
            f"{settings.protocol}, {len(folds)} folds by {by}; each is predicted by baselines trained on the others",
        )

    def result(self, **found: Any) -> EvaluationResult:
        """Return a result with what was found, and with what the trial knows."""
        return EvaluationResult(
            task=self.settings.task,
            models={model.name: model.path for model in self.models},
            titles=self.titles,
            store=self.store_name,
            store_sha256=self.store.digest,
            **found,
        )
