"""Files of PyTorch that would run code: nothing of it runs unless it is allowed."""

import io
import json
import pickle
import warnings
import zipfile

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import howsure
from howsure.cli.app import app
from howsure.models.adapt import load
from howsure.models.torch.check_exported import is_arithmetic
from howsure.models.torch.files import load_weights
from tests.torch.modules import mlp, rows_for

RAN = "ran"
"""The file that a payload makes, in the current folder."""

CODE = f"__import__('pathlib').Path('{RAN}').touch()"


class Payload:
    def __reduce__(self):
        return exec, (CODE,)


def saved(thing):
    buffer = io.BytesIO()
    torch.save(thing, buffer)
    return buffer.getvalue()


class Sized(nn.Module):
    """Takes a dict, and any number of rows, of which one input has twice as many."""

    def forward(self, x, *, y):
        return torch.relu(x["a"]).repeat(2, 1) + y


class Branched(nn.Module):
    """Has graphs within its graph."""

    def forward(self, x):
        return torch.cond(x.sum() > 0, lambda z: torch.einsum("ij,ij->ij", z, z), lambda z: -z, (x,))


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """An exported program, as parts by name."""
    path = tmp_path_factory.mktemp("programs") / "model.pt2"
    auto = torch.export.Dim.AUTO
    rows, sides = {"a": torch.ones(6, 4)}, {"x": {"a": {0: auto}}, "y": {0: auto}}
    with warnings.catch_warnings(action="ignore"):
        exported = torch.export.export(Sized(), (rows,), {"y": torch.ones(12, 4)}, dynamic_shapes=sides)
        torch.export.save(exported, path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(parts, path, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def graph_with(change):
    def changed(parts):
        content = json.loads(parts["model/models/model.json"])
        change(content)
        return parts | {"model/models/model.json": json.dumps(content)}

    return changed


def part(name, content):
    return lambda parts: parts | {f"model/{name}": content}


def a_pickled_weight(parts):
    table = {"path_name": "weight_0", "is_param": True, "use_pickle": True, "tensor_meta": None}
    return parts | {
        "model/data/weights/model_weights_config.json": json.dumps({"config": {"w": table}}),
        "model/data/weights/weight_0": saved(Payload()),
    }


def a_pickled_object(parts):
    table = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
    return parts | {
        "model/data/constants/model_constants_config.json": json.dumps({"config": {"c": table}}),
        "model/data/constants/opaque_obj_0": pickle.dumps(Payload()),
    }


@graph_with
def a_size(content):
    for tensor in content["graph_module"]["graph"]["tensor_values"].values():
        for size in tensor["sizes"]:
            if "as_expr" in size:
                size["as_expr"]["expr_str"] = CODE


@graph_with
def a_guard(content):
    content["guards_code"] = [CODE]


@graph_with
def a_guard_in_a_message(content):
    """What a guard says of itself stands between quotation marks in the source that is made of it."""
    content["guards_code"] = [f"""L['x']['a'].size()[0] == '" + str({CODE}) + "'"""]


@graph_with
def a_text_that_is_an_input(content):
    inside = content["graph_module"]
    inside["graph"]["inputs"][0] = {"as_string": f"' + str({CODE}) + '"}


@graph_with
def a_name(content):
    """It stands in the head of the function that is made of the graph."""
    text = json.dumps(content["graph_module"]).replace('"y"', json.dumps(f"y=({CODE})"))
    content["graph_module"] = json.loads(text)


@graph_with
def a_name_of_something_else(content):
    """What a node gives is assigned to its name."""
    text = json.dumps(content["graph_module"]).replace('"relu"', '"torch.load"')
    content["graph_module"] = json.loads(text)


@graph_with
def an_operator(content):
    content["graph_module"]["graph"]["nodes"][0]["target"] = "torch.hub.load"


@graph_with
def an_operator_on_files(content):
    content["graph_module"]["graph"]["nodes"][0]["target"] = "torch.ops.aten.from_file.default"


def tree_with(change):
    @graph_with
    def changed(content):
        signature = content["graph_module"]["module_call_graph"][0]["signature"]
        version, tree = json.loads(signature["in_spec"])
        change(tree)
        signature["in_spec"] = json.dumps([version, tree])

    return changed


@tree_with
def a_container(tree):
    factory = {"default_factory_module": "antigravity", "default_factory_name": "fly", "dict_context": []}
    tree["children_spec"][0] = {
        "type": "collections.defaultdict",
        "context": factory,
        "children_spec": [],
    }


@tree_with
def a_key(tree):
    enum = json.dumps([{"__enum__": True, "fqn": "this:Enum", "name": "X"}])
    tree["children_spec"][1]["context"] = enum


HOSTILE = {
    "sample inputs": part("data/sample_inputs/model.pt", saved(((Payload(),), {}))),
    "sample inputs that are cut": part("data/sample_inputs/model.pt", saved(((Payload(),), {}))[:-40]),
    "sample inputs of another kind": part("data/sample_inputs/model.pt", pickle.dumps(Payload())),
    "sample inputs of another model": part("data/sample_inputs/other.pt", saved(Payload())),
    "legacy weights": part("data/weights/model.pt", saved({"w": Payload()})),
    "legacy constants": part("data/constants/model.pt", saved({"w": Payload()})),
    "a weight": a_pickled_weight,
    "a constant": a_pickled_object,
    "an object of TorchScript": part("data/constants/custom_obj_0", b"PK"),
    "a library": part("data/aotinductor/model/model.so", b"\x7fELF"),
    "a path": part("../../escaped.json", b"{}"),
    "a size": a_size,
    "a guard": a_guard,
    "a guard in a message": a_guard_in_a_message,
    "a text that is an input": a_text_that_is_an_input,
    "a name": a_name,
    "a name of something else": a_name_of_something_else,
    "an operator": an_operator,
    "an operator on files": an_operator_on_files,
    "a container": a_container,
    "a key": a_key,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_nothing_of_a_program_runs(tmp_path, monkeypatch, program, kind):
    monkeypatch.chdir(tmp_path)
    written(HOSTILE[kind](program), "model.pt2")
    np.savez("rows.npz", x=np.ones((3, 4), "float32"))
    done = CliRunner().invoke(app, ["assess", "model.pt2", "rows.npz", "--out", "out.parquet"])
    assert (done.exit_code, "Traceback" in done.output) == (2, False)
    said = " ".join(done.output.split())
    assert "could run code of its own when it is opened, and was not" in said
    assert "say so with --allow-code" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.pt2", "rows.npz"]


def test_the_payloads_would_run(tmp_path, monkeypatch, program):
    """Whoever allows code gets what PyTorch does by itself, so that the tests above test something."""
    monkeypatch.chdir(tmp_path)
    for kind in ("sample inputs", "a size"):
        written(HOSTILE[kind](program), "model.pt2")
        with pytest.raises(howsure.FileError):
            load("model.pt2", allow_code=True)
        (tmp_path / RAN).unlink()


@pytest.mark.parametrize("allow_code", [False, True])
def test_an_honest_program_is_opened(tmp_path, program, allow_code):
    written(program | {"model/data/extra/note.txt": b"(of the user's)"}, tmp_path / "model.pt2")
    x, y = torch.arange(32.0).reshape(8, 4), torch.ones(16, 4)
    found = load(tmp_path / "model.pt2", allow_code=allow_code)({"a": x}, y=y)
    assert torch.equal(found, Sized()({"a": x}, y=y))


def test_a_program_with_branches_is_opened(tmp_path):
    with warnings.catch_warnings(action="ignore"):
        torch.export.save(torch.export.export(Branched(), (torch.ones(2, 4),)), tmp_path / "model.pt2")
    assert torch.equal(load(tmp_path / "model.pt2")(-torch.ones(2, 4)), torch.ones(2, 4))


def test_an_older_program_is_opened(tmp_path):
    """As PyTorch 2.7 and before wrote it."""
    from torch._export.serde.schema import SCHEMA_VERSION
    from torch._export.serde.serialize import serialize

    module = mlp().eval()
    with warnings.catch_warnings(action="ignore"):
        kept = serialize(torch.export.export(module, (torch.zeros(2, 8),)))
    parts = {
        "version": ".".join(map(str, SCHEMA_VERSION)),
        "serialized_exported_program.json": kept.exported_program,
        "serialized_state_dict.pt": kept.state_dict,
        "serialized_constants.pt": kept.constants,
        "serialized_example_inputs.pt": kept.example_inputs,
    }
    written(parts, tmp_path / "old.pt2")
    x = torch.as_tensor(rows_for("mlp")[:2])
    assert torch.equal(load(tmp_path / "old.pt2")(x), module(x))
    for name in ("state_dict", "constants", "example_inputs"):
        written(parts | {f"serialized_{name}.pt": saved(Payload())}, tmp_path / "hostile.pt2")
        with pytest.raises(howsure.ModelError, match="a pickle of more than tensors"):
            load(tmp_path / "hostile.pt2")


def test_an_archive_that_is_none_of_pytorch(tmp_path, program):
    written(program, tmp_path / "bomb.pt2", zipfile.ZIP_DEFLATED)
    with pytest.raises(howsure.FileError, match=r"'.*bomb\.pt2' is compressed"):
        load(tmp_path / "bomb.pt2")
    with zipfile.ZipFile(tmp_path / "twice.pt2", "w") as archive, warnings.catch_warnings(action="ignore"):
        for name in [*program, "model/data/sample_inputs/model.pt"]:
            archive.writestr(name, program[name])
    with pytest.raises(howsure.FileError, match="two parts of the same name"):
        load(tmp_path / "twice.pt2")


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("Symbol('s77', positive=True, integer=True)", True),
        ("Mul(Integer(2), Symbol('s0')) + FloorDiv(s1, 2)", True),
        ("(2*L['x'].size()[0]) == L['y'].size()[0] and 3 <= L['args'][0].size()[1]", True),
        ("math.isnan(L['y'])", True),
        ("Symbol('__import__(\"os\")')", False),
        ("eval('1')", False),
        ("(lambda: 1)()", False),
        ("s0.__class__", False),
        ("L['x'].size.__globals__", False),
        ("[exec][0]('1')", False),
        ("f'{s0}'", False),
        ("s0 if s1 else exec", True),  # a name that nobody calls
        ("(", False),
        ("(1 #\n+ 2)", False),
    ],
)
def test_what_is_arithmetic(text, is_one):
    assert is_arithmetic(text) is is_one


@pytest.mark.parametrize(
    "name", ["zip.pt", "plain.pth", "script.pt", "tar.pt", "numpy.ckpt", "named.safetensors"]
)
def test_nothing_of_weights_runs(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    state = mlp().state_dict() | {"0.bias": Payload()}
    if name == "script.pt":
        with warnings.catch_warnings(action="ignore"):
            torch.jit.save(torch.jit.script(mlp()), name)
    elif name == "zip.pt":
        torch.save(state, name)
    else:
        (tmp_path / name).write_bytes(pickle.dumps(state, protocol=2))
    with pytest.raises(howsure.FileError):
        load_weights(mlp(), tmp_path / name)
    assert not (tmp_path / RAN).exists()
