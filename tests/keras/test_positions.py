"""A class at each position, of Keras models, against all thinned networks."""

import keras
import numpy as np
import pytest
from keras import layers

import howsure
from tests import dense


def u_net():
    x = layers.Input((dense.SIDE, dense.SIDE, dense.CHANNELS))
    skip = layers.Conv2D(4, 1, activation="relu", name="skip")(x)
    bottom = layers.Conv2D(2, 1, activation="relu", name="bottom")(layers.AveragePooling2D(2)(skip))
    bottom = layers.UpSampling2D(2)(layers.Dropout(dense.RATES[0])(bottom))
    mixed = layers.Conv2D(3, 1, activation="relu", name="mixed")(layers.Concatenate()([skip, bottom]))
    late = layers.SpatialDropout2D(dense.RATES[1])(mixed)
    model = keras.Model(x, layers.Conv2D(3, 1, activation="softmax", name="logits")(late))
    for name, (kernel, bias) in dense.weights().items():
        model.get_layer(name).set_weights([kernel[None, None], bias])
    return model


def test_every_field_is_that_of_all_thinned_networks():
    model = u_net()
    method = howsure.MCDropout(passes=40)
    dense.check(
        [
            howsure.assess(model, dense.rows(), method=method, seed=seed, keep="probabilities")
            for seed in range(8)
        ]
    )
    dense.quantiles_hold(howsure.assess(model, dense.rows(), method=howsure.MCDropout(passes=200)))


def convolved():
    """Images, and a network up to its last layer."""
    inputs = layers.Input((6, 5, 2))
    hidden = layers.SpatialDropout2D(0.5)(layers.Conv2D(8, 3, padding="same", activation="relu")(inputs))
    return np.random.default_rng(0).normal(size=(4, 6, 5, 2)).astype("float32"), inputs, hidden


def test_one_of_several_labels_is_that_of_a_model_with_this_label_alone():
    x, inputs, hidden = convolved()
    last, one = (layers.Conv2D(filters, 1, activation="sigmoid") for filters in (3, 1))
    model, alone = keras.Model(inputs, last(hidden)), keras.Model(inputs, one(hidden))
    one.set_weights([weights[..., 1:2] for weights in last.get_weights()])
    offered = keras.Model(model.inputs, model.outputs[0][..., 1:2])
    wishes = {"method": howsure.MCDropout(passes=20), "outputs": "label-probabilities"}
    chosen, expected = (howsure.assess(network, x, **wishes) for network in (offered, alone))
    np.testing.assert_array_equal(chosen.label, expected.label)
    np.testing.assert_allclose(chosen.probability, expected.probability, atol=1e-5)


def test_a_map_without_an_axis_of_classes_is_refused():
    x, inputs, hidden = convolved()
    last = layers.Conv2D(1, 1)(hidden)
    squeezed = keras.Model(inputs, layers.Reshape((6, 5))(last))
    with pytest.raises(howsure.ModelError, match=r"has no axis of classes.*expand_dims\(output, -1\)"):
        howsure.assess(squeezed, x, outputs="logits")
    result = howsure.assess(keras.Model(inputs, last), x, outputs="logits")
    assert (result.label.shape, len(result.class_names)) == ((4, 6, 5), 2)


@pytest.mark.parametrize("tokens", [True, False])
def test_a_number_for_each_step_is_no_class_also_where_the_steps_are_fixed(tokens):
    x = keras.Input((12,))
    steps = layers.Embedding(50, 8)(x) if tokens else layers.Conv1D(8, 3)(layers.Reshape((12, 1))(x))
    ending = layers.Dense(1)(layers.Dropout(0.3)(layers.ZeroPadding1D(0 if tokens else 1)(steps)))
    random = np.random.default_rng(0)
    rows = random.integers(0, 50, (6, 12)) if tokens else random.normal(size=(6, 12)).astype(np.float32)
    settings = dict(outputs="logits", method=howsure.MCDropout(passes=4))
    flat = keras.Model(x, layers.Reshape((12,))(ending))
    with pytest.raises(howsure.ModelError, match="for each step of a row") as refused:
        howsure.assess(flat, rows, **settings)
    assert "keras.ops.expand_dims(output, -1) in Keras" in refused.value.hint
    assert howsure.assess(keras.Model(x, ending), rows, **settings).label.shape == (6, 12)
    names = [f"step {at}" for at in range(12)]
    assert howsure.assess(flat, rows, class_names=names, **settings).class_names == tuple(names)
