"""Self-contained HTML pages: what a `Certainty` says, and how methods compare.

page        render and write_report: what the page of a `Certainty` holds, in order
comparison  render_comparison and write_comparison: the page of a `Comparison`
findings    a `Comparison` as sentences
cards       single rows, or answers, and which of them are shown
labels      what is said of each label, where a row has several
words       numbers and findings as sentences
figures     the numbers behind the figures, pure functions
axes, drawings  where those numbers lie in a drawing
images      rows as pictures
templates   what all pages are made with
"""

from howsure.report.comparison import render_comparison, write_comparison
from howsure.report.page import render, write_report

__all__ = ["render", "render_comparison", "write_comparison", "write_report"]
