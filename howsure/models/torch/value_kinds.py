"""Classify the numbers of tensors, from operation to operation.

linear layer, product, norm, log-softmax              any numbers, so maybe logits, unless something follows
distance, square, size                                never below 0; maybe logits after a change of sign
relu and similar activations                          rectified, as evidence is: not known
… averaged over the positions of an image             maybe logits, as in SqueezeNet
softmax, sigmoid, softplus, exp, anything else        other: not known
adding, scaling, picking, masking, averaging          same kind as the inputs
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import torch

Tensor = torch.Tensor

_Kind = TypeVar("_Kind")

CONSTANT, GIVEN, ANY, AVERAGED, UNSIGNED, RECTIFIED, OTHER = range(7)
"""Kinds of numbers: made of weights only, of rows as given, any numbers, …, or something else."""

SAME_NUMBERS = frozenset(
    {
        *("view", "_unsafe_view", "reshape", "squeeze", "unsqueeze", "flatten", "expand", "slice", "select"),
        *("transpose", "permute", "t", "clone", "_to_copy", "alias", "detach", "contiguous"),
    }
)
"""Operations that change no number."""

_LAYERS = frozenset(
    {
        *("embedding", "_embedding_bag", "_log_softmax", "native_layer_norm", "native_group_norm"),
        *("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training"),
        *("cudnn_batch_norm", "_fused_rms_norm"),
    }
)
"""Operations whose result may be any number, for any input; log-softmax gives logits."""

_PRODUCTS = frozenset(
    {
        *("addmm", "mm", "bmm", "baddbmm", "addbmm", "addmv", "mv", "dot", "addr", "_trilinear"),
        *("convolution", "_convolution", "mkldnn_convolution"),
    }
)
"""Operations whose result may be any number, unless they only mix numbers of a kind known as other."""

_COMBINING = frozenset({"add", "sub", "rsub", "mul", "addcmul", "addcdiv", "lerp", "maximum", "minimum"})
"""Operations whose result may be any number if one input may, such as a gate that multiplies logits."""

_DISTANCES = frozenset({"_cdist_forward", "_euclidean_dist"})
"""Operations whose result is never below 0, for any input."""

_UNSIGNED = frozenset({"abs", "pow", "norm", "linalg_vector_norm"})
"""Operations that make numbers non-negative."""

_RECTIFYING = frozenset({"relu", "gelu", "silu", "elu", "leaky_relu", "hardswish", "mish", "_prelu_kernel"})
"""Activations of hidden layers."""

_CLAMPING = frozenset({"clamp", "clamp_min", "hardtanh"})
"""Operations with a lower limit; they rectify if it is at least 0."""

_PASSING = SAME_NUMBERS | frozenset(
    {
        *("cat", "stack", "where", "masked_fill", "masked_scatter", "index", "index_select", "gather"),
        *("index_put", "index_add", "scatter", "scatter_add", "scatter_reduce", "copy", "repeat", "flip"),
        *("roll", "take", "tril", "triu", "unfold", "pixel_shuffle", "as_strided", "constant_pad_nd"),
        *("clamp_max", "nan_to_num", "neg", "sqrt", "log", "div", "native_dropout"),
        *("mean", "sum", "amax", "amin", "max", "min", "median", "topk", "sort", "cumsum"),
    }
)
"""Operations whose result has the least known kind of their inputs; for `div`, that of the dividend."""

_POOLS = ("avg_pool", "max_pool", "adaptive_avg", "_adaptive_avg", "adaptive_max", "upsample")
"""Beginnings of the names of further such operations."""

_MADE = frozenset({"zeros_like", "ones_like", "full_like", "empty_like"})


class Kinds:
    """Follows the kinds of tensors.

    Args:
        parameters: Parameters of the module.
        buffers: Its buffers.
    """

    def __init__(self, parameters: Iterable[Tensor], buffers: Iterable[Tensor]) -> None:
        self._layers = {ground(each) for each in parameters}
        self._kinds = dict.fromkeys((*self._layers, *map(ground, buffers)), CONSTANT)

    def of(self, tensor: Tensor) -> int:
        """Kind of a tensor's numbers; a tensor that no operation made counts as given."""
        return self._kinds.get(ground(tensor), GIVEN) if tensor.layout == torch.strided else GIVEN

    def ran(self, name: str, args: Any, outputs: Any) -> None:
        """Record the results of an operation."""
        for tensor in tensors_in(outputs):
            if tensor.layout == torch.strided:
                self._note(tensor, name, args)

    def _note(self, tensor: Tensor, name: str, args: Any) -> None:
        place = ground(tensor)
        kind = self._made(name.removesuffix("_"), args)
        if not (tensor.is_floating_point() or tensor.is_complex()):  # word numbers, positions, masks
            kind = min(kind, GIVEN)
        whole = tensor.numel() * tensor.element_size() == tensor.untyped_storage().nbytes()
        known = any(ground(each) == place for each in tensors_in(args) if each.layout == torch.strided)
        if known and (not whole or name in SAME_NUMBERS):  # a part of it, or a view
            kind = max(kind, self._kinds.get(place, GIVEN))
        self._kinds[place] = kind

    def _made(self, name: str, args: Any) -> int:
        got = args[1:] if name in ("copy", "fill") else args[:1] if name == "div" else args
        tensors = list(tensors_in(got))
        kinds = [self.of(each) for each in tensors]
        most = max(kinds, default=CONSTANT)
        if most == CONSTANT or name in _MADE or name.startswith("new_"):
            return CONSTANT
        if name in _LAYERS:
            return ANY
        if name.startswith("_scaled_dot_product"):
            return max(ANY, kinds[2])  # weighted means of the values
        if name == "lift_fresh":  # a constant from Python
            return GIVEN
        if name in _PRODUCTS or "linear" in name:
            return OTHER if self._only_mixes(tensors, kinds) else ANY
        if name in _COMBINING:
            return self._combined(name, args, tensors, kinds)
        if name in _DISTANCES:
            return UNSIGNED
        if name in _UNSIGNED:
            return max(UNSIGNED, most)
        if name in _RECTIFYING or (name in _CLAMPING and _least(args) >= 0):
            return max(RECTIFIED, most)
        if name in _PASSING or name in _CLAMPING or name.startswith(_POOLS):
            return AVERAGED if most == RECTIFIED and _over_positions(name, args) else most
        return OTHER

    def _only_mixes(self, tensors: Sequence[Tensor], kinds: Sequence[int]) -> bool:
        """True if a product only mixes numbers of kind other, without a layer's weights or logits."""
        return OTHER in kinds and not any(
            kind == ANY or (kind < ANY and self._weighs(each))
            for each, kind in zip(tensors, kinds, strict=True)
        )

    def _weighs(self, tensor: Tensor) -> bool:
        """True for weights of a layer, which can lower the score of a class."""
        return ground(tensor) in self._layers or _has_negative(tensor)

    def _combined(self, name: str, args: Any, tensors: Sequence[Tensor], kinds: Sequence[int]) -> int:
        most = max(kinds)
        if name == "mul" and args[0] is args[1]:
            return max(UNSIGNED, most)
        if name == "maximum" and most == ANY and min(kinds) < ANY:
            return ANY if _has_negative(tensors[kinds.index(min(kinds))]) else RECTIFIED
        if ANY in kinds:
            return ANY
        matrices = [
            each
            for each, kind in zip(tensors, kinds, strict=True)
            if kind == CONSTANT and sum(size > 1 for size in each.shape) > 1
        ]
        differ = name in ("sub", "rsub") and len(tensors) > 1
        if matrices and (most == RECTIFIED or differ or any(map(self._weighs, matrices))):
            return ANY  # part of a product, or of a distance from prototypes
        if most == RECTIFIED and differ:
            return ANY
        if UNSIGNED in kinds:
            return UNSIGNED
        if most == AVERAGED and name != "mul" and kinds.count(AVERAGED) < 2:
            return RECTIFIED
        return most


