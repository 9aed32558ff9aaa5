"""What a module draws after a seed of its own, or once for all calls, is part of it and refused as a draw."""

import pytest
import torch
from torch import nn

import howsure
from tests.torch.modules import Layer, mlp, rows_for
from tests.torch.textbook import assert_as_textbook


def _seeded(module, x):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        fixed = torch.randn(8, 8) * torch.rand(8)
    return x @ fixed


def _by_a_generator(module, x):
    return x @ torch.randn(8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("projected", [_seeded, _by_a_generator])
def test_what_is_drawn_alike_in_every_call_is_refused_with_its_line(projected, at):
    """Its mean would be another network. Also where the caller's seed is the same."""
    layers = [nn.Linear(8, 8), nn.Dropout(0.3), nn.Linear(8, 3)]
    layers.insert(at, Layer(projected))
    module, x = nn.Sequential(*layers).eval(), rows_for("mlp", 3)
    torch.manual_seed(0)
    for method in (None, howsure.Softmax()):
        with pytest.raises(howsure.ModelError, match=r"the same numbers .*test_seeds\.py, line .*buffer"):
            howsure.assess(module, x, method=method, outputs="logits")


def test_a_mask_that_is_always_the_same_is_not_left_out():
    """In training alone, so that it is no part of the prediction."""

    def thinned(module, x):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return x * (torch.rand(8) > 0.3) / 0.7 if module.training else x

    module = nn.Sequential(Layer(thinned), mlp()).eval()
    with pytest.raises(howsure.ModelError, match=r"'0' cannot be done right.* seeded anew in every call"):
        howsure.assess(module, rows_for("mlp", 3), outputs="logits")


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
