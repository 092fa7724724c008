"""The training loop, its objectives and its optimiser."""

from physiolect.training.capture import capture
from physiolect.training.devices import Precision, choose_device, choose_precision
from physiolect.training.fit import Callbacks, Outcome, Progress, Schedule, fit
from physiolect.training.journal import Journal
from physiolect.training.objectives import NextToken, next_token_loss
from physiolect.training.optim import RECIPES, Recipe, learning_rate_at, make_optimizer
from physiolect.training.step import Form, Step, TrainingError, choose_form
from physiolect.training.stopping import Stop, stop_signals

__all__ = [
    "RECIPES",
    "Callbacks",
    "Form",
    "Journal",
    "NextToken",
    "Outcome",
    "Precision",
    "Progress",
    "Recipe",
    "Schedule",
    "Step",
    "Stop",
    "TrainingError",
    "capture",
    "choose_device",
    "choose_form",
    "choose_precision",
    "fit",
    "learning_rate_at",
    "make_optimizer",
    "next_token_loss",
    "stop_signals",
]
