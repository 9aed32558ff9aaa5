"""What the output of a module is, by the operations of a plain run that lead to it.

product ── add, scale, pick, mask, mean ── output      linear: read as logits
… ── softmax ── output                                 softmax: read as probabilities
… ── softmax, sigmoid, exp ── anything else ── output  not known: `outputs=` is asked for
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

Tensor = torch.Tensor

LINEAR = ("addmm", "mm")
"""Operations of a linear layer over rows."""

ENDINGS = {
    "_softmax": "softmax",
    "_log_softmax": "log_softmax",
    **{
        name: name
        for name in ("sigmoid", "relu", "tanh", "gelu", "silu", "elu", "leaky_relu", "softplus", "hardtanh")
    },
}
"""Operations that say what an output is, or that it is none of a classifier, where they are the last."""

ACTIVATIONS = ("softmax", "log_softmax", "sigmoid")
"""What may follow the last linear layer where features are read."""

SAME_NUMBERS = frozenset(
    {
        *("view", "_unsafe_view", "reshape", "squeeze", "unsqueeze", "flatten", "expand", "slice", "select"),
        *("transpose", "permute", "t", "clone", "_to_copy", "alias", "detach", "contiguous"),
    }
)
"""Operations that change no number."""

_PRODUCTS = frozenset(
    {
        *("addmm", "mm", "bmm", "baddbmm", "addbmm", "addmv", "mv", "dot", "addr", "_trilinear"),
        *("convolution", "_convolution", "mkldnn_convolution", "embedding", "_embedding_bag"),
        *("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training"),
        *("cudnn_batch_norm", "native_layer_norm", "native_group_norm", "_fused_rms_norm"),
        *("_cdist_forward", "_euclidean_dist", "_log_softmax"),
    }
)
"""Operations that may give any number, whatever they get; logarithms of a softmax are logits."""

_COMBINING = frozenset({"add", "sub", "rsub", "mul", "addcmul", "addcdiv", "lerp", "maximum", "minimum"})
"""Operations that may give any number if one of what they get may, as where a gate multiplies logits."""

_PASSING = SAME_NUMBERS | frozenset(
    {
        *("cat", "stack", "where", "masked_fill", "masked_scatter", "index", "index_select", "gather"),
        *("index_put", "index_add", "scatter", "scatter_add", "scatter_reduce", "copy", "repeat", "flip"),
        *("roll", "take", "tril", "triu", "unfold", "pixel_shuffle", "as_strided", "constant_pad_nd"),
        *("clamp", "clamp_min", "clamp_max", "nan_to_num", "neg", "abs", "pow", "sqrt", "log", "div"),
        *("mean", "sum", "amax", "amin", "max", "min", "median", "topk", "sort", "cumsum"),
        *("relu", "gelu", "silu", "elu", "leaky_relu", "softplus", "hardtanh", "hardswish", "mish"),
        *("linalg_vector_norm", "native_dropout"),
    }
)
"""Operations whose result is what the least known of what they get is; of `div`, of what is divided alone."""

_POOLS = ("avg_pool", "max_pool", "adaptive_avg", "_adaptive_avg", "adaptive_max", "upsample")
"""Beginnings of the names of more of these."""

_MADE = frozenset({"zeros_like", "ones_like", "full_like", "empty_like"})

_CONSTANT, _GIVEN, _ANY, _OTHER = range(4)
"""What numbers are: of weights alone, of rows as they are given, any numbers, or something else."""

_DONE = 1e-3
"""How far from 1 the sum of a row of probabilities may be: room for 16 bits and for a clamp."""


@dataclass(frozen=True, eq=False)
class _Maker:
    """What made a tensor: the operation, what it got, and what made it before where it was written into."""

    tensor: Tensor
    name: str
    args: Any
    before: _Maker | None


class Endings:
    """Follows the operations of a run.

    Args:
        weights: Where the numbers of parameters and buffers lie.
    """

    def __init__(self, weights: Iterable[int]) -> None:
        self._kinds = dict.fromkeys(weights, _CONSTANT)
        self._makers: dict[int, _Maker] = {}
        self._linears: list[Tensor] = []

    def ran(self, name: str, args: Any, kwargs: Any, outputs: Any) -> None:
        """Note an operation."""
        for tensor in tensors_in(outputs):
            before = self._makers.get(id(tensor))
            self._makers[id(tensor)] = _Maker(tensor, name, args, before)
            if tensor.layout == torch.strided and tensor.is_floating_point():
                self._note_kind(tensor, name, args)
        if name in LINEAR:
            self._linears.append(outputs)

    def _note_kind(self, tensor: Tensor, name: str, args: Any) -> None:
        plain, place = name.removesuffix("_"), ground(tensor)
        got = args[1:] if plain in ("copy", "fill") else args[:1] if plain == "div" else args
        every = [self._kind(each) for each in tensors_in(got)]
        kinds = [self._kind(each) for each in tensors_in(got) if each.is_floating_point()]
        most = max(kinds, default=_CONSTANT)
        if plain in _MADE or plain.startswith("new_"):
            kind = _CONSTANT
        elif plain in _PRODUCTS or "linear" in plain or plain.startswith("_scaled_dot_product"):
            kind = _ANY if max(every, default=_CONSTANT) > _CONSTANT else _CONSTANT
        elif plain in _COMBINING:
            kind = _ANY if _ANY in kinds else most
        elif plain in _PASSING or plain.startswith(_POOLS):
            kind = most
        else:
            kind = _CONSTANT if max(every, default=_CONSTANT) == _CONSTANT else _OTHER
        whole = tensor.numel() * tensor.element_size() == tensor.untyped_storage().nbytes()
        known = any(ground(each) == place for each in tensors_in(args) if each.layout == torch.strided)
        if known and (not whole or name in SAME_NUMBERS):  # a part of it, or a view
            kind = max(kind, self._kinds.get(place, _GIVEN))
        self._kinds[place] = kind

    def _kind(self, tensor: Tensor) -> int:
        return self._kinds.get(ground(tensor), _GIVEN) if tensor.layout == torch.strided else _GIVEN

    def ending(self, output: Tensor) -> tuple[str | None, int | None]:
        """What the output is, and which of the linear operations was the last before it.

        Returns:
            `softmax`, another name of an activation, or `linear`, None where that cannot be told; and the
            place of the last linear operation among all of them, from the first, with nothing but
            activations after it, or None.
        """
        ending, made = None, self._makers.get(id(output))
        while made is not None:
            if made.name in LINEAR:
                place = next((at for at, each in enumerate(self._linears) if each is made.tensor), None)
                fits = output.ndim == 2 and made.tensor.shape == output.shape
                return ending or self._linear(output), place if fits else None
            if made.name not in SAME_NUMBERS:
                known = ENDINGS.get(made.name.removesuffix("_") if made.name.endswith("_") else made.name)
                if ending is None:
                    ending = known or self._linear(output)
                    over = made.args[1] if known in ("softmax", "log_softmax") else -1
                    if over not in (-1, made.tensor.ndim - 1):
                        ending = f"{known} over another axis"
                if ending not in ACTIVATIONS or known not in ACTIVATIONS:
                    return ending, None
            made = made.before if made.args[0] is made.tensor else self._makers.get(id(made.args[0]))
        return ending, None

    def _linear(self, output: Tensor) -> str | None:
        """`linear` where nothing but sums, products and the like lies between a product and the output."""
        values = output.double()
        done = values.ndim > 1 and values.shape[1] > 1 and bool((values >= 0).all())
        done = done and bool(((values.sum(1) - 1).abs() < _DONE).all())
        return "linear" if self._kind(output) == _ANY and not done else None


def tensors_in(outputs: Any) -> Iterator[Tensor]:
    """The tensors in what was returned, as deep as lists and dicts go."""
    if isinstance(outputs, Tensor):
        yield outputs
    elif isinstance(outputs, (list, tuple)):
        for each in outputs:
            yield from tensors_in(each)
    elif isinstance(outputs, Mapping):
        for each in outputs.values():
            yield from tensors_in(each)


def ground(tensor: Tensor) -> int:
    """Where the numbers of a tensor lie."""
    return tensor.untyped_storage().data_ptr()
