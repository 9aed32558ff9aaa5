"""Rules in a graph decide as they do in Python."""

import numpy as np
import pytest

import howsure

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
onnx = pytest.importorskip("onnx", reason="ONNX is not installed")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

from torch import nn  # noqa: E402

from howsure.tasks.classification.graph import ClassesGraph  # noqa: E402
from tests.graphs import metadata, run  # noqa: E402


def network(outputs):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, outputs)).eval()


class AtPositions(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.first, self.drop, self.last = nn.Conv2d(1, 6, 3, padding=1), nn.Dropout(0.3), nn.Conv2d(6, 3, 1)

    def forward(self, x):
        return self.last(self.drop(torch.relu(self.first(x))))


def _labels(kind, model, x, random):
    """Labels that the network is right about more often than not, in logits that are far apart."""
    with torch.no_grad():
        raw = model(torch.from_numpy(x)).numpy()
    noisy = raw + random.gumbel(size=raw.shape) * 0.1
    if kind == "labels":
        return noisy > 0
    return noisy if kind == "numbers" else noisy.argmax(axis=1)


KINDS = {
    "classes": (lambda: network(3), {"outputs": "logits"}, {"risk": 0.4}, ("in_set", "hand_over")),
    "labels": (lambda: network(3), {"outputs": "label-logits"}, {"risk": 0.7}, ("in_set", "hand_over")),
    "numbers": (
        *(lambda: network(2), {"outputs": "values"}, {"risk": 0.4, "tolerance": 0.5}),
        ("low", "high", "hand_over"),
    ),
    "variances": (
        *(lambda: network(4), {"outputs": "mean-log-variance"}, {"risk": 0.4, "tolerance": 1.0}),
        ("low", "high", "hand_over"),
    ),
    "positions": (
        *(AtPositions, {"outputs": "logits"}, {"risk": 0.4, "tolerance": 0.5, "calibrate": False}),
        ("hand_over",),
    ),
}


@pytest.fixture(params=KINDS)
def exported(request, tmp_path, monkeypatch):
    """A network, its graph, rules for that graph, rows that they decide, and the columns that they give."""
    monkeypatch.chdir(tmp_path)
    make, wishes, promise, columns = KINDS[request.param]
    random, model = np.random.default_rng(0), make()
    shape = (1, 6, 6) if request.param == "positions" else (4,)
    x = (2 * random.normal(size=(400, *shape))).astype(np.float32)
    labels = _labels("numbers" if request.param == "variances" else request.param, model, x, random)
    if request.param == "variances":
        labels = labels[:, :2]
    plan = howsure.export(model, "plain.onnx", x=x, **wishes).plan
    rules = howsure.fit_rules(howsure.assess("plain.onnx", x[:300]), labels[:300], **promise)
    return model, wishes | {"plan": plan}, rules, x[300:], columns


def test_a_graph_decides_as_rules_do_in_python(exported):
    model, wishes, rules, x, columns = exported
    howsure.export("plain.onnx", "decided.onnx", rules=rules, x=x)
    howsure.export(model, "at_once.onnx", x=x, rules=rules, **wishes)
    expected = rules(howsure.assess("plain.onnx", x))
    for path in ("decided.onnx", "at_once.onnx"):
        outputs, again = run(path, x), howsure.assess(path, x)
        assert again.method["rules"] == rules.mark
        for name in columns:
            in_python = getattr(expected, name)
            assert outputs[name].shape == in_python.shape
            if outputs[name].dtype == bool:
                assert np.mean(outputs[name] != in_python) <= 0.01  # ties, but for rounding
                assert np.mean(getattr(again, name) != in_python) <= 0.01
            else:
                np.testing.assert_allclose(outputs[name], in_python, rtol=1e-4, atol=1e-4)
    if "hand_over" in columns:
        assert run("decided.onnx", np.full_like(x[:1], np.nan))["hand_over"].all()


@pytest.mark.parametrize("exported", ["classes", "labels", "numbers", "variances"], indirect=True)
def test_calibrated_numbers_come_along(exported):
    _, _, rules, x, _ = exported
    howsure.export("plain.onnx", "decided.onnx", rules=rules)
    outputs, before = run("decided.onnx", x), howsure.assess("plain.onnx", x)
    in_graph, in_python = ("std", "std") if before.has("std") else ("calibrated", "probabilities")
    expected = getattr(rules(before), in_python)
    assert not np.allclose(expected, getattr(before, in_python), rtol=1e-3)
    np.testing.assert_allclose(outputs[in_graph], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("exported", ["labels", "numbers"], indirect=True)
def test_a_calibrator_that_no_graph_holds_is_refused_and_the_hint_works(exported):
    model, wishes, rules, x, _ = exported
    said = (
        r"A graph cannot hold a calibrator of (numbers|several labels) per row.*howsure\.calibrate\(howsure"
    )
    with pytest.raises(howsure.InputError, match=said):
        howsure.export(model, "other.onnx", x=x, calibrator=rules.calibrator, **wishes)
    of_graph = howsure.assess("plain.onnx", x)
    labels = _labels(rules.origin.kind, model, x, np.random.default_rng(1))
    calibrator = howsure.calibrate(of_graph, labels)
    assert "calibration" in calibrator(howsure.assess("plain.onnx", x)).method


def test_rules_of_other_numbers_are_refused_and_nothing_is_written(exported, tmp_path):
    model, wishes, rules, x, _ = exported
    by_the_model = howsure.assess(model, x, outputs=wishes["outputs"])
    labels = getattr(by_the_model, {"labels": "yes", "numbers": "mean"}.get(rules.origin.kind, "label"))
    other = howsure.fit_rules(by_the_model, labels, coverage=None, risk=None, calibrate=False)
    with pytest.raises(howsure.InputError, match=r"fitted to other numbers.*fit_rules\(howsure.assess"):
        howsure.export(model, "out.onnx", x=x, rules=other, **wishes)
    torch.nn.init.normal_(next(model.parameters()))  # as if trained further
    with pytest.raises(howsure.InputError, match="The graph: these rows have another origin"):
        howsure.export(model, "out.onnx", x=x, rules=rules, outputs=wishes["outputs"])
    howsure.export("plain.onnx", "decided.onnx", rules=rules)
    with pytest.raises(howsure.InputError, match="has rules already"):
        howsure.export("decided.onnx", "out.onnx", rules=rules)
    names = np.array(["a", "b", "c"])
    with pytest.raises(howsure.InputError, match=r"gets rules, and nothing else.*Received: class_names="):
        howsure.export("plain.onnx", "out.onnx", rules=rules, class_names=names)
    with pytest.raises(howsure.InputError, match=r"gets rules, and nothing else.*Received: seed="):
        howsure.export("plain.onnx", "out.onnx", rules=rules, seed=3)
    assert not (tmp_path / "out.onnx").exists()


@pytest.mark.parametrize("exported", ["classes"], indirect=True)
def test_a_graph_that_decides_otherwise_is_not_written(exported, tmp_path, monkeypatch):
    model, wishes, rules, x, _ = exported
    right = ClassesGraph.in_set
    monkeypatch.setattr(ClassesGraph, "in_set", lambda self, p, sets: right(self, 1 - p, sets))
    with pytest.raises(howsure.ModelError, match="column 'in_set'"):
        howsure.export(model, "out.onnx", x=x, rules=rules, **wishes)
    assert not (tmp_path / "out.onnx").exists()


def test_the_metadata_hold_the_promise_in_words(exported):
    _, _, rules, _, _ = exported
    howsure.export("plain.onnx", "decided.onnx", rules=rules)
    assert str(rules).splitlines()[0] in metadata("decided.onnx")["rules"]
