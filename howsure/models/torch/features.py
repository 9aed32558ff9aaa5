"""Features of a module: the input of its last linear layer, and that layer's output."""

from __future__ import annotations

from typing import Any

import torch

from howsure.errors import ModelError
from howsure.models.torch.draws import Draws
from howsure.models.torch.dry_run import middle
from howsure.models.torch.output_activation import LINEAR

Tensor = torch.Tensor


class Last(Draws):
    """A prediction that stores the input and the output of one linear operation.

    Args:
        place: Index among the linear operations, from 0.
        name: Name of the module, for messages.
        fixed: As in `Draws`.
    """

    def __init__(self, place: int | None, name: str, fixed: frozenset[bytes]) -> None:
        if place is None:
            raise ends_otherwise(name)
        super().__init__(middle, fixed)
        self._left, self._name = place, name
        self._found: tuple[Tensor, Tensor] | None = None

    @property
    def found(self) -> tuple[Tensor, Tensor]:
        """Features (n, F) and logits (n, K)."""
        if self._found is None:
            raise ends_otherwise(self._name)
        return self._found

    def ran(self, operation: Any, args: Any, kwargs: Any, outputs: Any) -> Any:
        """Store input and output of the operation."""
        name = operation._schema.name.removeprefix("aten::")
        if name in LINEAR:
            if self._left == 0:
                self._found = (args[1] if name == "addmm" else args[0], outputs)
            self._left -= 1
        return outputs


def ends_otherwise(name: str) -> ModelError:
    """The error for a module that does not end in a linear layer."""
    return ModelError(
        f"The features of module '{name}' cannot be read",
        expected="a module that ends in a linear layer, one number for each class, with nothing but a "
        "softmax or sigmoid after it",
        received="one that ends otherwise",
        hint="Make `howsure.Features` of what its last layer gets and puts out",
    )
