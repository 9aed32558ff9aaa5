"""Choose one of several outputs of a model, by name or index; or both of a mean and a variance."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from howsure.adapters.protocol import MEAN_LOG_VARIANCE, MEAN_VARIANCE
from howsure.errors import InputError, ModelError
from howsure.inputs.rows import quoted

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Pair:
    """Both outputs of a model that has two of the same shape: means, then variances, joined as one output.

    A model with one output keeps it.

    Attributes:
        outputs: `mean-variance` or `mean-log-variance`.
    """

    outputs: str


Output = str | int | Pair | None
"""The chosen output: its name, its index from 0, a pair of them, or None for the only one."""

_VARIANCES = ("var", "variance", "variances", "sigma2", "sigma_squared", "sigma_sq")
_LOGARITHMS = ("logvar", "log_var", "log_variance", "logvariance", "log_sigma2", "log_sigma_squared")
_DEVIATIONS = (
    *("std", "stddev", "sd", "sigma", "scale", "standard_deviation"),
    *("logstd", "log_std", "logsigma", "log_sigma", "log_scale"),
)
_MEANS = ("mean", "means", "mu", "loc")


def check_output_choice(output: object) -> None:
    """Raise an `InputError` unless this is a possible choice of an output."""
    whole = isinstance(output, (int, np.integer)) and not isinstance(output, bool)
    if not (output is None or isinstance(output, str) or (whole and output >= 0)):  # type: ignore[operator]
        raise InputError(
            "`output` cannot be used",
            expected="the name of an output of the model, its place from 0, or None",
            received=repr(output),
        )


def place_of(output: str | int, names: Sequence[str], count: int, model: str) -> int:
    """Index of the chosen output among `count` outputs.

    Args:
        output: A choice that `check_output_choice` accepted.
        names: Names of the outputs, in order; may be shorter or empty if outputs have no names.
        count: Number of outputs.
        model: Name of the model.

    Raises:
        InputError: No output has this name or index.
    """
    if isinstance(output, str) and output in names:
        return list(names).index(output)
    if not isinstance(output, str) and output < count:
        return int(output)
    called = f" or a name: {quoted(names)}" if names else ""
    raise InputError(
        f"Model '{model}' has no output {output!r}",
        expected=f"a place from 0 to {count - 1}{called}",
        received=repr(output),
    )


def places_of_pair(
    pair: Pair, shapes: Sequence[Shape], names: Sequence[str], model: str, *, in_order: bool = True
) -> tuple[int, int]:
    """Indexes of the mean and of the variance among the outputs of a model.

    Names such as `mean` and `log_var` decide; without them the mean comes first.

    Args:
        pair: The caller's names or places of the two.
        shapes: Shape of each output.
        names: Names of the outputs, in order; may be empty.
        model: Name of the model.
        in_order: Whether the order of the outputs is the author's, which that of a dict may not be.

    Raises:
        ModelError: They are not two of one shape, their names say something else, or nothing tells them
            apart.
    """
    if len(shapes) != 2 or shapes[0] != shapes[1]:
        raise ModelError(
            f"The outputs of model '{model}' are not a mean and a variance",
            expected=f"for outputs='{pair.outputs}': one output of 2 K numbers, or two outputs of one shape",
            received=f"{len(shapes)} outputs of the shapes {', '.join(map(_shape_in_words, shapes))}",
            hint="`output` picks one of several, by name or place",
        )
    meanings = [_meaning_of_name(name) for name in names] if len(names) == 2 else [None, None]
    called = quoted(names)
    if "a standard deviation" in meanings:
        raise ModelError(
            f"By its name, an output of model '{model}' is a standard deviation, not a variance",
            expected="a mean and a variance, or the natural logarithm of a variance",
            received=called,
            hint="Put out its square, 'variance', or twice its logarithm, 'log_variance'",
        )
    if MEAN_LOG_VARIANCE in meanings and pair.outputs == MEAN_VARIANCE:
        raise ModelError(
            f"By its name, an output of model '{model}' is the logarithm of a variance",
            expected=f"outputs='{MEAN_LOG_VARIANCE}'",
            received=f"outputs='{MEAN_VARIANCE}', and outputs called {called}",
        )
    means, variances = (
        [
            place
            for place, meaning in enumerate(meanings)
            if (meaning == "a mean") == is_mean and meaning is not None
        ]
        for is_mean in (True, False)
    )
    if len(variances) == 1 or len(means) == 1:
        mean = means[0] if len(means) == 1 else 1 - variances[0]
        return mean, 1 - mean
    if not in_order:
        raise ModelError(
            f"Nothing says which output of model '{model}' is the mean and which the variance",
            expected="names such as 'mean' and 'variance' or 'log_variance'",
            received=called,
        )
    return 0, 1


def _meaning_of_name(name: str) -> str | None:
    """The meaning of the name of an output, or None."""
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^\w]", "_", name).lower()
    for meaning, words in (
        (MEAN_LOG_VARIANCE, _LOGARITHMS),
        (MEAN_VARIANCE, _VARIANCES),
        ("a standard deviation", _DEVIATIONS),
        ("a mean", _MEANS),
    ):
        if any(re.search(rf"(^|_){word}(_|$)", plain) for word in words):
            return meaning
    return None


def _shape_in_words(shape: Shape) -> str:
    """`(rows, 3)`."""
    return f"({', '.join(['rows', *('any' if side is None else str(side) for side in shape)])})"
