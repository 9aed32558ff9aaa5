"""What draws in a module is found by what happens, switched where it is dropout, else named with its line."""

import random
import re
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import howsure
from howsure.adapters.torch import adapt, snapshot
from tests.torch.modules import CLASSES, MODULES, Layer, Through, build, mlp, rows_for
from tests.torch.textbook import assert_as_textbook

LINE = r"\(test_draws\.py, line \d+\)"


@pytest.mark.parametrize("name", [name for name in MODULES if name != "dropped_words"])
def test_passes_are_those_of_pytorch(name):
    assert_as_textbook(build(name), rows_for(name, rows=3))


def test_one_mask_for_all_rows_is_drawn_once_a_pass():
    assert_as_textbook(build("dropped_words"), rows_for("dropped_words", rows=3), at_once=False)


def test_a_pass_is_the_module_with_the_masks_of_the_plan():
    """With a mask put in by hand, the module gives what a pass gives."""
    module, x = build("mlp"), rows_for("mlp")
    adapted, _ = adapt(module, x, gaussian_noise=False)
    mask = np.arange(12)[None] % 3 > 0
    result = adapted.thin([mask])(adapted.trunk([x]))
    with torch.no_grad():
        h = torch.relu(module[0](torch.from_numpy(x))) * torch.from_numpy(mask[0] / 0.75).float()
        expected = module[3](h).numpy()
    assert result[0] == pytest.approx(expected, abs=1e-6)


def test_dropout_that_is_always_on_is_off_in_the_prediction():
    module, x = Through(lambda m, h: F.dropout(h, 0.3)).eval(), rows_for("mlp")
    plain = howsure.assess(module, x, method=howsure.Softmax()).probabilities
    with torch.no_grad():
        expected = module.last(torch.tanh(module.first(torch.from_numpy(x)))).softmax(1).numpy()
    assert plain == pytest.approx(expected, abs=1e-6)
    assert_as_textbook(module, rows_for("mlp", rows=3))


def test_weights_that_are_drawn_at_every_call_are_at_their_means_in_the_prediction():
    class Bayesian(nn.Linear):
        def forward(self, x):
            return F.linear(x, self.weight + 0.3 * torch.randn_like(self.weight), self.bias)

    module, x = nn.Sequential(Bayesian(8, 12), nn.Tanh(), nn.Linear(12, CLASSES)).eval(), rows_for("mlp")
    plain = howsure.assess(module, x, method=howsure.Softmax(), outputs="logits").probabilities
    with torch.no_grad():
        h = torch.tanh(F.linear(torch.from_numpy(x), module[0].weight, module[0].bias))
        assert plain == pytest.approx(module[2](h).softmax(1).numpy(), abs=1e-6)
    assert (
        len(set(map(tuple, howsure.passes(module, x[:1], 4, outputs="logits")[:, 0].round(6).tolist()))) == 4
    )


def test_a_generator_that_goes_on_draws_masks():
    generator = torch.Generator().manual_seed(0)

    def dropped(module, h):
        return h * torch.empty_like(h).bernoulli_(0.7, generator=generator) / 0.7 if module.training else h

    assert_as_textbook(Through(dropped).eval(), rows_for("mlp", rows=3))


def _flip(module, x):
    return x.flip(-1) if module.training and torch.rand(()) < 0.5 else x


def _mirrored_by_where(x):
    return torch.where(torch.rand(len(x), 1) < 0.5, x.flip(-1), x)


def _mirrored_by_arithmetic(x):
    chosen = (torch.rand(len(x), 1) < 0.5).float()
    return chosen * x.flip(-1) + (1 - chosen) * x


def _mirrored_by_indices(x):
    chosen, x = torch.rand(len(x)) < 0.5, x.clone()
    x[chosen] = x[chosen].flip(-1)
    return x


MIRRORED = {
    "where": _mirrored_by_where,
    "where, one for all": lambda x: torch.where(torch.rand(()) < 0.5, x.flip(-1), x),
    "times, and times what is left": _mirrored_by_arithmetic,
    "put at places": _mirrored_by_indices,
    "lerp": lambda x: torch.lerp(x, x.flip(-1), (torch.rand(len(x), 1) < 0.5).float()),
    "of the other sign": lambda x: x * (1 - 2 * (torch.rand(len(x), 1) < 0.5).float()),
}


