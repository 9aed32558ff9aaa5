"""Convolutions on PyTorch, beside what Keras makes of the same layers."""

import keras
import numpy as np
import pytest
from keras import layers

import howsure
from howsure.adapters.keras.fast import without_copies

pytestmark = pytest.mark.skipif(keras.backend.backend() != "torch", reason="only PyTorch makes these copies")

X = np.random.default_rng(0).normal(size=(3, 9, 8, 4)).astype("float32")

TAKEN = {
    "plain": {},
    "activation, no bias": {"activation": "relu", "use_bias": False},
    "same": {"padding": "same"},
    "same, dilated": {"padding": "same", "dilation_rate": 2},
    "strides": {"strides": (2, 1)},
    "groups": {"groups": 2},
    "bfloat16": {"dtype": "mixed_bfloat16"},
}
LEFT = {
    "same, strides": {"padding": "same", "strides": 2},
    "same, even kernel": {"padding": "same", "kernel_size": (3, 4)},
    "first": {"data_format": "channels_first"},
}


def layer_with(settings):
    keras.utils.set_random_seed(1)
    layer = layers.Conv2D(**{"filters": 6, "kernel_size": 3, "bias_initializer": "normal", **settings})
    layer.build(X.shape)
    return layer


def copies_of_the_input(call):
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], record_shapes=True, acc_events=True) as seen:
        result = call()
    copied = [sorted(event.input_shapes[0]) for event in seen.events() if event.name == "aten::copy_"]
    return result, copied.count(sorted(X.shape))


@pytest.mark.parametrize("name", TAKEN)
def test_the_same_numbers_without_copies(name):
    layer = layer_with(TAKEN[name])
    x = keras.ops.cast(X, layer.compute_dtype)
    expected = layer(x)
    with without_copies(layer):
        outputs, copies = copies_of_the_input(lambda: layer(x))
    assert "convolution_op" not in vars(layer)
    assert outputs.dtype == expected.dtype
    outputs, expected = (
        keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32")) for tensor in (outputs, expected)
    )
    np.testing.assert_allclose(outputs, expected, rtol=1e-2 if name == "bfloat16" else 1e-5, atol=1e-5)
    assert outputs.shape == expected.shape
    assert copies == 0


@pytest.mark.parametrize("name", LEFT)
def test_others_are_left_alone(name):
    layer = layer_with(LEFT[name])
    with without_copies(layer):
        assert "convolution_op" not in vars(layer)


def test_a_convolution_of_the_users_own_is_left_alone():
    class Doubled(layers.Conv2D):
        def convolution_op(self, inputs, kernel):
            return 2 * super().convolution_op(inputs, kernel)

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(X.shape[1:]), Doubled(3, 3), layers.Flatten(), layers.Dense(2)])
    probabilities = howsure.assess(model, X, method=howsure.Softmax(), outputs="logits").probabilities
    logits = keras.ops.convert_to_numpy(model.predict(X, verbose=0))
    np.testing.assert_allclose(
        probabilities, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), atol=1e-5
    )


def test_a_layer_is_as_it_was_after_an_error():
    layer = layer_with({})
    with pytest.raises(ValueError, match="incompatible with the layer"), without_copies(layer):
        layer(X[..., :3])
    assert "convolution_op" not in vars(layer)
