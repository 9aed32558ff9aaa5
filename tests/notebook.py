"""Runs a notebook as Jupyter does, cell by cell, and keeps what its cells print, show and draw.

`python -m tests.notebook` writes the outputs of docs/notebook.ipynb, with a path those of another one.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).parent.parent / "docs" / "notebook.ipynb"
EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.ipynb"))


def cells_of(path: Path) -> list[dict[str, Any]]:
    """The cells of code."""
    read = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in read["cells"] if cell["cell_type"] == "code"]


def outputs_of(cells: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """What each cell prints, shows as its last expression, and draws; all run in one namespace."""
    list(_drawn())  # figures that others left open are no output
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells, 1):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            shown = _run("".join(cell["source"]), number, namespace)
        outputs: list[dict[str, Any]] = []
        if printed.getvalue():
            outputs.append({"name": "stdout", "output_type": "stream", "text": _lines(printed.getvalue())})
        if shown is not None:
            data = {"text/plain": _lines(repr(shown))}
            if hasattr(shown, "_repr_html_"):
                data = {"text/html": _lines(shown._repr_html_())} | data
            outputs.append(
                {"data": data, "execution_count": number, "metadata": {}, "output_type": "execute_result"}
            )
        outputs += [
            {"data": {"image/png": picture}, "metadata": {}, "output_type": "display_data"}
            for picture in _drawn()
        ]
        yield outputs


def _run(source: str, number: int, namespace: dict[str, Any]) -> Any:
    """The value of the last expression, or None; a semicolon after it hides it."""
    tree, name = ast.parse(source), f"<cell {number}>"
    is_shown = isinstance(tree.body[-1], ast.Expr) and not source.rstrip().endswith(";")
    last = tree.body.pop() if is_shown else None
    exec(compile(tree, name, "exec"), namespace)
    return None if last is None else eval(compile(ast.Expression(last.value), name, "eval"), namespace)


def _drawn() -> Iterator[str]:
    """The figures that are open, each closed after it became a PNG."""
    if "matplotlib.pyplot" in sys.modules:
        from matplotlib import pyplot

        for number in pyplot.get_fignums():
            png = io.BytesIO()
            pyplot.figure(number).savefig(png, format="png", bbox_inches="tight", metadata={"Software": None})
            pyplot.close(number)
            yield base64.b64encode(png.getvalue()).decode()


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def main(path: Path) -> None:
    """Write the outputs into a notebook."""
    read = json.loads(path.read_text(encoding="utf-8"))
    cells = [cell for cell in read["cells"] if cell["cell_type"] == "code"]
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for number, (cell, outputs) in enumerate(zip(cells, outputs_of(cells), strict=True), 1):
            cell["execution_count"], cell["outputs"] = number, outputs
    path.write_text(json.dumps(read, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("MPLBACKEND", "agg")
    main(Path(sys.argv[1]).resolve() if sys.argv[1:] else NOTEBOOK)
