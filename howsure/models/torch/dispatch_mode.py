"""What of PyTorch would load triton, kept from it.

PyTorch loads triton together with `torch._dynamo`, its compiler. In a process that has loaded TensorFlow this
aborts the interpreter: both bring LLVM, and the second to come registers its options again. Nothing that
howsure does needs triton.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any, ClassVar, Self

import torch.utils._triton
from torch.utils._python_dispatch import TorchDispatchMode

from howsure.export.quiet import quiet


class DispatchMode(TorchDispatchMode):
    """A mode that does not import `torch._dynamo`, as one of PyTorch does at its first operation.

    PyTorch imports it to keep the mode itself from being compiled. That is needed only where something
    inside is compiled, and then the compiler is loaded already.
    """

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
    """Inside, triton cannot be imported; PyTorch looks for it anew afterwards.

    Nothing is changed where triton is loaded already, nor where there is a GPU to use it and no TensorFlow:
    what PyTorch's compiler loads inside would stay without it.
    """
    if "triton" in sys.modules or (torch.cuda.is_available() and "tensorflow" not in sys.modules):
        yield
        return
    sys.modules["triton"] = None  # type: ignore[assignment]  # how `import` is told that there is none
    try:
        with quiet("torch.utils.flop_counter"):  # it says that triton is missing
            yield
    finally:
        del sys.modules["triton"]
        for each in vars(torch.utils._triton).values():
            if hasattr(each, "cache_clear"):
                each.cache_clear()
