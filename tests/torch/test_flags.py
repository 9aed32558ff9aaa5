"""Flags of training that are not those of `train()` alone: norms, frozen backbones, inference mode."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import howsure
from howsure.adapters.torch import adapt
from tests.torch.modules import CLASSES, Layer, build, mlp, rows_for
from tests.torch.textbook import assert_as_textbook

LINE = r"\(test_flags\.py, line \d+\)"


class Dropping(nn.BatchNorm1d):
    """A norm that drops what it has made."""

    def forward(self, x):
        return F.dropout(super().forward(x), 0.5, self.training)


@pytest.mark.parametrize("layers", [(), (nn.Dropout(0.1),)])
def test_what_a_norm_of_a_users_draws_is_not_left_out(layers):
    module = nn.Sequential(nn.Linear(8, 12), Dropping(12), nn.ReLU(), *layers, nn.Linear(12, 3)).eval()
    with pytest.raises(howsure.ModelError, match=f"'1' cannot be done right: .* {LINE}: a norm draws it"):
        howsure.assess(module, rows_for("mlp"), outputs="logits")


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
    of_both = [[layer.random for layer in audit.layers if layer.random] for audit in (audit, expected)]
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
    howsure.assess(module, x, outputs="logits")
    assert module.calls == calls
    assert all(weight.requires_grad for weight in module.parameters())
    oracle = nn.Sequential(*module.backbone[:3], nn.Dropout(0.1), module.last)
    assert_as_textbook(module, x, oracle)
    notes = {layer.name: layer.note for layer in howsure.audit(module, x).layers}
    assert notes["backbone.3"] == "stays fixed: the module's train() keeps it as in predicting"


def test_of_what_train_keeps_off_it_is_said_where_nothing_else_is_random():
    words = r"stay as in predicting: 'backbone\.3': .*: the module's train\(\) keeps it as in predicting"
    with pytest.raises(howsure.ModelError, match=words):
        howsure.assess(Frozen(rate=0).eval(), rows_for("mlp"), outputs="logits")


def test_a_backbone_whose_train_was_put_out_of_use_stays_as_it_is():
    module = nn.Sequential(mlp(nn.ReLU()), nn.Dropout(0.2), nn.Linear(CLASSES, CLASSES)).eval()
    module[0].train = lambda mode=True: module[0]
    adapted, _ = adapt(module, rows_for("mlp"), gaussian_noise=False)
    assert [op.name for level in adapted.levels for op in level.random_ops] == ["1"]
