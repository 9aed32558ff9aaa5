"""One of several outputs of a module, by name or place, is as a module that has no other."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

import howsure

x = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)


class Both(NamedTuple):
    """Two outputs with names."""

    price: torch.Tensor
    kind: torch.Tensor


class Heads(nn.Module):
    """A network with two heads that returns them in some form."""

    def __init__(self, form):
        super().__init__()
        torch.manual_seed(0)
        self.hidden, self.drop = nn.Linear(4, 16), nn.Dropout(0.5)
        self.price, self.kind = nn.Linear(16, 1), nn.Linear(16, 3)
        self.form = form

    def forward(self, x):
        hidden = self.drop(torch.relu(self.hidden(x)))
        return self.form(self.price(hidden), self.kind(hidden).softmax(-1))


FORMS = {
    "tuple": (lambda price, kind: (price, kind), [1]),
    "dict": (lambda price, kind: {"price": price, "kind": kind}, [1, "kind"]),
    "named": (Both, [1, "kind"]),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("method", [None, howsure.Softmax()])
def test_it_is_as_if_there_were_no_other(form, method):
    wanted = howsure.assess(Heads(lambda price, kind: kind).eval(), x, method=method)
    made, outputs = FORMS[form]
    for output in outputs:
        found = howsure.assess(Heads(made).eval(), x, method=method, output=output)
        np.testing.assert_allclose(found.probabilities, wanted.probabilities, atol=1e-6)
    for wrong in ("x", 2):
        with pytest.raises(howsure.InputError, match="Model 'Heads' has no output"):
            howsure.assess(Heads(made).eval(), x, method=method, output=wrong)
    with pytest.raises(howsure.ModelError, match="output=0"):
        howsure.assess(Heads(made).eval(), x, method=method)
