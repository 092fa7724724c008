"""A text tower: a text encoder of Hugging Face, from a folder or the Hub, that turns texts into features."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from physiolect.errors import CheckpointError, ConfigError, check_option, require

TextPooling = Literal["mean", "first", "last"]
"""Features of a text: the mean over its tokens, those of its first token (BERT's [CLS]), or of its last (CLIP's)."""

MOST_TOKENS = 256
"""Tokens of a text; what is longer is cut off at its end."""


class TextTower(nn.Module):
    """Maps tokens (B, L) to features (B, W); all of it is frozen until `train_last` is called.

    Args:
        model: the encoder of Hugging Face.
        tokenizer: that belongs to it.
        name: what the user named.
        pooling: which tokens represent a text.
        most_tokens: of a text.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        name: str,
        pooling: TextPooling = "mean",
        most_tokens: int = MOST_TOKENS,
    ) -> None:
        super().__init__()
        check_option("text pooling", pooling, get_args(TextPooling))
        self.model, self.tokenizer, self.name, self.pooling = model, tokenizer, name, pooling
        stated = getattr(model.config, "max_position_embeddings", None) or most_tokens
        self.most_tokens = min(most_tokens, stated)
        self.projection: Tensor | None = None
        """Of a model that comes with one, as CLIP does; it is not applied here."""
        self.requires_grad_(False).eval()

    @property
    def width(self) -> int:
        """Features of a text."""
        return int(self.model.config.hidden_size)

    @property
    def layers(self) -> list[nn.Module]:
        """The transformer layers in their order; none where the model has no list of them under a known name."""
        for owner in (self.model, getattr(self.model, "text_model", None)):
            for path in ("encoder.layer", "transformer.layer", "encoder.layers", "layers"):
                found = owner
                for part in path.split("."):
                    found = getattr(found, part, None)
                if isinstance(found, nn.ModuleList):
                    return list(found)
        return []

    def train_last(self, n: int) -> None:
        """Let the last n layers train; the others stay frozen.

        Raises:
            ConfigError: it has not so many layers.
        """
        layers = self.layers
        if n > len(layers):
            raise ConfigError(
                f"{n} layers of the text tower {self.name} are to train, but {len(layers)} were found",
                hint="choose fewer, or 0 to keep it frozen",
            )
        for layer in layers[len(layers) - n :]:
            layer.requires_grad_()

    @property
    def trains(self) -> bool:
        """Whether some of its weights train."""
        return any(p.requires_grad for p in self.parameters())

    def train(self, mode: bool = True) -> TextTower:
        """Switch dropout of the layers that train; frozen layers have none."""
        super().train(False)
        for layer in self.layers:
            if any(p.requires_grad for p in layer.parameters()):
                layer.train(mode)
        return self

    def tokens(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return ids (n, L) and mask (n, L), 1 at tokens and 0 at padding, of texts; long ones are cut off."""
        found = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=self.most_tokens, return_tensors="pt"
        )
        return found["input_ids"], found["attention_mask"]

    def n_cut(self, texts: Sequence[str]) -> int:
        """Return how many texts are longer than the tower reads."""
        found = self.tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
        return sum(len(ids) > self.most_tokens for ids in found)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return features (B, W) of tokens (B, L)."""
        hidden = self.model(input_ids=ids, attention_mask=mask).last_hidden_state  # (B, L, W)
        if self.pooling == "first":
            return hidden[:, 0]
        if self.pooling == "last":  # padding stands on the right
            return hidden[torch.arange(len(hidden), device=hidden.device), mask.sum(1) - 1]
        real = mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * real).sum(1) / real.sum(1).clamp_min(1)

    @torch.no_grad()
    def features(self, texts: Sequence[str], *, batch_size: int = 64) -> Tensor:
        """Return features (n, W) of texts in float32, without dropout; a text that comes twice is read once."""
        training = self.training or any(layer.training for layer in self.layers)
        self.eval()
        device = next(self.parameters()).device
        unique = sorted(
            set(texts), key=lambda text: (len(text), text)
        )  # alike in length, a batch has little padding
        found = []
        for first in range(0, len(unique), batch_size):
            ids, mask = self.tokens(unique[first : first + batch_size])
            found.append(self(ids.to(device), mask.to(device)).float())
        place = {text: number for number, text in enumerate(unique)}
        self.train(training)
        return torch.cat(found)[torch.tensor([place[text] for text in texts], device=device)]

    def trained_weights(self) -> dict[str, Tensor]:
        """Return the weights that train, by name."""
        return {name: p.detach() for name, p in self.named_parameters() if p.requires_grad}


def load_text_tower(
    name: str | Path,
    *,
    pooling: TextPooling = "mean",
    trained_layers: int = 0,
    most_tokens: int = MOST_TOKENS,
) -> TextTower:
    """Load a text encoder; no code that comes with it runs, and its weights are safetensors.

    Args:
        name: a folder in the layout of Hugging Face, or owner/name on the Hub, which is downloaded at its first use.
        pooling: which tokens represent a text.
        trained_layers: last layers that train; all others are frozen.
        most_tokens: of a text.

    Raises:
        CheckpointError: it cannot be loaded, or it is no text encoder.
        ConfigError: it has fewer layers.
        PhysiolectError: transformers is not installed.
    """
    transformers = require("transformers", extra="lm")
    where = str(name)
    if not Path(where).is_dir() and where.count("/") != 1:
        raise CheckpointError(
            f"the text tower {where} is no folder, and no owner/name of the Hugging Face Hub",
            hint="name a folder with config.json, model.safetensors and tokenizer.json",
        )
    local = Path(where).is_dir()
    if local and not (Path(where) / "config.json").is_file():
        raise CheckpointError(
            f"the text tower {where} has no config.json",
            hint="name a folder with config.json, model.safetensors and tokenizer.json",
        )
    try:
        with _quiet(transformers):
            tokenizer, model = _loaded(transformers, where, local)
    except Exception as error:  # of many kinds, and all mean the same to a user
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"the text tower {where} cannot be loaded: {reason}",
            hint="it must be an ordinary folder of Hugging Face with safetensors and without code of its own",
        ) from error
    projection = getattr(getattr(model, "text_projection", None), "weight", None)
    model = getattr(model, "text_model", model)  # of CLIP, the half that reads texts
    if not hasattr(model.config, "hidden_size") or getattr(model.config, "is_encoder_decoder", False):
        raise CheckpointError(
            f"the text tower {where} is a {type(model).__name__}, but a text encoder is needed",
            hint="name a model such as BERT",
        )
    tower = TextTower(model, tokenizer, name=where, pooling=pooling, most_tokens=most_tokens)
    tower.projection = None if projection is None else projection.detach()
    tower.train_last(trained_layers)
    return tower


def _loaded(transformers: Any, where: str, local: bool) -> tuple[Any, Any]:
    """Return tokenizer and model of a folder or Hub name."""
    shared = {"local_files_only": local, "trust_remote_code": False}
    tokenizer = transformers.AutoTokenizer.from_pretrained(where, **shared)
    tokenizer.padding_side = (
        "right"  # where `TextTower` expects it; tokenizers of language models may pad on the left
    )
    if tokenizer.pad_token is None:  # the mask hides it
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer, transformers.AutoModel.from_pretrained(
        where, use_safetensors=True, dtype=torch.float32, **shared
    )


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Keep transformers from writing bars and remarks to the terminal."""
    logging = transformers.utils.logging
    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def weights_digest(tower: TextTower) -> str:
    """Return the SHA-256 of a tower's weights by name, in float32."""
    digest = hashlib.sha256()
    for name, value in sorted(tower.model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
