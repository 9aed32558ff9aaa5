"""Export the passes of a PyTorch module as an ONNX graph.

The recorded run (`howsure.adapters.torch.graph`) is repeated with a symbolic number of rows, and
`torch.export` writes it down. Masks and weights are constants of the graph.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from howsure.adapters.torch.dispatch_mode import without_triton
from howsure.inputs.reading import is_out_of_memory
from howsure.onnx import OPSET, cannot_write, quiet
from howsure.optional import needs

_EXPORTING = ("_is_compiling_flag", "_is_exporting_flag")
"""The flags that `torch.compiler.is_compiling()` and `torch.compiler.is_exporting()` return."""

LONGEST = 300
"""Characters of PyTorch's error message that are quoted; the rest explains how to fix PyTorch."""


def graph_of(
    passes: Callable[[Sequence[Tensor]], Sequence[Tensor]],
    rows: Sequence[Tensor],
    names: Sequence[str],
    model: str,
    hint: str = "Replace the operation in the model by others that do the same",
) -> Any:
    """The computation of `passes`, as an `onnx.ModelProto`.

    Args:
        passes: Maps inputs (n, …) to outputs, the first of them (W, n, …).
        rows: Example rows of each input, at least two.
        names: Names of the inputs.
        model: Name of the model, for messages.
        hint: A hint if no graph can be written.

    Raises:
        ModelError: `torch.export` or the translation to ONNX does not know an operation.
        DependencyError: onnxscript is missing.
    """
    with needs("onnx", "An export", "onnx"):
        import onnx  # noqa: F401
    with needs("onnxscript", "The export of a module of PyTorch", "onnx"):
        import onnxscript  # noqa: F401
    rows_axis = {0: torch.export.Dim("rows", min=2)}
    printed = io.StringIO()  # onnxscript before 0.7 prints the number of its rules
    with quiet("torch.onnx", "torch.export"), without_triton(), contextlib.redirect_stdout(printed):
        try:
            program = torch.export.export(
                _Passes(passes),
                (tuple(rows),),
                dynamic_shapes=(tuple(rows_axis for _ in rows),),
                strict=False,
                prefer_deferred_runtime_asserts_over_guards=True,
            )
            outputs = [_free(name, names) for name in ("passes", "features")]
            written = torch.onnx.export(
                program,
                dynamo=True,
                opset_version=OPSET,
                input_names=list(names),
                output_names=outputs[: len(program.graph_signature.user_outputs)],
                verbose=False,
            )
        except Exception as error:  # PyTorch may raise anything
            if is_out_of_memory(error):
                raise
            raise cannot_write("PyTorch", model, _cause_of(error), hint) from error
    assert written is not None
    return written.model_proto


@contextlib.contextmanager
def in_export() -> Iterator[None]:
    """In this scope, a module runs as `torch.export` runs it, on real numbers.

    Libraries such as transformers then take no shortcut that numbers decide, such as leaving out a mask where
    no row is padded.
    """
    flags: dict[str, bool] = {name: getattr(torch.compiler, name) for name in _EXPORTING}
    try:
        vars(torch.compiler).update(dict.fromkeys(flags, True))
        yield
    finally:
        vars(torch.compiler).update(flags)


def _free(name: str, names: Sequence[str]) -> str:
    """The name, with underscores added until it is free."""
    while name in names:
        name += "_"
    return name


def _cause_of(error: Exception) -> str:
    """The first error in a chain of causes, in one line."""
    first: BaseException = error
    while first.__cause__ is not None:
        first = first.__cause__
    return f"{type(first).__name__}: {' '.join(str(first).split())[:LONGEST]}"


class _Passes(nn.Module):
    """Wraps a function as a module, since `torch.export` takes modules only."""

    def __init__(self, passes: Callable[[Sequence[Tensor]], Sequence[Tensor]]) -> None:
        super().__init__()
        self._passes = passes

    def forward(self, rows: tuple[Tensor, ...]) -> Sequence[Tensor]:
        """The passes, and what is beside them."""
        return tuple(self._passes(rows))
