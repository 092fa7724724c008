"""A checkpoint is a folder: weights, settings, tokenizer, contract and fingerprint, together or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from physiolect import config as settings
from physiolect.checkpoint.fingerprint import (
    Fingerprint,
    Verification,
    check_fingerprint,
    read_fingerprint,
    take_fingerprint,
)
from physiolect.checkpoint.outputs import Outputs
from physiolect.checkpoint.reading import beat_windows, fitting_tokenizer
from physiolect.checkpoint.run import read_run
from physiolect.checkpoint.tensor_file import check_whole, let_others_read, save_state
from physiolect.checkpoint.text_side import FOLDER as TEXT_FOLDER
from physiolect.checkpoint.text_side import TextSide
from physiolect.contract import InputContract
from physiolect.errors import CheckpointError, ConfigError
from physiolect.files import replacing_folder, whole_folder
from physiolect.models.families import MODELS
from physiolect.models.lora import merged
from physiolect.models.model import Model
from physiolect.tasks import TASKS, Task
from physiolect.tokenizers import FILE_NAME as TOKENIZER_FILE
from physiolect.tokenizers import BeatTokenizer, LevelTokenizer, load_tokenizer, save_tokenizer

WEIGHTS_FILE, CONFIG_FILE, CONTRACT_FILE = "model.safetensors", "config.yaml", "contract.yaml"
FINGERPRINT_FILE, RUN_FILE = "fingerprint.json", "run.yaml"

_LONG_CONTEXT = 65_536
"""Positions that any checkpoint may state; more must have something to do with what its contract accepts."""
_OLD_OUTPUTS = {
    "task": "task",
    "classes": "classes",
    "several": "several",
    "target": "target",
    "target_unit": "unit",
    "target_mean": "mean",
    "target_sd": "sd",
}
"""Keys of `config.yaml` before it had `outputs:`, and their fields of Outputs."""


@dataclass
class Checkpoint:
    """A model with everything needed to use it on a recording."""

    model: Any
    """A `physiolect.models.model.Model` of any family, in eval mode after loading: `model(encode(windows)[0])` gives
    outputs (B, T, K)."""
    tokenizer: LevelTokenizer | BeatTokenizer | None
    """Signal to ids and back, or heartbeats to numbers; None where the model reads the signal's own numbers."""
    contract: InputContract
    """What recordings it accepts."""
    outputs: Outputs = field(default_factory=Outputs)
    """What its outputs mean; a task's name stands for that task's without classes."""
    run: dict[str, Any] = field(default_factory=dict)
    """What made it: command, settings, data, and for converted weights every key's way."""
    fingerprint: Fingerprint | None = None
    """Taken when it was saved; None for a model that has not been."""
    text: TextSide | None = None
    """How texts come into the space of the model's vectors; None where it did not learn from texts."""

    def __post_init__(self) -> None:
        if isinstance(self.outputs, str):
            self.outputs = Outputs(self.outputs)

    @property
    def task(self) -> Task:
        """What the model was trained to answer."""
        return TASKS[self.outputs.task]

    @property
    def levels(self) -> LevelTokenizer:
        """The tokenizer of a model that reads levels.

        Raises:
            CheckpointError: the model reads real numbers.
        """
        if not isinstance(self.tokenizer, LevelTokenizer):
            raise CheckpointError(
                "the checkpoint's model reads real numbers, but one that reads levels is needed",
                hint="use a decoder, such as ecg",
            )
        return self.tokenizer

    @property
    def beats(self) -> BeatTokenizer:
        """The tokenizer of a model that reads heartbeats.

        Raises:
            CheckpointError: the model reads windows of signal.
        """
        if not isinstance(self.tokenizer, BeatTokenizer):
            raise CheckpointError(
                "the checkpoint's model reads windows of signal, but one that reads heartbeats is needed",
                hint="train one: physiolect finetune --preset beat-tokens",
            )
        return self.tokenizer

    @property
    def reads_beats(self) -> bool:
        """Whether the model reads heartbeats, which have to be found first."""
        return isinstance(self.tokenizer, BeatTokenizer)

    def encode(self, windows: ArrayLike) -> tuple[Tensor, NDArray[np.bool_]]:
        """Return what the model takes, for windows in the contract's unit, and which windows are flat.

        Args:
            windows: (B, T), or (B, C, T) of several channels; finite. Of a model that reads heartbeats (B, F, n), the
                numbers of n beats before they are standardised, NaN throughout where there is no beat.

        Returns:
            ids of levels (B, T), of a flat window level 0 throughout; or, without a tokenizer, real numbers (B, C, T)
            float32. And (B,) True where every channel has one value only.

        Raises:
            ConfigError: the windows have another number of channels than the model takes.
        """
        x = np.asarray(windows)
        x = x[:, np.newaxis] if x.ndim == 2 else x  # (B, C, T)
        if isinstance(self.tokenizer, BeatTokenizer):
            return beat_windows(x, self.tokenizer), np.zeros(len(x), np.bool_)
        if x.shape[1] != self.model.n_channels:
            raise ConfigError(
                f"the windows have {x.shape[1]} channels, but the model takes {self.model.n_channels}",
                hint="choose the channels that the checkpoint's contract names",
            )
        if self.tokenizer is None:
            x = np.ascontiguousarray(x, np.float32)
            return torch.from_numpy(x), (np.ptp(x, axis=-1) == 0).all(-1)
        ids, scale = self.tokenizer.encode(x[:, 0], flat="level")
        return torch.from_numpy(ids), (scale.high <= scale.low)[:, 0]

    def encode_beats(
        self,
        signal: NDArray[np.floating],
        beats: NDArray[np.floating | np.integer],
        rhythm: NDArray[np.floating] | None = None,
    ) -> NDArray[np.float32]:
        """Return the numbers that describe each heartbeat of a signal, (n, F); see `BeatTokenizer.encode`.

        Raises:
            CheckpointError: the model reads windows of signal.
            FormatError: the signal has too many channels or missing samples, or the beats are not in order.
        """
        return self.beats.encode(signal, beats, rhythm)

    @torch.inference_mode()
    def predict(self, inputs: Tensor) -> NDArray[np.float32]:
        """Return what a user gets for encoded windows; see `Outputs.read` for shapes. Runs where the model is."""
        model = self.model.eval()
        logits = model(inputs.to(model.device), last_only=self.outputs.scope == "window")
        return self.outputs.read(logits).cpu().numpy()

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
        from safetensors.torch import save_model

        check_target(path)
        model = merged(self.model)
        held = self._settings(model)
        path = Path(path).resolve()
        self.fingerprint = take_fingerprint(model)
        with replacing_folder(path) as fresh:
            save_model(model, str(fresh / WEIGHTS_FILE))
            settings.dump(held, fresh / CONFIG_FILE)
            settings.dump(self.contract, fresh / CONTRACT_FILE)
            if self.tokenizer is not None:
                save_tokenizer(self.tokenizer, fresh / TOKENIZER_FILE)
            probe = json.dumps(asdict(self.fingerprint)) + "\n"
            (fresh / FINGERPRINT_FILE).write_text(probe, encoding="utf-8")
            settings.dump(self.run, fresh / RUN_FILE)
            if self.text is not None:
                self.text.save(fresh / TEXT_FOLDER)
            if state is not None:
                save_state(fresh, state)
            for file in fresh.rglob("*.safetensors"):
                let_others_read(file, like=fresh / CONFIG_FILE)
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

    def _settings(self, model: Model) -> dict[str, Any]:
        """Return what `config.yaml` holds.

        Raises:
            ConfigError: the outputs do not fit the model.
        """
        kind = next((name for name, family in MODELS.items() if type(model) is family), None)
        assert kind, f"{type(model).__name__} is missing in MODELS"
        _check_outputs(self.outputs, model.n_outputs)
        return {"kind": kind, "model": model.config, "outputs": self.outputs}

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
        raise _no_checkpoint(path, missing)
    family, config, outputs = _read_config(path / CONFIG_FILE)
    check_whole(path / WEIGHTS_FILE)
    try:
        _check_shapes(family, config, path / WEIGHTS_FILE)
        model = family(config).eval()
        load_model(model, str(path / WEIGHTS_FILE), strict=True)
    except Exception as error:  # safetensors and torch raise their own, and all mean the same to a user
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{path / WEIGHTS_FILE} does not fit {CONFIG_FILE}: {reason}",
            hint="the two come from different models",
        ) from error
    check_finite(model.state_dict(), path / WEIGHTS_FILE)
    contract = settings.load(InputContract, path / CONTRACT_FILE)
    length = getattr(config, "context_length", 0)
    if length > max(_LONG_CONTEXT, 16 * contract.max_samples):
        raise CheckpointError(
            f"{path / CONFIG_FILE} states {length:,} positions, and {CONTRACT_FILE} at most {contract.max_samples:,}",
            hint="the two come from different models",
        )
    tokenizer, file = None, path / TOKENIZER_FILE
    if file.is_file():
        tokenizer = fitting_tokenizer(load_tokenizer(file), model, file)
    elif model.takes == "levels":
        raise _no_checkpoint(path, [TOKENIZER_FILE])
    return Checkpoint(
        model=model,
        tokenizer=tokenizer,
        contract=contract,
        outputs=outputs,
        run=read_run(path / RUN_FILE),
        fingerprint=read_fingerprint(path / FINGERPRINT_FILE),
        text=TextSide.load(path / TEXT_FOLDER) if (path / TEXT_FOLDER).is_dir() else None,
    )