def _least(args: Any) -> float:
    """The lower limit of a clamping operation."""
    least = args[1] if len(args) > 1 else -1.0
    if isinstance(least, Tensor):
        return float(least.min())
    return float("-inf") if least is None else float(least)


def _over_positions(name: str, args: Any) -> bool:
    """True if an average or maximum is over axes after rows and channels."""
    if name not in ("mean", "amax"):
        return name.startswith(_POOLS)
    axes: Sequence[int] = args[1] or () if len(args) > 1 else ()
    return bool(axes) and all(axis % args[0].ndim > 1 for axis in axes)


def _has_negative(tensor: Tensor) -> bool:
    """True if a number is below 0, or may be in a tensor that cannot be checked."""
    if tensor.layout != torch.strided or tensor.is_complex() or tensor.is_quantized:
        return True
    return bool((tensor < 0).any())


def tensors_in(outputs: Any) -> Iterator[Tensor]:
    """The tensors in a result, at any depth of lists and dicts."""
    return items_in(outputs, Tensor)


def items_in(value: Any, kind: type[_Kind]) -> Iterator[_Kind]:
    """The items of a type in a value, at any depth of lists and dicts."""
    if isinstance(value, kind):
        yield value
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from items_in(each, kind)
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from items_in(each, kind)


def ground(tensor: Tensor) -> int:
    """Address of the memory of a tensor."""
    return tensor.untyped_storage().data_ptr()
