"""What a module draws after a seed of its own, or once for all calls, is part of it and no draw of a pass."""

import pytest
import torch
from torch import nn

import howsure
from howsure.adapters.torch import adapt
from tests.torch.modules import Layer, mlp, rows_for
from tests.torch.textbook import assert_as_textbook


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
    seen = howsure.assess(module, x, method=howsure.Softmax(), outputs="logits").probabilities
    with torch.no_grad():
        assert seen == pytest.approx(module(torch.from_numpy(x)).softmax(1).numpy(), abs=1e-6)
    assert_as_textbook(module, x)
    adapted, _ = adapt(module, x, gaussian_noise=False)
    assert adapted.whole_because == "it draws by a generator that it seeds anew in every call"


def test_what_is_dropped_before_a_fixed_projection_does_not_make_it_another():
    def dropped_and_projected(module, x):
        x = nn.functional.dropout(x, 0.3, module.training)
        return _seeded(module, x)

    assert_as_textbook(nn.Sequential(Layer(dropped_and_projected), mlp()).eval(), rows_for("mlp", 3))


def test_a_mask_that_is_always_the_same_is_not_left_out():
    """In training alone, so that it is no part of the prediction."""

    def thinned(module, x):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return x * (torch.rand(8) > 0.3) / 0.7 if module.training else x

    module = nn.Sequential(Layer(thinned), mlp()).eval()
    with pytest.raises(howsure.ModelError, match=r"'0' cannot be done right.* seeded anew in every call"):
        howsure.assess(module, rows_for("mlp", 3), outputs="logits")


def test_dropout_behind_a_seed_drops_the_same_in_every_call():
    def gated(module, x):
        torch.manual_seed(0)
        return x * torch.randn(8)

    module, x = nn.Sequential(nn.Dropout(0.3), Layer(gated), mlp()).eval(), rows_for("mlp", 3)
    with pytest.raises(howsure.ModelError, match=r"'2\.2' cannot be done right.* seeded anew in every call"):
        howsure.assess(module, x, outputs="logits")
    seen = howsure.assess(module, x, method=howsure.Softmax(), outputs="logits").probabilities
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
        howsure.assess(module, x, outputs="logits")
    assert not hasattr(module[0], "projection")
    module.train()(torch.from_numpy(x))
    if not trained:
        assert_as_textbook(module.eval(), x)
