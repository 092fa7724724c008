"""A checkpoint is a folder: weights, settings, tokenizer, contract and fingerprint, together or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from physiolect import config as settings
from physiolect.checkpoint.fingerprint import Fingerprint, Verification, check_fingerprint, take_fingerprint
from physiolect.contract import InputContract
from physiolect.errors import CheckpointError, ConfigError
from physiolect.files import replacing_folder, whole_folder
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.models.lora import merged
from physiolect.tokenizers import FILE_NAME as TOKENIZER_FILE
from physiolect.tokenizers import LevelTokenizer, load_tokenizer, save_tokenizer

Task = Literal["forecast", "rhythm", "beats", "classify", "regress"]

WEIGHTS_FILE, CONFIG_FILE, CONTRACT_FILE = "model.safetensors", "config.yaml", "contract.yaml"
FINGERPRINT_FILE, RUN_FILE, STATE_FOLDER = "fingerprint.json", "run.yaml", "state"

_TOLD = ("task", "classes", "several", "target", "target_unit", "target_mean", "target_sd")
"""What `config.yaml` says of the outputs."""


@dataclass(frozen=True)
class CheckpointConfig:
    """What `config.yaml` holds."""

    model: GPTConfig
    """Settings the model is rebuilt from."""
    task: Task = "forecast"
    """What its outputs mean: the next level; a rhythm's logit, the classes' or a number, one a window; or a beat's
    logit at every position."""
    classes: tuple[str, ...] = ()
    """Names of the outputs, in their order; always there for classify."""
    several: bool = False
    """A window may be of several classes at once (sigmoid), or is of exactly one (softmax)."""
    target: str | None = None
    """What a number is that is told by regression: "age"."""
    target_unit: str | None = None
    """Its unit."""
    target_mean: float = 0.0
    """The number is output * target_sd + target_mean."""
    target_sd: float = 1.0
    """See target_mean."""

    def __post_init__(self) -> None:
        problems = self.problems()
        if problems:
            raise ConfigError("; ".join(problems), hint="name one class an output, or take another task")

    def problems(self) -> list[str]:
        """List what does not fit together."""
        found = []
        n_outputs = self.model.n_outputs
        if self.classes and (len(self.classes) != n_outputs or len(set(self.classes)) < len(self.classes)):
            found.append(f"{n_outputs} outputs, but the classes are {', '.join(self.classes)}")
        if self.task == "classify" and len(self.classes) < (1 if self.several else 2):
            found.append(f"{len(self.classes)} classes are nothing to choose from")
        if self.task in ("rhythm", "beats", "regress") and n_outputs not in (None, 1):
            found.append(f"{n_outputs} outputs, but {self.task} is told by one")
        if not (self.target_sd > 0 and isfinite(self.target_mean + self.target_sd)):
            found.append(f"target_sd is {self.target_sd}, but must be above 0")
        return found


@dataclass
class Checkpoint:
    """A model with everything needed to use it on a recording."""

    model: GPT
    """A torch module: `model(ids) -> logits (B, T, V)`, in eval mode after loading."""
    tokenizer: LevelTokenizer
    """Signal to ids and back."""
    contract: InputContract
    """What recordings it accepts."""
    task: Task = "forecast"
    """See CheckpointConfig."""
    classes: tuple[str, ...] = ()
    """Names of the outputs; see CheckpointConfig, as for what follows."""
    several: bool = False
    target: str | None = None
    target_unit: str | None = None
    target_mean: float = 0.0
    target_sd: float = 1.0
    run: dict[str, Any] = field(default_factory=dict)
    """What made it: command, settings, data, and for converted weights every key's way."""
    fingerprint: Fingerprint | None = None
    """Taken when it was saved; None for a model that has not been."""

    def save(self, path: str | Path, *, state: Mapping[str, Tensor] | None = None) -> Path:
        """Write the folder; an older one of that name is replaced only once the new one is whole.

        Args:
            path: the folder.
            state: tensors to resume training from, by name; kept in `state/`.

        Returns:
            the folder.

        Low-rank additions are added up, so that what is saved is a plain model.

        Raises:
            CheckpointError: what is there already is no checkpoint; it is left alone.
            ConfigError: the classes do not fit the model.
        """
        from safetensors.torch import save_file, save_model

        check_target(path)
        model = merged(self.model)
        held = self._held(model.config)
        path = Path(path).resolve()
        self.fingerprint = take_fingerprint(model)
        with replacing_folder(path) as fresh:
            save_model(model, str(fresh / WEIGHTS_FILE))
            settings.dump(held, fresh / CONFIG_FILE)
            settings.dump(self.contract, fresh / CONTRACT_FILE)
            save_tokenizer(self.tokenizer, fresh / TOKENIZER_FILE)
            probe = json.dumps(asdict(self.fingerprint)) + "\n"
            (fresh / FINGERPRINT_FILE).write_text(probe, encoding="utf-8")
            settings.dump(self.run, fresh / RUN_FILE)
            if state is not None:
                (fresh / STATE_FOLDER).mkdir()
                save_file(dict(state), str(fresh / STATE_FOLDER / "training.safetensors"))
        return path

    def verify(self) -> Verification:
        """Prove that weights and outputs are those of the machine that wrote the checkpoint.

        Raises:
            CheckpointError: they are not, or there is no fingerprint.
        """
        if self.fingerprint is None:
            raise CheckpointError(
                "the checkpoint has no fingerprint",
                hint="make a folder of it, which has one: physiolect convert, or save() in Python",
            )
        return check_fingerprint(merged(self.model), self.fingerprint)

    def _held(self, model: GPTConfig) -> CheckpointConfig:
        """Return what `config.yaml` holds."""
        told = {name: getattr(self, name) for name in _TOLD}
        return CheckpointConfig(model=model, **told)

    def __repr__(self) -> str:
        c = self.contract
        return (
            f"<Checkpoint {self.task}: {self.model.n_parameters():,} parameters; {c.modality or 'any modality'} "
            f"at {c.fs:g} Hz, {c.min_samples}–{c.max_samples} samples>"
        )


