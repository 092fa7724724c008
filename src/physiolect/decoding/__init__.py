"""Decoding neural signals at every step, whole or line by line; and sequences of symbols out of windows."""

from physiolect.decoding.decode import Decoding, decode
from physiolect.decoding.matching import Match, match_targets
from physiolect.decoding.signal import Adapting, check_decoder, decode_signal
from physiolect.decoding.stream import DecoderStream, decode_lines
from physiolect.decoding.translate import Translated, Translation, translate, translate_windows

__all__ = [
    "Adapting",
    "DecoderStream",
    "Decoding",
    "Match",
    "Translated",
    "Translation",
    "check_decoder",
    "decode",
    "decode_lines",
    "decode_signal",
    "match_targets",
    "translate",
    "translate_windows",
]
