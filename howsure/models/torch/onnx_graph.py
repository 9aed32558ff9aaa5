"""Export the passes of a PyTorch module as an ONNX graph.

The recorded run (`howsure.models.torch.graph`) is repeated with a symbolic number of rows, and `torch.export`
writes it down. Masks and weights are constants of the graph.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from howsure.data.reading import is_out_of_memory
from howsure.errors import ModelError
from howsure.models.torch.dispatch_mode import without_triton
from howsure.models.torch.unrolled_lstm import Unrolled
from howsure.onnx.nodes import OPSET
from howsure.onnx.quiet import quiet
from howsure.optional import needs

LONGEST = 300
"""Characters of PyTorch's error message that are quoted; the rest explains how to fix PyTorch."""


def graph_of(
    passes: Callable[[Sequence[Tensor]], Tensor],
    rows: Sequence[Tensor],
    names: Sequence[str],
    model: str,
    hint: str = "Replace the operation in the model by others that do the same",
) -> Any:
    """The computation of `passes`, as an `onnx.ModelProto`.

    Args:
        passes: Maps inputs (n, …) to outputs (W, n, …).
        rows: Example rows of each input, at least two.
        names: Names of the inputs.
        model: Name of the model, for messages.
        hint: What to do if no graph can be written.

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
            written = torch.onnx.export(
                program,
                dynamo=True,
                opset_version=OPSET,
                input_names=list(names),
                output_names=[_free("passes", names)],
                verbose=False,
            )
        except Exception as error:  # PyTorch may raise anything
            if is_out_of_memory(error):
                raise
            raise ModelError(
                f"PyTorch cannot write model '{model}' as an ONNX graph",
                expected="operations for which torch.onnx.export has a translation",
                received=_cause_of(error),
                hint=hint,
            ) from error
    assert written is not None
    return written.model_proto


def _free(name: str, taken: Sequence[str]) -> str:
    """The name, with underscores added until it is free."""
    while name in taken:
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

    def __init__(self, passes: Callable[[Sequence[Tensor]], Tensor]) -> None:
        super().__init__()
        self._passes = passes

    def forward(self, rows: tuple[Tensor, ...]) -> Tensor:
        """The passes."""
        with Unrolled():
            return self._passes(rows)
