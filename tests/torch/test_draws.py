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
from howsure.models.torch import adapt, found
from tests.torch.modules import CLASSES, MODULES, Layer, Through, build, mlp, rows_for
from tests.torch.textbook import COPIES, MOST, assert_as_textbook, textbook

LINE = r"\(test_draws\.py, line \d+\)"


@pytest.mark.parametrize("name", [name for name in MODULES if name != "dropped_words"])
def test_passes_are_those_of_pytorch(name):
    assert_as_textbook(build(name), rows_for(name, rows=3))


def test_one_mask_for_all_rows_is_drawn_once_a_pass():
    module, x = build("dropped_words"), rows_for("dropped_words", rows=3)
    certainty = howsure.assess(module, x, method=howsure.MCDropout(passes=400))
    module.train()
    with torch.no_grad():
        passes = torch.stack([module(torch.from_numpy(x)).softmax(1) for _ in range(COPIES)]).double().numpy()
    error = passes.std(0) / np.sqrt(COPIES)
    assert (
        np.abs(certainty.probabilities - passes.mean(0)) / np.hypot(error, certainty.mc_error)
    ).max() < MOST


def test_a_pass_is_the_module_with_the_masks_of_the_plan():
    """With a mask put in by hand, the module gives what a pass gives."""
    module, x = build("mlp"), rows_for("mlp")
    adapted, _ = adapt(module, x, gaussian_noise=False)
    mask = np.arange(12)[None] % 3 > 0
    found = adapted.thin([mask], len(x))(adapted.trunk([x]))
    with torch.no_grad():
        h = torch.relu(module[0](torch.from_numpy(x))) * torch.from_numpy(mask[0] / 0.75).float()
        expected = module[3](h).numpy()
    assert found[0] == pytest.approx(expected, abs=1e-6)


def test_dropout_that_is_always_on_is_off_in_the_prediction():
    module, x = Through(lambda m, h: F.dropout(h, 0.3)).eval(), rows_for("mlp")
    seen = howsure.assess(module, x, method=howsure.Softmax()).probabilities
    with torch.no_grad():
        expected = module.last(torch.tanh(module.first(torch.from_numpy(x)))).softmax(1).numpy()
    assert seen == pytest.approx(expected, abs=1e-6)
    assert_as_textbook(module, rows_for("mlp", rows=3))


def test_weights_that_are_drawn_at_every_call_are_at_their_means_in_the_prediction():
    class Bayesian(nn.Linear):
        def forward(self, x):
            return F.linear(x, self.weight + 0.3 * torch.randn_like(self.weight), self.bias)

    module, x = nn.Sequential(Bayesian(8, 12), nn.Tanh(), nn.Linear(12, CLASSES)).eval(), rows_for("mlp")
    seen = howsure.assess(module, x, method=howsure.Softmax()).probabilities
    with torch.no_grad():
        h = torch.tanh(F.linear(torch.from_numpy(x), module[0].weight, module[0].bias))
        assert seen == pytest.approx(module[2](h).softmax(1).numpy(), abs=1e-6)
    assert len(set(map(tuple, howsure.passes(module, x[:1], 4)[:, 0].round(6).tolist()))) == 4


def _projected(module, x):
    return x @ torch.randn(8, 8, generator=torch.Generator().manual_seed(0)) / 3


def test_a_generator_that_is_seeded_in_every_call_draws_as_it_does():
    """A fixed projection is part of the network, and not its mean."""
    module, x = (
        nn.Sequential(Layer(_projected), nn.Linear(8, 12), nn.Dropout(0.3), nn.Linear(12, 3)),
        rows_for("mlp", 3),
    )
    torch.manual_seed(0)  # where the seed of PyTorch is says nothing of that of the generator
    seen = howsure.assess(module.eval(), x, method=howsure.Softmax()).probabilities
    with torch.no_grad():
        assert seen == pytest.approx(module(torch.from_numpy(x)).softmax(1).numpy(), abs=1e-6)
    assert_as_textbook(module, x)


def _seeded(module, x):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        fixed = torch.randn(8, 8) * torch.rand(8)
    return x @ fixed


