"""Regressions in PyTorch, which keeps no loss: what is declared, and means and variances of any form."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

import howsure
from tests.answers import mean_and_variance

x = np.random.default_rng(0).normal(size=(12, 4)).astype("float32")
PLAIN = howsure.Softmax()


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
    "tuple": lambda mean, variance: (mean, variance),
    "list": lambda mean, variance: [mean, variance],
    "names in a dict": lambda mean, variance: {"log_variance": variance, "mean": mean},
    "names of fields": lambda mean, variance: Both(variance, mean),
    "with an axis more": lambda mean, variance: (mean[..., None], variance[..., None]),
}


def test_two_outputs_are_as_one_with_both():
    method = howsure.MCDropout(passes=6)
    one = Heads(lambda mean, variance: torch.cat([mean, variance], 1)).eval()
    wanted = howsure.assess(one, x, method=method, outputs="mean-log-variance")
    for name, form in FORMS.items():
        module = Heads(form).train()
        before = {key: value.clone() for key, value in module.state_dict().items()}
        found = howsure.assess(module, x, method=method, outputs="mean-log-variance")
        for column in ("mean", "spread", "noise", "mc_error"):
            np.testing.assert_allclose(
                getattr(found, column), getattr(wanted, column), rtol=1e-6, err_msg=name
            )
        assert module.training
        assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    flat = howsure.assess(
        Heads(lambda mean, variance: (mean[:, 0], variance[:, 0])),
        x,
        method=method,
        outputs="mean-log-variance",
    )
    np.testing.assert_allclose(flat.noise, wanted.noise[:, :1], rtol=1e-6)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (lambda mean, variance: {"a": mean, "b": variance}, "Nothing says which output"),
        (lambda mean, variance: {"mean": mean, "std": variance}, "is a standard deviation, not a variance"),
        (lambda mean, variance: (mean, variance[:, :1]), r"of the shapes \(rows, 2\), \(rows, 1\)"),
        (lambda mean, variance: (mean, variance, mean), "3 outputs of the shapes"),
    ],
)
def test_two_outputs_that_are_no_mean_and_variance(form, said):
    with pytest.raises(howsure.ModelError, match=said):
        howsure.assess(Heads(form), x, method=PLAIN, outputs="mean-log-variance")


def test_names_that_say_logarithms_are_not_read_as_variances():
    with pytest.raises(howsure.ModelError, match=r"logarithm of a variance.*outputs='mean-log-variance'"):
        howsure.assess(Heads(FORMS["names of fields"]), x, method=PLAIN, outputs="mean-variance")


def test_one_word_says_that_outputs_are_numbers():
    ends = {
        "one": (nn.Linear(6, 1), ("value",)),
        "no axis": (nn.Sequential(nn.Linear(6, 1), nn.Flatten(0)), ("value",)),
        "three": (nn.Linear(6, 3), ("0", "1", "2")),
        "a series": (nn.Sequential(nn.Linear(6, 3), nn.Unflatten(1, (3, 1))), ("0", "1", "2")),
        "two axes": (nn.Sequential(nn.Linear(6, 4), nn.Unflatten(1, (2, 2))), ("0_0", "0_1", "1_0", "1_1")),
    }
    for name, (end, names) in ends.items():
        module = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Dropout(0.3), end).eval()
        result = howsure.assess(module, x, method=PLAIN, outputs="values")
        assert result.target_names == names, name
        with torch.no_grad():
            numbers = module(torch.from_numpy(x)).numpy().reshape(len(x), -1)
        np.testing.assert_allclose(result.mean, numbers, rtol=1e-6)
        assert howsure.assess(module, x, outputs="values").spread.max() > 0


def test_messages_name_the_words():
    module = nn.Sequential(nn.Linear(4, 6), nn.Dropout(0.3), nn.Linear(6, 1))
    with pytest.raises(howsure.ModelError, match=r"outputs='values'.*outputs='mean-log-variance'"):
        howsure.assess(module, x)
    with pytest.raises(
        howsure.InputError, match=r"'values', 'mean-variance' or 'mean-log-variance' for numbers"
    ):
        howsure.assess(module, x, outputs="numbers")


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
