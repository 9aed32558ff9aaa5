"""What others switch on in the same modules: their own code, run. For docs/torch-models.md.

    pip install --no-deps --target FOLDER torch-uncertainty baal lightning-uq-box
    python -m validation.torch_peers FOLDER

Only what switches is taken out of their files, so that nothing else of them needs to be installed. Each gets
a module in eval mode; then it is called, and the operations that draw are counted, as in a call with flags of
training on and norms frozen, which is all that could be drawn.
"""

from __future__ import annotations

import ast
import copy
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from validation.torch_models import MODULES, PAGE, _with_flags, rows_for, run, write_page
from validation.torch_zoo import Kind

DROPS = ("bernoulli", "bernoulli_", "native_dropout", "rand", "rand_like", "randn", "randn_like")
"""Operations that draw what dropout needs, whoever asks for it."""


class Counting(TorchDispatchMode):
    """Counts the operations that draw."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count it."""
        self.drawn += func._schema.name.removeprefix("aten::") in DROPS
        return func(*args, **(kwargs or {}))


def drawn_in(module: nn.Module, x: Any) -> int:
    """How often a module draws when it is called."""
    with Counting() as counting:
        run(module, x)
    return counting.drawn


def part_of(file: Path, names: Sequence[str], **known: Any) -> dict[str, Any]:
    """Functions and classes of a file, without what else it imports."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if getattr(node, "name", None) in names]
    for node in ast.walk(tree):  # annotations name what is not imported
        for each in ("returns", "annotation"):
            if getattr(node, each, None) is not None and not isinstance(node, ast.AnnAssign):
                setattr(node, each, None)
    space: dict[str, Any] = {"torch": torch, "nn": nn, "F": nn.functional, "copy": copy, **known}
    exec(compile(tree, str(file), "exec"), space)
    return space


def torch_uncertainty(folder: Path) -> Callable[[nn.Module], nn.Module]:
    """`mc_dropout(model, 1)`, and `eval()`."""
    found = part_of(
        folder / "torch_uncertainty" / "methods" / "mc_dropout.py",
        ("_MCDropout", "_dropout_checks"),
        _DropoutNd=nn.modules.dropout._DropoutNd,
    )

    def switch(module: nn.Module) -> nn.Module:
        wrapped = found["_MCDropout"](module, num_estimators=2, last_layer=False, on_batch=True)
        wrapped.eval()
        return module

    return switch


def baal(folder: Path) -> Callable[[nn.Module], nn.Module]:
    """`patch_module(model)`."""
    known = {
        "_DropoutNd": nn.modules.dropout._DropoutNd,
        "Optional": None,
        "Callable": None,
        "warnings": warnings,
    }
    common = part_of(
        folder / "baal" / "bayesian" / "common.py", ("replace_layers_in_module", "_patching_wrapper"), **known
    )
    names = ("Dropout", "Dropout2d", "patch_module", "_dropout_mapping_fn")
    found = part_of(folder / "baal" / "bayesian" / "dropout.py", names, **(common | known))
    return lambda module: found["patch_module"](module, inplace=False)


def lightning_uq_box(folder: Path) -> Callable[[nn.Module], nn.Module]:
    """`MCDropoutBase(model, …).activate_dropout()`."""
    file = folder / "lightning_uq_box" / "uq_methods" / "mc_dropout.py"
    found = part_of(file, ("find_dropout_layers", "MCDropoutBase"), DeterministicModel=object)

    def switch(module: nn.Module) -> nn.Module:
        owner = SimpleNamespace(model=module, dropout_layer_names=found["find_dropout_layers"](module))
        found["MCDropoutBase"].activate_dropout(owner)
        return module

    return switch


PEERS = {"torch-uncertainty": torch_uncertainty, "baal": baal, "lightning-uq-box": lightning_uq_box}


def switched(kind: Kind, peers: dict[str, Callable[[nn.Module], nn.Module]]) -> dict[str, Any]:
    """For each peer what it switches on: draws, and whether norms go on learning; or what it says."""
    torch.manual_seed(3)
    module, x = kind.make(), rows_for(kind)
    for each in module.modules():
        each.training = False
    found: dict[str, Any] = {"all": drawn_in(_with_flags(copy.deepcopy(module), True), x)}
    for name, switch in peers.items():
        ready = copy.deepcopy(module)
        try:
            with warnings.catch_warnings(action="ignore"):
                ready = switch(ready)
                drawn = drawn_in(ready, x)
        except (Exception, UserWarning) as error:  # what a peer raises is what it says
            found[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:80]}"
            continue
        norms = [each for each in ready.modules() if isinstance(each, nn.modules.batchnorm._NormBase)]
        found[name] = {"drawn": drawn, "norms": any(each.training for each in norms)}
    return found


def version_in(folder: Path, name: str) -> str:
    """The version of a package that was installed into a folder."""
    found = folder.glob(f"{name.replace('-', '_')}-*.dist-info")
    return next(each.name.removesuffix(".dist-info").rpartition("-")[2] for each in found)


def main(arguments: list[str]) -> None:
    """Run the peers in a folder, and write both files."""
    folder = Path(arguments[0])
    peers = {name: make(folder) for name, make in PEERS.items()}
    figures = PAGE.figures()
    for name, kind in MODULES.items():
        if kind.refused is not None or name not in figures or "export" in name:
            continue
        try:
            figures[name]["peers"] = switched(kind, peers)
        except Exception as error:  # a module that cannot be copied, or run in training
            print(f"{name}: left out, {type(error).__name__}: {error}", file=sys.stderr)
            continue
        print(f"{name}: {figures[name]['peers']}", file=sys.stderr, flush=True)
    figures["versions"] = {name: version_in(folder, name) for name in PEERS}
    PAGE.keep(figures)
    write_page(figures)


if __name__ == "__main__":
    main(sys.argv[1:])
