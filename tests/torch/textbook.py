"""What everybody writes: the oracle for passes."""

import numpy as np
import torch
from torch import nn

import howsure
from tests.torch.modules import CLASSES

COPIES = 4000
MOST = 4.5
"""Standard errors; of 9 x 3 x 3 numbers that are compared, 6e-4 are expected beyond."""


def textbook(module, x):
    """Mean and standard error over copies of rows in training, norms frozen, in plain PyTorch."""
    for layer in module.modules():
        layer.training = not isinstance(layer, nn.modules.batchnorm._NormBase)

    def many(array):
        return torch.from_numpy(np.repeat(array, COPIES, axis=0))

    with torch.no_grad():
        outputs = module(**{k: many(v) for k, v in x.items()}) if isinstance(x, dict) else module(many(x))
    logits = (outputs["logits"] if isinstance(outputs, dict) else outputs).double()
    passes = (
        (logits if _are_probabilities(logits) else logits.softmax(1)).reshape(-1, COPIES, CLASSES).numpy()
    )
    module.eval()
    return passes.mean(1), passes.std(1) / np.sqrt(COPIES)


def _are_probabilities(outputs):
    return bool(((outputs.sum(1) - 1).abs() < 1e-5).all())


def outputs_of(module, x):
    """What a module puts out for rows, as `outputs` takes it."""
    rows = {k: torch.from_numpy(v) for k, v in x.items()} if isinstance(x, dict) else torch.from_numpy(x)
    with torch.no_grad():
        outputs = module(**rows) if isinstance(rows, dict) else module(rows)
    outputs = outputs["logits"] if isinstance(outputs, dict) else outputs
    return "probabilities" if _are_probabilities(outputs) else "logits"


def assert_as_textbook(module, x, oracle=None):
    method = howsure.MCDropout(passes=400)
    certainty = howsure.assess(module, x, method=method, outputs=outputs_of(module.eval(), x))
    mean, error = textbook(oracle or module, x)
    off = np.abs(certainty.probabilities - mean) / np.hypot(error, certainty.mc_error)
    assert off.max() < MOST
    assert error.max() * np.sqrt(COPIES) > 0.005, "passes hardly differ, so nothing is tested"
