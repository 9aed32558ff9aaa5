"""The notebooks of examples/ run, and are short."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from conftest import words
from howsure.demo import mnist
from tests.notebook import EXAMPLES, cells_of, outputs_of

MOST_LINES, MOST_BYTES = 40, 150_000
SLOW = ("digits", "segmentation")
SAME_EVERYWHERE = ("progression", "table")
"""Notebooks without a network, whose training gives the same words on every machine."""

FOLDER = Path(__file__).parent.parent / "examples"
RUN = [pytest.param(path, marks=[pytest.mark.slow] * (path.stem in SLOW), id=path.stem) for path in EXAMPLES]


def kinds(outputs: list[dict[str, Any]]) -> list[str]:
    """What a cell leaves: printed text, values or pictures."""
    return [output["output_type"] for output in outputs]


def printed(outputs: list[dict[str, Any]]) -> list[str]:
    """What a cell prints, numbers apart."""
    return [words("".join(output["text"])) for output in outputs if output["output_type"] == "stream"]


@pytest.mark.parametrize("path", RUN)
def test_it_runs_and_leaves_what_is_stored_in_it(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in {"keras", "torch", "sklearn", "matplotlib", "pandas", "transformers"}:
        if re.search(rf"^(?:import|from) {package}\b", path.read_text(encoding="utf-8"), re.M):
            pytest.importorskip(package, reason=f"{package} is not installed")
    if path.stem == "digits" and not (mnist.cache_folder() / "mnist.npz").exists():
        pytest.skip("MNIST is not on this machine, and tests download nothing")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(tmp_path)
    cells = cells_of(path)
    for cell, outputs in zip(cells, outputs_of(cells), strict=True):
        assert kinds(outputs) == kinds(cell["outputs"]), "".join(cell["source"])
        if path.stem in SAME_EVERYWHERE:
            assert printed(outputs) == printed(cell["outputs"]), "run `make examples`"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_is_short_and_ends_with_a_small_picture(path: Path) -> None:
    cells = cells_of(path)
    lines = [line for cell in cells for line in cell["source"] if line.strip()]
    assert len(lines) <= MOST_LINES
    assert "howsure.plot." in cells[-1]["source"][-1]
    pictures = [
        output["data"]["image/png"]
        for cell in cells
        for output in cell["outputs"]
        if "image/png" in output.get("data", {})
    ]
    assert [output["data"].keys() for output in cells[-1]["outputs"]] == [{"image/png"}]
    assert max(len(base64.b64decode(picture)) for picture in pictures) <= MOST_BYTES


def test_the_page_of_the_folder_names_each() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| \[(\S+)\]\((\S+)\)", page, re.M)
    assert {*named} == {(path.name, path.name) for path in EXAMPLES}
    assert len(named) == 6
