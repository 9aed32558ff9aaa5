"""Outputs of which nobody says anything: classifiers go on, others are refused or said aloud."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

import howsure
from howsure.errors import HowsureWarning, InputError, ModelError
from tests.torch.zoo import CLASSIFIERS, REFUSED, WARNED, mlp, trained

PLAIN = howsure.Softmax()
MEAN_AND_VARIANCE = "outputs='mean-variance'.*'mean-log-variance'"
WORDS = dict.fromkeys(("mean and log_var", "means and sigma", "a pair"), MEAN_AND_VARIANCE)
"""What a message names instead of `values`, by name of a module."""
NOBODY = "Nothing says what the"


def assessed(module, x, **others):
    """The result, and what was said of its outputs."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        result = howsure.assess(module, x, method=PLAIN, **others)
    return result, [str(each.message) for each in said if NOBODY in str(each.message)]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_trained_classifier_needs_no_word(name):
    module, x = trained(*CLASSIFIERS[name])
    certainty, said = assessed(module, x)
    assert not said
    assert len(certainty) == len(x)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_classifier_is_refused(name):
    module, x = trained(*REFUSED[name])
    with pytest.raises(ModelError, match=WORDS.get(name, "outputs='values'")):
        howsure.assess(module, x, method=PLAIN)
    if name != "a pair":
        assert len(howsure.assess(module, x, method=PLAIN, outputs="logits")) == len(x)


@pytest.mark.parametrize("name", WARNED)
def test_what_nothing_tells_is_said_aloud_unless_someone_says_what_it_is(name):
    module, x = trained(*WARNED[name])
    certainty, said = assessed(module, x)
    assert len(said) == 1
    assert "the numbers of a regression: outputs='values'; if" in said[0]
    several = isinstance(certainty, howsure.MultilabelCertainty)
    width = certainty.probabilities.shape[1]
    assert f"the {width} {'sigmoids' if several else 'linear outputs'} of model" in said[0]
    word = "label-probabilities" if several else "logits"
    assert f"outputs='{word}' or class_names=[…] confirms that" in said[0]
    for others in ({"outputs": word}, {"class_names": [f"class {k}" for k in range(width)]}):
        same, nothing = assessed(module, x, **others)
        assert not nothing
        assert np.array_equal(same.probabilities, certainty.probabilities)


def test_labels_that_come_with_the_rows_say_it():
    module, x = trained(*WARNED["four numbers"])
    labels = np.arange(len(x)) % 4
    loader = torch.utils.data.DataLoader(list(zip(torch.from_numpy(x), labels, strict=True)), 16)
    certainty, said = assessed(module, loader)
    assert not said
    assert certainty.truth.tolist() == labels.tolist()


def test_a_comparison_has_labels():
    module, x = trained(*WARNED["four numbers"])
    with warnings.catch_warnings():
        warnings.simplefilter("error", HowsureWarning)
        found = howsure.compare(module, x, np.arange(len(x)) % 4, methods={"softmax": PLAIN}, shifts={})
    assert found.noticed == ()


def test_it_is_said_once_for_a_line():
    module, x = trained(*WARNED["two numbers"])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default")
        for _ in range(3):
            howsure.assess(module, x, method=howsure.MCDropout(passes=4))
    assert len(said) == 1


def test_a_few_rows_tell_nothing():
    module, x = trained(*CLASSIFIERS["iris"])
    assert len(assessed(module, x[:4])[1]) == 1
    assert not assessed(module, x[:0])[1]


def test_rows_may_lie_in_the_order_of_their_classes():
    module, x = trained(*CLASSIFIERS["iris"])
    with torch.no_grad():
        order = module(torch.from_numpy(x)).argmax(1).argsort(stable=True).numpy()
    assert not assessed(module, np.repeat(x[order], 5, axis=0))[1]


