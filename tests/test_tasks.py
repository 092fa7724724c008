"""Every task is known by every room that dispatches on its kind, its scope or its labels."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from physiolect import Recording, detect
from physiolect.checkpoint import Checkpoint, Outputs
from physiolect.checkpoint.outputs import _READ
from physiolect.contract import CONTRACTS
from physiolect.datasets.examples.labels import LABELS
from physiolect.detection.detecting import _DETECT
from physiolect.errors import ConfigError
from physiolect.explanation.target import _TARGETS
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.tasks import TASKS, DetectedTaskName, LabelledTaskName, Task, TaskName, find_task
from physiolect.tokenizers import LevelTokenizer
from physiolect.training.objectives import _LOSSES, Labelled


@pytest.mark.parametrize("task", TASKS.values(), ids=str)
def test_every_room_knows_a_task(task: Task) -> None:
    assert TASKS[task.name] is task
    assert task.labels == "signal" or task.labels in LABELS
    assert task.kind in _READ
    assert task.labels == "signal" or task.kind in (
        *_LOSSES,
        "sequence",
    )  # sequences have losses of their own
    not_yet = task.labels in ("heartbeats", "targets", "symbols")  # not explained by `Target` yet
    assert (task.kind, task.scope) in _TARGETS or not_yet
    assert (task.name in get_args(DetectedTaskName)) == ((task.kind, task.scope) in _DETECT)
    assert task.name in get_args(TaskName)
    assert (task.name in get_args(LabelledTaskName)) == (task.labels != "signal")
    assert find_task(task.name) is find_task(task) is task


_SCORED = [task for task in TASKS.values() if task.kind in _LOSSES]


@pytest.mark.parametrize("task", _SCORED, ids=str)
def test_a_task_is_learned_and_read(task: Task) -> None:
    """A loss falls along its gradient, and outputs are read in the shape of the task's scope."""
    classes = ("a", "b", "c") if task.kind == "one-of" else ()
    outputs = Outputs(task.name, classes)
    K, T = max(1, len(classes)), 6 if task.scope == "position" else 1
    logits = torch.randn(4, T, K, requires_grad=True)
    target = torch.zeros(4, T, K)
    target[..., 0] = 1
    score = Labelled(outputs.kind, scope=outputs.scope).score
    loss = score(logits, target if T > 1 and K > 1 else target.squeeze(-1) if K == 1 else target[:, 0])
    (gradient,) = torch.autograd.grad(loss, logits)
    with torch.no_grad():
        lower = score(
            logits - 0.1 * gradient,
            target if T > 1 and K > 1 else target.squeeze(-1) if K == 1 else target[:, 0],
        )
    assert lower < loss
    read = outputs.read(logits.detach())
    assert read.shape == (4, *((T,) if task.scope == "position" else ()), *((K,) if K > 1 else ()))


def test_an_unknown_task_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="task is 'rythm'") as caught:
        find_task("rythm")
    assert "rhythm" in (caught.value.hint or "")
    with pytest.raises(ConfigError, match="unknown to this version"):
        Outputs("rythm")


@pytest.mark.parametrize("task", [task for task in TASKS.values() if task.kind == "binary"], ids=str)
def test_a_task_of_yes_or_no_is_detected_in_a_recording(task: Task) -> None:
    config = GPTConfig(context_length=32, width=16, n_layers=1, n_heads=2, mlp_width=32, n_outputs=1)
    contract = replace(CONTRACTS["heartgpt-ecg"], min_samples=32, max_samples=32)
    checkpoint = Checkpoint(GPT(config).eval(), LevelTokenizer(), contract, Outputs(task.name))
    found = detect(checkpoint, Recording(np.sin(np.arange(320) / 5), 100.0, ("II",), "mV"))
    assert found.to_dict()["task"] == task.name
    assert found.summary
    assert len(found.to_frame()) >= 0
