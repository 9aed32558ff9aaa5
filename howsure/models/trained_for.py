"""Whether a model was trained for what its outputs are read as; where not, that is refused or said aloud."""

from __future__ import annotations

import warnings

from howsure.errors import HowsureWarning, ModelError
from howsure.models import StochasticModel
from howsure.outcomes.outputs import LOGITS, PROBABILITIES

__all__ = [
    "CLASSES",
    "LOGITS",
    "MARGINS",
    "PROBABILITIES",
    "REGRESSION",
    "SEVERAL_LABELS",
    "check_trained_for",
]

REGRESSION = "regression"
SEVERAL_LABELS = "several labels"
MARGINS = "margins"
CLASSES = "classes"
"""What `StochasticModel.trained_for` may say, beside `logits` and `probabilities` of classes."""

_SAY_SO = "If it puts out logits of classes, say so: outputs='logits' (on the command line: --outputs logits)"


def check_trained_for(adapter: StochasticModel, kind: str) -> None:
    """Hold what the last layer is read as, where nobody has declared it, against what the loss says.

    Args:
        adapter: The model.
        kind: `logits` or `probabilities`, as `read_outputs` read it.

    Raises:
        ModelError: Trained for regression, or for several labels per row.
    """
    told, model, one = adapter.trained_for, f"Model '{adapter.name}'", adapter.output_shape == (1,)
    if kind == LOGITS and told == REGRESSION:
        raise ModelError(
            f"{model} was trained for regression, not to tell classes apart",
            expected="a model with a softmax, sigmoid or logits output",
            mend=f"Regression is not supported yet. {_SAY_SO}",
        )
    if kind == LOGITS and told == SEVERAL_LABELS:
        raise ModelError(
            f"{model} was trained by binary cross-entropy, so each of its outputs is a yes or no of its own",
            expected="one class per row, by a loss such as categorical cross-entropy",
            received=f"{adapter.output_shape[-1]} linear outputs",
            mend=f"Several labels per row are not supported. {_SAY_SO}",
        )
    if kind == LOGITS and told == MARGINS:
        _say(
            f"{model} was trained by a hinge loss, so its outputs are margins. They are read as logits all "
            "the same: their order means something, the percentages do not."
        )
    elif kind == LOGITS and told == PROBABILITIES:
        _say(
            f"{model} ends in linear outputs, which are read as logits, but its loss took them for "
            "probabilities (from_logits=False). Unless it was trained otherwise, its percentages mean "
            f"nothing: train it with from_logits=True. {_SAY_SO}."
        )
    elif kind == LOGITS and one and told is None:
        _say(
            f"The one linear output of model '{adapter.name}' is read as the logit of the second of two "
            f"classes. {_SAY_SO}; if it is a regression, these numbers mean nothing."
        )
    elif kind == PROBABILITIES and told == LOGITS:
        _say(
            f"{model} ends in a {'sigmoid' if one else 'softmax'}, but its loss took its outputs for logits "
            "(from_logits=True). Unless Keras noticed that in training, as it may on TensorFlow, the "
            "percentages are not those that were trained. outputs='logits' reads the outputs as the loss "
            "did, outputs='probabilities' as they are, without this warning."
        )


def _say(sentence: str) -> None:
    warnings.warn(HowsureWarning(sentence), stacklevel=5)
