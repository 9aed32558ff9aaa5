"""The outputs that a module declares: by its config, its criterion, or its number of classes.

    config.problem_type, config.num_labels    transformers
    a loss among its attributes               Lightning: `self.criterion = nn.CrossEntropyLoss()`
    num_classes, class_names, label_names     timm and many others

For a module that wraps another one, as `DataParallel` does, the wrapper is read first, then the inner module.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from torch import nn

from howsure.adapters.protocol import (
    CLASSES,
    EMBEDDINGS,
    LOG_RATES,
    LOGITS,
    MARGINS,
    MEANS_AND_VARIANCES,
    QUANTILES,
    REGRESSION,
    SEVERAL_LABELS,
)


@dataclass(frozen=True)
class OutputDeclaration:
    """A module's declaration about its outputs; see `howsure.adapters.protocol.ModelInfo`.

    Attributes:
        trained_for: As in `ModelInfo`.
        loss: Name of the loss.
        loss_takes: `logits` or None.
        class_names: K names, or None.
    """

    trained_for: str | None = None
    loss: str | None = None
    loss_takes: str | None = None
    class_names: tuple[str, ...] | None = None


_TASKS = {
    MEANS_AND_VARIANCES: ("gaussian_nll",),
    QUANTILES: ("quantile", "pinball", "tilted"),
    LOG_RATES: ("poisson_nll",),
    REGRESSION: (
        *("mse", "rmse", "l1", "mae", "huber", "log_cosh", "logcosh", "mape", "msle"),
        *("mean_squared_error", "mean_absolute_error", "mean_absolute_percentage_error", "regression"),
    ),
    SEVERAL_LABELS: (
        *("binary_cross_entropy", "bce", "multilabel", "multi_label", "sigmoid_focal", "soft_margin"),
    ),
    EMBEDDINGS: ("triplet", "cosine_embedding", "hinge_embedding", "contrastive", "info_nce", "nt_xent"),
    MARGINS: ("multi_margin",),
    CLASSES: ("cross_entropy", "nll", "kl_div", "focal", "label_smoothing"),
}
"""Words in names of losses, by the task that they imply; the first task counts."""

_TAKES_LOGITS = (
    *("cross_entropy", "binary_cross_entropy_with_logits", "bce_with_logits"),
    *("soft_margin", "multi_label_soft_margin", "multilabel_soft_margin"),
)

_ATTRIBUTES = ("criterion", "loss", "loss_fn", "loss_func", "loss_function")
"""Attributes in which losses are searched that are functions, or of a user's own class."""

_WIDTHS = ("num_classes", "n_classes")
_HEADS = ("fc", "head", "heads", "classifier")
"""Names of the last layer in torchvision and timm."""

_IMAGENET = 1000
"""Number of classes of torchvision's networks, unless a user replaced the head."""

_NAMES = ("class_names", "classes")

_AT_EACH_POSITION = ("TokenClassification", "SemanticSegmentation")
"""Parts of names of classes in transformers that tell the class of each token or pixel."""

_SEGMENTATION = "torchvision.models.segmentation"
"""Modules whose networks tell the class of each pixel."""


def declared_output(module: nn.Module, width: int) -> OutputDeclaration:
    """A module's declaration about its K outputs.

    Args:
        module: The module.
        width: K.
    """
    holders = list(_holders(module))
    names = next(filter(None, (_class_names(holder, width) for holder in holders)), None)
    for holder in holders:
        kind = _by_config(holder, width)
        if kind is not None:
            return OutputDeclaration(kind, class_names=names)
        losses = _losses(holder)
        if losses:
            return _by_losses(losses, width, names)
    if any(_has_no_head(holder) for holder in holders):
        return OutputDeclaration(EMBEDDINGS)
    if names is not None or any(_declares_as_many(holder, width) for holder in holders):
        return OutputDeclaration(CLASSES, class_names=names)
    return OutputDeclaration()


def padding_of(module: nn.Module) -> int | None:
    """The token that fills up short texts, by a config as transformers writes it; not one that ends texts."""
    for config in (_entry(holder, "config") for holder in _holders(module)):
        number = None if config is None else _whole_number(config, "pad_token_id")
        if number is not None and number != _whole_number(config, "eos_token_id"):
            return number
    return None


def _holders(module: nn.Module) -> Iterator[nn.Module]:
    """A module, and the modules inside it that it wraps without parameters or modules of its own."""
    while True:
        yield module
        inside = [child for child in module.children() if any(True for _ in child.parameters())]
        if len(inside) != 1 or any(True for _ in module.parameters(recurse=False)):
            return
        module = inside[0]


# --- config ---------------------------------------------------------------------------------------


def _entry(holder: Any, name: str) -> Any:
    """An entry or attribute; None if it does not exist or raises an error."""
    if isinstance(holder, Mapping):
        return holder.get(name)
    before = dict(vars(holder)) if isinstance(holder, nn.Module) else None
    try:
        return getattr(holder, name, None)
    except Exception:  # a property is a user's code, which may need a trainer or a file
        return None
    finally:
        if before is not None:  # or which may store something, as `hparams` of Lightning does
            vars(holder).clear()
            vars(holder).update(before)


