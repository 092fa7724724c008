"""Rhythms and beats in signals of any length, whole or as they come in; windows of a store."""

from physiolect.detection.beat_result import BeatResult, Unjudged, confidence_category
from physiolect.detection.beats import detect_beats
from physiolect.detection.detecting import check_detector, detect, open_stream
from physiolect.detection.ecg_measurements import measure_ecg
from physiolect.detection.ectopy import Ectopy, Stretch
from physiolect.detection.heart_rate_variability import HeartRateVariability, heart_rate_variability
from physiolect.detection.heartbeat_result import HeartbeatResult
from physiolect.detection.heartbeats import detect_heartbeats
from physiolect.detection.holter import Detectors, detect_all, load_detectors, modality_to_judge
from physiolect.detection.holter_result import HolterResult, Hour, length_text
from physiolect.detection.intervals import Intervals, summarise_intervals
from physiolect.detection.prepared import (
    check_examples,
    check_store,
    check_window_task,
    check_windows,
    predict_windows,
)
from physiolect.detection.pulses import PulseResult
from physiolect.detection.result import DetectionResult
from physiolect.detection.rhythm import detect_rhythm
from physiolect.detection.rhythm_result import Episode, RhythmResult
from physiolect.detection.streaming import BeatDecision, BeatStream, RhythmDecision, RhythmStream
from physiolect.detection.windows import (
    Track,
    check_answers,
    check_recording,
    encode_windows,
    lay_out,
    name_detectors,
)

__all__ = [
    "BeatDecision",
    "BeatResult",
    "BeatStream",
    "DetectionResult",
    "Detectors",
    "Ectopy",
    "Episode",
    "HeartRateVariability",
    "HeartbeatResult",
    "HolterResult",
    "Hour",
    "Intervals",
    "PulseResult",
    "RhythmDecision",
    "RhythmResult",
    "RhythmStream",
    "Stretch",
    "Track",
    "Unjudged",
    "check_answers",
    "check_detector",
    "check_examples",
    "check_recording",
    "check_store",
    "check_window_task",
    "check_windows",
    "confidence_category",
    "detect",
    "detect_all",
    "detect_beats",
    "detect_heartbeats",
    "detect_rhythm",
    "encode_windows",
    "heart_rate_variability",
    "lay_out",
    "length_text",
    "load_detectors",
    "measure_ecg",
    "modality_to_judge",
    "name_detectors",
    "open_stream",
    "predict_windows",
    "summarise_intervals",
]
