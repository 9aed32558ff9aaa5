"""Networks with a class at each position: the axis of their classes, what they end in, and their passes."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import howsure
from howsure.adapters.torch.split import SplitModel, adapt
from howsure.sampling.masks import draw
from tests.torch.modules import Layer

K = 3
IMAGES = np.random.default_rng(0).normal(size=(3, 2, 6, 4)).astype(np.float32)
WORDS = np.random.default_rng(0).integers(0, 9, (3, 5))


def network(end, classes=K):
    """Dropout at the bottom, a last convolution, and an end."""
    layers = nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Dropout2d(0.4), nn.Conv2d(4, classes, 1)
    return nn.Sequential(*layers, Layer(lambda _, y: end(y)))


def tagger(*end):
    """Words to a class each."""
    return nn.Sequential(nn.Embedding(9, 4), nn.Dropout(0.4), nn.Linear(4, K), *end)


def info(module, rows=IMAGES):
    return adapt(module.eval(), rows, gaussian_noise=False)[0].info


def _last(y):
    return y.permute(0, 2, 3, 1)


def _mixed(y):
    return torch.einsum("nkhw,nqhw->nkq", y, y).softmax(1)


@pytest.mark.parametrize(
    ("end", "ending", "axis"),
    [
        (nn.Identity(), "linear", 0),
        (lambda y: F.interpolate(y, scale_factor=2, mode="bilinear") / 2, "linear", 0),
        (lambda y: F.interpolate(y, size=(7, 5), mode="bicubic"), "linear", 0),
        (lambda y: y[..., 1:, :-1].softmax(1), "softmax", 0),
        (lambda y: y.softmax(3), "softmax over another axis", 0),
        (lambda y: y.softmax(-2), "softmax over another axis", 0),
        (_last, "linear", -1),
        (lambda y: _last(y).log_softmax(-1), "log_softmax", -1),
        (lambda y: _last(y.softmax(1)), "softmax", -1),
        (lambda y: _last(y).softmax(1), "softmax over another axis", -1),
        (lambda y: y.flatten(2).softmax(1), "softmax", 0),
        (lambda y: y.movedim(1, 2).sigmoid(), "sigmoid", 1),
        (lambda y: y.relu_(), "relu", 0),
        (lambda y: y.flatten(1, 2), "linear", None),
        (lambda y: torch.cat([y, -y], 1), "linear", None),
        (_mixed, "softmax", 0),
    ],
)
def test_classes_lie_where_the_channels_of_the_last_layer_come_to_lie(end, ending, axis):
    model_info = info(network(end))
    assert (model_info.ending, model_info.class_axis) == (ending, axis)


def test_one_channel_is_an_axis_of_its_own():
    assert info(network(torch.sigmoid, 1)).class_axis == 0
    assert info(network(lambda y: _last(torch.sigmoid(y)), 1)).class_axis == -1
    assert info(network(lambda y: torch.sigmoid(y[:, 0]), 1)).class_axis is None


def test_the_units_of_a_linear_layer_come_last():
    assert (info(tagger(), WORDS).ending, info(tagger(), WORDS).class_axis) == ("linear", -1)
    assert info(tagger(nn.Softmax(-1)), WORDS).ending == "softmax"
    assert info(tagger(nn.Softmax(1)), WORDS).ending == "softmax over another axis"
    assert info(tagger(Layer(lambda _, y: y.transpose(1, 2))), WORDS).class_axis == 0


def test_what_is_called_out_is_the_output_beside_auxiliary_ones():
    module = network(lambda y: {"out": y, "aux": -y, "aux2": 2 * y}).eval()
    alone = network(lambda y: y).eval()
    alone.load_state_dict(module.state_dict())
    result, expected = (howsure.predict_with_uncertainty(module, IMAGES, 4) for module in (module, alone))
    np.testing.assert_array_equal(result, expected)
    named = adapt(module, IMAGES, gaussian_noise=False, output="aux")[0]
    np.testing.assert_allclose(named.predict([IMAGES]), -alone(torch.from_numpy(IMAGES)).detach(), atol=1e-6)
    with pytest.raises(howsure.ModelError, match="Received: dict with out, features"):
        info(network(lambda y: {"out": y, "features": y}))


def test_instance_norms_with_weights_run_level_by_level():
    norm = nn.InstanceNorm2d(4, affine=True)
    nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
    module = nn.Sequential(
        nn.Conv2d(2, 4, 3),
        norm,
        nn.Dropout2d(0.4),
        nn.Conv2d(4, 4, 1),
        norm,
        nn.Dropout(0.3),
        nn.Conv2d(4, K, 1),
    ).eval()
    model, rows = adapt(module, IMAGES, gaussian_noise=False)
    assert isinstance(model, SplitModel)
    first, second = (op for level in model.levels for op in level.random_ops)
    masks = [draw(first, seed=0, group=0, size=2), draw(second, seed=0, group=0, size=4)]
    result = model.thin(masks)(model.trunk(rows))
    for number, passed in enumerate(result):
        with torch.no_grad():
            y = module[1](module[0](torch.from_numpy(IMAGES)))
            y = module[4](module[3](y * torch.from_numpy(masks[0][number // 2]) / 0.6))
            y = module[6](y * torch.from_numpy(masks[1][number]) / 0.7)
        np.testing.assert_allclose(passed, y, rtol=1e-4, atol=1e-5)


def reshaped():
    """A network of which nothing says where the classes lie."""
    layers = nn.Flatten(), nn.Dropout(0.5), nn.Linear(21, 28)
    return nn.Sequential(*layers, Layer(lambda _, y: y.reshape(-1, 7, 4))).eval()


def one_map(axes, squeezed, *end):
    """A yes or no at each position, whose axis of classes is squeezed away, or not."""
    conv, drop = {2: (nn.Conv2d, nn.Dropout2d), 3: (nn.Conv3d, nn.Dropout3d)}[axes]
    more = [Layer(lambda _, y: y.squeeze(1))] if squeezed else []
    return nn.Sequential(conv(3, 8, 1), drop(0.5), conv(8, 1, 1), *end, *more).eval()


@pytest.mark.parametrize("positions", [(7, 5), (4, 7, 5)])
def test_numbers_of_positions_without_an_axis_of_classes_are_no_classes(positions):
    x = np.random.default_rng(0).normal(size=(4, 3, *positions)).astype("float32")
    for end, settings in (((), {"outputs": "logits"}), ((nn.Sigmoid(),), {})):
        squeezed = one_map(len(positions), True, *end)
        for more in ({}, {"class_names": ["no", "yes"]}):
            with pytest.raises(howsure.ModelError, match=r"has no axis of classes.*output\.unsqueeze\(1\)"):
                howsure.assess(squeezed, x, **settings, **more)
        result = howsure.assess(one_map(len(positions), False, *end), x, **settings)
        assert (result.label.shape, len(result.class_names)) == ((4, *positions), 2)
    names = [f"class {number}" for number in range(positions[0])]
    for wrong in ({"class_axis": 1}, {"class_names": names}):  # someone who knows better
        read = howsure.assess(one_map(len(positions), True), x, outputs="logits", **wrong)
        assert read.label.shape == (4, *positions[1:])


def test_a_plan_and_an_audit_take_the_axis_as_an_assessment_does():
    torch.manual_seed(0)
    model, x = reshaped(), np.random.default_rng(0).normal(size=(5, 7, 3)).astype("float32")
    with pytest.raises(howsure.ModelError, match="does not say which of its two axes"):
        howsure.plan(model, x, outputs="logits")
    text = str(howsure.audit(model, x, outputs="logits"))
    assert "Before you assess it, say what it puts out: " in text
    assert "class_axis=2 reads 4 classes at 7 positions" in text
    assert howsure.plan(model, x, outputs="logits", class_axis=2) == howsure.Plan()
    for axis, classes in ((1, 7), (2, 4), (-1, 4)):
        read = f"Its output (rows, 7, 4) is read as {classes} classes at each position, on axis {axis % 3}."
        assert read in str(howsure.audit(model, x, outputs="logits", class_axis=axis))
        result = howsure.assess(
            model,
            x,
            outputs="logits",
            class_axis=axis,
            method=howsure.MCDropout(plan=howsure.Plan()),
        )
        assert len(result.class_names) == classes
    for function in (howsure.plan, howsure.audit):
        with pytest.raises(howsure.InputError, match="has no such `class_axis`"):
            function(model, x, outputs="logits", class_axis=3)
        rows = x[:, 0]
        with pytest.raises(howsure.InputError, match="`class_axis` has no effect on one class per row"):
            function(
                nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 4)).eval(), rows, outputs="logits", class_axis=1
            )
