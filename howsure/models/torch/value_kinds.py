"""What the numbers of a tensor are, followed from operation to operation.

linear layer, product, norm, logarithm of a softmax   any numbers: logits, if nothing else comes of them
distance, square, size                                none below 0: logits once their sign is turned
relu and its kin                                      rectified, as evidence is: not known
… averaged over the positions of an image             logits by habit, as in SqueezeNet
softmax, sigmoid, softplus, exp, anything else        other: not known
what adds, scales, picks, masks, averages             as what it gets
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch

Tensor = torch.Tensor

CONSTANT, GIVEN, ANY, AVERAGED, UNSIGNED, RECTIFIED, OTHER = range(7)
"""What numbers are: of weights alone, of rows as they are given, any numbers, …, or something else."""

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
"""Operations that may give any number, whatever they get; logarithms of a softmax are logits."""

_PRODUCTS = frozenset(
    {
        *("addmm", "mm", "bmm", "baddbmm", "addbmm", "addmv", "mv", "dot", "addr", "_trilinear"),
        *("convolution", "_convolution", "mkldnn_convolution"),
    }
)
"""Operations that may give any number, unless they only mix what is known to be something else."""

_COMBINING = frozenset({"add", "sub", "rsub", "mul", "addcmul", "addcdiv", "lerp", "maximum", "minimum"})
"""Operations that may give any number if one of what they get may, as where a gate multiplies logits."""

_DISTANCES = frozenset({"_cdist_forward", "_euclidean_dist"})
"""Operations that give no number below 0, whatever they get."""

_UNSIGNED = frozenset({"abs", "pow", "norm", "linalg_vector_norm"})
"""Operations by which no number is below 0, of what they get."""

_RECTIFYING = frozenset({"relu", "gelu", "silu", "elu", "leaky_relu", "hardswish", "mish", "_prelu_kernel"})
"""Activations of hidden layers."""

_CLAMPING = frozenset({"clamp", "clamp_min", "hardtanh"})
"""Operations with a least number, which rectify where that is not below 0."""

_PASSING = SAME_NUMBERS | frozenset(
    {
        *("cat", "stack", "where", "masked_fill", "masked_scatter", "index", "index_select", "gather"),
        *("index_put", "index_add", "scatter", "scatter_add", "scatter_reduce", "copy", "repeat", "flip"),
        *("roll", "take", "tril", "triu", "unfold", "pixel_shuffle", "as_strided", "constant_pad_nd"),
        *("clamp_max", "nan_to_num", "neg", "sqrt", "log", "div", "native_dropout"),
        *("mean", "sum", "amax", "amin", "max", "min", "median", "topk", "sort", "cumsum"),
    }
)
"""Operations whose result is what the least known of what they get is; of `div`, of what is divided alone."""

_POOLS = ("avg_pool", "max_pool", "adaptive_avg", "_adaptive_avg", "adaptive_max", "upsample")
"""Beginnings of the names of more of these."""

_MADE = frozenset({"zeros_like", "ones_like", "full_like", "empty_like"})


class Kinds:
    """Follows what the numbers of tensors are.

    Args:
        parameters: Parameters of the module.
        buffers: Its buffers.
    """

    def __init__(self, parameters: Iterable[Tensor], buffers: Iterable[Tensor]) -> None:
        self._layers = {ground(each) for each in parameters}
        self._kinds = dict.fromkeys((*self._layers, *map(ground, buffers)), CONSTANT)

    def of(self, tensor: Tensor) -> int:
        """What its numbers are; those that no operation made are given."""
        return self._kinds.get(ground(tensor), GIVEN) if tensor.layout == torch.strided else GIVEN

    def ran(self, name: str, args: Any, outputs: Any) -> None:
        """Note what an operation made."""
        for tensor in tensors_in(outputs):
            if tensor.layout == torch.strided:
                self._note(tensor, name, args)

    def _note(self, tensor: Tensor, name: str, args: Any) -> None:
        place = ground(tensor)
        kind = self._made(name.removesuffix("_"), args)
        if not (tensor.is_floating_point() or tensor.is_complex()):  # numbers of words, places, masks
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
        if name == "lift_fresh":  # numbers that Python gives
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
        """Whether a product weighs such as are something else, and no layer's weights or logits are in it."""
        return OTHER in kinds and not any(
            kind == ANY or (kind < ANY and self._weighs(each))
            for each, kind in zip(tensors, kinds, strict=True)
        )

    def _weighs(self, tensor: Tensor) -> bool:
        """Whether these are weights of a layer, by which some things may speak against a class."""
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
            return ANY  # half of a product, or of a distance from prototypes
        if most == RECTIFIED and differ:
            return ANY
        if UNSIGNED in kinds:
            return UNSIGNED
        if most == AVERAGED and name != "mul" and kinds.count(AVERAGED) < 2:
            return RECTIFIED
        return most


def _least(args: Any) -> float:
    """The least number that is left of others."""
    least = args[1] if len(args) > 1 else -1.0
    if isinstance(least, Tensor):
        return float(least.min())
    return float("-inf") if least is None else float(least)


def _over_positions(name: str, args: Any) -> bool:
    """Whether an average or a maximum is over axes behind rows and channels."""
    if name not in ("mean", "amax"):
        return name.startswith(_POOLS)
    axes: Sequence[int] = args[1] or () if len(args) > 1 else ()
    return bool(axes) and all(axis % args[0].ndim > 1 for axis in axes)


def _has_negative(tensor: Tensor) -> bool:
    """Whether a number is below 0, or may be where that cannot be asked."""
    if tensor.layout != torch.strided or tensor.is_complex() or tensor.is_quantized:
        return True
    return bool((tensor < 0).any())


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
