"""The training loop, its objectives and its optimiser."""

from physiolect.training.devices import Precision, choose_device, choose_precision, fast_products
from physiolect.training.fit import Callbacks, Outcome, Schedule, TrainingProgress, fit
from physiolect.training.graph import capture_graph, capturing
from physiolect.training.journal import Journal
from physiolect.training.objectives import Labelled, NextToken, balanced_weights, next_token_loss
from physiolect.training.optim import RECIPES, Recipe, learning_rate_at, make_optimizer
from physiolect.training.processes import (
    LostProcessError,
    Processes,
    is_first_process,
    join_processes,
    n_launched,
    noticing_loss,
)
from physiolect.training.sequences import Sequences, answer_loss, frame_loss
from physiolect.training.step import Form, Step, TrainingError, choose_form
from physiolect.training.stopping import Stop, stop_signals
from physiolect.training.threads import using_threads
from physiolect.training.unlabelled import (
    UNLABELLED,
    Unlabelled,
    contrastive_loss,
    joint_embedding_loss,
    masked_image_loss,
    masked_loss,
    views_loss,
)

__all__ = [
    "RECIPES",
    "UNLABELLED",
    "Callbacks",
    "Form",
    "Journal",
    "Labelled",
    "LostProcessError",
    "NextToken",
    "Outcome",
    "Precision",
    "Processes",
    "Recipe",
    "Schedule",
    "Sequences",
    "Step",
    "Stop",
    "TrainingError",
    "TrainingProgress",
    "Unlabelled",
    "answer_loss",
    "balanced_weights",
    "capture_graph",
    "capturing",
    "choose_device",
    "choose_form",
    "choose_precision",
    "contrastive_loss",
    "fast_products",
    "fit",
    "frame_loss",
    "is_first_process",
    "join_processes",
    "joint_embedding_loss",
    "learning_rate_at",
    "make_optimizer",
    "masked_image_loss",
    "masked_loss",
    "n_launched",
    "next_token_loss",
    "noticing_loss",
    "stop_signals",
    "using_threads",
    "views_loss",
]