def load_folder(path: Path) -> Checkpoint:
    """Rebuild a checkpoint from its folder alone.

    Raises:
        CheckpointError: a part is missing or does not fit the others.
        ConfigError: a setting is unknown or out of range.
    """
    from safetensors.torch import load_model

    path = whole_folder(path)
    missing = _missing(path)
    if missing:
        raise CheckpointError(
            f"{path} is no checkpoint: {', '.join(missing)} missing",
            hint="pass a folder made by pretrain, finetune or convert",
        )
    config = settings.load(CheckpointConfig, path / CONFIG_FILE)
    try:
        _check_shapes(config.model, path / WEIGHTS_FILE)
        model = GPT(config.model).eval()
        load_model(model, str(path / WEIGHTS_FILE), strict=True)
    except Exception as error:  # safetensors and torch raise their own, and all mean the same to a user
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{path / WEIGHTS_FILE} does not fit {CONFIG_FILE}: {reason}",
            hint="the two come from different models",
        ) from error
    tokenizer = load_tokenizer(path / TOKENIZER_FILE)
    if not isinstance(tokenizer, LevelTokenizer):
        raise CheckpointError(
            f"{path / TOKENIZER_FILE} holds an {type(tokenizer).__name__}, but the model of {CONFIG_FILE} reads levels",
            hint="the two come from different models",
        )
    if tokenizer.vocabulary_size != config.model.vocabulary_size:
        raise CheckpointError(
            f"{path / TOKENIZER_FILE} has {tokenizer.vocabulary_size} token ids, "
            f"but the model of {CONFIG_FILE} has {config.model.vocabulary_size}",
            hint="the two come from different models",
        )
    return Checkpoint(
        model=model,
        tokenizer=tokenizer,
        contract=settings.load(InputContract, path / CONTRACT_FILE),
        **{name: getattr(config, name) for name in _TOLD},
        run=settings.read_yaml(path / RUN_FILE) if (path / RUN_FILE).is_file() else {},
        fingerprint=_read_fingerprint(path / FINGERPRINT_FILE),
    )


def check_target(path: str | Path) -> None:
    """Refuse to write a checkpoint over anything but a checkpoint, or an empty folder.

    Raises:
        CheckpointError: `path` is a file, or a folder of other things.
    """
    path = Path(path)
    if path.is_dir():
        trouble = "holds other things than a checkpoint" if _missing(path) and any(path.iterdir()) else ""
    else:
        trouble = "is a file" if path.exists() else ""
    if trouble:
        raise CheckpointError(f"{path} {trouble}, and would be lost", hint="name a new folder")


def load_state(path: str | Path) -> dict[str, Tensor]:
    """Read what `save` was given to resume from.

    Raises:
        CheckpointError: the checkpoint holds no training state, or a damaged one.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = whole_folder(Path(path)) / STATE_FOLDER / "training.safetensors"
    if not file.is_file():
        raise CheckpointError(
            f"{path} holds no training state to resume from", hint="resume from a run's folder"
        )
    try:
        return dict(load_file(str(file)))
    except SafetensorError as error:
        raise CheckpointError(
            f"{file} is damaged ({error})",
            hint="the weights beside it can still be used, but not resumed from",
        ) from error


def _check_shapes(config: GPTConfig, file: Path) -> None:
    """Raise ValueError unless a model of these settings has the tensors of the file; this costs no memory."""
    from safetensors import safe_open

    with safe_open(str(file), "pt") as weights:
        held = {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118
    if config.n_layers > len(held):
        raise ValueError(f"{len(held)} tensors are too few for {config.n_layers} layers")
    with torch.device("meta"):
        parameters = list(GPT(config).named_parameters(remove_duplicate=False))
    shared = {id(parameter): held[name] for name, parameter in parameters if name in held}
    for name, parameter in parameters:
        shape = held.get(name, shared.get(id(parameter)))  # a tied table is stored under one name
        if shape != tuple(parameter.shape):
            raise ValueError(f"{name} is {shape or 'missing'}, but the model's is {tuple(parameter.shape)}")


def _missing(folder: Path) -> list[str]:
    needed = (WEIGHTS_FILE, CONFIG_FILE, CONTRACT_FILE, TOKENIZER_FILE)
    return [name for name in needed if not (folder / name).is_file()]


def _read_fingerprint(file: Path) -> Fingerprint | None:
    if not file.is_file():
        return None
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
        return settings.from_dict(Fingerprint, dict(fields), where=str(file))
    except (ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"{file} is no fingerprint ({error})", hint="the folder was altered or damaged"
        ) from error
