"""What a module says of its outputs is believed: a config, a criterion, its classes."""

import warnings
from collections import OrderedDict

import lightning
import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from PIL import Image
from scipy.special import expit
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset

import howsure
from howsure.errors import HowsureWarning, InputError, ModelError
from tests.torch.berts import bert
from tests.torch.modules import bare_mlp as mlp
from tests.torch.modules import own_outputs, rows_for

PLAIN = howsure.Softmax()
ROWS = rows_for("mlp", rows=4)
WORDS = {
    "input_ids": np.random.default_rng(0).integers(3, 50, (4, 6)),
    "attention_mask": np.ones((4, 6), int),
}


def assess(module, rows=ROWS, **others):
    """The plain prediction, with every warning an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return howsure.assess(module.eval(), rows, method=PLAIN, **others)


class Keeps(lightning.LightningModule):
    """Linear outputs, and a loss under some name."""

    def __init__(self, loss=None, name="criterion", end=None):
        super().__init__()
        self.net, self.end = mlp(), end or nn.Identity()
        if loss is not None:
            setattr(self, name, loss)

    def forward(self, x):
        return self.end(self.net(x))


# --- a config ---------------------------------------------------------------------------------------


def test_several_labels_of_transformers():
    module = bert(num_labels=3, problem_type="multi_label_classification")
    logits = own_outputs(module, WORDS).logits.numpy()
    for model in (module, nn.DataParallel(module)):
        result = assess(model, WORDS)
        assert isinstance(result, howsure.MultilabelCertainty)
        assert np.allclose(result.probabilities, expit(logits), atol=1e-6)


@pytest.mark.parametrize("config", [{"num_labels": 3, "problem_type": "regression"}, {"num_labels": 1}])
def test_a_regression_of_transformers(config):
    module = bert(**config)
    result = assess(module, WORDS)
    np.testing.assert_allclose(result.mean, own_outputs(module, WORDS).logits, rtol=1e-5, atol=1e-7)
    assert np.isnan(result.noise).all()


def test_names_of_transformers():
    module = bert(id2label={1: "good", 0: "bad"}, label2id={"bad": 0, "good": 1})
    assert assess(module, WORDS).class_names == ("bad", "good")
    assert assess(bert(num_labels=3), WORDS).class_names == ("0", "1", "2")
    with pytest.raises(InputError, match="own in another order"):
        assess(module, WORDS, class_names=["good", "bad"])


def test_networks_of_timm():
    images = np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype("float32")
    module = timm.create_model("resnet10t", num_classes=3, pretrained=False)
    assert assess(module, images).class_names == ("0", "1", "2")
    module.pretrained_cfg["label_names"] = ["cat", "dog", "owl"]
    assert assess(module, images).class_names == ("cat", "dog", "owl")
    module.reset_classifier(0)
    with pytest.raises(ModelError, match="trained for embeddings"):
        assess(module, images)


def test_a_network_of_torchvision_for_imagenet():
    images = np.random.default_rng(0).normal(size=(1, 3, 32, 32)).astype("float32")
    assert assess(torchvision.models.shufflenet_v2_x0_5(), images).probabilities.shape == (1, 1000)
    with pytest.raises(ModelError, match="Nothing says what the 4 linear outputs"):
        assess(torchvision.models.shufflenet_v2_x0_5(num_classes=4), images)


# --- a criterion ------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), nn.NLLLoss(), F.cross_entropy])
def test_losses_of_classes(loss):
    for name in ("criterion", "loss_fn", "loss"):
        module = Keeps(loss, name).eval()
        logits = module(torch.from_numpy(ROWS)).detach()
        assert np.allclose(assess(module).probabilities, logits.softmax(1).numpy(), atol=1e-6)


@pytest.mark.parametrize("loss", [nn.BCEWithLogitsLoss(), nn.BCELoss(), nn.MultiLabelSoftMarginLoss()])
def test_losses_of_labels(loss):
    assert isinstance(assess(Keeps(loss)), howsure.MultilabelCertainty)
    if not isinstance(loss, nn.BCELoss):
        with pytest.warns(HowsureWarning, match="ends in a sigmoid, and its loss"):
            howsure.assess(Keeps(loss, end=nn.Sigmoid()).eval(), ROWS, method=PLAIN)
    else:
        assert isinstance(assess(Keeps(loss, end=nn.Sigmoid())), howsure.MultilabelCertainty)


@pytest.mark.parametrize(
    "loss",
    [nn.MSELoss(), nn.L1Loss(), nn.HuberLoss(), nn.SmoothL1Loss()] + [F.mse_loss, F.huber_loss],
)
def test_losses_of_a_regression(loss):
    assert assess(Keeps(loss)).target_names == ("0", "1", "2")
    assert isinstance(assess(Keeps(loss), outputs="logits"), howsure.Certainty)


def test_sigmoids_trained_by_a_loss_of_regression_are_numbers_and_that_is_said():
    module = Keeps(nn.MSELoss(), end=nn.Sigmoid())
    with pytest.raises(HowsureWarning, match=r"read as numbers.*outputs='label-probabilities'"):
        assess(module)
    assert isinstance(assess(module, outputs="values"), howsure.RegressionCertainty)
    assert isinstance(assess(module, outputs="label-probabilities"), howsure.MultilabelCertainty)


def quantile_loss(share):
    def loss(predicted, y):
        return torch.maximum(share * (y - predicted), (share - 1) * (y - predicted)).mean()

    return loss


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (nn.GaussianNLLLoss(), "means and variances.*'mean-variance' reads .*'mean-log-variance' reads"),
        (F.gaussian_nll_loss, "means and variances.*'mean-variance' reads .*'mean-log-variance' reads"),
        (nn.PoissonNLLLoss(), "logarithms of rates.*outputs='log-rates' reads"),
        (quantile_loss(0.9), "quantiles.*outputs='values' reads each quantile"),
    ],
)
def test_losses_that_leave_open_what_the_numbers_are(loss, message):
    with pytest.raises(ModelError, match=f"trained for {message}"):
        assess(Keeps(loss))
    assert isinstance(assess(Keeps(loss), outputs="values"), howsure.RegressionCertainty)


def test_counts_are_read_from_rates_and_from_their_logarithms():
    module = Keeps(nn.PoissonNLLLoss())
    logs = assess(module, outputs="values").mean
    np.testing.assert_allclose(assess(module, outputs="log-rates").mean, np.exp(logs), rtol=1e-6)
    with pytest.raises(ModelError, match="A graph does not give counts"):
        howsure.export(module, "counts.onnx", x=ROWS, outputs="log-rates")
    module.criterion = nn.PoissonNLLLoss(log_input=False)
    with pytest.raises(HowsureWarning, match=r"Poisson loss.*outputs='rates' reads"):
        assess(module)


def test_quantiles_side_by_side():
    module = Keeps(quantile_loss(0.9), end=nn.Unflatten(1, (1, 3)))
    module.net[-1].bias.data += torch.tensor([-90.0, 0.0, 90.0])
    for end in (module.end, nn.Identity()):
        module.end = end
        result = assess(module, outputs="quantiles", levels=(0.1, 0.5, 0.9))
        wanted = module(torch.tensor(ROWS)).detach().numpy().reshape(len(ROWS), 1, 3)
        np.testing.assert_allclose(result.answer_quantiles, wanted, rtol=1e-5)


def test_a_loss_of_embeddings():
    with pytest.raises(ModelError, match="trained for embeddings"):
        assess(Keeps(nn.TripletMarginLoss()))


def test_a_second_softmax_is_said_aloud():
    module = Keeps(nn.CrossEntropyLoss(), end=nn.Softmax(dim=1)).eval()
    with pytest.warns(
        HowsureWarning, match=r"ends in a softmax, and its loss, 'CrossEntropyLoss', takes logits"
    ):
        howsure.assess(module, ROWS, method=PLAIN)
    assess(module, outputs="probabilities")
    assess(Keeps(nn.NLLLoss(), end=nn.Softmax(dim=1)))


def test_losses_that_say_different_things_say_nothing():
    module = Keeps(nn.CrossEntropyLoss())
    module.second = nn.MSELoss()
    with pytest.raises(ModelError, match="Nothing says what the 3 linear outputs"):
        assess(module)

    class Own(nn.Module):
        pass

    with pytest.raises(ModelError, match="Nothing says what the 3 linear outputs"):
        assess(Keeps(Own()))


def test_a_loss_of_a_users_is_known_by_its_name():
    def focal_loss(outputs, y):
        return F.cross_entropy(outputs, y)

    class QuantileLoss(nn.Module):
        pass

    assess(Keeps(focal_loss, "loss_fn"))
    with pytest.raises(ModelError, match=r"trained for quantiles.*outputs='values' reads each quantile"):
        assess(Keeps(QuantileLoss()))


# --- classes ----------------------------------------------------------------------------------------


def test_classes_that_a_module_counts_or_names():
    module = mlp()
    module.num_classes = 3
    assess(module)
    module.num_classes = 4
    with pytest.raises(ModelError, match="Nothing says"):
        assess(module)
    module.class_names = ["cat", "dog", "owl"]
    assert assess(module).class_names == ("cat", "dog", "owl")


def test_a_head_that_was_taken_off():
    with pytest.raises(ModelError, match="trained for embeddings"):
        assess(nn.Sequential(OrderedDict(body=mlp(), fc=nn.Identity())))


def test_a_property_that_fails_says_nothing():
    class Needs(Keeps):
        @property
        def config(self):
            raise RuntimeError("no trainer")

    assess(Needs(nn.CrossEntropyLoss()))


# --- a dataset --------------------------------------------------------------------------------------


class Folders(Dataset):
    """As `torchvision.datasets.ImageFolder`."""

    def __init__(self, classes, labels=(0, 1, 2, 1)):
        self.classes, self.labels = classes, labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, at):
        return torch.from_numpy(ROWS[at]), self.labels[at]


def test_classes_of_a_dataset():
    data = Folders(["cat", "dog", "owl"])
    for dataset in (data, Subset(data, range(4))):
        result = assess(mlp(), DataLoader(dataset, 2))
        assert result.class_names == ("cat", "dog", "owl")
        assert result.truth.tolist() == [0, 1, 2, 1]


def test_names_of_the_model_go_before_those_of_a_dataset():
    module = mlp()
    module.class_names = ["owl", "cat", "dog"]
    result = assess(module, DataLoader(Folders(["cat", "dog", "owl"]), 2))
    assert result.class_names == ("owl", "cat", "dog")
    assert result.truth.tolist() == [1, 2, 0, 2]
    module.class_names = ["Strigiformes", "Felidae", "Canidae"]  # others, so numbers are numbers
    assert assess(module, DataLoader(Folders(["cat", "dog", "owl"]), 2)).truth.tolist() == [0, 1, 2, 1]


def test_a_dataset_with_other_classes():
    with pytest.raises(InputError, match="class names do not fit the model"):
        assess(mlp(), DataLoader(Folders(["cat", "dog"], (0, 1, 1, 0)), 2))
    for classes in (3, [0, 1, 2], ["one"], {"cat": 0}):
        result = assess(mlp(), DataLoader(Folders(classes), 2), outputs="logits")
        assert result.class_names == ("0", "1", "2")


def test_names_of_the_model_go_before_those_of_folders(tmp_path):
    for number, folder in enumerate(("cat", "dog", "owl")):
        (tmp_path / folder).mkdir()
        pixels = np.full((4, 4, 3), 80 * number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / folder / "1.png")
    module = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))
    module.class_names = ["owl", "cat", "dog"]
    with warnings.catch_warnings(action="ignore"):  # bytes
        result = howsure.assess(module.eval(), tmp_path, method=PLAIN)
    assert result.class_names == ("owl", "cat", "dog")
    assert result.truth.tolist() == [1, 2, 0]
    module.class_names = ["owl", "cat", "cow"]
    with (
        warnings.catch_warnings(action="ignore"),
        pytest.raises(InputError, match="The folder 'dog' is not among the class names"),
    ):
        howsure.assess(module, tmp_path, method=PLAIN)


def test_the_laplace_of_rows_with_names_of_their_own():
    module = mlp()
    plain = howsure.LastLayerLaplace.fit(module, ROWS, [1, 2, 0, 2], outputs="logits")
    module.class_names = ["owl", "cat", "dog"]
    named = howsure.LastLayerLaplace.fit(module, DataLoader(Folders(["cat", "dog", "owl"]), 2))
    assert named.posterior.prior_precision == pytest.approx(plain.posterior.prior_precision, rel=1e-6)