def _read_config(file: Path) -> tuple[type[Model], Any, Outputs]:
    """Return family, settings of the model and meaning of its outputs.

    Raises:
        CheckpointError: the family is unknown to this version.
        ConfigError: a setting is unknown or out of range.
    """
    held = settings.read_yaml(file)
    kind = held.pop("kind", "gpt")
    if not isinstance(kind, str) or kind not in MODELS:
        raise CheckpointError(
            f"{file}: the kind of model '{kind}' is unknown to this version",
            hint=f"install a newer physiolect; this one knows {', '.join(MODELS)}",
        )
    if "outputs" not in held:
        held["outputs"] = {new: held.pop(old) for old, new in _OLD_OUTPUTS.items() if old in held}
    unknown = sorted(set(held) - {"model", "outputs"})
    if unknown or "model" not in held:
        problems = [f"unknown setting '{name}'" for name in unknown] or ["model is missing"]
        settings.refuse(
            problems, str(file), hint="the folder was altered or damaged: fetch or convert it again"
        )
    family = MODELS[kind]
    config: Any = settings.from_dict(family.Config, held["model"], f"{file}, model")
    outputs = settings.from_dict(Outputs, held["outputs"], f"{file}, outputs")
    _check_outputs(outputs, config.n_outputs)
    return family, config, outputs


