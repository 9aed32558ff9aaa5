"""Rows, labels, plans and results that would run code when they are read: nothing of it runs."""

import json
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import howsure
from howsure.cli.app import app
from validation import small_network

MODEL = "validation.small_network:make"
RAN = "ran"


class Payload:
    def __reduce__(self):
        return exec, (f"__import__('pathlib').Path('{RAN}').touch()",)


PICKLE = pickle.dumps(Payload())


def an_npy(path):
    np.save(path, np.array([Payload()] * 3), allow_pickle=True)


def an_npz(path):
    np.savez(path, x=np.array([Payload()] * 3))


def a_parquet(path, names=("x", "y", "z")):
    """A column of a type of Ray's, which keeps its shape in a pickle; and one of pickled objects."""
    storage = pa.array([[0.0] * small_network.FEATURES] * 3)
    fields = [
        pa.field("x", storage.type, metadata=extension("ray.data.arrow_tensor", PICKLE)),
        pa.field("y", pa.binary(), metadata=extension("ray.data.arrow_pickled_object", b"")),
        pa.field("z", pa.binary(), metadata=extension("arrow.py_extension_type", PICKLE)),
    ]
    columns = [storage, pa.array([PICKLE] * 3), pa.array([PICKLE] * 3)]
    table = pa.Table.from_arrays(columns, schema=pa.schema(fields))
    pq.write_table(table.select(list(names)), path)


def extension(name, content):
    return {"ARROW:extension:name": name, "ARROW:extension:metadata": content}


def a_json(path):
    path.write_text(json.dumps({"py/reduce": ["exec", f"open('{RAN}', 'w')"], "plan": [], "format": 1}))


def a_pickle(path):
    path.write_bytes(PICKLE)


WRITERS = {".npy": an_npy, ".npz": an_npz, ".parquet": a_parquet, ".json": a_json}

ROWS = [MODEL, "{}", "--out", "out.parquet"]
COMMANDS = [
    *[(["assess", *ROWS], "hostile" + ending) for ending in (".npy", ".npz", ".parquet", ".csv", ".json")],
    *[
        (["assess", *ROWS], "hostile" + ending)
        for ending in (".pkl", ".pickle", ".joblib", ".pt", ".feather")
    ],
    *[
        (["assess", MODEL, "rows.npz", "--out", "out.parquet", option, "{}"], name)
        for option, name in (
            ("--labels", "hostile.npy"),
            ("--labels", "hostile.npz"),
            ("--labels", "hostile.parquet"),
            ("--plan", "hostile.json"),
        )
    ],
    *[(["evaluate", "{}", "--labels", "labels.npy"], name) for name in ("hostile.parquet", "hostile.npz")],
    *[
        (["assess", "{}", "rows.npz", "--out", "out.parquet"], name)
        for name in ("model.pkl", "model.joblib", "model.pickle", "model.pt", "model.pth", "model.onnx")
    ],
]


@pytest.mark.parametrize(("command", "name"), COMMANDS)
@pytest.mark.parametrize("is_pickle", [False, True])
def test_nothing_that_is_read_runs(tmp_path, monkeypatch, command, name, is_pickle):
    monkeypatch.chdir(tmp_path)
    np.savez("rows.npz", x=small_network.rows(3))
    np.save("labels.npy", np.zeros(3, int))
    path = tmp_path / name
    a_pickle(path) if is_pickle else WRITERS.get(path.suffix, a_pickle)(path)
    done = CliRunner().invoke(app, [argument.format(name) for argument in command])
    assert not (tmp_path / RAN).exists()
    assert (done.exit_code, "Traceback" in done.output) == (2, False), done.output


def test_the_pickle_would_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickle.loads(PICKLE)
    assert (tmp_path / RAN).exists()


def test_a_calibrator_that_is_a_pickle(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    a_pickle(tmp_path / "calibrator.json")
    with pytest.raises(howsure.HowsureError):
        howsure.Calibrator.load(tmp_path / "calibrator.json")
    assert not (tmp_path / RAN).exists()
