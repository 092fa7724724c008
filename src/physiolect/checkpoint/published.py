"""The authors' HeartGPT files as checkpoints, and checkpoints as files for the authors' code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from physiolect import contract
from physiolect.checkpoint.checkpoint import Checkpoint, check_finite
from physiolect.checkpoint.fingerprint import weights_digest
from physiolect.checkpoint.outputs import Outputs
from physiolect.errors import CheckpointError
from physiolect.files import replacing
from physiolect.models.gpt import GPT
from physiolect.models.published.heartgpt import from_heartgpt, to_heartgpt
from physiolect.models.published.weights_file import read_state
from physiolect.tasks import TaskName
from physiolect.tokenizers import LevelTokenizer


@dataclass(frozen=True)
class Published:
    """One of the authors' five files."""

    name: str
    modality: Literal["ecg", "ppg"]
    task: TaskName


PUBLISHED = {
    "455d1ba88191923debfe327ae28af1c893aa76c36082496ec8fa689458c76fea": Published(
        "ECGPT_560k_iters", "ecg", "forecast"
    ),
    "f7a948a1feba67b87ef72434b1fa2b5296b741ace4dd54db724b9d285c88d5a3": Published(
        "ECGPT_AF_1k_iters", "ecg", "rhythm"
    ),
    "b51be0a67b9b540056d160f65eb294ac90b316690ef60088c45427b4cf5f3149": Published(
        "PPGPT_500k_iters", "ppg", "forecast"
    ),
    "8397174ce3d5945a5fd469a693d2aef5fda4381fd93fe7a0d555ccd3a5875ad7": Published(
        "PPGPT_AF_1k_iters", "ppg", "rhythm"
    ),
    "12b1deaf24cc6eaf3012360f4efd645a737321dc9ae7ffe919fb572e550f12c2": Published(
        "PPGPT_beat_5k_iters", "ppg", "beats"
    ),
}
"""SHA-256 of the weights (`weights_digest`) -> which file of the repository they are."""

_VOCABULARY_OF: dict[int, Literal["ecg", "ppg"]] = {101: "ecg", 102: "ppg"}
_LONGEST = 8192
"""Positions of a model that is converted: its proof takes time and memory that grow with their square."""


def load_published(path: Path, *, task: TaskName | None = None) -> Checkpoint:
    """Make a checkpoint of a HeartGPT `.pth`, or of the `.zip` it is published in.

    Args:
        path: the file.
        task: what a detection head's single output means; needed only for weights that are not the authors'.

    Raises:
        CheckpointError: the file is unsafe, incomplete, or does not tell what it is for.
    """
    source = read_state(path)
    try:
        state, config, moves = from_heartgpt(source)
        if config.context_length > _LONGEST:
            raise CheckpointError(
                f"{path} has a table of {config.context_length:,} positions, and at most {_LONGEST:,} are converted",
                hint="the authors' models have 500",
            )
        _check_vocabulary(config.vocabulary_size, path)
        with torch.device("meta"):  # costs no memory, and refuses shapes that do not fit
            GPT(config).load_state_dict(state, strict=True, assign=True)
        model = GPT(config).eval()
        model.load_state_dict(state, strict=True)
    except RuntimeError as error:  # torch's word for tensors that do not fit one another
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"the tensors of {path} do not fit together: {reason}", hint="the file is incomplete or altered"
        ) from error
    check_finite(state, path)
    known = PUBLISHED.get(weights_digest(state))
    modality = known.modality if known else _VOCABULARY_OF[config.vocabulary_size]
    accepts = contract.CONTRACTS[f"heartgpt-{modality}"]
    longest = config.context_length
    shortest = min(accepts.min_samples, longest) if config.n_outputs is None else longest
    return Checkpoint(
        model=model,
        tokenizer=LevelTokenizer(n_levels=101, vocabulary_size=config.vocabulary_size),
        contract=replace(accepts, min_samples=shortest, max_samples=longest),
        outputs=Outputs(_task(path, config.n_outputs, known, task)),
        run={"converted_from": path.name, "published_as": known.name if known else None, "keys": moves},
    )


def _check_vocabulary(size: int, path: Path) -> None:
    if size not in _VOCABULARY_OF:
        raise CheckpointError(
            f"{path} has {size} token ids: neither HeartGPT's ECG (101) nor its PPG (102) models",
            hint="only models of the authors' two vocabularies are converted",
        )


def export_published(checkpoint: Checkpoint, path: Path) -> Path:
    """Write the weights under HeartGPT's names as a `.pth`, or as a `.zip` holding one.

    The authors' code reads nothing but `torch.save` files; what is written holds tensors only and loads
    with `weights_only=True`.

    Raises:
        CheckpointError: the model does something that HeartGPT's code cannot.
    """
    import io
    import zipfile

    state = to_heartgpt(checkpoint.model.state_dict(), checkpoint.model.config)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as fresh:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(f"{path.stem}.pth", buffer.getvalue())
        else:
            fresh.write_bytes(buffer.getvalue())
    return path


def _task(path: Path, n_outputs: int | None, known: Published | None, asked: TaskName | None) -> TaskName:
    known_task = known.task if known else ("forecast" if n_outputs is None else None)
    if known_task is None and asked is None:
        raise CheckpointError(
            f"{path} has a detection head, but does not say what it detects",
            hint="name the task: rhythm or beats",
        )
    if known_task is not None and asked not in (None, known_task):
        raise CheckpointError(f"{path} is a {known_task} model, not {asked}", hint="leave task out")
    return known_task or asked or "forecast"
