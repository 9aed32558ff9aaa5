"""docs/evidence.md is what the figures beside it say, and each of its lines leads on."""

import importlib.util
import json
import re

import pytest

from benchmarks.docs import DOCS
from validation import evidence

LINES = [
    line.split(" | ")
    for line in evidence.PAGE.text().splitlines()
    if line.startswith("| ") and "`python -m" in line
]


def test_the_page_is_what_the_figures_say(monkeypatch):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("transformers", reason="transformers is not installed")
    said = []
    monkeypatch.setattr(evidence.Page, "write", lambda page, text: said.append(text))
    evidence.PAGE.fill(evidence.parts())
    assert said == [evidence.PAGE.text()]


def test_each_promise_has_a_figure():
    assert [re.findall(r"<!-- (\w+) -->", reported) for _, reported, *_ in LINES] == [
        [each] for each in evidence.FIGURES
    ]
    assert all((DOCS / f"{kept}.json").exists() for kept, _ in evidence.FIGURES.values())


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[2])
def test_each_promise_has_a_command_and_details(line):
    *_, command, details = line
    assert importlib.util.find_spec(command.strip("`").split()[2]) is not None
    assert (DOCS / re.findall(r"\]\((.*?)\)", details)[0]).exists()


def test_a_rate_has_an_exact_interval():
    numbers = re.findall(r"[\d.,]+", evidence.rate(0, 100))
    assert numbers == ["0", "100", "0", "3.6"]  # 1 - 0.025 ** (1 / 100) = 3.62 %


def test_the_figures_of_the_readme_are_those_that_were_measured():
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    scores = json.loads((DOCS / "methods.json").read_text(encoding="utf-8"))["scores"]
    dropout, softmax, ensemble = (
        f"{scores[name]['as they are']['nll'][0]:.4f}" for name in ("MC dropout", "softmax", "ensemble")
    )
    reported = readme.split("## When not to use MC dropout")[1].split("\n## ")[0]
    assert re.findall(r"0\.\d{4}", reported) == [dropout, softmax, ensemble]
