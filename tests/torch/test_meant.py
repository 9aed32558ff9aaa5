"""Linear outputs mean what somebody declares. Where nobody does they are refused, however they look."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

import howsure
from howsure.errors import InputError, ModelError
from tests.torch.modules import bare_mlp, mlp, own_outputs

PLAIN = howsure.Softmax()
X = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")


def assess(module, x=X, **others):
    """The plain prediction, with every warning an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return howsure.assess(module.eval(), x, method=PLAIN, **others)


def of_mean_0():
    """A regression of numbers whose mean is 0 in every row, as the logits of a trained classifier have it."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))
    with torch.no_grad():
        module[3].weight.mul_(8)
        module[3].weight.sub_(module[3].weight.mean(0))
        module[3].bias.sub_(module[3].bias.mean())
    return module


NOBODY = {
    "numbers whose mean is 0": of_mean_0,
    "a module around another one": lambda: nn.Sequential(bare_mlp(), nn.Sequential()),
    "rows made anew": lambda: nn.Sequential(nn.Linear(8, 6), nn.Linear(6, 8)),
    "one number": lambda: nn.Linear(8, 1),
    "a norm at the end": lambda: nn.Sequential(nn.Linear(8, 3), nn.BatchNorm1d(3)),
}


@pytest.mark.parametrize("name", NOBODY)
def test_the_refusal_offers_both_readings_and_each_is_taken(name):
    module = NOBODY[name]()
    with pytest.raises(ModelError, match=r"outputs='logits' if .*outputs='values' if") as error:
        assess(module)
    assert "outputs='label-logits'" in str(error.value)
    assert "outputs='mean-variance' or outputs='mean-log-variance'" in str(error.value)
    assert isinstance(assess(module, outputs="logits"), howsure.Certainty)
    assert assess(module, outputs="values").mean == pytest.approx(own_outputs(module, X).numpy(), abs=1e-5)


def test_names_of_classes_say_it():
    names = ["a", "b", "c"]
    expected = assess(bare_mlp(), outputs="logits", class_names=names)
    assert assess(bare_mlp(), class_names=names).class_names == expected.class_names
    module = bare_mlp()
    module.classes = names
    assert assess(module).class_names == tuple(names)


def test_audit_says_what_is_missing():
    message = " ".join(str(howsure.audit(bare_mlp().eval(), X)).split())
    assert "say what it puts out: Nothing says what the 3 linear outputs" in message
    assert "This is shown by what it was trained for (classes)" in str(howsure.audit(mlp().eval(), X))


def test_a_member_is_read_as_the_first_model_is():
    torch.manual_seed(0)
    first, member = mlp().eval(), bare_mlp().eval()
    result = howsure.assess(first, X, method=howsure.Ensemble([member]))
    expected = howsure.assess(first, X, method=howsure.Ensemble([member]), outputs="logits")
    np.testing.assert_array_equal(result.probabilities, expected.probabilities)


def test_declared_logits_that_are_probabilities_are_refused():
    module = nn.Sequential(bare_mlp(nn.Softmax(dim=1)), nn.Sequential())
    with pytest.raises(ModelError, match="declared logits and are probabilities already"):
        assess(module, outputs="logits")
    with pytest.raises(ModelError, match="is not a distribution over classes"):
        assess(bare_mlp(), outputs="probabilities")


def test_labels_that_do_not_fit_point_at_outputs():
    rows = torch.from_numpy(X[:4])

    def labelled(labels, outputs):
        data = torch.utils.data.TensorDataset(rows, torch.as_tensor(labels))
        howsure.assess(bare_mlp(), torch.utils.data.DataLoader(data), method=PLAIN, outputs=outputs)

    several = [[1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 1, 1]]
    with pytest.raises(InputError, match=r"several labels.*outputs='label-logits'"):
        labelled(several, "logits")
    with pytest.raises(InputError, match=r"such numbers, say so .*outputs='values'"):
        labelled([0.3, 1.7, 2.2, 0.1], "logits")
    with pytest.raises(InputError, match=r"outputs='logits'"):
        labelled([0, 1, 2, 1], "label-logits")


def test_linear_outputs_at_positions_are_refused_likewise():
    x = np.random.default_rng(0).normal(size=(6, 3, 8, 8)).astype(np.float32)
    module = nn.Sequential(nn.Dropout2d(0.5), nn.Conv2d(3, 3, 1))
    with pytest.raises(ModelError, match=r"Nothing says what the 3 linear outputs at a position"):
        assess(module, x)
    assert assess(module, x, outputs="logits").positions == (8, 8)
    assert assess(module, x, class_names=["a", "b", "c"]).positions == (8, 8)
