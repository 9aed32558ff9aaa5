"""docs/evidence.md is what the figures beside it say, and each of its lines leads on."""

import importlib.util
import json
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


def test_the_figures_of_the_readme_are_those_that_were_measured():
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    scores = json.loads((DOCS / "methods.json").read_text(encoding="utf-8"))["scores"]
    dropout, softmax, ensemble = (
        f"{scores[name]['as they are']['nll'][0]:.4f}" for name in ("MC dropout", "softmax", "ensemble")
    )
    told = readme.split("## When not to use MC dropout")[1].split("\n## ")[0]
    assert re.findall(r"0\.\d{4}", told) == [dropout, softmax, ensemble]
