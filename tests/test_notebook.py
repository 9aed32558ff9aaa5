"""docs/notebook.ipynb runs, and shows what is stored in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from conftest import PRINTED_ON, words
from tests.notebook import NOTEBOOK, cells_of, outputs_of

pytest.importorskip("keras", reason="Keras is not installed")


def said(outputs: list[dict[str, Any]]) -> list[str]:
    """All that a reader sees of a cell, numbers apart."""
    texts = []
    for output in outputs:
        data = output.get("data", {"text": output.get("text", [])})
        texts.append(words("".join(data.get("text/html", next(iter(data.values()))))))
    return texts


def test_the_notebook_runs_and_shows_what_is_stored_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cells = cells_of(NOTEBOOK)
    found = list(outputs_of(cells))
    if os.environ["KERAS_BACKEND"] == PRINTED_ON:
        for cell, outputs in zip(cells, found, strict=True):
            assert said(outputs) == said(cell["outputs"]), "".join(cell["source"])
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "comparison.html"}


def test_it_is_small() -> None:
    assert NOTEBOOK.stat().st_size < 40_000
