"""Reports: text, tables and figures in one HTML file."""

from physiolect.report.demo import Continued, Curve, Findings, Score, demo_report
from physiolect.report.html import Report

__all__ = ["Continued", "Curve", "Findings", "Report", "Score", "demo_report"]
