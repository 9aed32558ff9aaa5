"""Is every module of PyTorch right, or refused in true words, and left as found? For docs/torch-models.md.

    python -m validation.torch_models                 all modules
    python -m validation.torch_models LSTM BERT       some of them; the others stay as they were

The oracle is what everybody writes: flags of training on with the norms frozen, thousands of copies of each
row through the module, and the mean of their softmax, in plain PyTorch; where one draw serves a whole batch,
a call for each pass. The plain prediction is that of `eval()`.
"""

from __future__ import annotations

import copy
import random
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils._pytree import tree_map

import howsure
from benchmarks.docs import Page, table
from validation.models import against, tried
from validation.torch_zoo import CLASSES, HANDWRITTEN, LIBRARIES, OTHER_ANSWERS, ZOO, Kind

PASSES = 600
CALLS = 3000
STEPS = 30
"""Calls in which norms learn their statistics."""

CHUNK = 500
"""Copies that run together."""

MOST = 4.5
"""Standard errors by which a mean may be off; of some 7,000 that are compared, 0.05 are expected beyond."""

LEAST_SPREAD = 1e-3
"""Standard deviation over passes below which a module is too sure of itself to tell anything."""

PLAIN_OFF = {torch.bfloat16: 2**-7, torch.float16: 2**-10, torch.float32: 2e-5, torch.float64: 2e-5}
"""How far a plain prediction may be from that of `eval()`: two last digits."""

PAGE = Page("torch-models")

UNDECLARED = ("Nothing says what the", "does not end in a distribution over classes")
"""What is said where nothing shows what the outputs of a module are."""

MODULES = ZOO | HANDWRITTEN | LIBRARIES | OTHER_ANSWERS


Floats = NDArray[np.float64]


def compare(kind: Kind) -> dict[str, Any]:
    """What howsure makes of one module, and what PyTorch does."""
    torch.manual_seed(3)
    module = kind.make()
    x = rows_for(kind)
    if kind.outputs:
        return compare_others(kind, module.eval(), x)
    if kind.louder is None:
        _settle(module, x)
    else:
        with torch.no_grad():
            for weight in module.parameters():
                weight.mul_(kind.louder if weight.ndim > 1 else 1)
    for each in module.modules():
        each.training = False
    with warnings.catch_warnings(action="ignore"):
        oracle, calm = (copy.deepcopy(module) for _ in range(2))
    oracle = oracle if kind.oracle is None else kind.oracle(oracle)
    calm = oracle if kind.plain is None else kind.plain(calm)
    output = None if calm is None else run(_with_flags(calm, False), x)
    found: dict[str, Any] = {"expected": kind.refused, "left": kind.left}
    before, rows = Fingerprint(module), copy.deepcopy(x)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", howsure.HowsureWarning)
        outputs = outputs_of(module, x, kind.refused)
        found["declared"] = outputs is None
        try:
            seen = howsure.assess(module, x, method=howsure.Softmax(), outputs=outputs).probabilities
            if output is not None:
                found["plain"] = float(np.abs(seen - as_probabilities(output)).max())
                found["plain right"] = found["plain"] <= PLAIN_OFF[output.dtype]
        except howsure.HowsureError as error:
            found["plain refused"] = str(error)
        try:
            method = howsure.MCDropout(passes=PASSES)
            certainty = howsure.assess(module, x, method=method, seed=1, outputs=outputs)
            found["changed"] = before.changed(module)
            passes = draws(kind, oracle, x)
            found["spread"] = float(passes.std(axis=0).max())
            found |= against(certainty, passes)
        except howsure.HowsureError as error:
            found["refused"] = str(error)
            found["changed"] = before.changed(module)
    found["said"] = sorted({str(warning.message) for warning in said})
    found.setdefault("changed", [])
    if not _equal(x, rows):
        found["changed"].append("rows")
    return found


ANSWERS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "values": lambda values: values,
    "rates": lambda values: values,
    "log-rates": torch.exp,
    "quantiles": lambda values: values[:, 1:2],
    "label-logits": torch.sigmoid,
    "logits": lambda values: values.softmax(dim=1).movedim(1, -1),
}
"""From outputs of PyTorch to what a result has the mean of; of three quantiles that is the median."""


