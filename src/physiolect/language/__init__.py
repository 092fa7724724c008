"""Language models of Hugging Face: text towers that turn sentences into features."""

from physiolect.language.text_tower import TextPooling, TextTower, load_text_tower, weights_digest

__all__ = ["TextPooling", "TextTower", "load_text_tower", "weights_digest"]
