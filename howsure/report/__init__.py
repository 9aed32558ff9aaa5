"""A `Certainty` as one self-contained HTML page.

page        render and write_report: what the page holds, in order
cards       single rows, and which of them are shown
words       numbers and findings as sentences
figures     the numbers behind the figures, pure functions
axes, drawings  where those numbers lie in a drawing
images      rows as pictures
"""

from howsure.report.page import render, write_report

__all__ = ["render", "write_report"]
