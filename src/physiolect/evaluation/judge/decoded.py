"""Numbers at every step: decoders and baselines on the same steps, each counted once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.datasets import Store, open_store
from physiolect.datasets.examples.agreement import disagreements
from physiolect.decoding import Match, check_decoder, decode_signal, match_targets
from physiolect.errors import ConfigError, PhysiolectError
from physiolect.evaluation.baselines.decoders import RIDGE_BINS, Trials, kalman, last_value, ridge
from physiolect.evaluation.cross_validated import CrossValidatedRun
from physiolect.evaluation.judge.trial import Trial
from physiolect.evaluation.measures import Measured
from physiolect.evaluation.models import MODEL, EvaluatedModel, place
from physiolect.evaluation.result import EvaluationResult
from physiolect.evaluation.targets import BLOCK_S, measure_targets, time_blocks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rows:
    """Signals and true targets of some rows."""

    signals: list[NDArray[np.float32]]
    """(C, T) each."""
    targets: list[Array]
    """(T, K) each."""
    groups: list[str]


def judge_decoders(trial: Trial) -> EvaluationResult:
    """Evaluate decoders on the rows of a store.

    Raises:
        PhysiolectError: checkpoint, store and settings do not fit one another.
    """
    settings, store, lead = trial.settings, trial.store, trial.lead
    for model in trial.models:
        with model.named_in_errors():
            _check(model, store, lead)
    names = lead.outputs.targets
    rows, remarks = _test_rows(trial)
    test = _rows(store, rows, lead, settings.targets)
    skip = round(settings.skip * store.contract.fs)
    truth = _counted(test.targets, skip)
    draws = trial.bootstrap(_blocks(test, skip, store.contract.fs))
    warnings: list[str] = []
    decoded: dict[str, Array] = {}
    for model in trial.models:
        with model.named_in_errors():
            decoded[model.name] = _counted(_decode(trial, model, test), skip)
            found, notes = trial.check_leakage(model, [test.groups[0]] if not test.groups else test.groups)
            warnings, remarks = warnings + found, remarks + notes
    matches = match_targets(decoded[MODEL], truth, names)
    predictions: dict[str, tuple[Array, str]] = {name: (each, "") for name, each in decoded.items()}
    if settings.baselines != "none":
        baselines, protocol, notes = _baselines(trial, lead, test, skip)
        predictions, remarks = predictions | baselines, remarks + notes
    else:
        protocol = "none"
    measures = {
        name: measure_targets(each, truth, draws, names, note=note)
        for name, (each, note) in predictions.items()
    }
    parts: dict[str, Mapping[str, Measured]] = {}
    warnings += _other_days(trial, lead, rows)
    if matches is not None and not matches.is_by_name:
        warnings.append(f"{matches}; the table compares by name, and a second one in the other order")
        other = matches.apply(truth)
        parts["with the true targets in the order and signs that the model decodes"] = {
            name: measure_targets(each, other, draws, names)
            for name, (each, _) in predictions.items()
            if name != "last value"
        }
    if settings.adapt != "none":
        remarks.append(_ADAPTED[settings.adapt])
    return trial.result(
        measures=measures, columns=("r2", "r"), draws=draws, by_patient=False, count=len(truth), counted="steps",
        of=f"blocks of {BLOCK_S:g} s", per_class_words="target by target",
        data=f"{len(truth):,} steps at {store.contract.fs:g} Hz of {len(rows)} rows in {trial.store_name}"
        + (f", without the first {settings.skip:g} s of each" if skip else ""),
        protocol=protocol, warnings=tuple(warnings), remarks=tuple(remarks), parts=parts,
        draw=partial(_figures, trial, test, decoded[MODEL], truth, matches),
    )  # fmt: skip


_ADAPTED = {
    "running": "Statistics of the channels are running: causal, and without labels.",
    "recording": "Statistics of the channels are those of each whole row, without labels, which no live decoder has.",
}


def _check(model: EvaluatedModel, store: Store, lead: Checkpoint) -> None:
    if isinstance(model.source, CrossValidatedRun):
        raise ConfigError(
            "cross-validated decoders cannot be evaluated as one",
            hint="pass the folder of one fold, and name its rows",
        )
    checkpoint = model.checkpoint
    check_decoder(checkpoint)
    accepts, offered = checkpoint.contract, store.contract
    missing = [name for name in accepts.channels if name not in offered.channels]
    if missing or accepts.fs != offered.fs:
        raise ConfigError(
            f"the store has {len(offered.channels)} channels at {offered.fs:g} Hz, and the model reads "
            f"{len(accepts.channels)} at {accepts.fs:g} Hz"
            + (f"; {missing[0]} is missing" if missing else ""),
            hint="prepare it with the model's contract: --contract CHECKPOINT --targets …",
        )
    if len(store.targets) != len(lead.outputs.targets) or checkpoint.outputs.targets != lead.outputs.targets:
        raise ConfigError(
            f"the store's targets are {', '.join(store.targets) or 'none'}, and the model decodes "
            f"{', '.join(checkpoint.outputs.targets)}",
            hint="prepare the store with these targets: --targets",
        )


def _test_rows(trial: Trial) -> tuple[list[int], list[str]]:
    """Return the rows that are evaluated; of recordings cut into blocks, the test blocks."""
    store, rows = trial.store, trial.rows
    if not len(rows):
        raise ConfigError(f"no row of {store.path} is left to evaluate", hint="leave fewer parts out")
    return rows.tolist(), trial.rows_remark


def _rows(store: Store, rows: list[int], lead: Checkpoint, targets: Sequence[str] = ()) -> Rows:
    """Return signals in the model's order of channels, and targets as named, or in its order of the same names.

    Raises:
        ConfigError: the store has no such targets.
    """
    from physiolect.datasets.examples.splits import row_groups

    groups = row_groups(store)
    found = Rows([], [], [])
    wanted = lead.outputs.targets
    order = tuple(targets) or (wanted if set(wanted) == set(store.targets) else store.targets)
    if set(order) != set(store.targets) or len(order) != len(wanted):
        raise ConfigError(
            f"targets are {', '.join(order)}, but the store has {', '.join(store.targets)}",
            hint="name each of the store's targets once",
        )
    for row in rows:
        held = store.recording(row)
        found.signals.append(held.select(lead.contract.channels).signal)
        found.targets.append(held.select(order).signal.T.astype(np.float64))
        found.groups.append(groups[row])
    return found


def _counted(parts: list[Array], skip: int) -> Array:
    left = [each[skip:] for each in parts if len(each) > skip]
    if not left:
        raise ConfigError("no step is left to evaluate", hint="choose a smaller skip")
    return np.concatenate(left)


def _blocks(test: Rows, skip: int, fs: float) -> list[Any]:
    lengths = [len(each) - skip for each in test.targets if len(each) > skip]
    return time_blocks(lengths, fs).tolist()


def _decode(trial: Trial, model: EvaluatedModel, test: Rows) -> list[Array]:
    checkpoint, tell = place(model.checkpoint, trial.device), trial.reporter.progress(f"rows of {model.path}")
    found = []
    for number, signal in enumerate(test.signals):
        found.append(decode_signal(checkpoint, signal, adapting=trial.settings.adapt).astype(np.float64))
        tell(number + 1, len(test.signals))
    return found


def _baselines(
    trial: Trial, lead: Checkpoint, test: Rows, skip: int
) -> tuple[dict[str, tuple[Array, str]], str, list[str]]:
    """Return what baselines predict, with notes; how they were trained; and remarks."""
    ends = np.cumsum([len(each) for each in test.targets])[:-1]

    def counted(all_steps: Array) -> Array:
        return _counted(np.split(all_steps, ends), skip)

    tested = Trials([], test.targets)
    found = {
        "last value": (
            counted(last_value(tested)),
            "knows the true value one step before, which no decoder does",
        )
    }
    train = _training_rows(trial, lead)
    if train is None:
        remark = "Ridge and Kalman are left out: neither this store nor the model's run has training rows for them."
        return found, "last value alone", [remark]
    fitted = _standardised(train, lead), _standardised(test, lead)
    if trial.settings.adapt == "recording":
        fitted = fitted[0], [_zscored(each, each) for each in fitted[1]]
    learn, tested = Trials(fitted[0], train.targets), Trials(fitted[1], test.targets)
    for bins in RIDGE_BINS:
        predicted, alpha = ridge(learn, tested, bins)
        found[f"ridge, {bins} bin{'s' * (bins > 1)}"] = counted(predicted), f"penalty {alpha:g}"
    found["Kalman"] = counted(kalman(learn, tested)), ""
    return (
        found,
        f"on the {sum(map(len, train.targets)):,} steps that trained the model, or are of the split train",
        [],
    )


def _other_days(trial: Trial, lead: Checkpoint, rows: list[int]) -> list[str]:
    """Return what does not agree, by reach target, between the rows that are evaluated and those that trained."""
    trained = _trained_store(lead)
    if trained is None or trained.digest == trial.store.digest or trained.targets != trial.store.targets:
        return []
    if trained.contract.channels != trial.store.contract.channels:
        return []
    return disagreements((trained, range(len(trained))), (trial.store, rows))


def _training_rows(trial: Trial, lead: Checkpoint) -> Rows | None:
    """Return the rows that baselines learn from: split train of this store, or of the store that trained the model."""
    for store in (trial.store, _trained_store(lead)):
        if (
            store is not None
            and "train" in store.splits
            and store.contract.channels == lead.contract.channels
        ):
            rows = [row for row, split in enumerate(store.splits) if split == "train"]
            return _rows(store, rows, lead)
    return None


def _trained_store(lead: Checkpoint) -> Store | None:
    place_of_it = (lead.run.get("settings") or {}).get("store")
    if not isinstance(place_of_it, str):
        return None
    try:
        store = open_store(place_of_it)
    except (PhysiolectError, OSError):
        return None
    return store if store.digest == lead.run.get("store_sha256") else None


def _standardised(rows: Rows, lead: Checkpoint) -> list[Array]:
    """Return signals (T, C) as the model's statistics of training make them: roots of counts, z-scored."""
    import torch

    layer = getattr(lead.model, "input", None)
    if layer is None or not layer.scales:
        every = np.concatenate([each.T for each in rows.signals])
        return [_zscored(each.T.astype(np.float64), every) for each in rows.signals]
    with torch.inference_mode():
        device = lead.model.device
        return [
            layer(torch.from_numpy(x).to(device).unsqueeze(0))[0].cpu().numpy().astype(np.float64)
            for x in rows.signals
        ]


def _zscored(x: NDArray[np.floating], like: NDArray[np.floating]) -> Array:
    sd = like.std(0)
    return (x - like.mean(0)) / np.where(sd > 0, sd, 1)


def _figures(
    trial: Trial, test: Rows, decoded: Array, truth: Array, match: Match | None
) -> dict[str, Figure]:
    """Return decoded and true targets over time."""
    from physiolect.plots import decoding_figure

    time = np.arange(len(truth)) / trial.store.contract.fs
    shown = truth if match is None or match.is_by_name else match.apply(truth)
    names = trial.lead.outputs.targets
    return {"decoded": decoding_figure(time, decoded, shown, names, title=trial.titles[MODEL])}
