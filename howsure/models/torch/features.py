"""Features of a module: the input of its last linear layer, and the logits that it makes of that."""

from __future__ import annotations

from typing import Any

import torch

from howsure.errors import ModelError
from howsure.models.torch.draws import Draws
from howsure.models.torch.dry_run import middle
from howsure.models.torch.output_activation import LINEAR, RESCALING, LastLayer

Tensor = torch.Tensor


class Last(Draws):
    """A prediction that stores the input of its last linear layer, and the logits.

    Args:
        place: The place of this layer in the run.
        name: Name of the module, for messages.
        fixed: As in `Draws`.
    """

    def __init__(self, place: LastLayer | None, name: str, fixed: frozenset[bytes]) -> None:
        if place is None:
            raise ends_otherwise(name)
        super().__init__(middle, fixed)
        self._place, self._name, self._linears, self._since = place, name, 0, 0
        self._found: list[Tensor] = []

    @property
    def found(self) -> tuple[Tensor, Tensor]:
        """Features (n, F) and logits (n, K)."""
        if len(self._found) < 2:
            raise ends_otherwise(self._name)
        features, logits = self._found
        return features, logits

    def ran(self, operation: Any, args: Any, kwargs: Any, outputs: Any) -> Any:
        """Store the input of the layer, and the logits."""
        name = operation._schema.name.removeprefix("aten::").removesuffix("_")
        if name in LINEAR:
            if self._linears == self._place.product:
                self._found.append(args[1] if name == "addmm" else args[0])
            self._linears += 1
        if self._found and name in (*LINEAR, *RESCALING):
            if self._since == self._place.logits:
                self._found.append(outputs)
            self._since += 1
        return outputs


def ends_otherwise(name: str) -> ModelError:
    """The error for a module that does not end in a linear layer."""
    return ModelError(
        f"The features of module '{name}' cannot be read",
        expected="a module that ends in a linear layer, one number for each class, with nothing but a "
        "temperature and a softmax or sigmoid after it",
        received="one that ends otherwise",
        hint="Make `howsure.Features` of what its last layer gets and puts out",
    )
