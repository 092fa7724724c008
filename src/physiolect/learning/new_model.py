"""A model of random weights that fits a store, for a training to start from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from physiolect.checkpoint import Checkpoint, Outputs
from physiolect.contract import ANY_CHANNEL
from physiolect.datasets import Store
from physiolect.errors import ConfigError
from physiolect.events import Reporter
from physiolect.learning.finetune_settings import FinetuneSettings
from physiolect.models.continuous import ContinuousConfig
from physiolect.models.encoder import Encoder, EncoderConfig
from physiolect.models.families import MODELS
from physiolect.models.model import Model
from physiolect.models.recurrent import RecurrentConfig
from physiolect.models.resnet_config import ResNetConfig
from physiolect.models.seq2seq import Seq2Seq, Seq2SeqConfig
from physiolect.tasks import TASKS
from physiolect.tokenizers import BEAT_TOKENIZERS


def new_checkpoint(
    config: EncoderConfig | ResNetConfig, store: Store, *, seed: int, reporter: Reporter
) -> Checkpoint:
    """Return a model that takes the windows of a store, for `for_task` to give a head to.

    Its channels are those of the store's contract. Its windows are as long as the contract and the model allow.

    Args:
        config: the model; channels, outputs and, where the store's windows are shorter, length are replaced.
        store: made by `prepare`.
        seed: of the weights.
        reporter: gets a message where windows are shorter than the store's, or amplitudes are scaled.

    Raises:
        ConfigError: the store's windows are shorter than a patch.
    """
    contract, scaling = store.contract, config.scaling
    length = min(contract.max_samples, config.context_length)
    patch = config.patch if isinstance(config, EncoderConfig) else 1
    length -= length % patch
    if not length:
        raise ConfigError(
            f"the store's windows are {contract.max_samples} samples, but a patch of the model is {patch}",
            hint="choose a smaller model.patch",
        )
    if length < contract.max_samples:
        reporter.say(f"windows are {length} samples, of the {contract.max_samples} that the store allows")
    if contract.normalisation == "tokenizer":  # of levels, which this model has none of
        contract = replace(contract, normalisation="none")
        if scaling == "none":
            scaling = "range"
            reporter.say("the store leaves amplitudes as they were recorded: each window is scaled to [0, 1]")
    n_channels = 1 if contract.channels == (ANY_CHANNEL,) else len(contract.channels)
    fitting = replace(config, n_channels=n_channels, context_length=length, n_outputs=1, scaling=scaling)
    family: type[Model] = next(each for each in MODELS.values() if each.Config is type(config))
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = family(fitting).eval()
    accepts = replace(contract, min_samples=min(contract.min_samples, length), max_samples=length)
    return Checkpoint(model, None, accepts, Outputs("rhythm"))


def new_decoder_checkpoint(
    config: ContinuousConfig | RecurrentConfig, store: Store, *, seed: int, reporter: Reporter
) -> Checkpoint:
    """Return a model of continuous signals that takes the channels of a store, for `for_task` to give a head to.

    Args:
        config: the model; its channels are replaced, and its width where it reads channels as they are.
        store: made by `prepare`, with channels that its contract names.
        seed: of the weights.
        reporter: gets a message where the channels are no counts, so that no roots are taken.

    Raises:
        ConfigError: the contract names no channels, or the number of heads does not divide them.
    """
    contract = store.contract
    if contract.channels == (ANY_CHANNEL,):
        raise ConfigError(
            f"{store.path} was prepared for one channel of any name, but a decoder reads channels by name",
            hint="prepare it with targets or trials, which take all channels, or a contract that names them",
        )
    n = len(contract.channels)
    changed: dict[str, Any] = {"n_channels": n, "n_outputs": 1}
    if isinstance(config, ContinuousConfig) and config.projection == "none":
        changed |= {"width": n, "mlp_width": 4 * n}
    if config.counts == "square-root" and contract.modality != "spikes":
        changed["counts"] = "as-they-are"
        reporter.say("the channels are no spike counts: no square roots are taken")
    family = next(family for family in MODELS.values() if family.Config is type(config))
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = family(replace(config, **changed)).eval()
    length = config.context_length
    accepts = replace(contract, min_samples=min(contract.min_samples, length), max_samples=length)
    return Checkpoint(model, None, accepts, Outputs("rhythm"))


def new_seq2seq_checkpoint(config: Seq2SeqConfig, store: Store, *, labelled: bool, seed: int) -> Checkpoint:
    """Return a sequence-to-sequence model that takes the channels of a store, for `for_task` to give a decoder to.

    Args:
        config: the model; its channels are replaced. It takes whole rows up to its context, where rows have strings of
            symbols; otherwise windows as long as the contract and the context allow.
        store: made by `prepare`.
        labelled: whether a table has the strings.
        seed: of the weights.

    Raises:
        ConfigError: the model reads tokens.
    """
    if config.input_vocabulary is not None:
        raise ConfigError(
            "input_vocabulary is for token inputs, but a store holds signals", hint="leave it out"
        )
    contract, longest = store.contract, config.context_length
    if not labelled and not any(store.labels):
        longest = min(contract.max_samples, longest)
    if contract.normalisation == "tokenizer":  # of levels, which this model has none of
        contract = replace(contract, normalisation="none")
    n = 1 if contract.channels == (ANY_CHANNEL,) else len(contract.channels)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = Seq2Seq(replace(config, n_channels=n)).eval()
    accepts = replace(contract, min_samples=1, max_samples=longest)
    return Checkpoint(model, None, accepts, Outputs("rhythm"))


def new_beat_checkpoint(settings: FinetuneSettings, store: Store) -> Checkpoint:
    """Return an encoder that reads the heartbeats of a store, for `for_task` to give a head to.

    Args:
        settings: with preset beat-tokens.
        store: made by `prepare`, at any rate; beats are described by all leads of each recording.

    Raises:
        ConfigError: the store's rate is too low for the tokenizer's passband.
    """
    tuning, contract = settings.tuning, store.contract
    assert tuning.beat is not None
    preset = BEAT_TOKENIZERS[TASKS[settings.task].scope]
    kept = tuple(group for group in preset.features if group != "rhythm" or settings.rhythm)
    tokenizer = replace(
        preset, fs=contract.fs, features=settings.features or kept, normalisation=settings.normalisation
    )
    length = round(tuning.beat.seconds * contract.fs)
    accepts = replace(
        contract, channels=(ANY_CHANNEL,), normalisation="none", unit=None, min_samples=max(1, length // 10),
        max_samples=length,
    )  # fmt: skip
    fitting = replace(tuning.beat.model, n_channels=tokenizer.n_features + 1, n_outputs=1)
    with torch.random.fork_rng([]):
        torch.manual_seed(settings.seed)
        model = Encoder(fitting).eval()
    return Checkpoint(model, tokenizer, accepts, Outputs("rhythm"))
