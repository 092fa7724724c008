"""Reports: results as files, and text, tables and figures in one HTML file."""

from physiolect.report.continuation import write_continuation
from physiolect.report.demo import Continued, Curve, DemoResults, Score, demo_report
from physiolect.report.detection import write_detection
from physiolect.report.html import Report
from physiolect.report.inputs import InputRow, input_numbers, write_inputs

__all__ = [
    "Continued",
    "Curve",
    "DemoResults",
    "InputRow",
    "Report",
    "Score",
    "demo_report",
    "input_numbers",
    "write_continuation",
    "write_detection",
    "write_inputs",
]
