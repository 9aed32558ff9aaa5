"""docs/deepcut.md is what the figures beside it say. The page's own code runs where DeepCut is installed."""

from benchmarks.docs import DOCS
from validation import deepcut


def test_the_page_is_what_the_figures_say():
    assert (DOCS / "deepcut.md").read_text(encoding="utf-8") == deepcut.page(deepcut.PAGE.figures())
