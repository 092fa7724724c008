"""The waves of an ECG: where P, QRS and T begin, peak and end, and what is measured on them."""

from physiolect.signals.delineation.delineating import Delineation, WaveMarks, delineate

__all__ = ["Delineation", "WaveMarks", "delineate"]
