"""Means and variances in forms that Keras does not have, and against all thinned networks."""

from typing import NamedTuple

import numpy as np
import torch
from torch import nn

import howsure
from tests.tasks import mean_and_variance

x = np.random.default_rng(0).normal(size=(12, 4)).astype("float32")


class Both(NamedTuple):
    """Two outputs, the mean last."""

    log_var: torch.Tensor
    mu: torch.Tensor


class Heads(nn.Module):
    """A mean and a log variance, returned in some form."""

    def __init__(self, form):
        super().__init__()
        torch.manual_seed(0)
        self.hidden, self.drop, self.form = nn.Linear(4, 6), nn.Dropout(0.3), form
        self.one, self.other = nn.Linear(6, 2), nn.Linear(6, 2)

    def forward(self, x):
        hidden = self.drop(torch.relu(self.hidden(x)))
        return self.form(self.one(hidden), self.other(hidden))


FORMS = {
    "names of fields": lambda mean, variance: Both(variance, mean),
    "with an axis more": lambda mean, variance: (mean[..., None], variance[..., None]),
}


def test_two_outputs_are_as_one_with_both():
    method = howsure.MCDropout(passes=6)
    one = Heads(lambda mean, variance: torch.cat([mean, variance], 1)).eval()
    expected = howsure.assess(one, x, method=method, outputs="mean-log-variance")
    for name, form in FORMS.items():
        result = howsure.assess(Heads(form), x, method=method, outputs="mean-log-variance")
        for column in ("mean", "spread", "noise", "mc_error"):
            np.testing.assert_allclose(
                getattr(result, column), getattr(expected, column), rtol=1e-6, err_msg=name
            )
    flat = howsure.assess(
        Heads(lambda mean, variance: (mean[:, 0], variance[:, 0])),
        x,
        method=method,
        outputs="mean-log-variance",
    )
    np.testing.assert_allclose(flat.noise, expected.noise[:, :1], rtol=1e-6)


class Enumerated(nn.Module):
    """The network of `mean_and_variance`."""

    def __init__(self, weights):
        super().__init__()
        self.layers = nn.ModuleDict()
        for name, (kernel, bias) in weights.items():
            self.layers[name] = nn.Linear(*kernel.shape)
            self.layers[name].weight.data = torch.from_numpy(kernel.T.astype("float32"))
            self.layers[name].bias.data = torch.from_numpy(bias.astype("float32"))
        self.drop, self.drop2 = nn.Dropout(0.25), nn.Dropout(0.4)

    def forward(self, x):
        hidden = self.drop(torch.relu(self.layers["one"](x)))
        hidden = self.drop2(torch.relu(self.layers["two"](hidden)))
        return {"log_var": self.layers["log_variance"](hidden), "mean": self.layers["mean"](hidden)}


def test_every_thinned_network_is_enumerated(random):
    weights, rows = mean_and_variance.weights_of(random), mean_and_variance.rows_of(random)
    mean_and_variance.check_against_enumeration(Enumerated(weights).eval(), weights, rows)
