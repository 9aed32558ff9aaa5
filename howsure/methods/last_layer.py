"""The common parts of both kinds of last-layer Laplace: inputs of the layer, and weights from its outputs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from howsure.errors import InputError
from howsure.models.features import Features
from howsure.models.fingerprint import check_fingerprint
from howsure.sampling.outcome import Floats

AT_ONCE = 1 << 22
"""Numbers in an array of intermediate results, 32 MiB; limits memory."""

LEAST_VALUE = 1e-10
"""Least eigenvalue, relative to the largest, that still determines weights; float32 rounds to 1e-7."""

LARGEST_RESIDUAL = 0.02
"""Share of the variation of outputs that a linear layer may leave unexplained; bfloat16 leaves 0.004."""


def inputs_of(features: ArrayLike, bias: bool) -> Floats:
    """(n, D) inputs of the last layer: the features, and 1 for the bias."""
    given = np.asarray(features, dtype=np.float64)
    return np.concatenate([given, np.ones((len(given), 1))], axis=1) if bias else given


def chunks(rows: int, *widths: int) -> Iterator[slice]:
    """Slices of rows whose intermediate results, of these widths, fit into memory."""
    size = max(1, AT_ONCE // max(widths))
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))


FITTED, REFIT = (
    "This last-layer Laplace was fitted to",
    "Fit it again: LastLayerLaplace.fit(model, x, labels)",
)


def check_features(
    features: object, width: int | None = None, outputs: int = 0, of: str = "", fingerprint: str = ""
) -> Features:
    """The features, or an `InputError` unless these are `Features`, and of the model of the fit.

    Args:
        features: The argument of the caller.
        width: How many features a row has; None for any number.
        outputs: How many outputs, one sigmoid being two classes.
        of: Kind of the fit: `classes` or `numbers`.
        fingerprint: Fingerprint of the model of the fit.
    """
    known = "`Features`" + ("" if width is None else f" of {width} features and {outputs} {of}")
    if not isinstance(features, Features):
        raise InputError("These are no features of rows", expected=known, received=type(features).__name__)
    found = features.features.shape[1], max(2 if of == "classes" else 1, features.logits.shape[1])
    if width is not None and found != (width, outputs):
        raise InputError("These rows are of another model", expected=known, received=found)
    check_fingerprint(FITTED, fingerprint, features.fingerprint, REFIT)
    return features


def squared_norm(values: Floats, cross: Floats, squares: float, equal: str) -> float:
    """|W|² of the smallest weights that map inputs to outputs, or an `InputError`.

    Computed from eigenvalues of the inputs' mean products (D,), mean products of inputs and outputs (D, K) in
    that basis, and the mean squared outputs.

    Args:
        values: The eigenvalues, of which at least one is positive.
        cross: The mean products.
        squares: The mean squares, summed over outputs.
        equal: Message if all outputs are equal.
    """
    told = values > LEAST_VALUE * values.max()
    weights = cross[told] / values[told, None]
    explained = float(np.sum(weights * cross[told]))
    if squares == 0 or not explained > 0:
        raise InputError(equal, expected="a trained model")
    if squares - explained > LARGEST_RESIDUAL**2 * squares:
        raise InputError(
            "The logits are not what a linear layer makes of these features",
            received=f"{100 * (1 - explained / squares):.2g} % of their variance unexplained",
            hint="Take what the last layer puts out before its activation, as in `predict`, and check `bias`",
        )
    return float(np.sum(weights**2))
