"""Training as library calls: pre-train, fine-tune, cross-validate."""

from physiolect.learning.cross_validate import CrossValidation, cross_validate
from physiolect.learning.finetune import finetune
from physiolect.learning.finetune_settings import TUNINGS, FinetuneSettings, Tuning
from physiolect.learning.pretrain import pretrain
from physiolect.learning.pretrain_settings import PretrainSettings
from physiolect.learning.tokenizer import TrainedTokenizer, train_tokenizer
from physiolect.learning.training_result import TrainingResult

__all__ = [
    "TUNINGS",
    "CrossValidation",
    "FinetuneSettings",
    "PretrainSettings",
    "TrainedTokenizer",
    "TrainingResult",
    "Tuning",
    "cross_validate",
    "finetune",
    "pretrain",
    "train_tokenizer",
]