@pytest.mark.parametrize("at", [0, 1])
def test_so_does_that_of_pytorch_where_it_is_seeded_in_every_call(at):
    """Beside a dropout that is drawn; also where the caller's seed is the same."""
    layers = [nn.Linear(8, 8), nn.Dropout(0.3), nn.Linear(8, 3)]
    layers.insert(at, Layer(_seeded))
    module, x = nn.Sequential(*layers).eval(), rows_for("mlp", 3)
    torch.manual_seed(0)
    seen = howsure.assess(module, x, method=howsure.Softmax()).probabilities
    with torch.no_grad():
        assert seen == pytest.approx(module(torch.from_numpy(x)).softmax(1).numpy(), abs=1e-6)
    assert_as_textbook(module, x)


def test_dropout_behind_a_seed_drops_the_same_in_every_call():
    def gated(module, x):
        torch.manual_seed(0)
        return x * torch.randn(8)

    module, x = nn.Sequential(nn.Dropout(0.3), Layer(gated), mlp()).eval(), rows_for("mlp", 3)
    with pytest.raises(howsure.ModelError, match=r"'2\.2' cannot be done right.* seeded anew in every call"):
        howsure.assess(module, x)
    seen = howsure.assess(module, x, method=howsure.Softmax()).probabilities
    with torch.no_grad():
        assert seen == pytest.approx(module(torch.from_numpy(x)).softmax(1).numpy(), abs=1e-6)


@pytest.mark.parametrize("trained", [False, True])
def test_what_a_first_call_draws_for_all_others_is_to_be_there(trained):
    def lazy(module, x):
        if module.training < trained:
            return x
        if not hasattr(module, "projection"):
            module.projection = torch.randn(8, 8)
        return x @ module.projection

    module, x = nn.Sequential(Layer(lazy), mlp()).eval(), rows_for("mlp", 3)
    with pytest.raises(howsure.ModelError, match=r"later ones use again[.;].*[Cc]all it once"):
        howsure.assess(module, x)
    assert not hasattr(module[0], "projection")
    module.train()(torch.from_numpy(x))
    if not trained:
        assert_as_textbook(module.eval(), x)


def test_what_a_first_call_puts_into_a_dict_is_what_it_draws():
    kept = {}
    module, x = (
        nn.Sequential(Layer(lambda m, x: x @ kept.setdefault("w", torch.randn(8, 8))), mlp()),
        rows_for("mlp", 3),
    )
    seen = howsure.assess(module.eval(), x, method=howsure.Softmax()).probabilities
    assert kept["w"].std() > 0.5
    with torch.no_grad():
        assert seen == pytest.approx(module(torch.from_numpy(x)).softmax(1).numpy(), abs=1e-6)


def test_a_generator_that_goes_on_draws_masks():
    generator = torch.Generator().manual_seed(0)

    def dropped(module, h):
        return h * torch.empty_like(h).bernoulli_(0.7, generator=generator) / 0.7 if module.training else h

    assert_as_textbook(Through(dropped).eval(), rows_for("mlp", rows=3))


def _flip(module, x):
    return x.flip(-1) if module.training and torch.rand(()) < 0.5 else x


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
    kept = torch.linspace(0.9, 0.4, x.shape[1]).expand_as(x)
    return x * torch.bernoulli(kept) / kept if module.training else x


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
@pytest.mark.parametrize("words", [4, 5])
def test_noise_of_rows_is_told_by_their_number_wherever_they_lie(words, first):
    module, x = Noisy(first).eval(), np.random.default_rng(5).normal(size=(3, words, 8)).astype("float32")
    adapted, _ = adapt(module, x, gaussian_noise=False)
    assert [site.name for level in adapted.levels for site in level.sites] == ["drop"]
    assert "adds noise" in adapted.info.unswitchable[0].what
    random, _ = adapt(module, x, gaussian_noise=True)
    assert sorted(site.name for level in random.levels for site in level.sites) == ["Noisy", "drop"]


