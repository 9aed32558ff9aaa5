"""docs/evidence.md is what the figures beside it say, and each of its lines leads on."""

import importlib.util
import re

import pytest

from benchmarks.docs import DOCS
from validation import evidence


def test_the_page_is_what_the_figures_say():
    pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("transformers", reason="transformers is not installed")
    assert (DOCS / "evidence.md").read_text(encoding="utf-8") == evidence.page()


@pytest.mark.parametrize("promise", [each for told in evidence.SECTIONS.values() for each in told])
def test_each_promise_has_figures_a_command_and_details(promise):
    assert (DOCS / f"{promise.kept}.json").exists()
    assert importlib.util.find_spec(promise.command) is not None
    assert (DOCS / (promise.details or f"{promise.kept}.md")).exists()


def test_a_rate_has_an_exact_interval():
    numbers = re.findall(r"[\d.,]+", evidence.rate(0, 100))
    assert numbers == ["0", "100", "0", "3.6"]  # 1 - 0.025 ** (1 / 100) = 3.62 %
