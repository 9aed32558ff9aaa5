"""What everybody writes: the oracle for passes."""

import numpy as np
import torch
from torch import nn

import howsure
from tests.torch.modules import own_outputs

COPIES = 4000
MOST = 4.5
"""Standard errors; of 9 x 3 x 3 numbers that are compared, 6e-4 are expected beyond."""


def textbook(module, x, at_once):
    """Mean and standard error over copies of rows in training, norms frozen, in plain PyTorch."""
    for layer in module.modules():
        layer.training = not isinstance(layer, nn.modules.batchnorm._NormBase)

    def many(array):
        return torch.from_numpy(np.repeat(array, COPIES, axis=0))

    with torch.no_grad():
        if isinstance(x, dict):
            outputs = module(**{name: many(array) for name, array in x.items()})["logits"]
        elif at_once:
            outputs = module(many(x))
        else:
            outputs = torch.stack([module(torch.from_numpy(x)) for _ in range(COPIES)], 1).flatten(0, 1)
    outputs = outputs.double()
    outputs = outputs if _are_probabilities(outputs) else outputs.softmax(1)
    passes = outputs.reshape(-1, COPIES, outputs.shape[1]).numpy()
    module.eval()
    return passes.mean(1), passes.std(1) / np.sqrt(COPIES)


def _are_probabilities(outputs):
    return bool(((outputs.sum(1) - 1).abs() < 1e-5).all())


def outputs_of(module, x):
    """What a module puts out for rows, as `outputs` takes it."""
    outputs = own_outputs(module, x)
    outputs = outputs["logits"] if isinstance(outputs, dict) else outputs
    return "probabilities" if _are_probabilities(outputs) else "logits"


def assert_as_textbook(module, x, oracle=None, at_once=True, gaussian_noise=False):
    """`at_once` says whether copies of a row in one call are passes, as where each row has its own mask."""
    method = howsure.MCDropout(passes=400, gaussian_noise=gaussian_noise)
    certainty = howsure.assess(module, x, method=method, outputs=outputs_of(module.eval(), x))
    mean, error = textbook(oracle or module, x, at_once)
    off = np.abs(certainty.probabilities - mean) / np.hypot(error, certainty.mc_error)
    assert off.max() < MOST
    assert error.max() * np.sqrt(COPIES) > 0.005, "passes hardly differ, so nothing is tested"
