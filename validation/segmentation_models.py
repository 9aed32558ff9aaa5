"""Are the passes of networks for segmentation and tagging right? For docs/segmentation-models.md.

    python -m validation.segmentation_models torch            networks of PyTorch, from whatever is installed
    python -m validation.segmentation_models tensorflow       networks of Keras on a backend
    python -m validation.segmentation_models torch FPN BERT   some of them; the others stay as they were

The oracle is the framework alone: the network in training mode with its norms frozen, where the functions
that drop take the masks that howsure takes. Where no such function is called, as between the layers of an
LSTM in PyTorch, thousands of passes are compared in the mean. What is not installed stays as it was.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import howsure
from benchmarks.docs import Page, table
from validation.models import tried

WIDTHS = (2, 4)
"""Passes at the first random level and at all later ones: masks of early levels serve several passes."""

PASSES = 2000
MOST = 4.5
"""Passes where only means are compared, and standard errors by which those of a few dozen may be off."""

ROUNDING = 2e-5
"""Largest difference of an output, as a share of the standard deviation of the outputs."""

PACKAGES = ("segmentation_models_pytorch", "torchvision", "monai", "transformers", "keras", "torch")
PAGE = Page("segmentation-models")

Array = NDArray[Any]


def compare_torch(name: str) -> dict[str, Any]:
    """What howsure makes of a network of PyTorch, and what PyTorch does."""
    import torch

    from howsure.adapters.torch.split import adapt
    from validation.segmentation_torch import CASES, ROWS, Masked, in_training
    from validation.torch_models import Fingerprint, run

    case = CASES[name]
    torch.manual_seed(3)
    network, rows = case.make().train(), case.rows()
    if case.refused is None:
        for _ in range(3):  # norms learn statistics
            run(network, rows, case.output)
    network.eval()
    before = Fingerprint(network)

    def expected(random_ops: Sequence[Any], masks: Sequence[Array]) -> Array:
        with Masked(random_ops, masks).here():
            return run(network, rows, case.output).numpy()

    try:
        adapted, given = adapt(network, rows, gaussian_noise=False, output=case.output)
        if not adapted.examination.places:
            howsure.predict_with_uncertainty(network, rows, 2)
        found = _facts(adapted)
        got, masks = _passes(adapted, given, PASSES if case.by_statistics else None)
        found["changed"] = before.changed(network)
    except howsure.HowsureError as error:
        return {"package": case.package, "refused": str(error), "changed": before.changed(network)}
    in_training(network, case)
    if case.by_statistics:
        copies = np.repeat(rows, PASSES, axis=0)
        drawn = run(network, copies).numpy().reshape(ROWS, PASSES, *got.shape[2:]).swapaxes(0, 1)
        error = np.hypot(drawn.std(axis=0), got.std(axis=0)) / np.sqrt(PASSES)
        found["errors"] = float((np.abs(drawn.mean(axis=0) - got.mean(axis=0)) / error).max())
    else:
        found["difference"] = _farthest(expected, adapted, got, masks)
    network.eval()
    return {"package": case.package} | found


def compare_keras(name: str) -> dict[str, Any]:
    """What howsure makes of a network of Keras, and what Keras does."""
    import keras

    from howsure.adapters.keras.model import adapt
    from validation.segmentation_keras import CASES, made, masked, run

    case = CASES[name]
    network, rows = made(case), case.rows()
    before = [np.array(each) for each in network.get_weights()]
    try:
        adapted, given = adapt(network, rows, gaussian_noise=False, output=case.output)
        found = _facts(adapted)
        got, masks = _passes(adapted, given, None)
    except howsure.HowsureError as error:
        return {"package": "keras", "refused": str(error), "changed": []}
    equal = map(np.array_equal, before, network.get_weights())
    found["changed"] = [] if all(equal) else ["weights"]

    def expected(random_ops: Sequence[Any], masks: Sequence[Array]) -> Array:
        with masked(random_ops, masks):
            return run(network, rows, case.output)

    found["difference"] = _farthest(expected, adapted, got, masks)
    return {"package": "keras", "backend": keras.backend.backend()} | found


def _facts(adapted: Any) -> dict[str, Any]:
    """What howsure says of a network."""
    info, levels = adapted.info, adapted.levels
    return {
        "random": sum(layer.random is not None for layer in info.layers),
        "shared": levels[0].cost,
        "whole": getattr(adapted, "whole_because", None) if len(levels) == 2 and not levels[0].cost else None,
        "ending": info.ending,
        "axis": info.class_axis,
        "names": info.class_names,
        "left": [each.what for each in info.unswitchable],
    }


def _passes(adapted: Any, rows: Sequence[Array], passes: int | None) -> tuple[Array, list[Array]]:
    """(W, n, …) raw outputs of thinned networks, and their masks."""
    from howsure.sampling.masks import draw

    levels = [at for at, level in enumerate(adapted.levels) for _ in level.random_ops]
    random_ops = [op for level in adapted.levels for op in level.random_ops]
    widths = [WIDTHS[0] if level == 1 and levels[-1] > 1 else WIDTHS[-1] for level in levels]
    masks = [
        np.concatenate([draw(op, seed=1, group=group, size=1) for group in range(passes)])
        if passes
        else draw(op, seed=1, group=0, size=width)
        for op, width in zip(random_ops, widths, strict=True)
    ]
    return adapted.thin(masks)(adapted.trunk(rows)), masks


def _farthest(
    expected: Callable[[Sequence[Any], Sequence[Array]], Array],
    adapted: Any,
    got: Array,
    masks: Sequence[Array],
) -> float:
    """The largest difference of an output in a pass, as a share of the outputs' standard deviation."""
    random_ops, far = [op for level in adapted.levels for op in level.random_ops], 0.0
    for at in range(len(got)):
        outputs = expected(random_ops, [mask[at * len(mask) // len(got)] for mask in masks])
        far = max(far, float(np.abs(outputs - got[at]).max() / outputs.std()))
    assert got.std(axis=0).max() > 1e-3 * got.std(), "masks that change nothing tell nothing"
    return far


def verdict(found: dict[str, Any], refused: str | None) -> str:
    """One word for it."""
    if "crashed" in found:
        return "crashed"
    if found["changed"]:
        return "CHANGED"
    if "refused" in found:
        return "refused" if refused is not None and refused in found["refused"] else "REFUSED"
    near = found["difference"] <= ROUNDING if "difference" in found else found["errors"] <= MOST
    return "right" if near else "WRONG"


def parts(figures: dict[str, Any]) -> dict[str, object]:
    """Figures and tables of the page."""
    networks = {name: found for name, found in figures.items() if name != "versions"}
    words = [found["verdict"] for found in networks.values()]
    heads = ["package", "networks", "right", "refused", "run whole", "largest difference"]
    packages = dict.fromkeys(found["package"] for found in networks.values())
    lines = [_line(figures["versions"], package, networks.values()) for package in packages]
    refused = {name: found["refused"] for name, found in networks.items() if "refused" in found}
    return {
        "count": len(networks),
        "counted": ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words)),
        "networks": table(heads, *lines),
        "refused": "\n".join(
            f"- {name.partition(': ')[2]}: {said.partition('. ')[0]}." for name, said in refused.items()
        ),
    }


def _line(versions: dict[str, str], package: str, networks: Iterable[dict[str, Any]]) -> list[object]:
    of = [found for found in networks if found["package"] == package]
    words = [found["verdict"] for found in of]
    whole = sum(bool(found.get("whole")) for found in of)
    farthest = max(found.get("difference", 0.0) for found in of)
    counts = [len(of), words.count("right"), words.count("refused"), whole]
    return [f"{package} {versions.get(package, '')}".rstrip(), *counts, f"{farthest:.0e}"]


def _versions() -> dict[str, str]:
    there = [each for each in PACKAGES if importlib.util.find_spec(each)]
    if missing := {*PACKAGES} - {*there}:
        print(f"not installed, so their networks are left out: {sorted(missing)}", file=sys.stderr)
    return {each: importlib.metadata.version(each).partition("+")[0] for each in there}


def main(arguments: list[str]) -> None:
    """Look at networks, and write both files."""
    figures: dict[str, Any] = PAGE.figures()
    if arguments == ["--page"]:
        return PAGE.fill(parts(figures))
    framework, *names = arguments
    cases: dict[str, Any]
    if framework == "torch":
        from validation.segmentation_torch import CASES

        cases, compare = dict(CASES), compare_torch
    else:
        os.environ["KERAS_BACKEND"] = framework
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        from validation.segmentation_keras import CASES as OF_KERAS

        cases, compare = dict(OF_KERAS), compare_keras
    figures["versions"] = figures.get("versions", {}) | _versions()
    warnings.simplefilter("ignore")
    for name, case in cases.items():
        if names and not any(name.startswith(each) for each in names):
            continue
        package, expected = getattr(case, "package", "keras"), getattr(case, "refused", None)
        found = tried(name, lambda name=name: compare(name), lambda found, of=expected: verdict(found, of))
        figures[f"{framework if package == 'keras' else package}: {name}"] = (
            {"package": package, "changed": []}
            | found
            | ({} if framework == "torch" else {"backend": framework})
        )
        PAGE.keep(figures)
    PAGE.fill(parts(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
