"""The other process of `howsure.models.keras.onnx_subprocess`: it builds the model and writes its graph."""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from pathlib import Path

import numpy as np

from howsure.errors import HowsureError, ModelError
from howsure.models.fingerprint import described
from howsure.models.keras.files import load
from howsure.models.keras.model import adapt
from howsure.models.keras.onnx_subprocess import GIVEN, GRAPH, MODEL, MODULES, REFUSED, SITES


def write_graph(folder: Path, features: bool) -> None:
    """Read the files of `onnx_subprocess`, and write the graph or the reason why there is none."""
    for name in json.loads((folder / MODULES).read_text(encoding="utf-8")):
        with contextlib.suppress(Exception):  # the model may not need the layers registered there
            importlib.import_module(name)
    try:
        model = load(folder / MODEL, allow_code=True)  # howsure has just written this file
        with np.load(folder / GIVEN) as given:
            masks, like = (
                [given[name] for name in sorted(given) if name.startswith(kind)] for kind in ("mask", "rows")
            )
        adapted, _ = adapt(model, like if len(like) > 1 else like[0], gaussian_noise=False)
        expected = json.loads((folder / SITES).read_text(encoding="utf-8"))
        if list(described(adapted.levels)) != expected:
            raise ModelError(
                "It draws otherwise there", expected=expected, received=described(adapted.levels)
            )
        (folder / GRAPH).write_bytes(adapted.graph(masks, like, features).SerializeToString())
    except HowsureError as error:
        said = error.what.replace(f"'{folder / MODEL}'", "it")
        (folder / REFUSED).write_text(said, encoding="utf-8")


if __name__ == "__main__":
    write_graph(Path(sys.argv[1]), "features" in sys.argv[2:])