@pytest.mark.parametrize("classes", [3, 4, 6])
def test_noise_of_weights_is_drawn_however_many_of_them_there_are(classes):
    class Noised(nn.Linear):
        def forward(self, x):
            noise = 0.5 * torch.randn_like(self.weight) if self.training else 0
            return F.linear(x, self.weight + noise, self.bias)

    module = nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Dropout(0.2), Noised(12, classes)).eval()
    x, method = rows_for("mlp", 3), howsure.MCDropout(passes=400)
    certainty = howsure.assess(module, x, method=method)
    module.train()
    with torch.no_grad():
        passes = torch.stack([module(torch.from_numpy(x)).softmax(1) for _ in range(COPIES)]).double().numpy()
    error = passes.std(0) / np.sqrt(COPIES)
    off = np.abs(certainty.probabilities - passes.mean(0)) / np.hypot(error, certainty.mc_error)
    assert off.max() < MOST


def test_noise_that_is_added_is_random_where_it_is_asked_for():
    module, x = (
        nn.Sequential(nn.Linear(8, 12), nn.Tanh(), Layer(_noise), nn.Linear(12, CLASSES)).eval(),
        rows_for("mlp", 3),
    )
    certainty = howsure.assess(module, x, method=howsure.MCDropout(passes=400, gaussian_noise=True))
    mean, error = textbook(module, x)
    assert (np.abs(certainty.probabilities - mean) / np.hypot(error, certainty.mc_error)).max() < MOST


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (_louder, f"torch.bernoulli_ {LINE}: in training more is computed than in predicting"),
        (_numpy, "numbers of numpy or Python are drawn in training, for which no masks can be given"),
        (_generator, "two runs as in training differ, so something is drawn outside of PyTorch"),
        (_some, "how often or of what shape depends on how many rows there are"),
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
        (lambda m, x: x * float(GENERATOR.random()) if m.training else x, "is drawn outside of PyTorch"),
        (_two_masks, f"torch.rand_like {LINE}: more than one mask is made of its numbers"),
        (_rates_of_units, f"torch.rand_like {LINE}: its numbers are compared with more than one rate"),
        (_bernoulli_of_units, f"torch.bernoulli {LINE}: its numbers have rates of their own"),
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


class Dropping(nn.BatchNorm1d):
    """A norm that drops what it has made."""

    def forward(self, x):
        return F.dropout(super().forward(x), 0.5, self.training)


@pytest.mark.parametrize("layers", [(), (nn.Dropout(0.1),)])
def test_what_a_norm_of_a_users_draws_is_not_left_out(layers):
    module = nn.Sequential(nn.Linear(8, 12), Dropping(12), nn.ReLU(), *layers, nn.Linear(12, 3)).eval()
    with pytest.raises(howsure.ModelError, match=f"'1' cannot be done right: .* {LINE}: a norm draws it"):
        howsure.assess(module, rows_for("mlp"))


class Backbone(nn.Module):
    """A backbone that runs in inference mode, and a head with dropout that does not."""

    def __init__(self, name):
        super().__init__()
        self.backbone, self.drop, self.last = build(name), nn.Dropout(0.2), nn.Linear(CLASSES, CLASSES)

    def forward(self, x):
        with torch.inference_mode():
            h = self.backbone(x)
        return self.last(self.drop(2 * h))


@pytest.mark.parametrize("name", ["mlp", "encoder", "recurrent"])
def test_dropout_in_inference_mode_and_behind_it_is_found(name):
    module, x = Backbone(name).eval(), rows_for(name, rows=3)
    assert_as_textbook(module, x)
    outside = nn.Sequential(module.backbone, Layer(lambda m, h: 2 * h), module.drop, module.last)
    expected, audit = howsure.audit(outside, x), howsure.audit(module, x)
    assert audit.multiply_adds == expected.multiply_adds
    of_both = [[layer.random for layer in each.layers if layer.random] for each in (audit, expected)]
    assert of_both[0] == of_both[1] != []


class Frozen(nn.Module):
    """A backbone that its `train` keeps in evaluation, as is usual where it is not trained."""

    def __init__(self, rate=0.1):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(8, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.5))
        self.drop, self.last, self.calls = nn.Dropout(rate), nn.Linear(12, CLASSES), 0

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval().requires_grad_(not mode)
        self.calls += 1
        return self

    def forward(self, x):
        return self.last(self.drop(self.backbone(x)))


