"""Decoding force or movement from neural signals: whole recordings, or line by line as they come in."""

from physiolect.decoding.decode import Decoding, decode
from physiolect.decoding.matching import Match, match_targets
from physiolect.decoding.signal import Adapting, check_decoder, decode_signal
from physiolect.decoding.stream import DecoderStream, decode_lines

__all__ = [
    "Adapting",
    "DecoderStream",
    "Decoding",
    "Match",
    "check_decoder",
    "decode",
    "decode_lines",
    "decode_signal",
    "match_targets",
]