def _check_outputs(outputs: Outputs, n_outputs: int | None) -> None:
    problems = outputs.problems(n_outputs)
    if problems:
        raise ConfigError("; ".join(problems), hint="name one class for each output, or choose another task")


def check_finite(state: Mapping[str, Tensor], file: Path) -> None:
    """Refuse weights that are not finite: nothing such a model computes means anything.

    Raises:
        CheckpointError: a weight is NaN or infinite.
    """
    bad = [name for name, value in state.items() if not torch.isfinite(value).all()]
    if bad:
        raise CheckpointError(
            f"{file} holds weights that are no finite numbers: {', '.join(bad[:3])}{' …' if len(bad) > 3 else ''}",
            hint="the training diverged or the file is damaged: use an earlier checkpoint, or fetch it again",
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


def _check_shapes(family: type[Model], config: Any, file: Path) -> None:
    """Raise ValueError unless a model of these settings has the tensors of the file; this costs no memory."""
    from safetensors import safe_open

    with safe_open(str(file), "pt") as weights:
        held = {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118
    n_layers = getattr(config, "n_layers", 0)
    if n_layers > len(held):
        raise ValueError(f"{len(held)} tensors are too few for {n_layers} layers")
    with torch.device("meta"):
        parameters = list(family(config).named_parameters(remove_duplicate=False))
    shared = {id(parameter): held[name] for name, parameter in parameters if name in held}
    for name, parameter in parameters:
        shape = held.get(name, shared.get(id(parameter)))  # a tied table is stored under one name
        if shape != tuple(parameter.shape):
            raise ValueError(f"{name} is {shape or 'missing'}, but the model's is {tuple(parameter.shape)}")


def _no_checkpoint(path: Path, missing: list[str]) -> CheckpointError:
    return CheckpointError(
        f"{path} is no checkpoint: {', '.join(missing)} missing",
        hint="pass a folder made by pretrain, finetune or convert",
    )


def _missing(folder: Path) -> list[str]:
    needed = (WEIGHTS_FILE, CONFIG_FILE, CONTRACT_FILE)
    return [name for name in needed if not (folder / name).is_file()]
