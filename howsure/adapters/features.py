"""Input and output of a model's last layer, for familiarity (an OOD score) and the last-layer Laplace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from howsure.adapters.fingerprint import fingerprint_of
from howsure.adapters.protocol import FeatureModel, RawOutputs
from howsure.adapters.resolve import resolve_model
from howsure.arguments import check_whole
from howsure.errors import InputError, ModelError
from howsure.inputs.align import RowNames, row_names_of
from howsure.inputs.own_arrays import adopted, own_copy
from howsure.inputs.rows import as_array, cast_rows, in_rows, made_up_rows
from howsure.inputs.targets import LARGEST, check_sizes


@dataclass(frozen=True, eq=False)
class Features:
    """Input of a model's last layer for N rows, and its output before the activation.

    Both are read-only arrays, of float64 where they come in it, else of float32. Zero rows are allowed.

    Attributes:
        features: (N, F) finite numbers.
        logits: (N, K) finite numbers; K = 1 if one sigmoid separates two classes.
        called: Names of the rows.
        fingerprint: Fingerprint of the model, as in `howsure.adapters.fingerprint`; empty if it is not known,
            as of features that you make yourself. Then nobody notices if they are used with another model's.

    Raises:
        InputError: Not numbers, not two (N, …) arrays of the same N, or NaN or infinite values.
    """

    features: RawOutputs
    logits: RawOutputs
    called: RowNames = field(default_factory=RowNames)
    fingerprint: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        for name in ("features", "logits"):
            object.__setattr__(self, name, _checked_matrix(name, getattr(self, name)))
        if len(self.features) != len(self.logits):
            raise InputError(
                "Features and logits differ in their number of rows",
                expected="both of the same rows",
                received=f"{len(self.features)} and {len(self.logits)}",
            )

    def __len__(self) -> int:
        return len(self.features)


def features_of(model: Any, x: Any, batch_size: int = 256) -> Features:
    """Features and logits of rows, computed without randomness; the model is left unchanged.

    Args:
        model: A trained model that ends in a linear layer, followed by activations only.
        x: (N, …) rows as for `howsure.assess`; zero rows are allowed.
        batch_size: Rows that run together, ≥ 1.

    Raises:
        InputError: The rows or the batch size do not fit the model.
        ModelError: Not a model that howsure can read, or one that ends in something else.

    Example:
        >>> train, held_out = features_of(model, x_train), features_of(model, x_held_out)
        >>> known = howsure.familiarity(train, labels_train, held_out, score="mahalanobis")
        >>> strange = letters[known.unfamiliar(features_of(model, letters))]
        >>> print(len(strange), "of", len(letters))
        39 of 100
    """
    check_whole(batch_size, "batch_size", least=1)
    handle = resolve_model(model)
    loaded = handle.rows(x)
    reader, rows = handle.ready(loaded, FeatureModel, "howsure.features_of")
    features = read_features(reader, cast_rows(rows, reader.info.inputs), int(batch_size))
    return replace(features, called=row_names_of(loaded), fingerprint=fingerprint_of(reader))


def read_features(model: FeatureModel, rows: Sequence[Any], batch_size: int) -> Features:
    """Features and logits from an adapted model and rows in the types of its inputs.

    Args:
        model: A model that offers features.
        rows: Its inputs, each (N, …).
        batch_size: Rows that run together.
    """
    count, fixed = len(rows[0]), model.info.fixed_batch
    size, chunks = fixed or batch_size, []
    for start in range(0, max(1, count), size):
        positions = np.arange(start, min(start + size, count))
        width = fixed or min(size, 1 << (max(1, len(positions)) - 1).bit_length())
        last = positions[-1] if count else 0
        filled = np.concatenate([positions, np.full(width - len(positions), last)])
        inputs = [array[filled] for array in rows] if count else made_up_rows(model.info.inputs, rows, width)
        chunks.append([part[: len(positions)] for part in model.features(inputs)])
    features, logits = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
    for name, whole in (("features", features), ("logits", logits)):
        bad = np.flatnonzero(~np.isfinite(whole).all(axis=1))
        if len(bad):
            raise ModelError(
                f"The {name} of model '{model.info.name}' are NaN or infinite "
                + in_rows(len(bad), bad[:5].tolist()),
                hint="Check the model's weights and the range of these rows",
            )
    return Features(adopted(features), adopted(logits))


def _checked_matrix(name: str, values: ArrayLike) -> RawOutputs:
    array = as_array(values, f"The {name}")
    if array.ndim != 2 or array.shape[1] < 1 or array.dtype.kind not in "fiu":
        raise InputError(
            f"These {name} cannot be used",
            expected=f"numbers of shape (rows, {name})",
            received=f"{array.dtype} of shape {array.shape}",
        )
    with np.errstate(over="ignore"):  # becomes infinite, which is refused below
        own = own_copy(values, f"The {name}", np.float64 if array.dtype == np.float64 else np.float32)
    fits = np.isfinite(own) if own.dtype == np.float32 else np.abs(own) <= LARGEST
    bad = np.flatnonzero(~fits.all(axis=1))
    if len(bad):
        raise InputError(
            f"The {name} hold NaN, infinite or too large values {in_rows(len(bad), bad[:5].tolist())}",
            expected=f"finite numbers of at most {LARGEST:g}",
            hint="Mend or leave out those rows",
        )
    check_sizes(np.maximum(own.max(initial=0), -own.min(initial=0)), f"The {name}")
    return own
