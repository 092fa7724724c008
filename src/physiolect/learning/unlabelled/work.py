"""What a run of learning without labels needs: windows with their texts, the network, and what is saved of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from physiolect.checkpoint import Checkpoint, Outputs, load_checkpoint, named_patients
from physiolect.checkpoint.text_side import TextSide, side_of
from physiolect.datasets import Store, choose_rows
from physiolect.datasets.examples.batches import fits_on
from physiolect.datasets.examples.captions import read_captions
from physiolect.datasets.examples.signal_batches import SignalBatch, SignalBatches
from physiolect.datasets.examples.splits import row_groups
from physiolect.detection import check_store
from physiolect.errors import ConfigError
from physiolect.events import Reporter
from physiolect.language import TextTower, load_text_tower, weights_digest
from physiolect.learning.job import Base
from physiolect.learning.pretrain_settings import PretrainSettings
from physiolect.learning.unlabelled.first_model import first_model, use_visual_projection
from physiolect.learning.unlabelled.learner import Learner
from physiolect.learning.unlabelled.settings import MASKED, WITH_TEXT
from physiolect.learning.work import Work, fixed_draws, own_piece
from physiolect.models.encoder import Encoder
from physiolect.models.model import Model
from physiolect.models.paired import ProjectionKind
from physiolect.training import Processes, Unlabelled, choose_precision

_UNITS = {
    "masked": "squared",
    "masked-image": "absolute",
    "jepa": "smooth L1",
    "contrastive": "nats",
    "merl": "nats",
}


@dataclass(frozen=True, eq=False)
class _Text:
    """The texts of a store's rows, and the tower that reads them."""

    tower: TextTower
    digest: str
    """Of the tower's weights before training."""
    rows: NDArray[np.int64]
    """Rows that have a text."""
    held: tuple[Tensor, ...]
    """For each row of the store: features (rows, W) of a frozen tower, or ids and mask (rows, L) each."""
    note: str
    """How many rows have no text, in words."""


def prepare_unlabelled(
    settings: PretrainSettings,
    store: Store,
    processes: Processes,
    reporter: Reporter,
    *,
    base: Base | None = None,
    saved: Checkpoint | None = None,
    state: Mapping[str, Tensor] | None = None,
) -> Work:
    """Choose windows and texts, and make the network or take a saved one.

    Args:
        settings: with a number of updates and of windows.
        store: made by `prepare`.
        processes: who trains.
        reporter: gets messages.
        base: the model whose weights a new run begins with.
        saved: the checkpoint of a run that is resumed.
        state: of the run that is resumed.

    Raises:
        ConfigError: captions cannot be used, or no row is long enough.
        CheckpointError: the text tower cannot be loaded, or the store was prepared for other inputs than `base` takes.
    """
    assert settings.steps is not None
    stage = settings.stage
    text = _texts(settings, store, processes.device, reporter) if _needs_text(settings) else None
    checkpoint = saved or _first_checkpoint(settings, store, base, reporter)
    model: Model = checkpoint.model
    with torch.random.fork_rng([]):
        torch.manual_seed(settings.seed)
        network = Learner(
            model, stage, steps=settings.steps, text_width=text.tower.width if text else None,
            tower=text.tower if text and text.tower.trains else None,
        )  # fmt: skip
    if text and network.paired:
        _use_published_projection(network.paired.projection, text.tower)
    if state is not None:
        network.restore(state)
    network.to(processes.device)
    batches, validation, patients, words = _windows(settings, store, model, text, processes)
    objective = Unlabelled(
        stage.weights, precision=choose_precision(settings.precision, processes.device), processes=processes
    )
    assert settings.batch_size is not None
    return Work(
        checkpoint=checkpoint, network=network, objective=objective, recipe=stage.recipe, batch=batches.batch,
        stage=batches.stage, regions=network.regions,
        validation_loss=lambda: _validation_loss(network, objective, validation, settings.batch_size or 1, processes),
        save=lambda weights: _saved(checkpoint, network, text, weights), text=words,
        tokens_per_update=settings.batch_size * settings.accumulate * batches.length,
        width=getattr(model.config, "width", 0), unit="", patients=patients, after=network.follow,
        capturable=text is None or not text.tower.trains,
        journal_unit=_UNITS[settings.objectives[0]] if len(settings.objectives) == 1 else "in sum",
    )  # fmt: skip


