"""Keep PyTorch from loading triton.

PyTorch loads triton together with its compiler, `torch._dynamo`. In a process that has loaded TensorFlow,
this aborts the interpreter: both bring LLVM, and the second registers LLVM's options again.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any, ClassVar, Self

import torch.utils._triton
from torch.utils._python_dispatch import TorchDispatchMode

from howsure.onnx import quiet


class DispatchMode(TorchDispatchMode):
    """A dispatch mode that does not import `torch._dynamo`; PyTorch's own do so at their first operation.

    PyTorch imports it to exclude the mode itself from compilation. That is needed only if something inside is
    compiled, and then the compiler is already loaded.
    """

    supports_higher_order_operators = True
    _is_kept_off: ClassVar[bool] = False

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __enter__(self) -> Self:
        mode: Any = type(self)
        if "torch._dynamo" in sys.modules and not mode._is_kept_off:
            mode.__torch_dispatch__ = torch.compiler.disable(mode.__torch_dispatch__)
            mode._is_kept_off = True
        super().__enter__()
        return self


@contextlib.contextmanager
def without_triton() -> Iterator[None]:
    """In this scope, triton cannot be imported; afterwards PyTorch looks for it again.

    The scope has no effect if triton is already loaded. It also has none if there is a GPU and no TensorFlow:
    otherwise PyTorch's compiler, loaded inside, would stay without triton.
    """
    if "triton" in sys.modules or (torch.cuda.is_available() and "tensorflow" not in sys.modules):
        yield
        return
    sys.modules["triton"] = None  # type: ignore[assignment]  # makes `import triton` fail
    try:
        with quiet("torch.utils.flop_counter"):  # it reports that triton is missing
            yield
    finally:
        del sys.modules["triton"]
        for function in vars(torch.utils._triton).values():
            if hasattr(function, "cache_clear"):
                function.cache_clear()
