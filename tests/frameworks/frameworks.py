"""The same small networks as models of Keras and as modules of PyTorch, with the same weights."""

import copy
import io

import keras
import numpy as np
import torch
from keras import layers
from torch import nn

import howsure
from tests.keras.networks import snapshot

SIDES = 4
"""Numbers in a row."""

X = np.random.default_rng(0).normal(size=(40, SIDES)).astype("float32")

MLP = {"in": 0.3, "hidden": (16, "relu"), "late": 0.5, "last": (3, "softmax")}
"""Names of layers: a rate of dropout, or units and an activation."""


def weights_of(steps, seed=0, sides=SIDES):
    """By name of a dense layer: kernel (F, K) and bias (K,)."""
    random, arrays = np.random.default_rng(seed), {}
    for name, step in steps.items():
        if isinstance(step, tuple):
            arrays[name] = (
                random.normal(0, 1.3 / np.sqrt(sides), (sides, step[0])),
                random.normal(size=step[0]),
            )
            sides = step[0]
    return arrays


class Keras:
    """What a test asks of models of Keras."""

    name = "keras"

    def network(self, steps=MLP, seed=0, sides=SIDES, dtype="float32"):
        """Layers one after the other."""
        made = {
            name: layers.Dense(*step, name=name, dtype=dtype)
            if isinstance(step, tuple)
            else layers.Dropout(step, name=name, dtype=dtype)
            for name, step in steps.items()
        }
        model = keras.Sequential([keras.Input((sides,), dtype=dtype), *made.values()])
        for name, weights in weights_of(steps, seed, sides).items():
            made[name].set_weights(weights)
        return model

    def heads(self, form, one=1, other=(3, "softmax"), names=("price", "kind"), seed=0):
        """A hidden layer with dropout and two outputs, in some form."""
        keras.utils.set_random_seed(seed)
        inputs = keras.Input((SIDES,))
        hidden = layers.Dropout(0.5)(layers.Dense(16, "relu")(inputs))
        ends = [
            layers.Dense(*(end if isinstance(end, tuple) else (end,)), name=name)(hidden)
            for name, end in zip(names, (one, other), strict=True)
        ]
        return keras.Model(inputs, form(*ends))

    def says(self, model, x=X):
        """The plain prediction, by the framework itself."""
        return model.predict(np.asarray(x), verbose=0)

    def layer(self, model, name):
        return model.get_layer(name)

    def shrink(self, model, name="last"):
        """Other weights of a layer, in place."""
        self.layer(model, name).kernel.assign(0.3 * self.layer(model, name).get_weights()[0])

    def move(self, model, by):
        """Another bias of the last layer."""
        self.layer(model, "last").bias.assign_add(by * keras.ops.ones_like(self.layer(model, "last").bias))

    def scale_units(self, model):
        """The second of two numbers in a unit of its own."""
        layer = self.layer(model, "last")
        layer.set_weights([array * [1.0, 1e6] for array in layer.get_weights()])
        model.compile(loss="mse")

    def rate(self, model, name, rate):
        self.layer(model, name).rate = rate

    def copied(self, model):
        again = keras.models.clone_model(model)
        again.set_weights(model.get_weights())
        return again

    def stored(self, model, folder):
        """The model out of a file."""
        model.save(folder / "model.keras")
        return keras.models.load_model(folder / "model.keras")

    def trained(self, model):
        """A copy after one small step of training."""
        again = self.copied(model)
        again.compile(keras.optimizers.SGD(1e-3), "sparse_categorical_crossentropy")
        again.train_on_batch(X, np.int32(np.arange(len(X)) % 3))
        return again

    def state(self, model):
        """All that an assessment may not change."""
        return snapshot(model)