def model_base(settings: PretrainSettings) -> Base:
    """Return the encoder whose weights a new run begins with.

    Raises:
        ConfigError: it reads no signal, or does not fit the objective.
    """
    assert settings.checkpoint is not None
    found = load_checkpoint(settings.checkpoint)
    masks = bool(set(settings.objectives) & set(MASKED))
    if found.reads_beats or found.tokenizer is not None or (masks and not isinstance(found.model, Encoder)):
        raise ConfigError(
            f"{settings.checkpoint} is no encoder of signals, and {'+'.join(settings.objectives)} needs one",
            hint="name the checkpoint of an encoder, or leave --checkpoint out",
        )
    if "masked-image" in settings.objectives and not found.model.config.image_patch:
        raise ConfigError(
            f"{settings.checkpoint} reads samples, and masked-image needs an encoder of images",
            hint="name a run of preset vit, clip or clip-vit, or take the objective masked",
        )
    return Base(settings.checkpoint, found)


def training_rows(store: Store, settings: PretrainSettings) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows that train and those that validate, before any is left out for lack of a text."""
    return choose_rows(
        store, settings.validation, settings.seed, validate_on=settings.validate_on, leave_out=settings.leave_out
    )  # fmt: skip


def n_training_rows(store: Store, settings: PretrainSettings) -> int:
    """Return how many rows train; with captions, those that have a text."""
    rows, _ = training_rows(store, settings)
    if not _needs_text(settings):
        return len(rows)
    assert settings.captions
    known = read_captions(settings.captions, set(store.sources))
    return sum(store.sources[row] in known for row in rows.tolist())


def _needs_text(settings: PretrainSettings) -> bool:
    return bool(set(settings.objectives) & set(WITH_TEXT))


def _texts(settings: PretrainSettings, store: Store, device: torch.device, reporter: Reporter) -> _Text:
    assert settings.captions
    assert settings.text_tower
    pairing = settings.stage.pairing
    assert pairing.pooling is not None
    captions = read_captions(settings.captions, set(store.sources))
    tower = load_text_tower(
        settings.text_tower, pooling=pairing.pooling, trained_layers=pairing.trained_layers,
        most_tokens=pairing.most_tokens,
    )  # fmt: skip
    digest = weights_digest(tower)
    tower.to(device)
    rows = np.array([row for row, source in enumerate(store.sources) if source in captions], np.int64)
    texts = [captions[store.sources[row]] for row in rows.tolist()]
    cut = tower.n_cut(sorted(set(texts)))
    if cut:
        reporter.say(
            f"{cut} texts are longer than the {tower.most_tokens} tokens that are read: their ends are left out"
        )
    found = tower.tokens(texts) if tower.trains else (tower.features(texts),)
    held = tuple(each.new_zeros((len(store), *each.shape[1:])) for each in found)
    for whole, each in zip(held, found, strict=True):
        whole[torch.from_numpy(rows).to(whole.device)] = each
    missing = len(store) - len(rows)
    note = f"; {missing} of {len(store)} rows have no text and are left out" if missing else ""
    return _Text(tower, digest, rows, held, note)


def _first_checkpoint(
    settings: PretrainSettings, store: Store, base: Base | None, reporter: Reporter
) -> Checkpoint:
    """Return the model before training, with a head for vectors."""
    if base is not None:
        check_store(base.checkpoint, store, all_leads=True)
        reporter.say(f"beginning with the weights of {base.name}")
        found, run = base.checkpoint, {"base": base.record}
    else:
        found, run = first_model(settings, store, reporter), {}
    model = found.model
    masks = bool(set(settings.objectives) & set(MASKED))
    if masks and isinstance(model, Encoder) and model.config.n_patches < 2:
        raise ConfigError(
            f"a window has {model.config.n_patches} patch, and masking needs two",
            hint="choose a smaller encoder.patch",
        )
    with torch.random.fork_rng([]):
        torch.manual_seed(settings.seed)
        if _needs_text(settings):
            assert settings.stage.pairing.width is not None
            model = model.with_head(n_outputs=settings.stage.pairing.width)
            use_visual_projection(settings.image_encoder, model)
        else:
            model = _with_plain_head(model)
    return Checkpoint(model.eval(), None, found.contract, Outputs("embed"), run=run)


def _with_plain_head(model: Model) -> Model:
    """Return an encoder whose vectors are its pooled features: the head leaves them as they are."""
    config = replace(model.config, classifier="linear")
    plain = type(model)(config)
    own = {name: value for name, value in model.state_dict().items() if not name.startswith("head.")}
    plain.load_state_dict({**plain.state_dict(), **own})
    plain = plain.with_head(n_outputs=config.width)
    for part in plain.head_parts:
        if isinstance(part, torch.nn.Linear):
            torch.nn.init.eye_(part.weight)
            torch.nn.init.zeros_(part.bias)
    return plain


def _use_published_projection(projection: torch.nn.Module, tower: TextTower) -> None:
    """Begin with the tower's own projection, where it has one of this shape (CLIP)."""
    published = tower.projection
    if (
        published is not None
        and isinstance(projection, torch.nn.Linear)
        and published.shape == projection.weight.shape
    ):
        projection.weight.data.copy_(published)