def compare_others(kind: Kind, module: nn.Module, x: Any) -> dict[str, Any]:
    """The same for answers other than one class per row: means over passes, in standard errors of both."""
    answers, before = ANSWERS[kind.outputs["outputs"]], Fingerprint(module)
    plain = np.asarray(answers(run(copy.deepcopy(module), x).double()))
    with warnings.catch_warnings(action="ignore", category=howsure.HowsureWarning):
        seen, certainty = (
            howsure.assess(module, x, method=method, seed=1, **kind.outputs)
            for method in (howsure.PlainPrediction(), howsure.MCDropout(passes=PASSES))
        )
    changed, oracle = before.changed(module), _with_flags(copy.deepcopy(module), True)
    passes = np.stack(
        [
            np.asarray(answers(run(oracle, np.repeat(row[None], kind.copies, axis=0)).double()))
            for row in np.asarray(x)
        ],
        axis=1,
    )
    name = "mean" if hasattr(certainty, "mean") else "probabilities"
    spread, value, mc_error = passes.std(axis=0), getattr(certainty, name), certainty.mc_error
    if mc_error.ndim < value.ndim:  # of maps it is that of the label
        at = certainty.label[..., None].astype(np.int64)
        passes = np.take_along_axis(passes, at[None], axis=-1)
        value, mc_error = np.take_along_axis(value, at, axis=-1), mc_error[..., None]
    error = passes.std(axis=0) / np.sqrt(len(passes))
    apart = np.abs(value - passes.mean(axis=0)) / np.hypot(error, mc_error)
    found = {"expected": kind.refused, "left": kind.left, "said": [], "changed": changed}
    found |= {"spread": float(spread.max()), "mean": float(apart.max()), "entropy": 0.0}
    off = np.abs(getattr(seen, name) - plain).max()
    return found | {"plain": float(off), "plain right": bool(off <= PLAIN_OFF[torch.float32])}


def outputs_of(module: nn.Module, x: Any, refused: str | None) -> str | None:
    """`logits` for a module that is refused because nothing shows what its outputs are; else None.

    Args:
        module: The module.
        x: Rows for it.
        refused: What its refusal should say: where it is this, the module stays refused.
    """
    try:
        howsure.assess(module, x, method=howsure.Softmax())
    except howsure.HowsureError as error:
        expected = refused is not None and refused in str(error)
        if not expected and any(said in str(error) for said in UNDECLARED):
            return "logits"
    return None


def _settle(module: nn.Module, x: Any) -> None:
    """Give norms statistics of some rows, and logits a spread of 1, as training would."""
    module.train()
    for _ in range(STEPS):
        run(module, x)
    module.eval()
    heads = [each for each in module.modules() if getattr(each, "out_features", None) == CLASSES]
    heads += [each for each in module.modules() if getattr(each, "out_channels", None) == CLASSES]
    with torch.no_grad():
        nn.init.normal_(heads[-1].weight)
        heads[-1].weight.mul_(1 / run(module, x).std())


class Fingerprint:
    """All of a module, as it is now, that may not change."""

    def __init__(self, module: nn.Module) -> None:
        self._seen = self._look(module)

    @staticmethod
    def _look(module: nn.Module) -> dict[str, Any]:
        tensors = [*module.named_parameters(), *module.named_buffers()]
        return {
            "values": {name: tensor.detach().clone() for name, tensor in tensors},
            "tensors": [(name, id(tensor)) for name, tensor in tensors],
            "grads": [tensor.grad is None for _, tensor in tensors],
            "flags": [each.training for each in module.modules()],
            "hooks": [len(each._forward_hooks) + len(each._forward_pre_hooks) for each in module.modules()],
            "attributes": [
                {key: _kept(value) for key, value in vars(each).items()} for each in module.modules()
            ],
            "seeds": (torch.get_rng_state(), random.getstate(), str(np.random.get_state())),
            "defaults": (torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled()),
        }

    def changed(self, module: nn.Module) -> list[str]:
        """What is otherwise than it was."""
        return [key for key, value in self._look(module).items() if not _equal(value, self._seen[key])]


