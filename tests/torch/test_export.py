"""Modules as ONNX graphs: what they say in ONNX Runtime is what `assess` says."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import howsure
from howsure.sampling.design import Design
from howsure.sampling.error import EarlyError
from tests.torch.berts import bert
from tests.torch.modules import Layer, build, mlp, rows_for

onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")
import onnx  # noqa: E402

from tests.graphs import CLASSES, check_as_assessed, metadata, run  # noqa: E402


def some(x, rows):
    return {name: array[rows] for name, array in x.items()} if isinstance(x, dict) else x[rows]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "certainty.onnx"


@pytest.mark.parametrize(
    "name", ["convolutions", "encoder", pytest.param("two_inputs", marks=pytest.mark.slow)]
)
def test_the_graph_says_what_assess_says(name, path):
    module, x, others = build(name).train(), rows_for(name, 80), rows_for(name, 30)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    plan = howsure.plan(module, x, outputs="logits", precision="float32")
    exported = howsure.export(module, path, plan=plan, x=x, seed=3, outputs="logits")
    assert module.training
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())

    passes = int(metadata(path)["passes"])
    outputs, expected = check_as_assessed(path, module, others, plan, seed=3, outputs="logits")
    assert set(expected.passes) == {passes}
    assert exported.largest_difference < 1e-5
    assert exported.passes == passes
    assert exported.rows == 64
    again = run(path, others)
    assert all((again[column] == outputs[column]).all() for column in outputs)
    alone = run(path, some(others, slice(7, 8)))
    for column in CLASSES:
        assert np.abs(alone[column][0] - outputs[column][7]).max() < 1e-5, column


def test_the_passes_in_the_graph_are_thinned_by_the_very_masks(path):
    """By hand: the mean of softmax(W₂ (m ∘ relu(W₁ x)) / 0.75) over the masks that a plan draws."""
    from howsure.sampling.flat import Flat
    from howsure.tasks.classification.outcome import Classes

    module, x = mlp().eval(), rows_for("mlp", 30)
    howsure.export(module, path, plan=howsure.Plan(), x=x, seed=5, outputs="logits")
    levels = howsure.adapters.resolve.adapt(module, x)[0].levels
    outcome = Classes
    flat = Flat(type("Levels", (), {"levels": levels}), 5, outcome, passes=None, most=20)
    (groups,) = flat.rounds()
    (masks,) = flat._masks_of(groups, range(len(groups.sizes)))

    first, last = module[0], module[3]
    with torch.no_grad():
        hidden = torch.relu(first(torch.from_numpy(x))).numpy()
        thinned = torch.from_numpy((masks[:, None] * hidden / 0.75).astype("float32"))
        values = torch.softmax(last(thinned), -1).numpy().astype(float)
    outputs = run(path, x)
    assert np.abs(outputs["probabilities"] - values.mean(axis=0)).max() < 1e-6
    entropies = -(values * np.log(values)).sum(-1).mean(0)
    assert np.abs(outputs["expected_entropy"] - entropies).max() < 1e-6
    assert outputs["mutual_information"].max() > 0.01


def test_nodes_of_a_large_layer_do_not_grow_with_masks(path):
    """They run as one product, and say what `assess` says."""
    module = nn.Sequential(
        *(nn.Linear(8, 1000), nn.ReLU(), nn.Dropout(0.2), nn.Linear(1000, 1000), nn.ReLU()),
        *(nn.Dropout(0.25), nn.Linear(1000, 1000), nn.ReLU(), nn.Linear(1000, 3)),
    ).eval()
    constants = EarlyError(((0.02, 0.02, 1e-5),), ((0.01, 0.01, 1e-5),), ((0.3, 0.3),), ((0.5, 0.5),))
    x, nodes = rows_for("mlp", 40), []
    for early in (3, 6):
        plan = howsure.Plan(Design((early, 8 * early), (4, 4), 1, 1, 1.0, constants, constants))
        howsure.export(module, path, plan=plan, x=x, outputs="logits")
        graph = onnx.load(path).graph
        _, expected = check_as_assessed(path, module, x, plan, ["probabilities"], outputs="logits")
        assert (expected.passes == 8 * early).all()
        nodes.append(len(graph.node))
    assert nodes[1] - nodes[0] < 3


def wide():
    """With so many units that their errors are alike."""
    torch.manual_seed(1)
    layers = nn.Linear(8, 96), nn.ReLU(), nn.Dropout(0.2), nn.Linear(96, 96), nn.ReLU(), nn.Dropout(0.5)
    return nn.Sequential(*layers, nn.Linear(96, 3)).eval()


def test_a_stated_error_chooses_the_passes(path):
    module, x = wide(), 3 * rows_for("mlp", 200)
    plan = howsure.plan(module, x, outputs="logits", precision="float32")
    first = plan.design.first * plan.design.passes
    usual = np.sqrt(plan.design.group.undecided)
    passes, costs = [], []
    for target in (1.6 * usual, 1.01 * usual, 0.6 * usual):
        exported = howsure.export(module, path, plan=plan, x=x, outputs="logits", target_error=target)
        assert exported.expected_error <= target
        assert json.loads(metadata(path)["expected_error"]) == exported.expected_error
        assert f"error of a probability of 0.5 is {exported.expected_error:.2g}." in str(exported)
        passes.append(exported.passes)
        costs.append(exported.cost)
        # The plan as it was given says the same, unless the graph has more than what every row gets first.
        same = plan if exported.passes <= first else exported.plan
        _, expected = check_as_assessed(path, module, x, same, outputs="logits")
        assert (expected.passes == exported.passes).all()
    assert passes[0] < passes[1] == first < passes[2]
    exported.plan.save(path.with_suffix(".json"))
    assert howsure.Plan.load(path.with_suffix(".json")) == exported.plan
    assert costs == sorted(costs)


def test_errors_that_no_graph_reaches_and_plans_that_tell_none(path):
    module, x = wide(), rows_for("mlp", 60)
    with pytest.raises(howsure.InputError, match=r"No passes that every row may get.*at least 0\.0"):
        howsure.export(module, path, x=x, outputs="logits", target_error=1e-5)
    with pytest.raises(howsure.InputError, match="does not tell how large errors are"):
        howsure.export(module, path, plan=howsure.Plan(), x=x, outputs="logits", target_error=0.1)


def test_whole_numbers_go_in_as_whole_numbers(path):
    """A row of words by their numbers."""
    module = nn.Sequential(nn.Embedding(12, 8), nn.Flatten(), nn.Dropout(0.3), nn.Linear(48, 3)).eval()
    x = rows_for("dropped_words", 20)
    howsure.export(module, path, plan=howsure.Plan(), x=x, outputs="logits")
    (node,) = onnxruntime.InferenceSession(path).get_inputs()
    assert node.type == "tensor(int64)"
    assert run(path, x)["probabilities"].sum(axis=-1) == pytest.approx(1, abs=1e-5)


def test_a_calibrator_travels_along_or_is_refused_before_the_work(path):
    module, x = build("mlp"), rows_for("mlp", 200)
    method = howsure.MCDropout(plan=howsure.Plan(), max_passes=20)
    certainty = howsure.assess(module, x, method=method, outputs="logits")
    truth = np.where(np.arange(200) % 4, certainty.label, certainty.runner_up)
    settings = {"plan": howsure.Plan(), "x": x, "outputs": "logits"}
    calibrator = howsure.calibrate(certainty, truth)
    howsure.export(module, path, **settings, calibrator=calibrator)
    outputs, calibrated = run(path, x), calibrator(certainty)
    assert np.abs(outputs["calibrated"] - calibrated.probabilities).max() < 1e-5
    assert json.loads(metadata(path)["calibrator"])["method"] == "temperature"
    assert np.abs(outputs["probabilities"] - certainty.probabilities).max() < 1e-5

    for wrong, message in (
        ({"class_names": list("abc")}, "for other classes"),
        ({"outputs": "values"}, "Expected: none: a graph calibrates only one class per row"),
    ):
        with pytest.raises(howsure.InputError, match=message):
            howsure.export(module, path, **settings | wrong, calibrator=calibrator)


def after(function):
    """A function of the rows, and a network behind it."""
    return nn.Sequential(Layer(lambda _, x: function(x)), nn.Dropout(0.3), nn.Linear(8, 3))


def test_what_onnx_does_not_have_is_refused_by_its_name(path):
    module, x = after(torch.special.bessel_j0), rows_for("mlp")
    with pytest.raises(howsure.ModelError, match=r"cannot write model 'Sequential'.*bessel_j0"):
        howsure.export(module, path, plan=howsure.Plan(), x=x, outputs="logits")
    assert not list(path.parent.iterdir())


def asking(x):
    """Goes on only where the rows are numbers."""
    if not x.isfinite().all():
        raise ValueError("no numbers")
    return x


def test_modules_that_run_whole_are_refused_with_the_reason(path):
    message = r"Passes of module 'Sequential' run whole.*Received: .* reads a number out of a tensor"
    with pytest.raises(howsure.ModelError, match=message):
        howsure.export(after(asking), path, plan=howsure.Plan(), x=rows_for("mlp"), outputs="logits")
    x = rows_for("dropped_words")
    with pytest.raises(howsure.ModelError, match=r"'DroppedWords' run one at a time"):
        howsure.export(build("dropped_words"), path, plan=howsure.Plan(), x=x, outputs="logits")


def test_rows_are_needed_where_the_module_does_not_say_what_it_takes(path):
    with pytest.raises(howsure.InputError, match="does not say what rows it takes"):
        howsure.export(nn.Sequential(nn.Dropout(0.3), nn.LazyLinear(3)), path, plan=howsure.Plan())


# --- familiarity ------------------------------------------------------------------------------------


def learnt(module, x, held_out, labels=None, **settings):
    """A familiarity of a module."""
    return howsure.familiarity(
        howsure.features_of(module, x), labels, howsure.features_of(module, held_out), **settings
    )


def drawn(rows, seed):
    return np.random.default_rng(seed).normal(size=(rows, 8)).astype("float32")


def off_but_for_ties(familiarity, module, x, outputs):
    """Largest distance of familiarities from those of howsure; scores that are equal up to 1e-5 are ties."""
    scores = familiarity(howsure.features_of(module, x))
    low, high = (
        (1 + np.searchsorted(familiarity.held_out, scores + off, side="right"))
        / (len(familiarity.held_out) + 1)
        for off in (-1e-5 * np.abs(scores), 1e-5 * np.abs(scores))
    )
    assert np.mean(low == high) > 0.5
    return np.abs(outputs - np.clip(outputs, low, high)).max()


@pytest.mark.parametrize("score", ["density", "neighbours", "max_logit"])
def test_how_familiar_a_row_is_travels_along(score, path):
    module, x, held_out = mlp(), drawn(240, 1), drawn(160, 2)
    familiarity = learnt(module, x, held_out, np.arange(240) % 3, score=score)
    plan = howsure.plan(module, x, outputs="logits", precision="float32")
    exported = howsure.export(module, path, plan=plan, x=held_out, outputs="logits", familiarity=familiarity)
    assert exported.largest_difference < 1e-5
    strange = np.concatenate([drawn(50, 3), 30 * drawn(50, 4)])
    outputs = run(path, strange)
    assert off_but_for_ties(familiarity, module, strange, outputs["familiarity"]) < 1e-6
    assert outputs["familiarity"].min() < 0.05 < 0.5 < outputs["familiarity"].max()
    assert json.loads(metadata(path)["familiarity"]) == {
        "score": score,
        "share": 0.01,
        "train_rows": 240,
        "held_out": 160,
    }
    strange[3] = np.nan
    assert np.isnan(run(path, strange)["familiarity"]).nonzero()[0].tolist() == [3]
    assert onnx.load(path).graph.output[-1].name == "familiarity"
    check_as_assessed(path, module, strange[:3], plan, ["probabilities"], 1e-5, outputs="logits")


def test_weights_are_in_a_graph_once(path):
    module = nn.Sequential(
        nn.Linear(8, 900), nn.ReLU(), nn.Linear(900, 900), nn.Dropout(0.3), nn.Linear(900, 3)
    )
    x = rows_for("mlp", 300)
    familiarity = learnt(module, x[:100], x[100:], np.arange(100) % 3, score="energy")
    plain = howsure.export(module, path, x=x, outputs="logits")
    more = howsure.export(module, path, plan=plain.plan, x=x, outputs="logits", familiarity=familiarity)
    assert more.size - plain.size < 0.1 * plain.size


def test_a_familiarity_that_cannot_travel_is_refused_before_the_work(path):
    module, x = mlp(), rows_for("mlp", 240)
    familiarity = learnt(module, x[:100], x[100:], np.arange(100) % 3)
    settings = {"plan": howsure.Plan(), "x": x, "outputs": "logits", "familiarity": familiarity}
    other = mlp()
    with torch.no_grad():
        other[0].bias += 1
    with pytest.raises(howsure.InputError, match="features of another model, or this one before it was"):
        howsure.export(other, path, **settings)
    wide = nn.Sequential(nn.Linear(8, 7), nn.Dropout(0.2), nn.Linear(7, 3))
    with pytest.raises(howsure.InputError, match="other features or logits"):
        howsure.export(wide, path, **settings)
    with pytest.raises(howsure.InputError, match="A result of several labels per row has no familiarity"):
        howsure.export(module, path, **{**settings, "outputs": "label-logits"})
    with pytest.raises(howsure.InputError, match="`familiarity`"):
        howsure.export(module, path, **{**settings, "familiarity": familiarity.percentile})
    ends = nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.2), nn.Linear(16, 3), nn.ReLU())
    with pytest.raises(howsure.ModelError, match="features of module 'Sequential' cannot be read"):
        howsure.export(ends, path, **settings)
    assert not list(path.parent.iterdir())


def words(rows, padded, seed=3):
    """Tokens and their mask; `padded` says of which rows the last ones are padding."""
    random = np.random.default_rng(seed)
    mask = np.ones((rows, 9), np.int64)
    mask[padded] = np.arange(9) < random.integers(4, 8, (len(mask[padded]), 1))
    return {"input_ids": random.integers(1, 30, (rows, 9)) * mask, "attention_mask": mask}


@pytest.mark.parametrize("recorded", [pytest.param("padded", marks=pytest.mark.slow), "whole"])
def test_a_bert_that_leaves_out_its_mask_where_no_row_is_padded(recorded, path):
    module = bert(num_labels=3)
    x = words(200, np.arange(200) != 130 if recorded == "padded" else np.arange(200) == 130)
    features = howsure.features_of(module, x)
    others = howsure.features_of(module, words(150, slice(60), seed=4))
    familiarity = howsure.familiarity(features, np.arange(200) % 3, others, score="neighbours")
    exported = howsure.export(module, path, x=x, outputs="logits", familiarity=familiarity)
    assert exported.largest_difference < 1e-5
    for padded in (slice(None), slice(0), slice(5)):  # all rows, none, and five of ten
        others = words(10, padded)
        columns = ["probabilities", "mc_error"]
        outputs, _ = check_as_assessed(path, module, others, exported.plan, columns, 1e-5, outputs="logits")
        assert off_but_for_ties(familiarity, module, others, outputs["familiarity"]) < 1e-6


class Masked(nn.Module):
    """Averages the tokens that are there, and adds something where all are; in an export it never does."""

    def __init__(self, added):
        super().__init__()
        torch.manual_seed(0)
        self.tokens, self.drop, self.last = nn.Embedding(30, 16), nn.Dropout(0.3), nn.Linear(16, 3)
        self.added = added

    def forward(self, input_ids, attention_mask):
        shares = attention_mask / attention_mask.sum(1, keepdim=True)
        hidden = (self.tokens(input_ids) * shares[..., None]).sum(1)
        if not torch.compiler.is_exporting() and attention_mask.all():
            hidden = hidden + self.added
        return self.last(self.drop(hidden))


def test_rows_alone_show_a_branch_that_an_export_leaves_out(path):
    """A batch with one padded row does not take it."""
    x = words(500, np.arange(500) % 2 == 0)
    howsure.export(Masked(0.0), path, x=x, outputs="logits")
    path.unlink()
    with pytest.raises(howsure.ModelError, match=r"something else than `assess` \(column 'probabilities'"):
        howsure.export(Masked(0.1), path, x=x, outputs="logits")
    assert not list(path.parent.iterdir())


class Failing(Masked):
    """Cannot run in an export."""

    def forward(self, input_ids, attention_mask):
        if torch.compiler.is_exporting():
            raise RuntimeError("not here")
        return super().forward(input_ids, attention_mask)


def test_a_module_that_fails_in_an_export_is_refused_with_the_reason(path):
    message = r"'Failing' run whole.*in an export, RuntimeError: not here"
    with pytest.raises(howsure.ModelError, match=message):
        howsure.export(Failing(0.0), path, x=words(20, slice(10)), outputs="logits")
    assert not torch.compiler.is_exporting()


class Named(nn.Module):
    """Its input is called as an output of the passes was."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 6), nn.Dropout(0.4), nn.Linear(6, 3))

    def forward(self, passes):
        return self.net(passes)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_sixteen_bits_are_refused(dtype, path):
    module, x = Named().eval().to(dtype), torch.randn(20, 4).to(dtype)
    with pytest.raises(howsure.ModelError, match=r"computes in b?float16, and graphs compute in float32"):
        howsure.export(module, path, plan=howsure.Plan(), x=x, outputs="logits")


def test_several_labels_with_names_of_which_nan_has_no_verdict(path):
    """And an input may be called passes."""
    x, names = drawn(50, 0)[:, :4], ["rain", "wind", "fog"]
    howsure.export(Named().eval(), path, x={"passes": x}, outputs="label-logits", class_names=names)
    assert [node.name for node in onnxruntime.InferenceSession(path).get_inputs()] == ["passes"]
    described = metadata(path)
    design = json.loads(described["plan"])["design"]
    assert json.loads(described["label_names"]) == names
    assert [design["first"] * width for width in design["widths"]] == [int(described["passes"])]
    x[1, 0] = np.nan
    outputs = run(path, x[:5])
    assert outputs["probabilities"].shape == outputs["verdict"].shape == outputs["entropy"].shape == (5, 3)
    assert (outputs["yes"] == (outputs["probabilities"] > 0.5)).all()
    assert (outputs["verdict"][1] == 3).all()
    assert (outputs["verdict"][[0, 2, 3, 4]] < 3).all()
    assert not outputs["yes"][1].any()