def test_the_batch_size_changes_nothing():
    module, x = trained(*CLASSIFIERS["iris"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        howsure.assess(module, x, method=PLAIN, batch_size=7)


@pytest.mark.parametrize(
    ("name", "silent"),
    [("classifier", True), ("logits", True), ("cls_head", True), ("out", False), ("decoder", False)],
)
def test_names_of_the_last_layer(name, silent):
    body = nn.Sequential()
    body.add_module("body", nn.Linear(8, 4))
    body.add_module(name, nn.Linear(4, 3))
    x = np.random.default_rng(0).normal(size=(4, 8)).astype("float32")
    assert bool(assessed(body, x)[1]) is not silent


def test_names_of_the_model():
    x = np.random.default_rng(0).normal(size=(4, 8)).astype("float32")
    for name in ("LogisticRegression", "SoftmaxRegression", "DigitClassifier", "VAEClassifier"):
        assert not assessed(type(name, (nn.Sequential,), {})(nn.Linear(8, 3)), x)[1]
    for name in ("LandmarkNet", "EmbeddingBagModel", "Net"):
        assert len(assessed(type(name, (nn.Sequential,), {})(nn.Linear(8, 3)), x)[1]) == 1
    for name in ("AgeRegressor", "PriceRegression", "ConvAutoEncoder", "BetaVAE", "Siamese"):
        with pytest.raises(ModelError, match=f"'{name}' among the names of the model"):
            assessed(type(name, (nn.Sequential,), {})(nn.Linear(8, 3)), x)


def test_names_in_the_body_say_nothing():
    body = nn.Sequential()
    body.add_module("embedding", nn.Linear(8, 4))
    body.add_module("regressor", nn.ReLU())
    body.add_module("last", nn.Linear(4, 3))
    x = np.random.default_rng(0).normal(size=(4, 8)).astype("float32")
    assert len(assessed(body, x)[1]) == 1


def test_labels_that_do_not_fit_point_at_outputs():
    x = np.random.default_rng(0).normal(size=(4, 8)).astype("float32")
    rows = torch.from_numpy(x)

    def assess(labels, outputs):
        data = torch.utils.data.TensorDataset(rows, torch.as_tensor(labels))
        howsure.assess(mlp(8, 3), torch.utils.data.DataLoader(data), method=PLAIN, outputs=outputs)

    several = [[1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 1, 1]]
    with pytest.raises(InputError, match=r"several labels.*outputs='label-logits'"):
        assess(several, None)
    with pytest.raises(InputError, match=r"such numbers, say so .*outputs='values'"):
        assess([0.3, 1.7, 2.2, 0.1], None)
    with pytest.raises(InputError, match=r"such numbers, say so .*outputs='values'"):
        assess(np.full((4, 3), 0.5), None)
    with pytest.raises(InputError, match=r"outputs='logits'"):
        assess([0, 1, 2, 1], "label-logits")


class AtPositions(nn.Module):
    """A convolution that makes its input anew, or something else of the same shape."""

    def __init__(self, name="out", anew=False):
        super().__init__()
        self.drop, self.anew = nn.Dropout2d(0.5), anew
        self.add_module(name, nn.Conv2d(3, 3, 1))
        self.last = name

    def forward(self, x):
        found = getattr(self, self.last)(self.drop(x))
        return x + 0.01 * found if self.anew else found


@pytest.mark.parametrize("settings", [{"anew": True}, {"name": "depth"}])
def test_images_made_anew_and_depths_are_no_classes_at_positions(settings):
    x = np.random.default_rng(0).normal(size=(6, 3, 8, 8)).astype(np.float32)
    with pytest.raises(howsure.ModelError, match="and no classes"):
        howsure.assess(AtPositions(**settings).eval(), x)


def test_linear_outputs_at_positions_that_nothing_explains_are_read_with_a_warning():
    x = np.random.default_rng(0).normal(size=(6, 3, 8, 8)).astype(np.float32)
    with pytest.warns(howsure.HowsureWarning, match="3 linear outputs at a position"):
        howsure.assess(AtPositions().eval(), x)
