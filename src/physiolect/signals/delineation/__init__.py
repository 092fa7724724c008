"""The waves of an ECG: where P, QRS and T begin, peak and end, and what is measured on them."""

from physiolect.signals.delineation.delineating import Delineation, WaveMarks, delineate
from physiolect.signals.delineation.measurements import VOLTAGES, Measurements, measure

__all__ = ["VOLTAGES", "Delineation", "Measurements", "WaveMarks", "delineate", "measure"]