class Torch:
    """What a test asks of modules of PyTorch."""

    name = "torch"

    def network(self, steps=MLP, seed=0, sides=SIDES, dtype="float32"):
        """Layers one after the other."""
        ends = {"relu": nn.ReLU, "softmax": lambda: nn.Softmax(-1), "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
        module, known = nn.Sequential(), weights_of(steps, seed, sides)
        for name, step in steps.items():
            if not isinstance(step, tuple):
                module.add_module(name, nn.Dropout(step))
                continue
            kernel, bias = (torch.from_numpy(array) for array in known[name])
            layer = nn.Linear(*kernel.shape)
            layer.load_state_dict({"weight": kernel.T, "bias": bias})
            module.add_module(name, layer)
            if len(step) > 1:
                module.add_module(f"{name}_{step[1]}", ends[step[1]]())
        return module.to(getattr(torch, dtype)).eval()

    def heads(self, form, one=1, other=(3, "softmax"), names=("price", "kind"), seed=0):
        """A hidden layer with dropout and two outputs, in some form."""
        torch.manual_seed(seed)
        return Heads(form, one, other).eval()

    def says(self, model, x=X):
        """The plain prediction, by the framework itself."""
        with torch.no_grad():
            return model(torch.from_numpy(np.asarray(x))).numpy()

    def layer(self, model, name):
        return getattr(model, name)

    def shrink(self, model, name="last"):
        """Other weights of a layer, in place."""
        with torch.no_grad():
            self.layer(model, name).weight.mul_(0.3)

    def move(self, model, by):
        """Another bias of the last layer."""
        with torch.no_grad():
            self.layer(model, "last").bias += by

    def scale_units(self, model):
        """The second of two numbers in a unit of its own."""
        with torch.no_grad():
            model.last.weight *= torch.tensor([[1.0], [1e6]])
            model.last.bias *= torch.tensor([1.0, 1e6])

    def rate(self, model, name, rate):
        self.layer(model, name).p = rate

    def copied(self, model):
        return copy.deepcopy(model)

    def stored(self, model, folder):
        """The model out of a file."""
        file = io.BytesIO()
        torch.save(model.state_dict(), file)
        file.seek(0)
        again = copy.deepcopy(model)
        again.load_state_dict(torch.load(file))
        return again

    def trained(self, model):
        """A copy after one small step of training."""
        again = copy.deepcopy(model)
        step = torch.optim.SGD(again.parameters(), 1e-3)
        nn.functional.nll_loss(again(torch.from_numpy(X)).log(), torch.arange(len(X)) % 3).backward()
        step.step()
        return again

    def state(self, model):
        """All that an assessment may not change."""
        return (
            [(name, value.numpy().tobytes()) for name, value in model.state_dict().items()],
            [
                (module.training, len(module._forward_hooks), sorted(vars(module)))
                for module in model.modules()
            ],
        )


class Heads(nn.Module):
    """A hidden layer with dropout and two outputs, in some form."""

    def __init__(self, form, one, other):
        super().__init__()
        self.hidden, self.drop, self.form = nn.Linear(SIDES, 16), nn.Dropout(0.5), form
        units = [head if isinstance(head, tuple) else (head, None) for head in (one, other)]
        self.ends = nn.ModuleList(nn.Linear(16, count) for count, _ in units)
        self.last = [activation for _, activation in units]

    def forward(self, x):
        hidden = self.drop(torch.relu(self.hidden(x)))
        outputs = [end(hidden) for end in self.ends]
        return self.form(
            *(
                output.softmax(-1) if activation == "softmax" else output
                for output, activation in zip(outputs, self.last, strict=True)
            )
        )


FRAMEWORKS = {"keras": Keras(), "torch": Torch()}


def probabilities(model, x=X, method=None, **settings):
    """What an assessment says, with few passes if nothing is said of the method."""
    method = howsure.MCDropout(passes=12) if method is None else method
    return howsure.assess(model, x, method=method, **settings).probabilities


def near(one, other, **limits):
    """Fails where two results, or two arrays, differ by more than rounding."""
    for column in ("probabilities", "mc_error"):
        values = [getattr(result, column, result) for result in (one, other)]
        np.testing.assert_allclose(*values, **{"atol": 3e-6, "rtol": 1e-5, **limits})
