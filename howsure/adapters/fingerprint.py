"""The fingerprint of a model: by it, what was fitted to one model is not taken for another one's.

It is a SHA-256 of the types, shapes and numbers of all weights, in order, so any step of training changes
it. It depends on no rows, batch size, device or session. A model that is saved and loaded keeps it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

from howsure.adapters.protocol import Array, Level, Model, WeightedModel
from howsure.errors import InputError

COLUMNS = 4093
"""Columns in which the words of 8 bytes of a large array are added up. It is a prime, so rows of weights do
not lie below one another, and their order counts as well."""

LARGE = 1 << 20
"""Bytes from which on an array is added up first, which is 3 to 10 times as fast as SHA-256."""

SHOWN = 16
"""Digits of a fingerprint that a message shows."""


MODEL = "model"
"""The entry of the settings of a result with the first digits of the fingerprint of its model."""


def fingerprint_of(model: Model) -> str:
    """The fingerprint of an adapted model, 64 digits; empty if its adapter shows no weights."""
    return digest(model.weights()) if isinstance(model, WeightedModel) else ""


def same_weights(one: Model, other: Model) -> bool:
    """Whether two adapted models have the same weights; False where an adapter shows none.

    Networks from different seeds differ in their first weights, so hardly any are compared.
    """
    if not (isinstance(one, WeightedModel) and isinstance(other, WeightedModel)):
        return False
    first, second = iter(one.weights()), iter(other.weights())
    count = 0
    for array in first:
        beside = next(second, None)
        if beside is None or not np.array_equal(array, beside):
            return False
        count += 1
    return count > 0 and next(second, None) is None


def digest(weights: Iterable[Array]) -> str:
    """The SHA-256 of arrays, 64 digits; empty for none."""
    sha256, count = hashlib.sha256(), 0
    for count, array in enumerate(weights, start=1):  # noqa: B007 (used after the loop)
        sha256.update(f"{array.dtype} {array.shape}\n".encode())
        content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        if len(content) >= LARGE:  # one other number changes one of the sums
            words, content = np.split(content, [len(content) // (8 * COLUMNS) * 8 * COLUMNS])
            sha256.update(words.view(np.uint64).reshape(-1, COLUMNS).sum(axis=0).data)
        sha256.update(content.data)
    return sha256.hexdigest() if count else ""


def check_fingerprint(what: str, expected: str, received: str, hint: str) -> None:
    """Raise an `InputError` if two fingerprints are known and differ.

    Args:
        what: Owner of the known one, at the beginning of a sentence: `The plan was made for`.
        expected: The fingerprint of the model that it belongs to; empty if it was not kept.
        received: That of the model in use; empty if it is not known.
        hint: How to make another one.
    """
    if expected and received and expected != received:
        raise InputError(
            f"{what} another model, or this one before it was trained further",
            expected=f"the model whose weights have the SHA-256 {expected[:SHOWN]}…",
            received=f"one whose weights have {received[:SHOWN]}…",
            hint=hint,
        )


def described(levels: Sequence[Level]) -> tuple[str, ...]:
    """The random calls of a model in words, without their names, which may change from run to run."""
    return tuple(
        f"{op.in_words} of {' × '.join(map(str, op.shape))} at level {number}"
        for number, level in enumerate(levels)
        for op in level.random_ops
    )
