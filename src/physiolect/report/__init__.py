"""Reports: text, tables and figures in one HTML file."""

from physiolect.report.html import Report

__all__ = ["Report"]
