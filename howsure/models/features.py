"""What the last layer of a model gets and puts out: what familiarity and the last-layer Laplace look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howsure.data.rows import check_unmasked, in_rows
from howsure.errors import InputError, ModelError
from howsure.models import framework_of


@dataclass(frozen=True, eq=False)
class Features:
    """What the last layer of a model gets for N rows, and what it makes of it before its activation.

    Both are kept in float32 and read-only. Zero rows pass.

    Attributes:
        features: (N, F) finite numbers.
        logits: (N, K) finite numbers; K = 1 where one sigmoid tells two classes apart.

    Raises:
        InputError: No numbers, no (N, …) arrays with the same N, or NaN and infinity among them.
    """

    features: NDArray[np.float32]
    logits: NDArray[np.float32]

    def __post_init__(self) -> None:
        for name in ("features", "logits"):
            object.__setattr__(self, name, _checked(name, getattr(self, name)))
        if len(self.features) != len(self.logits):
            raise InputError(
                "Features and logits differ in their number of rows",
                expected="both of the same rows",
                received=f"{len(self.features)} and {len(self.logits)}",
            )

    def __len__(self) -> int:
        return len(self.features)


def features_of(model: Any, x: Any, batch_size: int = 256) -> Features:
    """The features and logits of rows, with everything as in `predict`; the model is left as found.

    Args:
        model: A trained Keras 3 model that ends in a Dense layer, with nothing but activations after it.
        x: (N, …) rows as the model takes them; zero rows pass.
        batch_size: Rows that run together, ≥ 1.

    Raises:
        InputError: Rows that do not fit the model, or the batch size.
        ModelError: No Keras model, or one that ends otherwise.

    Example:
        >>> train, held_out = features_of(model, x_train), features_of(model, x_held_out)  # doctest: +SKIP
        >>> known = familiarity(train, labels, held_out)                                   # doctest: +SKIP
        >>> strange = x[known.unfamiliar(features_of(model, x))]                           # doctest: +SKIP
    """
    if framework_of(model) != "keras":
        raise ModelError(
            f"The adapter '{model.name}' does not give features",
            expected="the Keras 3 model itself",
            received=type(model).__name__,
        )
    from howsure.models.keras.features import features

    return features(model, x, batch_size=batch_size)


def _checked(name: str, given: ArrayLike) -> NDArray[np.float32]:
    check_unmasked(given, f"The {name}")
    array = np.asarray(given)
    if array.ndim != 2 or array.shape[1] < 1 or array.dtype.kind not in "fiu":
        raise InputError(
            f"These {name} cannot be used",
            expected=f"numbers of shape (rows, {name})",
            received=f"{array.dtype} of shape {array.shape}",
        )
    with np.errstate(over="ignore"):  # becomes infinite, and is refused below
        kept = np.asarray(array, dtype=np.float32).view()
    bad = np.flatnonzero(~np.isfinite(kept).all(axis=1))
    if len(bad):
        raise InputError(
            f"The {name} hold NaN, infinite or too large values {in_rows(len(bad), bad[:5].tolist())}",
            expected="finite numbers in float32",
            mend="Mend or leave out those rows",
        )
    kept.flags.writeable = False
    return kept
