"""A module is left exactly as it was found, also after an error, and whatever the caller has switched on."""

import random as python_random
import threading

import numpy as np
import pytest
import torch
from torch import nn

import howsure
from tests.torch.modules import MODULES, build, mlp, rows_for


def look(module):
    """All of a module, and of PyTorch, that may not change."""
    tensors = {name: tensor for name, tensor in module.state_dict(keep_vars=True).items()}
    return {
        "values": {name: tensor.detach().clone() for name, tensor in tensors.items()},
        "tensors": {
            name: (id(tensor), tensor.data_ptr(), tensor.requires_grad) for name, tensor in tensors.items()
        },
        "grads": {
            name: None if parameter.grad is None else parameter.grad.clone()
            for name, parameter in module.named_parameters()
        },
        "flags": [layer.training for layer in module.modules()],
        "hooks": [
            [(name, *hooks) for name, hooks in vars(one).items() if name.endswith("_hooks")]
            for one in module.modules()
        ],
        "attributes": [
            {
                key: value.clone() if isinstance(value, torch.Tensor) else key
                for key, value in vars(layer).items()
            }
            for layer in module.modules()
        ],
        "global hooks": len(nn.modules.module._global_forward_hooks),
        "seeds": (torch.get_rng_state(), np.random.get_state()[1:3], python_random.getstate()),
        "modes": (
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.is_autocast_enabled("cpu"),
        ),
        "defaults": (torch.get_default_dtype(), torch.get_default_device()),
    }


def same(one, other):
    if isinstance(one, (torch.Tensor, np.ndarray)):
        return one.shape == other.shape and bool((one == other).all())
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def assert_left(module, before):
    changed = [key for key, value in look(module).items() if not same(value, before[key])]
    assert changed == []


class Restless(nn.Module):
    """It counts its calls, keeps what it saw, and moves a buffer and a weight whenever it is called."""

    def __init__(self):
        super().__init__()
        self.net, self.calls, self.seen = mlp(), 0, None
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("replaced", torch.zeros(2))
        self.weight = nn.Parameter(torch.full((8,), 3.0))
        self.plain = torch.zeros(3)

    def forward(self, x):
        self.calls += 1
        self.plain += 1
        self.count += 1
        self.replaced = self.replaced + 1
        self.seen = x
        self.weight.data = self.weight.data.clamp(max=2.0)
        self.late = x.sum()
        return self.net(x * self.weight)


class Fails(nn.Module):
    """It fails at rows with a certain number, after its norm has been called in training."""

    def __init__(self):
        super().__init__()
        self.norm, self.net = nn.utils.parametrizations.spectral_norm(nn.Linear(8, 8)), mlp()

    def forward(self, x):
        x = self.norm(x)
        if len(x) > 64:
            raise RuntimeError("too many rows for this module")
        return self.net(x)


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_left_as_found(name, training):
    module = build(name).train(training)
    before = look(module)
    howsure.assess(module, rows_for(name), method=howsure.MCDropout(passes=8))
    howsure.audit(module, rows_for(name))
    howsure.features_of(module, rows_for(name))
    assert_left(module, before)


@pytest.mark.parametrize("make", [Restless, Fails, lambda: nn.utils.spectral_norm(nn.Linear(8, 3))])
def test_so_are_buffers_weights_and_attributes_that_move(make):
    module = make().eval()
    before, attributes = look(module), [{**vars(layer)} for layer in module.modules()]
    method = howsure.MCDropout(passes=8) if isinstance(module, Restless) else howsure.Softmax()
    howsure.assess(module, rows_for("mlp"), method=method, outputs="logits")
    assert_left(module, before)
    for layer, values in zip(module.modules(), attributes, strict=True):
        assert all(vars(layer)[key] is value for key, value in values.items())


def test_so_are_generators_of_its_own():
    class Drawing(nn.Module):
        def __init__(self):
            super().__init__()
            self.last, self.of_torch = nn.Linear(8, 3), torch.Generator().manual_seed(1)
            self.of_numpy = np.random.default_rng(1)

        def forward(self, x):
            self.of_numpy.random()
            return self.last(x * torch.empty_like(x).bernoulli_(0.5, generator=self.of_torch) / 0.5)

    module = Drawing().eval()
    seeds = module.of_torch.get_state(), module.of_numpy.bit_generator.state
    howsure.assess(module, rows_for("mlp"), method=howsure.MCDropout(passes=8), outputs="logits")
    assert torch.equal(module.of_torch.get_state(), seeds[0])
    assert module.of_numpy.bit_generator.state == seeds[1]


