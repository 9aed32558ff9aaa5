"""What is said of modules is true of them, and speaks of PyTorch."""

import numpy as np
import pytest
import torch
from torch import nn

import howsure

torch_rows = np.random.default_rng(7).normal(size=(6, 5)).astype(np.float32)


class Gumbel(nn.Module):
    """Random in training, though not by masks."""

    def __init__(self):
        super().__init__()
        self.hidden, self.last = nn.Linear(5, 4), nn.Linear(4, 3)

    def forward(self, x):
        hidden = self.hidden(x)
        return self.last(nn.functional.gumbel_softmax(hidden, hard=True) if self.training else hidden)


class Masked(nn.Module):
    """Its third class is impossible."""

    def __init__(self, value):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3))
        self.value = value

    def forward(self, x):
        return self.layers(x).masked_fill(torch.tensor([False, False, True]), self.value)


def test_what_is_random_otherwise_is_not_said_to_be_always_the_same():
    module = Gumbel().eval()
    with pytest.raises(
        howsure.ModelError, match="is random in training, but no pass can be: 'Gumbel'"
    ) as caught:
        howsure.assess(module, torch_rows)
    assert "would be the same" not in str(caught.value)
    assert "Nothing in this model is random" not in str(howsure.audit(module, torch_rows))
    plain = howsure.assess(module, torch_rows, method=howsure.Softmax())  # the step that is offered
    assert len(plain) == len(torch_rows)


@pytest.mark.parametrize("method", [howsure.MCDropout(passes=8), howsure.Softmax()])
def test_classes_masked_with_minus_infinity_are_impossible(method):
    found = []
    for value in (float("-inf"), -1e9):
        torch.manual_seed(7)
        found.append(howsure.assess(Masked(value).eval(), torch_rows, method=method))
    assert (found[0].probabilities[:, 2] == 0).all()
    np.testing.assert_allclose(found[0].probabilities, found[1].probabilities, atol=1e-12)
    np.testing.assert_allclose(found[0].entropy, found[1].entropy, atol=1e-12)


def test_a_module_is_not_to_be_compiled_with_a_loss():
    module = nn.Sequential(nn.Linear(5, 4), nn.Dropout(), nn.Linear(4, 1)).eval()
    with pytest.raises(howsure.ModelError, match="what it was trained for is not known") as caught:
        howsure.assess(module, torch_rows)
    assert "compile" not in str(caught.value)
    assert howsure.assess(module, torch_rows, outputs="logits").probabilities.shape == (6, 2)
