"""An MLflow model of a graph says what `assess` says of it, in the form that MLflow can serve."""

import json

import numpy as np
import pytest

import howsure
import howsure.mlflow

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pd = pytest.importorskip("pandas", reason="pandas is not installed")
pytest.importorskip("onnx", reason="ONNX is not installed")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

from torch import nn  # noqa: E402

COLUMNS = ["age", "height", "weight", "pulse"]


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    """The paths of a graph that decides about classes, and of one of numbers; and rows as a data frame."""
    folder, random = tmp_path_factory.mktemp("graphs"), np.random.default_rng(0)
    torch.manual_seed(0)
    paths = {}
    x = random.normal(size=(300, 4)).astype("float32")
    for name, outputs, width in (("classes", "logits", 3), ("numbers", "values", 2)):
        model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, width)).eval()
        paths[name] = folder / f"{name}.onnx"
        howsure.export(model, paths[name], x=x, outputs=outputs)
    assessed = howsure.assess(paths["classes"], x)
    labels = np.where(random.random(300) < 0.1, assessed.runner_up, assessed.label)
    rules = howsure.fit_rules(assessed, labels, risk=0.4)
    howsure.export(paths["classes"], folder / "decided.onnx", rules=rules)
    new = pd.DataFrame(random.normal(size=(5, 4)).astype("float32").astype("float64"), columns=COLUMNS)
    return paths | {"classes": folder / "decided.onnx"}, new


@pytest.mark.parametrize("kind", ["classes", "numbers"])
@pytest.mark.parametrize("form", [pd.DataFrame, np.asarray], ids=["frame", "array"])
def test_it_says_what_assess_says_in_a_form_that_json_can_hold(graphs, kind, form):
    path, frame = graphs[0][kind], graphs[1]
    said = howsure.mlflow._load_pyfunc(str(path)).predict(form(frame))
    expected = howsure.assess(path, frame.to_numpy())
    text = json.dumps(said.to_dict("records"), allow_nan=False)
    rows = json.loads(text)
    assert len(rows) == len(frame)
    names = {"classes": ["probabilities", "hand_over", "verdict"], "numbers": ["mean", "spread"]}
    for name in names[kind]:
        values = [[value for key, value in row.items() if key.split(".")[0] == name] for row in rows]
        assert values == getattr(expected, name).reshape(len(rows), -1).tolist()
    if kind == "numbers":
        assert {rows[0][name] for name in rows[0] if name.startswith("noise.")} == {None}
    else:
        assert [row["set"] for row in rows] == expected.to_arrow()["set"].to_pylist()


def test_what_is_unknown_in_a_column_of_single_numbers_is_none():
    column = howsure.mlflow._in_json(pd.Series([0.5, np.nan]))
    assert column.tolist() == [0.5, None]


# --- where MLflow is installed: `make recipes` ---------------------------------------------------------


@pytest.fixture
def saved(graphs, tmp_path):
    """How a graph is saved with rows as an example, and loaded with MLflow."""
    pyfunc = pytest.importorskip("mlflow.pyfunc", reason="MLflow is not installed")

    def save(path, x):
        with pytest.warns(UserWarning, match="input example was not provided"):
            howsure.mlflow.save_model(path, tmp_path / "saved", x=x)
        return pyfunc.load_model(str(tmp_path / "saved"))

    return save


@pytest.mark.filterwarnings("ignore:.*contains integer column")  # MLflow's advice, which the user sees
def test_mlflow_finds_columns_by_name_and_keeps_their_types(saved, graphs):
    path, frame = graphs[0]["classes"], graphs[1].assign(age=np.arange(5))
    model = saved(path, frame.astype({"pulse": "float32"}))
    expected = howsure.assess(path, frame.to_numpy()).probability.tolist()
    assert model.predict(frame[COLUMNS[::-1]])["probability"].tolist() == expected
    with pytest.raises(Exception, match=r"missing inputs.*pulse"):
        model.predict(frame[COLUMNS[:3]])
    types = {str(item.name): str(item.type) for item in model.metadata.signature.outputs}
    assert types["in_set"] == "Array(boolean)"
    assert types["hand_over"] == "DataType.boolean"


def test_without_an_example_arrays_go_and_another_width_is_refused(saved, graphs):
    path, frame = graphs[0]["classes"], graphs[1]
    model, expected = saved(path, None), howsure.assess(path, frame.to_numpy()).to_pandas()
    for rows in (frame, frame.to_numpy()):
        assert model.predict(rows)["probability"].tolist() == expected["probability"].tolist()
    with pytest.raises(howsure.InputError, match="has 5 numbers per row"):
        model.predict(frame.assign(more=1.0))


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")  # MLflow's own use of SQLAlchemy
def test_a_logged_model_is_loaded_by_its_address(graphs, tmp_path):
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'runs.db'}")
    mlflow.set_experiment(experiment_id=mlflow.create_experiment("here", (tmp_path / "here").as_uri()))
    with mlflow.start_run(), pytest.warns(UserWarning, match="input example was not provided"):
        logged = howsure.mlflow.log_model(graphs[0]["classes"], name="decider", metadata={"week": 27})
    model = mlflow.pyfunc.load_model(logged.model_uri)
    assert model.metadata.metadata == {"week": 27}
    assert len(model.predict(graphs[1])) == 5