def test_passes_of_a_module_that_moves_start_from_what_was_found():
    """Each pass is that of the module as it is, so their order does not matter."""
    module, x = Restless().eval(), rows_for("mlp")
    method = howsure.MCDropout(passes=8)
    whole = howsure.assess(module, x, method=method, outputs="logits")
    parts = [howsure.assess(module, x[at], method=method, outputs="logits") for at in (slice(5), slice(5, 9))]
    assert np.concatenate([result.probabilities for result in parts]) == pytest.approx(
        whole.probabilities, abs=1e-6
    )


def test_hooks_that_a_module_installs_at_its_first_call_go_with_the_mark_of_that():
    """As in transformers: were they left without the mark, every run would install them once more."""

    class Hooked(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.caught = mlp(), []

        def forward(self, x):
            if not hasattr(self, "installed"):
                for layer in self.net:
                    layer.register_forward_hook(lambda *arguments: self.caught.append(arguments[-1]))
                    layer.register_forward_pre_hook(lambda *arguments: None, with_kwargs=False)
                self.installed = True
            self.caught.clear()
            return {"logits": self.net(x), "hidden": tuple(self.caught)}

    module, x = Hooked().eval(), rows_for("mlp")
    before = look(module)
    howsure.assess(module, x, method=howsure.MCDropout(passes=8), outputs="logits")
    assert_left(module, before)
    assert len(module(torch.from_numpy(x))["hidden"]) == len(module.net)


def test_it_is_left_as_found_after_an_error_of_its_own():
    module = Fails().eval()
    before = look(module)
    with pytest.raises(RuntimeError, match="too many rows for this module"):
        howsure.assess(module, rows_for("mlp", rows=200), method=howsure.Softmax(), outputs="logits")
    assert_left(module, before)


def test_gradients_and_hooks_of_the_caller_stay():
    module, called = build("mlp"), []
    module(torch.from_numpy(rows_for("mlp"))).sum().backward()
    module[0].register_forward_hook(lambda *arguments: called.append(1))
    before = look(module)
    howsure.assess(module, rows_for("mlp"), method=howsure.MCDropout(passes=4), outputs="logits")
    assert_left(module, before)
    module(torch.from_numpy(rows_for("mlp"))).sum().backward()


@pytest.mark.parametrize(
    "mode",
    [torch.inference_mode, torch.no_grad, torch.enable_grad, lambda: torch.device("cpu")],
    ids=["inference", "no_grad", "enable_grad", "device"],
)
def test_modes_of_the_caller_change_nothing(mode):
    module, x = build("functional"), rows_for("functional")
    expected = howsure.assess(module, x, method=howsure.MCDropout(passes=8), outputs="logits")
    with mode():
        before = look(module)
        result = howsure.assess(module, x, method=howsure.MCDropout(passes=8), outputs="logits")
        assert_left(module, before)
    assert np.array_equal(result.probabilities, expected.probabilities)


def test_the_default_type_of_the_caller_stays():
    module, x = build("encoder"), rows_for("encoder")
    expected = howsure.assess(module, x, method=howsure.MCDropout(passes=8), outputs="logits")
    torch.set_default_dtype(torch.float64)
    try:
        result = howsure.assess(module, x, method=howsure.MCDropout(passes=8), outputs="logits")
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert result.probabilities == pytest.approx(expected.probabilities, abs=1e-6)


def test_threads_that_ask_for_the_same_module_get_what_each_gets_alone():
    module, results = build("functional"), {}
    rows = {number: rows_for("functional", rows=20 + number) for number in range(4)}
    method = howsure.MCDropout(passes=20)
    alone = {
        number: howsure.assess(module, x, method=method, outputs="logits").probabilities
        for number, x in rows.items()
    }
    before = look(module)

    def ask(number):
        results[number] = howsure.assess(module, rows[number], method=method, outputs="logits").probabilities

    threads = [threading.Thread(target=ask, args=(number,)) for number in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(results[number], alone[number]) for number in rows)
    assert_left(module, before)


class Remembering(nn.Module):
    """Its property stores what it gives, as `hparams` of Lightning does."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 3))
        self.stored = None

    @property
    def hparams(self):
        self.stored = {"num_classes": 3}
        return self.stored

    def forward(self, x):
        return self.layers(x)


def test_a_property_that_is_read_leaves_nothing():
    module = Remembering()
    howsure.assess(module, np.zeros((2, 4), np.float32))
    assert module.stored is None
