"""Keras on JAX writes no ONNX graph: one error says what to type, and that line writes it."""

import os
import re
import shlex
import subprocess
import sys

import keras
import numpy as np
import pytest

import howsure

if keras.backend.backend() != "jax":
    pytest.skip("other backends write the graph themselves", allow_module_level=True)


def test_the_line_in_the_error_writes_a_graph_that_says_what_assess_says(tmp_path):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    pytest.importorskip("tf2onnx", reason="tf2onnx is not installed")
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    from tests.graphs import check_as_assessed

    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(12, activation="tanh"),
            keras.layers.Dropout(0.4),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    x = np.random.default_rng(0).normal(size=(80, 6)).astype("float32")
    plan = howsure.plan(model, x, precision="float32")
    with pytest.raises(howsure.ModelError, match="runs on JAX, which cannot write ONNX") as refused:
        howsure.export(model, tmp_path / "certainty.onnx", plan=plan, x=x)
    assert not list(tmp_path.iterdir())

    model.save(tmp_path / "model.keras")
    plan.save(tmp_path / "plan.json")
    typed = re.search(r"KERAS_BACKEND=(\w+) howsure (export .*\.json)", refused.value.hint)
    folders = os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])
    subprocess.run(
        [sys.executable, "-m", "howsure", *shlex.split(typed[2])],
        cwd=tmp_path,
        env=os.environ | {"KERAS_BACKEND": typed[1], "PYTHONPATH": folders},
        check=True,
    )
    outputs, _ = check_as_assessed(tmp_path / "certainty.onnx", model, x, plan)
    assert outputs["mutual_information"].max() > 1e-3