def _whole_number(holder: Any, name: str) -> int | None:
    """An entry or attribute if it is a whole number, else None."""
    number = _entry(holder, name)
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def _by_config(module: nn.Module, width: int) -> str | None:
    """The task in a config as transformers writes it; transformers reads one output as a regression."""
    config = _entry(module, "config")
    if config is None or _entry(config, "num_labels") != width:
        return None
    if any(what in type(module).__name__ for what in _AT_EACH_POSITION):
        return CLASSES
    kind = _entry(config, "problem_type")
    if kind == "multi_label_classification":
        return SEVERAL_LABELS
    if kind == "single_label_classification":
        return CLASSES
    of_classes = "Classif" in type(module).__name__
    if kind == "regression" or (kind is None and width == 1 and of_classes):
        return REGRESSION
    return CLASSES if of_classes else None


def _class_names(module: nn.Module, width: int) -> tuple[str, ...] | None:
    """K class names; None if there are none, or only the default names."""
    config = _entry(module, "config")
    numbered = _entry(config, "id2label")
    if isinstance(numbered, Mapping):
        by_number = {str(key): value for key, value in numbered.items()}
        numbered = [by_number.get(str(number)) for number in range(len(by_number))]
    configs = [_entry(module, name) for name in ("pretrained_cfg", "default_cfg")]
    for candidate in (
        *(_entry(module, name) for name in _NAMES),
        numbered,
        *(_entry(settings, "label_names") for settings in configs),
    ):
        texts = isinstance(candidate, (list, tuple)) and all(isinstance(name, str) for name in candidate)
        if texts and len(candidate) == len(set(candidate)) == width and width > 1:
            usual = all(name.upper() == f"LABEL_{number}" for number, name in enumerate(candidate))
            return None if usual else tuple(candidate)
    return None


def _declares_as_many(module: nn.Module, width: int) -> bool:
    """True if a module declares as many classes as outputs, or is one of torchvision's of classes."""
    written_in = type(module).__module__
    if width == _IMAGENET and written_in.startswith("torchvision.models."):
        return True
    if width > 1 and written_in.startswith(_SEGMENTATION):
        return True
    holders = (module, _entry(module, "hparams"))
    return width > 1 and any(_whole_number(holder, name) == width for holder in holders for name in _WIDTHS)


def _has_no_head(module: nn.Module) -> bool:
    """True if a module has no last layer, so that it returns features."""
    replaced = any(isinstance(_entry(module, name), nn.Identity) for name in _HEADS)
    return replaced or _whole_number(module, "num_classes") == 0


# --- losses ---------------------------------------------------------------------------------------


def _losses(module: nn.Module) -> list[tuple[str, str]]:
    """The losses among a module's attributes: PyTorch's under any name, others under the usual names."""
    attributes = {**vars(module), **module._modules}
    losses: list[Any] = [
        loss
        for loss in {**vars(type(module)), **attributes}.values()
        if isinstance(loss, nn.modules.loss._Loss)
    ]
    usual = [attributes[name] for name in _ATTRIBUTES if callable(attributes.get(name))]
    losses += [loss for loss in usual if not isinstance(loss, nn.modules.loss._Loss)]
    return [_name_and_task(loss) for loss in losses]


def _name_and_task(loss: Any) -> tuple[str, str]:
    """Name of a loss, and its task; an empty task for a user's loss that does not show it."""
    if isinstance(loss, FunctionType) or hasattr(loss, "__name__"):
        maker = getattr(loss, "__qualname__", "").partition(".<locals>")[0]  # the function that made it
        kinds = (_task_of_loss(loss.__name__), QUANTILES if _task_of_loss(maker) == QUANTILES else None)
        return loss.__name__, next(filter(None, kinds), "")
    for cls in type(loss).__mro__:
        kind = _task_of_loss(cls.__name__)
        if kind == LOG_RATES and not getattr(loss, "log_input", True):
            kind = REGRESSION
        if kind is not None:
            return cls.__name__, kind
    return type(loss).__name__, ""


def _task_of_loss(name: str) -> str | None:
    """The task that the name of a loss implies."""
    plain = _words_of_loss(name)
    for task, words in _TASKS.items():
        if any(re.search(rf"(^|_){word}(_|$)", plain) for word in words):
            return task
    return None


def _words_of_loss(name: str) -> str:
    """`CrossEntropyLoss` and `cross_entropy_loss` as `cross_entropy`."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    return re.sub(r"_?loss$", "", parted)


def _by_losses(losses: list[tuple[str, str]], width: int, names: tuple[str, ...] | None) -> OutputDeclaration:
    """The declaration that one or more losses imply; none if they imply different tasks."""
    kinds = {kind for _, kind in losses}
    if len(kinds) != 1 or "" in kinds:
        return OutputDeclaration(CLASSES if names is not None else None, class_names=names)
    name, kind = losses[0]
    if kind == SEVERAL_LABELS and width == 1:
        kind = CLASSES
    takes = LOGITS if all(_words_of_loss(loss) in _TAKES_LOGITS for loss, _ in losses) else None
    return OutputDeclaration(kind, name, takes, names)