def test_a_backbone_that_train_keeps_frozen_stays_so():
    module, x = Frozen().eval(), rows_for("mlp", rows=3)
    calls = module.calls
    howsure.assess(module, x)
    assert module.calls == calls
    assert all(weight.requires_grad for weight in module.parameters())
    oracle = nn.Sequential(*module.backbone[:3], nn.Dropout(0.1), module.last)
    assert_as_textbook(module, x, oracle)
    notes = {layer.name: layer.note for layer in howsure.audit(module, x).layers}
    assert notes["backbone.3"] == "stays fixed: the module's train() keeps it as in predicting"


def test_of_what_train_keeps_off_it_is_said_where_nothing_else_is_random():
    words = r"out of reach \('backbone\.3': .*: the module's train\(\) keeps it as in predicting"
    with pytest.raises(howsure.ModelError, match=words):
        howsure.assess(Frozen(rate=0).eval(), rows_for("mlp"))


def test_a_backbone_whose_train_was_put_out_of_use_stays_as_it_is():
    module = nn.Sequential(mlp(nn.ReLU()), nn.Dropout(0.2), nn.Linear(CLASSES, CLASSES)).eval()
    module[0].train = lambda mode=True: module[0]
    adapted, _ = adapt(module, rows_for("mlp"), gaussian_noise=False)
    assert [site.name for level in adapted.levels for site in level.sites] == ["1"]


def test_a_norm_without_statistics_makes_rows_depend_on_one_another():
    module = nn.Sequential(
        nn.Linear(8, 6), nn.BatchNorm1d(6, track_running_stats=False), nn.Linear(6, 3)
    ).eval()
    with pytest.raises(howsure.ModelError, match="depends on the rows beside it"):
        howsure.assess(module, rows_for("mlp"), method=howsure.Softmax())


def test_what_draws_also_when_predicting_and_is_no_dropout_is_refused():
    module = Through(lambda m, h: h[:, torch.randperm(h.shape[1])]).eval()
    with pytest.raises(howsure.ModelError, match="draws random numbers also when predicting"):
        howsure.assess(module, rows_for("mlp"), method=howsure.Softmax())


@pytest.mark.parametrize("kind", ["scripted", "traced", "compiled"])
def test_modules_that_were_made_of_modules(kind):
    module, x = mlp().eval(), rows_for("mlp")
    with warnings.catch_warnings(action="ignore"):  # PyTorch's own: both are deprecated
        scripted, traced = torch.jit.script(module), torch.jit.trace(module, torch.zeros(2, 8))
    if kind == "traced":
        with pytest.raises(howsure.ModelError, match="it was traced in eval mode, which left its dropout"):
            howsure.assess(traced, x)
        return
    made = scripted if kind == "scripted" else torch.compile(module, backend="eager")
    found, expected = (
        howsure.assess(each, x, method=howsure.MCDropout(passes=20)) for each in (made, module)
    )
    assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-6)


def test_an_audit_names_every_call_and_what_it_costs():
    audit = howsure.audit(build("convolutions"), rows_for("convolutions"))
    assert [layer.random for layer in audit.layers if layer.random] == ["drops 30 %", "drops 20 %"]
    assert audit.multiply_adds == 16 * 4 * 9 + 64 * 10 + 10 * 3
    assert "Its 3 linear outputs are read as logits of classes" in str(audit)


def test_the_second_call_of_a_layer_is_a_site_of_its_own():
    drop = nn.Dropout(0.2)
    module = nn.Sequential(drop, nn.Linear(8, 8), drop, nn.Linear(8, 3)).eval()
    adapted, _ = adapt(module, rows_for("mlp"), gaussian_noise=False)
    names = [site.name for level in adapted.levels for site in level.sites]
    assert names == ["0", "0#2"]


@pytest.mark.parametrize("name", ["encoder", "recurrent"])
def test_kernels_that_draw_inside_are_left_aside_on_other_devices(monkeypatch, name):
    """Here there is no such device: it is only told that the module lies on one."""
    module, x = build(name), rows_for(name)
    expected = howsure.assess(module, x, method=howsure.MCDropout(passes=8))
    monkeypatch.setattr(found, "device_of", lambda module: torch.device("xpu"))
    other = howsure.assess(module, x, method=howsure.MCDropout(passes=8))
    assert other.probabilities == pytest.approx(expected.probabilities, abs=1e-6)