@pytest.mark.parametrize("dropout", ["in a layer of its own", "in the same call"])
@pytest.mark.parametrize("name", MIRRORED)
def test_numbers_that_choose_between_inputs_are_no_dropout(name, dropout):
    """Augmentation in training alone changes no pass, however it is written."""

    def augmented(module, x):
        x = MIRRORED[name](x) if module.training else x
        return F.dropout(x, 0.3, module.training) if dropout == "in the same call" else x

    plain = nn.Sequential(nn.Dropout(0.3), mlp()) if dropout == "in the same call" else mlp()
    network = plain[1] if dropout == "in the same call" else plain
    module, x = nn.Sequential(Layer(augmented), network).eval(), rows_for("mlp", rows=3)
    with pytest.warns(howsure.HowsureWarning, match=f"{LINE} chooses between inputs, as augmentation does"):
        result = howsure.passes(module, x, 40, outputs="logits")
    without = howsure.passes(plain.eval(), x, 40, outputs="logits")
    assert result == pytest.approx(without, abs=1e-6)


def _modality_dropped(module, x):
    return x * (torch.rand(len(x), 1) < 0.7) / 0.7 if module.training else x


class Branch(nn.Module):
    """Stochastic depth: one number for each row, which multiplies a branch or chooses one."""

    def __init__(self, chosen):
        super().__init__()
        self.first, self.last, self.chosen = nn.Linear(8, 8), nn.Linear(8, CLASSES), chosen

    def forward(self, x):
        branch = torch.tanh(self.first(x))
        if self.training:
            mask = torch.rand(len(x), 1) < 0.7
            x = torch.where(mask, x + branch, x) if self.chosen else x + branch * mask / 0.7
        else:
            x = x + branch
        return self.last(x)


@pytest.mark.parametrize("module", [Layer(_modality_dropped), Branch(False), Branch(True)])
def test_one_number_for_each_row_that_drops_is_dropout(module):
    if isinstance(module, Layer):
        module = nn.Sequential(module, nn.Linear(8, CLASSES))
    x = rows_for("mlp", rows=3)
    adapted, _ = adapt(module.eval(), x, gaussian_noise=False)
    (op,) = [op for level in adapted.levels for op in level.random_ops]
    assert op.rate == pytest.approx(0.3, abs=1e-6)
    assert_as_textbook(module, x)


def _noise(module, x):
    return x + 0.5 * torch.randn_like(x) if module.training else x


def _noise_times_a_weight(module, x):
    return x + torch.tensor(0.5) * torch.randn_like(x) if module.training else x


def _scale(module, x):
    return x * (0.8 + 0.4 * torch.rand(len(x), 1)) if module.training else x


def _louder(module, x):
    return F.dropout(x, 0.3, module.training) * (2 if module.training else 1)


def _numpy(module, x):
    x = F.dropout(x, 0.3, module.training)
    return x * float(np.random.random() > 0.5) if module.training else x


GENERATOR = np.random.default_rng(0)


def _generator(module, x):
    x = F.dropout(x, 0.3, module.training)
    return x * torch.from_numpy(GENERATOR.random(x.shape) > 0.5) if module.training else x


def _two_masks(module, x):
    if not module.training:
        return x
    numbers = torch.rand_like(x)
    return (x * (numbers > 0.2) / 0.8 + x * (numbers > 0.5) / 0.5) / 2


def _rates_of_units(module, x):
    rates = torch.linspace(0.1, 0.6, x.shape[1])
    return x * (torch.rand_like(x) > rates) / (1 - rates) if module.training else x


def _bernoulli_of_units(module, x):
    rates = torch.linspace(0.9, 0.4, x.shape[1]).expand_as(x)
    return x * torch.bernoulli(rates) / rates if module.training else x


COINS = random.Random(0)


@pytest.mark.parametrize("when", ["always", "in training", "beside dropout"])
def test_a_coin_of_a_private_generator_is_found(when):
    def toss(module, x):
        return x * 2 if (module.training or when == "always") and COINS.random() < 0.5 else x

    def drop_and_toss(module, x):
        return toss(module, F.dropout(x, 0.3, module.training))

    for _ in range(10):
        alone = nn.Sequential(Layer(toss), mlp())
        module = Through(drop_and_toss) if when == "beside dropout" else alone
        with pytest.raises(howsure.ModelError, match=r"drawn|random"):
            howsure.assess(module.eval(), rows_for("mlp", 3))


