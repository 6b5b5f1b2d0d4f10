"""Reports: tables of plain values, with a writer per format."""

from tracer.languages import Texts

word = Texts("reports")
"""The reports' headings and notes."""
