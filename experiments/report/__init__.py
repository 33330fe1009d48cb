"""The report: one self-contained page, from the tables of a comparison.

findings computes every number, wording says them, figures and panels draw them (svg), notes tell
how it was made, page puts it together.
"""

from longplay.experiments.report.findings import Agent, Kind, ReportData, Stored, find
from longplay.experiments.report.page import write_report

__all__ = ["Agent", "Kind", "ReportData", "Stored", "find", "write_report"]
