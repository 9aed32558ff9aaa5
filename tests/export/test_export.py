"""What is refused before anything is written, and what is told of a graph that says something else."""

import dataclasses

import numpy as np
import pytest

import howsure
from howsure.errors import ModelError
from howsure.export.arithmetic import whole_graph
from howsure.export.check import check_graph
from tests.examples import digit_reader
from tests.made import certainty_of

onnx = pytest.importorskip("onnx", reason="ONNX is not installed")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from howsure.onnx import IR_VERSION, OPSET, keep_one_of_equals  # noqa: E402
from tests.graphs import run  # noqa: E402


def result(**changed):
    """A result of three rows: sure, leaning and a coin flip."""
    known = {
        "probabilities": [[0.97, 0.02, 0.01], [0.7, 0.2, 0.1], [0.45, 0.4, 0.15]],
        "mc_error": 0.01,
        "expected_entropy": np.array([0.1, 0.5, 0.8]),
        "class_names": ("a", "b", "c"),
    }
    return certainty_of(**(known | changed))


def constant_graph(path, certainty, **changed):
    """A graph that says of any rows what a result says, but for what is changed."""
    verdicts = ["sure", "leaning", "coin flip"]
    names = ("probabilities", "mc_error", "entropy", "expected_entropy", "mutual_information")
    columns = {name: np.asarray(getattr(certainty, name), np.float32) for name in names}
    columns |= {name: getattr(certainty, name) for name in ("label", "runner_up")}
    columns["verdict"] = np.array([verdicts.index(word) for word in certainty.verdict])
    columns |= changed
    first = helper.make_node("Flatten", ["x"], ["number"], axis=1)
    row = helper.make_node("Squeeze", ["number", "last"], ["row"])
    nodes = [helper.make_node("Gather", [f"all {name}", "row"], [name], axis=0) for name in columns]
    constants = [numpy_helper.from_array(array, f"all {name}") for name, array in columns.items()]
    constants.append(numpy_helper.from_array(np.array([1]), "last"))
    outputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), ["rows", *array.shape[1:]]
        )
        for name, array in columns.items()
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.INT64, ["rows", 1])]
    graph = helper.make_graph([first, row, *nodes], "constant", inputs, outputs, constants)
    opsets = [helper.make_opsetid("", OPSET)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION), path)
    return str(path)


ROWS = {"x": np.arange(3).reshape(3, 1)}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "graph.onnx"


def test_the_difference_of_an_equal_graph_is_rounding(path):
    assert check_graph(constant_graph(path, result()), ROWS, result()) < 1e-7


def test_a_number_that_is_off_is_named_with_its_column_and_row(path):
    errors = np.full((3, 3), 0.01, np.float32)
    errors[1, 2] = 0.02
    graph = constant_graph(path, result(), mc_error=errors)
    with pytest.raises(ModelError, match=r"column 'mc_error'\).*0.01 in row 1.*Received: 0.02"):
        check_graph(graph, ROWS, result())


def test_nan_is_off(path):
    graph = constant_graph(path, result(), entropy=np.full(3, np.nan, np.float32))
    with pytest.raises(ModelError, match="column 'entropy'"):
        check_graph(graph, ROWS, result())


def test_another_verdict_is_off_unless_rounding_decides(path):
    graph = constant_graph(path, result(), verdict=np.array([0, 2, 2]))
    with pytest.raises(ModelError, match=r"column 'verdict'\).*1 in row 1.*Received: 2"):
        check_graph(graph, ROWS, result())
    on_the_edge = result(thresholds=howsure.Thresholds(coin_flip=0.5 - 1e-6))
    assert on_the_edge.verdict[1] == "leaning"
    check_graph(graph, ROWS, on_the_edge)


def test_another_class_is_off_unless_two_are_equal(path):
    graph = constant_graph(path, result(), label=np.array([0, 0, 1]))
    with pytest.raises(ModelError, match=r"column 'label'\).*0 in row 2.*Received: 1"):
        check_graph(graph, ROWS, result())
    equal = result(probabilities=np.array([[0.97, 0.02, 0.01], [0.7, 0.2, 0.1], [0.4, 0.4, 0.2]]))
    check_graph(constant_graph(path, equal, label=np.array([0, 0, 1])), ROWS, equal)


def test_passes_that_do_not_differ_are_off(path):
    nothing = np.zeros(3, np.float32)
    graph = constant_graph(path, result(), mutual_information=nothing)
    with pytest.raises(ModelError, match=r"column 'mutual_information'\).*Received: 0\."):
        check_graph(graph, ROWS, result())


