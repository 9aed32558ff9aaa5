"""A graph of `howsure.export` as a model: it says what ONNX Runtime puts out, and what `assess` says."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
onnx = pytest.importorskip("onnx", reason="ONNX is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")
from torch import nn  # noqa: E402

import howsure  # noqa: E402
from tests.graphs import run  # noqa: E402

SEED = 3


def mlp(outputs):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 12), nn.ReLU(), nn.Dropout(0.5), nn.Linear(12, outputs))


def rows_of(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


KINDS = {
    "classes": (mlp(3), rows_of(60, 4), "logits", "abc"),
    "one logit": (mlp(1), 8 * rows_of(60, 4), "logits", "ab"),
    "labels": (mlp(3), rows_of(60, 4), "label-logits", "abc"),
    "numbers": (mlp(2), rows_of(60, 4), "values", "ab"),
    "variances": (mlp(4), rows_of(60, 4), "mean-log-variance", "ab"),
    "positions": (
        nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(6, 3, 1)),
        rows_of(8, 1, 6, 5),
        "logits",
        "abc",
    ),
}
EXACT = ("probabilities", "mc_error", "expected_entropy", "mean", "spread", "share", "share_error")
ALIKE = (*EXACT, "probability", "entropy", "mutual_information", "noise", "share_spread", "gap", "undecided")
WORDS = ("verdict", "settled", "label", "yes", "passes")


def exported(kind, folder, **settings):
    model, x, outputs, names = KINDS[kind]
    plan = howsure.plan(model.eval(), x, outputs=outputs, precision="float32")
    about = {"outputs": outputs, "class_names": list(names), "seed": SEED}
    return howsure.export(model, folder / "graph.onnx", plan=plan, x=x, **about, **settings), about


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """The path of a graph of classes, and rows for it."""
    folder = tmp_path_factory.mktemp("graph")
    exported("classes", folder)
    return folder / "graph.onnx", KINDS["classes"][1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_graph_says_what_it_puts_out_and_what_assess_says(kind, tmp_path):
    model, x, *_ = KINDS[kind]
    written, about = exported(kind, tmp_path)
    method = howsure.MCDropout(plan=written.plan, max_passes=written.passes)
    expected = howsure.assess(model, x, method=method, **about)
    result = howsure.assess(written.path, x)

    assert type(result) is type(expected)
    assert (result.method["name"], result.method["passes"]) == ("ONNX graph", written.passes)
    assert result.method["model"] == expected.method["model"]
    assert (result.seed, getattr(result, result.names)) == (SEED, tuple(about["class_names"]))
    assert (result.plan is None) == (expected.plan is None)
    outputs = run(written.path, x)
    for column in {*EXACT} & outputs.keys():
        assert (getattr(result, column) == outputs[column]).all(), column
    for column in ALIKE:
        if column in outputs:
            assert np.abs(getattr(result, column) - getattr(expected, column)).max() < 1e-4, column
    for column in WORDS:
        if result.has(column):
            assert (getattr(result, column) == getattr(expected, column)).mean() > 0.97, column
    assert str(result)
    assert str(result[0])
    result.save(tmp_path / "saved.parquet")
    assert str(howsure.load(tmp_path / "saved.parquet")) == str(result)
    result.report(tmp_path / "page.html")

    for batch_size in (1, 7):
        again = howsure.assess(written.path, x, batch_size=batch_size)
        assert np.allclose(again.mc_error, result.mc_error, atol=1e-6)
    assert len(howsure.assess(written.path, x[:0])) == 0
    assert len(howsure.assess(written.path, x[:1])) == 1


def test_a_graph_calibrates_as_its_calibrator(tmp_path):
    model, x, *_ = KINDS["classes"]
    labels = np.random.default_rng(1).integers(3, size=len(x))
    plan = howsure.plan(model, x, outputs="logits", precision="float32")
    first, about = exported("classes", tmp_path)
    method = howsure.MCDropout(plan=first.plan, max_passes=first.passes)
    expected = howsure.assess(model, x, method=method, **about)
    calibrator = howsure.calibrate(expected, labels)
    howsure.export(model, tmp_path / "k.onnx", plan=plan, x=x, calibrator=calibrator, **about)
    result, expected = howsure.assess(tmp_path / "k.onnx", x), calibrator(expected)
    assert (result.probabilities == run(tmp_path / "k.onnx", x)["calibrated"]).all()
    for column in ("mc_error", "entropy", "expected_entropy"):
        assert np.abs(getattr(result, column) - getattr(expected, column)).max() < 1e-4, column
    assert result.method["calibration"] == expected.method["calibration"]
    with pytest.raises(howsure.InputError, match="calibrated"):
        calibrator(result)


def test_a_calibrator_is_fitted_to_what_the_graph_says(tmp_path):
    model, x, *_ = KINDS["classes"]
    labels = np.random.default_rng(1).integers(3, size=len(x))
    first, about = exported("classes", tmp_path)
    settings = {"plan": first.plan, "x": x, **about}
    of_graph = howsure.calibrate(howsure.assess(first.path, x), labels)
    howsure.export(model, tmp_path / "k.onnx", calibrator=of_graph, **settings)
    expected = of_graph(howsure.assess(first.path, x)).probabilities
    np.testing.assert_allclose(run(tmp_path / "k.onnx", x)["calibrated"], expected, atol=1e-5)
    other = howsure.calibrate(howsure.assess(model, x, **about), labels)
    with pytest.raises(howsure.InputError, match=r"The calibrator: .*another origin.*Or fit it to the graph"):
        howsure.export(model, tmp_path / "l.onnx", calibrator=other, **settings)
    assert not (tmp_path / "l.onnx").exists()


def test_a_graph_tells_how_familiar_rows_are(tmp_path):
    model, x, *_ = KINDS["classes"]
    train, held_out = (
        howsure.features_of(model, rows_of(160, 4)[part]) for part in np.split(np.arange(160), [30])
    )
    known = howsure.familiarity(train, np.arange(30) % 3, held_out, score="neighbours")
    written, _ = exported("classes", tmp_path, familiarity=known)
    result = howsure.assess(written.path, x)
    assert (result.familiarity == run(written.path, x)["familiarity"]).all()
    assert result.unfamiliar_share == known.share


def test_ids_labels_and_thresholds_come_along(graph):
    path, x = graph
    ids, labels = [f"r{number}" for number in range(len(x))], np.arange(len(x)) % 3
    result = howsure.assess(path, {"input": x, "id": ids, "y": labels})
    assert result[4].id == "r4"
    assert (result.truth == labels).all()
    assert howsure.evaluate(result).rows == len(x)
    milder = howsure.assess(path, x, thresholds=howsure.Thresholds(0.95, 0.0))
    assert "coin flip" in result.verdict
    assert "coin flip" not in milder.verdict
    fitted = howsure.prediction_sets(result, labels)
    assert len(fitted(howsure.assess(path, x))) == len(x)


def test_a_loaded_graph_goes_to_other_processes_and_says_what_it_is(graph):
    path, x = graph
    model = howsure.adapters.resolve.load(path)
    assert model.passes == howsure.assess(path, x).passes[0]
    assert len(model.weights_sha256) == 64
    copied = pickle.loads(pickle.dumps(model))
    assert (howsure.assess(copied, x).mc_error == howsure.assess(path, x).mc_error).all()


def test_no_framework_is_imported(graph):
    path, _ = graph
    code = (
        f"import sys, howsure, numpy; howsure.assess({str(path)!r}, numpy.zeros((2, 4), 'float32')); "
        "print(*{'torch', 'keras', 'tensorflow', 'jax', 'onnx'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split() == []


ROWS = np.zeros((3, 4), "float32")


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda path: howsure.assess(path, ROWS, method=howsure.MCDropout()), "passes are fixed.*MCDropout"),
        (lambda path: howsure.assess(path, ROWS, method=howsure.PlainPrediction()), "passes are fixed"),
        (lambda path: howsure.assess(path, ROWS, outputs="logits"), "`outputs` has no effect on a graph"),
        (lambda path: howsure.assess(path, ROWS, keep="probabilities"), "`keep` has no effect on a graph"),
        (lambda path: howsure.assess(path, ROWS, keep="groups"), "keep='groups'"),
        (lambda path: howsure.assess(path, ROWS, seed=SEED + 1), "`seed` has no effect on a graph"),
        (lambda path: howsure.assess(path, ROWS[:, :2]), "do not have the shape"),
        (lambda path: howsure.assess(path, ROWS * np.nan), "NaN"),
        (lambda path: howsure.audit(path), "passes are fixed.*howsure.audit"),
        (lambda path: howsure.plan(path, ROWS), "passes are fixed"),
        (lambda path: howsure.passes(path, ROWS, 2), "passes are fixed"),
        (lambda path: howsure.features_of(path, ROWS), "passes are fixed"),
        (lambda path: howsure.export(path, path.parent / "other.onnx", x=ROWS), "gets rules, and nothing"),
        (lambda path: howsure.compare(path, ROWS), r"passes are fixed.*Received: howsure\.compare"),
    ],
)
def test_what_a_graph_cannot_do_is_refused(graph, ask, message):
    with pytest.raises(howsure.HowsureError, match=message):
        ask(graph[0])


def test_files_that_are_no_graph_of_howsure_are_refused(graph, tmp_path):
    path, x = graph
    with pytest.raises(howsure.FileError, match="does not exist"):
        howsure.assess(tmp_path / "none.onnx", x)
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(path.read_bytes()[:500])
    with pytest.raises(howsure.FileError, match="is damaged"):
        howsure.assess(damaged, x)
    foreign = onnx.load(path)
    properties = {entry.key: entry.value for entry in foreign.metadata_props}
    for changed, message in (
        ({}, "howsure did not write.*from_probabilities"),
        ({**properties, "format": "2"}, "in another format"),
        ({**properties, "plan": "{"}, "cannot be read"),
        ({**properties, "outcome": '"sounds"'}, "answers of the kind 'sounds'"),
    ):
        del foreign.metadata_props[:]
        onnx.helper.set_model_props(foreign, changed)
        onnx.save(foreign, tmp_path / "foreign.onnx")
        with pytest.raises(howsure.FileError, match=message):
            howsure.assess(tmp_path / "foreign.onnx", x)


def test_a_missing_onnx_runtime_is_named_with_its_extra(graph, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(howsure.DependencyError, match=r"howsure\[onnx\]"):
        howsure.assess(graph[0], graph[1])
