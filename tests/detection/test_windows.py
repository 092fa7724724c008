from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest

from physiolect import Checkpoint
from physiolect.detection.windows import check_answers, made_up
from physiolect.errors import CheckpointError
from physiolect.tasks import TASKS

Make = Callable[..., Checkpoint]


@pytest.mark.parametrize(
    ("gap", "ratio", "expected"),
    [
        ((10, 20), Fraction(1), (10, 20)),
        ((0, 20), Fraction(2), (0, 40)),
        ((10, 20), Fraction(2), (19, 40)),  # sample 19 lies between the ninth, which is there, and the tenth
        ((18, 36), Fraction(5, 18), (5, 10)),
        ((19, 36), Fraction(5, 18), (6, 10)),  # sample 5 is the eighteenth
        ((90, 100), Fraction(2), (179, 199)),  # the recording ends first
    ],
)
def test_what_lies_between_the_neighbours_of_a_gap_is_made_up(
    gap: tuple[int, int], ratio: Fraction, expected: tuple[int, int]
) -> None:
    assert made_up(*gap, ratio, 199) == expected


@pytest.mark.parametrize(
    ("made", "task", "modality", "hint"),
    [
        ("beats", "rhythm", "ecg", "use ECGPT_AF_1k_iters.zip or a run of finetune --task rhythm"),
        ("beats", "rhythm", "ppg", "use PPGPT_AF_1k_iters.zip or a run of finetune --task rhythm"),
        ("rhythm", "beats", "ecg", "use a run of finetune --task beats"),
        (
            "beats", "rhythm", None,
            "use ECGPT_AF_1k_iters.zip or PPGPT_AF_1k_iters.zip or a run of finetune --task rhythm",
        ),
    ],
)  # fmt: skip
def test_a_model_for_another_task_is_refused_with_one_that_would_do(
    make: Make, made: str, task: str, modality: str | None, hint: str
) -> None:
    with pytest.raises(CheckpointError, match="is needed") as caught:
        check_answers(make(made, modality=modality), TASKS[task].scope)
    assert caught.value.hint == hint