def test_calibrated_numbers_are_held_against_the_calibrated_result(path):
    other = result(probabilities=np.array([[0.9, 0.06, 0.04], [0.6, 0.3, 0.1], [0.45, 0.4, 0.15]]))
    columns = {
        "calibrated": other.probabilities.astype(np.float32),
        "calibrated_label": np.array([0, 0, 0]),
        "calibrated_runner_up": np.array([1, 1, 1]),
        "calibrated_verdict": np.array([1, 1, 2]),
    }
    check_graph(constant_graph(path, result(), **columns), ROWS, result(), other)
    columns["calibrated_verdict"] = np.array([0, 1, 2])
    with pytest.raises(ModelError, match=r"column 'calibrated_verdict'\).*1 in row 0.*Received: 0"):
        check_graph(constant_graph(path, result(), **columns), ROWS, result(), other)
    columns["calibrated"] = result().probabilities.astype(np.float32)
    with pytest.raises(ModelError, match=r"column 'calibrated'\)"):
        check_graph(constant_graph(path, result(), **columns), ROWS, result(), other)


def test_a_familiarity_is_held_against_what_rounding_allows(path):
    allowed = np.array([0.1, 0.5, 0.9]), np.array([0.1, 0.6, 0.9])
    for familiarity, fits in [
        ([0.1, 0.55, 0.9], True),
        ([0.1, 0.61, 0.9], False),
        ([0.1, np.nan, 0.9], False),
    ]:
        graph = constant_graph(path, result(), familiarity=np.array(familiarity, np.float32))
        if fits:
            assert check_graph(graph, ROWS, result(), familiar=allowed) < 1e-7
            continue
        with pytest.raises(ModelError, match=r"column 'familiarity'\).*in row 1"):
            check_graph(graph, ROWS, result(), familiar=allowed)


def test_a_row_is_held_against_what_it_gives_alone(path):
    graph = constant_graph(path, result())
    check_graph(graph, ROWS, result(), alone={2: (result()[2:], None, None)})
    other = result(probabilities=np.array([[0.97, 0.02, 0.01], [0.7, 0.2, 0.1], [0.46, 0.39, 0.15]]))
    with pytest.raises(ModelError, match=r"column 'probabilities'\).*0.46 in row 2"):
        check_graph(graph, ROWS, result(), alone={2: (other[2:], None, None)})


def test_constants_that_are_equal_are_kept_once_also_for_graphs_inside():
    def made(name, values):
        return numpy_helper.from_array(np.array(values, np.float32), name)

    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    inside = [
        helper.make_graph([helper.make_node("Add", ["x", branch], [f"{branch} sum"])], branch, [], [inner])
        for branch in ("a", "b")
        for inner in [helper.make_tensor_value_info(f"{branch} sum", TensorProto.FLOAT, [2])]
    ]
    node = helper.make_node("If", ["yes"], ["y"], then_branch=inside[0], else_branch=inside[1])
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [2]),
        helper.make_tensor_value_info("yes", TensorProto.BOOL, []),
    ]
    constants = [made("a", [1, 2]), made("b", [1, 2]), made("c", [[1, 2]])]
    graph = helper.make_graph([node], "branches", inputs, [out], constants)
    keep_one_of_equals(graph)
    assert [constant.name for constant in graph.initializer] == ["a", "c"]
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    for yes in (True, False):
        output = run(model, {"x": np.zeros(2, np.float32), "yes": np.array(yes)})["y"]
        assert output.tolist() == [1, 2]


def test_an_input_called_like_a_column_is_refused():
    input_info = helper.make_tensor_value_info("label", TensorProto.FLOAT, ["rows"])
    raw = helper.make_tensor_value_info("raw", TensorProto.FLOAT, ["rows"])
    wanted = helper.make_tensor_value_info("label", TensorProto.FLOAT, ["rows"])
    one, other = (
        helper.make_model(
            helper.make_graph([helper.make_node("Identity", [a.name], [b.name])], "g", [a], [b])
        )
        for a, b in ((input_info, raw), (raw, wanted))
    )
    with pytest.raises(ModelError, match="Input 'label' of model 'm' is called like an output"):
        whole_graph(one, other, "m")


# --- what is refused ------------------------------------------------------------------------------


IN_BFLOAT16 = dataclasses.replace(howsure.Plan(), precision="bfloat16")


@pytest.mark.parametrize(
    ("model", "name", "settings", "message"),
    [
        (None, "graph.pb", {"plan": howsure.Plan()}, r"wrong ending.*\.onnx"),
        (digit_reader(), "graph.onnx", {"plan": IN_BFLOAT16}, "graphs compute in float32"),
        (digit_reader(), "graph.onnx", {}, "neither a plan nor rows"),
        (digit_reader(), "graph.onnx", {"plan": {"design": None}}, "`plan` cannot be used"),
        (digit_reader(), "graph.onnx", {"plan": howsure.Plan()}, r"howsure\.export needs passes as an ONNX"),
    ],
)
def test_what_cannot_be_written_is_refused(model, name, settings, message, tmp_path):
    with pytest.raises(howsure.HowsureError, match=message):
        howsure.export(model, tmp_path / name, **settings)