def _some(module, x):
    return x.masked_scatter((x[:, :1] > x[:, 1:2]), F.dropout(x[x[:, 0] > x[:, 1]], 0.3, module.training))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (_noise_times_a_weight, f"torch.randn_like {LINE} adds noise"),
        (_flip, f"torch.rand {LINE} chooses a branch, as augmentation and dropped layers do"),
        (_scale, f"torch.rand {LINE} is no dropout, as far as can be seen"),
        (
            _noise,
            f"torch.randn_like {LINE} adds noise, which is random with MCDropout\\(gaussian_noise=True\\)",
        ),
    ],
)
def test_what_is_no_dropout_stays_as_in_predicting_and_is_said(function, words):
    module, x = nn.Sequential(Layer(function), mlp()).eval(), rows_for("mlp", rows=3)
    with pytest.warns(howsure.HowsureWarning, match=words):
        certainty = howsure.assess(module, x, method=howsure.MCDropout(passes=100))
    without = howsure.assess(module[1], x, method=howsure.MCDropout(passes=100))
    assert certainty.probabilities == pytest.approx(without.probabilities, abs=1e-6)
    assert re.search(words, str(howsure.audit(module, x)))


class Noisy(nn.Module):
    """Noise on rows of 4 or 5 words, these first or second; and dropout."""

    def __init__(self, first):
        super().__init__()
        self.words, self.drop, self.last = nn.Linear(8, 12), nn.Dropout(0.3), nn.Linear(12, CLASSES)
        self.first = first

    def forward(self, x):
        x = x.transpose(0, 1) if self.first else x
        x = x + 0.5 * torch.randn_like(x) if self.training else x
        return self.last(self.drop(torch.tanh(self.words(x))).mean(0 if self.first else 1))


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("words", [2, 3, 4, 5])
def test_noise_of_rows_is_told_by_their_number_wherever_they_lie(words, first):
    module, x = Noisy(first).eval(), np.random.default_rng(5).normal(size=(3, words, 8)).astype("float32")
    adapted, _ = adapt(module, x, gaussian_noise=False)
    assert [op.name for level in adapted.levels for op in level.random_ops] == ["drop"]
    assert "adds noise" in adapted.info.unswitchable[0].what
    random, _ = adapt(module, x, gaussian_noise=True)
    assert sorted(op.name for level in random.levels for op in level.random_ops) == ["Noisy", "drop"]


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_noise_of_weights_is_drawn_however_many_of_them_there_are(classes):
    class Noised(nn.Linear):
        def forward(self, x):
            noise = 0.5 * torch.randn_like(self.weight) if self.training else 0
            return F.linear(x, self.weight + noise, self.bias)

    module = nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Dropout(0.2), Noised(12, classes)).eval()
    assert_as_textbook(module, rows_for("mlp", 3), at_once=False)


def test_noise_that_is_added_is_random_where_it_is_asked_for():
    module = nn.Sequential(nn.Linear(8, 12), nn.Tanh(), Layer(_noise), nn.Linear(12, CLASSES)).eval()
    assert_as_textbook(module, rows_for("mlp", 3), gaussian_noise=True)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (_louder, f"torch.bernoulli_ {LINE}: in training more is computed than in predicting"),
        (_numpy, "numbers of numpy or Python are drawn in training, for which no masks can be given"),
        (_generator, "numbers of numpy or Python are drawn in training, for which no masks can be given"),
        (_some, "how many numbers it draws does not go by the number of rows alone"),
    ],
)
def test_what_cannot_be_told_apart_is_refused_with_its_line(function, words):
    module, x = Through(function).eval(), rows_for("mlp")
    with pytest.raises(howsure.ModelError, match=words) as raised:
        howsure.assess(module, x)
    assert "Use a Dropout layer there" in str(raised.value)
    assert len(howsure.assess(module, x, method=howsure.Softmax())) == len(x)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (
            lambda m, x: x * float(np.random.random() > 0.5) * 2 if m.training else x,
            "numbers of numpy or Python",
        ),
        (
            lambda m, x: x * float(random.random() > 0.5) * 2 if m.training else x,
            "numbers of numpy or Python",
        ),
        (lambda m, x: x * float(GENERATOR.random()) if m.training else x, "numbers of numpy or Python"),
        (_two_masks, f"torch.rand_like {LINE}: its numbers make no single mask of one rate"),
        (_rates_of_units, f"torch.rand_like {LINE}: its numbers make no single mask of one rate"),
        (_bernoulli_of_units, f"torch.bernoulli {LINE}: its numbers make no single mask of one rate"),
    ],
)
def test_a_layer_that_cannot_be_done_right_is_not_left_out(function, words):
    """Beside a dropout that can: passes without the layer would be wrong, and look right."""
    module, x = nn.Sequential(Layer(function), mlp()).eval(), rows_for("mlp", rows=3)
    with pytest.raises(howsure.ModelError, match=words):
        howsure.assess(module, x)
    assert re.search(words, str(howsure.audit(module, x)))


