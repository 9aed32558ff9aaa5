"""The Keras adapter, for the JAX, TensorFlow and PyTorch backends."""

from howsure.models.keras.files import load
from howsure.models.keras.inputs import check_model, input_specs
from howsure.models.keras.model import KerasModel, adapt, weights_of

__all__ = ["KerasModel", "adapt", "check_model", "input_specs", "load", "weights_of"]