def _kept(value: Any) -> Any:
    """What an attribute is: numbers, words and tensors themselves, of others which object."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    return value if value is None or isinstance(value, (bool, int, float, str)) else id(value)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)


def draws(kind: Kind, module: nn.Module, x: Any) -> Floats:
    """(S, N, K) probabilities that PyTorch itself draws in training, with statistics frozen."""
    _with_flags(module, True)
    if kind.calls:
        return np.stack([as_probabilities(run(module, x)) for _ in range(CALLS)])
    found = []
    for start in range(0, kind.copies, CHUNK):
        count = min(CHUNK, kind.copies - start)
        chunk = as_probabilities(run(module, tree_map(lambda a, n=count: np.repeat(a, n, axis=0), x)))
        found.append(chunk.reshape(kind.rows, count, -1).transpose(1, 0, 2))
    return np.concatenate(found)


def _with_flags(module: nn.Module, training: bool) -> nn.Module:
    """The flags of training on or off, of norms off."""
    for each in module.modules():
        frozen = isinstance(each, nn.modules.batchnorm._NormBase) or "Spectral" in type(each).__name__
        frozen = frozen or hasattr(each, "weight_u")
        each.training = training and not frozen
    return module


def run(module: nn.Module, x: Any, output: str | int | None = None) -> torch.Tensor:
    """What a module puts out: its only tensor, an output, its logits, or what torchvision calls `out`."""
    kinds = [each.dtype for each in module.parameters() if each.is_floating_point()]

    def tensor(array: NDArray[Any]) -> torch.Tensor:
        made = torch.from_numpy(array).clone()  # a module may write into its rows
        return made.to(kinds[0]) if made.is_floating_point() and kinds else made

    given = tree_map(tensor, x)
    with torch.no_grad():
        outputs = module(**given) if isinstance(given, dict) else module(given)
    if isinstance(outputs, torch.Tensor):
        return outputs
    if output is not None:
        return outputs[output]
    if isinstance(outputs, dict):
        return outputs["out"] if "out" in outputs else outputs["logits"]
    return outputs.logits


def as_probabilities(outputs: torch.Tensor) -> Floats:
    """(N, K) in double precision."""
    values = outputs.double()
    sums = values.sum(dim=1)
    done = bool(((sums - 1).abs() < 1e-5).all() and (values >= 0).all())
    return np.asarray((values if done else values.softmax(dim=1)).numpy())


def rows_for(kind: Kind) -> Any:
    """Rows as a module takes them."""
    numbers = np.random.default_rng(11)

    def make(shape: tuple[int, ...]) -> NDArray[Any]:
        if kind.whole:
            return numbers.integers(1, kind.whole, (kind.rows, *shape))
        return np.asarray(kind.changed(numbers.normal(size=(kind.rows, *shape)).astype("float32")))

    if not isinstance(kind.shape, dict):
        return make(kind.shape)
    if "input_ids" not in kind.shape:
        return {name: make(shape) for name, shape in kind.shape.items()}
    # As a tokenizer gives them: numbers of words, 1 at the end, then padding.
    shape = (kind.rows, *kind.shape["input_ids"])
    words, mask = numbers.integers(3, 50, shape), np.ones(shape, np.int64)
    words[:, -1] = 1
    words[1, -4:], mask[1, -3:] = (1, 0, 0, 0), 0
    return {"input_ids": words, "attention_mask": mask}


def verdict(found: dict[str, Any]) -> str:
    """One word for it: right, refused, or what is wrong."""
    if "crashed" in found:
        return "crashed"
    if found["changed"]:
        return "CHANGED"
    if not found.get("plain right", True):
        return "WRONG"
    if "refused" in found:
        as_said = found["expected"] is not None and found["expected"] in found["refused"]
        return "refused" if as_said else "REFUSED"
    if found["expected"] is not None:
        return "NOT REFUSED"
    if not found["spread"] >= LEAST_SPREAD:
        return "tells nothing"
    if max(found["mean"], found["entropy"]) > MOST:
        return "WRONG"
    if bool(found["said"]) != bool(found["left"]) or not all(found["left"] in each for each in found["said"]):
        return "SAID"
    return "right"


GROUPS = {
    "dropout in many forms": ZOO,
    "written by hand": HANDWRITTEN,
    "timm, torchvision, transformers, lightning": LIBRARIES,
    "other answers: numbers, counts, quantiles, labels, maps": OTHER_ANSWERS,
}


def parts(modules: dict[str, Any]) -> dict[str, object]:
    """Figures and tables of the page."""
    right, refused = (
        [name for name, found in modules.items() if found["verdict"] == word] for word in ("right", "refused")
    )
    others = len(modules) - len(right) - len(refused)
    lines = []
    for group, known in GROUPS.items():
        good, bad = ([name for name in of if name in known] for of in (right, refused))
        farthest = max(max(modules[name]["mean"], modules[name]["entropy"]) for name in good)
        lines.append([group, sum(name in known for name in modules), len(good), f"{farthest:.1f}", len(bad)])
    return {
        **{"count": len(modules), "right": len(right), "refused": len(refused), "wrong": others},
        "undeclared": sum(modules[name].get("declared") is False for name in right),
        "groups": table(["modules", "tested", "right", "largest distance", "refused"], *lines),
    }


def main(names: list[str]) -> None:
    """Look at modules, and write both files."""
    figures = PAGE.figures()
    for name, kind in MODULES.items():
        if not names or any(name.startswith(each) for each in names):  # none does, of `--page`
            figures[name] = tried(name, lambda kind=kind: compare(kind), verdict)
            figures = {each: figures[each] for each in MODULES if each in figures}
            PAGE.keep(figures)
    PAGE.fill(parts(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
