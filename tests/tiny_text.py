"""A tiny BERT of random weights with a tokenizer of words, in the layout of Hugging Face."""

from __future__ import annotations

from pathlib import Path

_TEXT = (
    "normal sinus rhythm atrial fibrillation st elevation left bundle branch block myocardial infarction ecg "
    "hypertrophy ventricular change no of and the inferior anterior tachycardia bradycardia"
)
WORDS = _TEXT.split()


def write_bert(folder: Path, *, width: int = 16, n_layers: int = 3, seed: int = 0) -> Path:
    """Write the folder, and return it."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder.mkdir(parents=True)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=width, num_hidden_layers=n_layers, num_attention_heads=2,
        intermediate_size=2 * width, max_position_embeddings=24,
    )  # fmt: skip
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        BertModel(config).save_pretrained(folder)
    return folder
