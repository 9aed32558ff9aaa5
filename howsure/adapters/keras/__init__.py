"""The Keras adapter, for the JAX, TensorFlow and PyTorch backends."""

from howsure.adapters.keras.files import load
from howsure.adapters.keras.inputs import check_model, input_specs
from howsure.adapters.keras.model import KerasModel, adapt, weights_of

__all__ = ["KerasModel", "adapt", "check_model", "input_specs", "load", "weights_of"]
