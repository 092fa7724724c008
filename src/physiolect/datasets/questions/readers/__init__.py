"""Readers of published questions and reports, and the recordings that these ask about."""
