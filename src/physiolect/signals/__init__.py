"""Pure array work on signals: numpy in, numpy out; time is the last axis."""

from physiolect.signals.filters import filter_band, settling_samples
from physiolect.signals.gaps import bridge_gaps, find_gaps
from physiolect.signals.percentiles import Percentiles
from physiolect.signals.preprocessing import preprocess
from physiolect.signals.resampling import StreamResampler, kernel_reach, rate_ratio, resample
from physiolect.signals.windows import segments

__all__ = [
    "Percentiles",
    "StreamResampler",
    "bridge_gaps",
    "filter_band",
    "find_gaps",
    "kernel_reach",
    "preprocess",
    "rate_ratio",
    "resample",
    "segments",
    "settling_samples",
]