@pytest.mark.parametrize(
    "mask",
    [
        lambda h: torch.tensor(0.3) < torch.rand_like(h),
        lambda h: torch.rand_like(h) >= torch.tensor([0.3]),
        lambda h: (torch.tensor([0.7]) + torch.rand_like(h)).floor(),
    ],
)
def test_a_rate_may_be_a_tensor_of_one_number(mask):
    module = Through(lambda m, h: h * mask(h) / 0.7 if m.training else h).eval()
    assert_as_textbook(module, rows_for("mlp", rows=3))


def test_what_draws_also_when_predicting_and_is_no_dropout_is_refused():
    module = Through(lambda m, h: h[:, torch.randperm(h.shape[1])]).eval()
    with pytest.raises(howsure.ModelError, match="draws random numbers also when predicting"):
        howsure.assess(module, rows_for("mlp"), method=howsure.Softmax(), outputs="logits")


def test_a_compiled_module_is_its_module():
    module, x = mlp().eval(), rows_for("mlp")
    result, expected = (
        howsure.assess(model, x, method=howsure.MCDropout(passes=20), outputs="logits")
        for model in (torch.compile(module, backend="eager"), module)
    )
    assert result.probabilities == pytest.approx(expected.probabilities, abs=1e-6)


@pytest.mark.parametrize("kind", ["scripted", "traced", "exported", "inside"])
def test_what_was_made_of_a_module_is_refused(kind):
    """Its dropout may be switched off for good."""
    module, x, rows = mlp().eval(), rows_for("mlp"), (torch.zeros(2, 8),)
    with warnings.catch_warnings(action="ignore"):  # PyTorch's own: both are deprecated
        if kind == "exported":
            program = torch.export.export(module, rows).module()
        else:
            program = torch.jit.script(module) if kind == "scripted" else torch.jit.trace(module, rows)
    if kind == "inside":
        program = nn.Sequential(program, nn.Dropout(0.5))
    for method in (None, howsure.Softmax()):
        with pytest.raises(howsure.ModelError, match=r"was scripted, traced or exported.*it was made from"):
            howsure.assess(program, x, method=method, outputs="logits")


@pytest.mark.parametrize("name", ["encoder", "recurrent"])
def test_kernels_that_draw_inside_are_left_aside_on_other_devices(monkeypatch, name):
    """Here there is no such device: it is only told that the module lies on one."""
    module, x = build(name), rows_for(name)
    expected = howsure.assess(module, x, method=howsure.MCDropout(passes=8), outputs="logits")
    monkeypatch.setattr(snapshot, "device_of", lambda module: torch.device("xpu"))
    other = howsure.assess(module, x, method=howsure.MCDropout(passes=8), outputs="logits")
    assert other.probabilities == pytest.approx(expected.probabilities, abs=1e-6)


def test_attention_is_kept_off_by_the_name_that_the_audit_tells():
    module, x = build("encoder"), rows_for("encoder")
    inner = module.encoder.layers[0]
    names = [layer.name for layer in howsure.audit(module, x).layers if layer.random]
    inside = [name for name in names if name.startswith("encoder.layers.0")]
    assert "encoder.layers.0.self_attn" in inside
    nothing = nn.Sequential(module, nn.Dropout(0.5))
    method = howsure.MCDropout(passes=8, keep_off=[f"0.{name}" for name in inside])
    result = howsure.assess(nothing, x, method=method, outputs="logits")
    for part in inner.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    inner.self_attn.dropout = 0.0
    expected = howsure.assess(nothing, x, method=howsure.MCDropout(passes=8), outputs="logits")
    assert result.probabilities == pytest.approx(expected.probabilities, abs=1e-6)
