"""The recipes of docs/deploy.md: short, as measured, and Triton's text is about the graph."""

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import howsure
from benchmarks.docs import Page
from recipes.page import recipes
from recipes.servers import server

onnx = pytest.importorskip("onnx", reason="ONNX is not installed")
torch = pytest.importorskip("torch", reason="PyTorch is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

from torch import nn  # noqa: E402

RECIPES = recipes()
FIRST = "The graph of this page"
MOST_LINES = 15
NAMES = {"TYPE_FP32": "float32", "TYPE_INT64": "int64", "TYPE_BOOL": "bool"}

ECHO = """
import http.server

class Echo(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text)

http.server.HTTPServer(("127.0.0.1", 8137), Echo).serve_forever()
"""


@pytest.mark.parametrize("heading", [each for each in RECIPES if each != FIRST])
def test_a_recipe_has_few_lines(heading):
    recipe = RECIPES[heading]
    for text in (recipe.code, *recipe.files.values()):
        assert len([line for line in text.splitlines() if line.strip()]) <= MOST_LINES + 1  # name of the file


def test_the_page_has_the_files_and_commands_that_are_run():
    assert RECIPES["Ray Serve"].command == "serve run ray_serve:app"
    assert set(RECIPES["ONNX Runtime in Node"].files) == {"server.mjs"}
    assert "howsure.export" in RECIPES[FIRST].code


def test_the_page_is_what_the_figures_beside_it_say(monkeypatch):
    module, said = importlib.import_module("recipes.__main__"), []
    monkeypatch.setattr(Page, "write", lambda page, text: said.append(text))
    module.PAGE.fill(module.parts(module.PAGE.figures()))
    assert said == [module.PAGE.text()]


@pytest.mark.parametrize("outputs", ["logits", "values"])
def test_the_text_for_triton_has_the_inputs_and_outputs_of_the_graph(outputs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3)).eval()
    x = np.random.default_rng(0).normal(size=(200, 4)).astype("float32")
    howsure.export(model, "certainty.onnx", x=x, outputs=outputs)
    assessed = howsure.assess("certainty.onnx", x)
    labels = assessed.mean if outputs == "values" else assessed.label
    rules = howsure.fit_rules(
        assessed, labels, calibrate=False, tolerance=1.0 if outputs == "values" else None
    )
    howsure.export("certainty.onnx", "decided.onnx", rules=rules)
    exec(RECIPES["Triton"].code, {"session": onnxruntime.InferenceSession("decided.onnx")})
    assert Path("models/decided/1/model.onnx").read_bytes() == Path("decided.onnx").read_bytes()
    text = Path("models/decided/config.pbtxt").read_text()
    tensor = re.compile(r'\{name: "(\w+)" data_type: (\w+) dims: \[([\d, ]*)\]( reshape: \{shape: \[\]\})?\}')
    graph = onnx.load("decided.onnx").graph
    for of, values in (("input", graph.input), ("output", graph.output)):
        (line,) = re.findall(rf"^{of} \[(.+)\]$", text, re.MULTILINE)
        found = {}
        for name, type_name, dims, reshaped in tensor.findall(line):
            assert (dims == "1") == bool(reshaped)  # a value for each row, which Triton calls (N, 1)
            found[name] = NAMES[type_name], [] if reshaped else [int(side) for side in dims.split(",")]
        expected = {}
        for value in values:
            of_tensor = value.type.tensor_type
            dtype = onnx.helper.tensor_dtype_to_np_dtype(of_tensor.elem_type).name
            expected[value.name] = dtype, [side.dim_value for side in of_tensor.shape.dim[1:]]
        assert found == expected
    assert found["hand_over"] == ("bool", [])


def test_a_server_is_asked_and_stopped(tmp_path):
    (tmp_path / "echo.py").write_text(ECHO)
    url, command = "http://127.0.0.1:8137/rows", f"{sys.executable} echo.py"
    for _ in range(2):  # so the first one has left the port
        with server(command, tmp_path, url, b"[]") as client:
            assert client.ask(b"[1, 2]") == [1, 2]


def test_a_server_that_ends_shows_what_it_printed(tmp_path):
    with (
        pytest.raises(RuntimeError, match="no such graph"),
        server(
            f"{sys.executable} -c 'raise OSError(\"no such graph\")'", tmp_path, "http://127.0.0.1:8138/", b""
        ),
    ):
        pass
