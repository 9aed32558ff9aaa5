"""Self-contained HTML pages: what a result says, and how methods compare.

page        render and write_report: what the pages of all results have
comparison  render_comparison and write_comparison: the page of a `Comparison`
notebook    what notebooks show
figures     the numbers behind the figures, pure functions, and counted shares as pages write them
drawing     pictures: axes, marks, and their words
looks       what a row looks like: rows as pictures, or their values
templates   what all pages are made with

The folder of a kind of answer makes its page, for example `howsure/tasks/classification/page.py`.
"""
