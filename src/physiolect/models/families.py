"""Every family of models, by the word that `kind:` has in a checkpoint's config.yaml."""

from __future__ import annotations

from physiolect.models.continuous import Continuous
from physiolect.models.encoder import Encoder
from physiolect.models.gpt import GPT
from physiolect.models.model import Model
from physiolect.models.recurrent import Recurrent
from physiolect.models.resnet import ResNet
from physiolect.models.seq2seq import Seq2Seq

MODELS: dict[str, type[Model]] = {
    "gpt": GPT,
    "encoder": Encoder,
    "resnet": ResNet,
    "continuous": Continuous,
    "recurrent": Recurrent,
    "seq2seq": Seq2Seq,
}
"""Family by name; a checkpoint without `kind:` is a gpt."""
