"""Reports: text, tables and figures in one HTML file, and what was detected in words."""

from physiolect.report.demo import Continued, Curve, DemoResults, Score, demo_report
from physiolect.report.html import Report

__all__ = [
    "Continued",
    "Curve",
    "DemoResults",
    "Report",
    "Score",
    "demo_report",
]