def _windows(
    settings: PretrainSettings, store: Store, model: Model, text: _Text | None, processes: Processes
) -> tuple[SignalBatches, SignalBatch, dict[str, list[str]], str]:
    """Return batches of training windows, validation windows, the patients of both, and both in words."""
    assert settings.batch_size is not None
    rows, held = training_rows(store, settings)
    if text is not None:
        rows, held = (side[np.isin(side, text.rows)] for side in (rows, held))
        for side, what in ((rows, "train"), (held, "validate")):
            if not len(side):
                raise ConfigError(f"no row to {what} on has a text", hint="give captions of more recordings")
    device, length = processes.device, model.context_length
    resident = device.type == "cuda" and fits_on(store, rows, device)
    shared: dict[str, Any] = {
        "length": length, "seed": settings.seed, "device": device, "texts": text.held if text else (),
    }  # fmt: skip
    batches = SignalBatches(
        store, rows, size=settings.batch_size, parts=settings.accumulate, share=(processes.rank, processes.count),
        resident=resident, **shared,
    )  # fmt: skip
    validation = SignalBatches(store, held, size=1, **shared).fixed(settings.validation_windows)
    short = len(rows) - len(batches)
    words = (
        f"{len(batches)} rows to train on{', kept on the device' if resident else ''}, {len(held)} to validate "
        f"({len(validation[0])} windows)"
        f"{f'; {short} rows are shorter than {length} samples and are left out' if short else ''}"
        f"{text.note if text else ''}"
    )
    groups = row_groups(store)
    patients = named_patients(*([groups[row] for row in side.tolist()] for side in (batches.rows, held)))
    return batches, validation, patients, words


@torch.no_grad()  # a sharded model cannot be gathered in inference mode
def _validation_loss(
    network: Learner, objective: Unlabelled, validation: SignalBatch, size: int, processes: Processes
) -> float:
    """Return the mean loss of the validation windows, with the same masks at every call.

    The loss of pairs depends on how many a batch holds: windows are divided into batches as large as those of training
    or larger, but for a validation of fewer. The processes score them in turn.
    """
    x, texts = validation
    n = max(1, len(x) // size)
    pieces = list(zip(x.tensor_split(n), *(each.tensor_split(n) for each in texts), strict=True))
    total = 0.0
    with fixed_draws(x.device):
        for first in range(0, n, processes.count):
            torch.manual_seed(first + processes.rank)
            (windows, *words), counts = own_piece(pieces, first, processes.rank)
            loss = objective(network, (windows, tuple(words))).item() * len(windows)
            total += loss if counts else 0.0
    return processes.sum(total) / len(x)


def _saved(
    checkpoint: Checkpoint, network: Learner, text: _Text | None, weights: Mapping[str, Tensor]
) -> tuple[Checkpoint, dict[str, Tensor]]:
    """Return the checkpoint to save of a network with these weights, and what the state keeps of them."""
    own = {name.removeprefix("model."): value for name, value in weights.items() if name.startswith("model.")}
    with torch.random.fork_rng([]):
        model = type(checkpoint.model)(checkpoint.model.config).eval()
    model.load_state_dict(own)
    return replace(checkpoint, model=model, text=_text_side(network, text, weights)), network.kept(weights)


def _text_side(network: Learner, text: _Text | None, weights: Mapping[str, Tensor]) -> TextSide | None:
    if text is None or network.paired is None:
        return None
    name = next(name for name, part in network.parts.items() if part is network.paired)
    prefix = f"parts.{name}."
    trained = {f"tower.{each}" for each in text.tower.trained_weights()}
    held = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
    kept = {key: value for key, value in held.items() if key.startswith("projection.") or key in trained}
    kind: ProjectionKind = "two-layer" if "projection.0.weight" in kept else "linear"
    scale = float(held["log_scale"].exp().clamp(max=100))
    return side_of(text.tower, kept, tower_sha256=text.digest, projection=kind, scale=scale)
