"""Models as commands name them: a Keras file, a function with weights, and a file that runs code."""

import shutil

import numpy as np
import pytest

import howsure
from howsure.scale.work import ModelSource
from tests.commands import run


@pytest.fixture
def digits(tmp_path):
    """Pictures of 4 × 4 in folders of two classes, one of them unreadable."""
    from PIL import Image

    random = np.random.default_rng(0)
    for number in range(40):
        folder = tmp_path / "pictures" / ("left" if number % 2 else "right")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (4, 4), np.uint8)).save(folder / f"{number:02}.png")
    (tmp_path / "pictures" / "left" / "17.png").write_bytes(b"no picture")
    return tmp_path / "pictures"


@pytest.fixture
def keras_file(tmp_path):
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    keras.utils.set_random_seed(3)
    layers = [
        keras.Input((4, 4, 1)),
        keras.layers.Flatten(),
        keras.layers.Dense(16, activation="relu"),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(2, activation="softmax"),
    ]
    model = keras.Sequential(layers)
    model.save(tmp_path / "model.keras")
    (tmp_path / "model.keras").rename(tmp_path / "kept")  # as a cache has it
    (tmp_path / "model.keras").symlink_to("kept")
    return tmp_path / "model.keras"


def test_a_keras_file_and_a_folder_of_images(tmp_path, keras_file, digits):
    out, one = tmp_path / "results", tmp_path / "one.parquet"
    asked = [
        "assess",
        keras_file,
        digits,
        "--set",
        "divide_by=255",
        "--set",
        "skip_unreadable=true",
        "--quiet",
    ]
    done = run(*asked, "--out", out, "--set", "part_rows=16")
    assert done.exit_code == 1, done.stderr
    assert "left out: 1 unreadable image\n  left/17.png: its content is none of BMP" in done.stderr
    assert run(*asked, "--out", one, "--plan", out / "plan.json").exit_code == 1
    found, single = howsure.load(out), howsure.load(one)
    assert found.ids.tolist() == single.ids.tolist()
    assert found.class_names == ("left", "right")
    assert found.truth.tolist() == single.truth.tolist()
    assert 8 not in found.row  # left/17.png is the ninth
    assert found.row.tolist() == [*range(8), *range(9, 40)]
    assert np.abs(found.probabilities - single.probabilities).max() <= 1e-6  # other rows run beside each
    again = run(*asked, "--out", out)
    assert again.exit_code == 1
    assert "left out: 1 unreadable image\n  left/17.png: its content is none of BMP" in again.stderr
    made = {part: part.stat().st_mtime_ns for part in out.glob("part-*")}
    shutil.copyfile(digits / "left" / "19.png", digits / "left" / "17.png")
    mended = run(*asked, "--out", out)
    assert mended.exit_code == 2
    assert "belong to other rows: 'pictures' has changed since" in mended.stderr
    (part,) = [path for path in made if path.name in mended.stderr]
    part.unlink()  # as the message says
    mended = run(*asked, "--out", out)
    assert mended.exit_code == 0, mended.stderr
    assert howsure.load(out).row.tolist() == [*range(40)]
    assert {path: when for path, when in made.items() if path != part} == {
        path: path.stat().st_mtime_ns for path in made if path != part
    }


def test_images_that_come_later(tmp_path, keras_file, digits):
    """Behind those that were there; the part that was not full is named, and deleted by the caller."""
    out, place = tmp_path / "results", digits / "left" / "17.png"
    shutil.copyfile(digits / "left" / "19.png", place)
    asked = ["assess", keras_file, digits, "--set", "divide_by=255", "--quiet", "--set", "part_rows=8"]
    assert run(*asked, "--out", out).exit_code == 0
    before = howsure.load(out)
    shutil.copyfile(place, digits / "right" / "99.png")
    done = run(*asked, "--out", out)
    assert done.exit_code == 0, done.stderr
    found = howsure.load(out)
    assert found.ids.tolist() == [*before.ids, "right/99.png"]
    assert np.array_equal(found.probabilities[:40], before.probabilities)
    shutil.copyfile(place, digits / "left" / "00.png")
    done = run(*asked, "--out", out)
    assert done.exit_code == 2
    assert "belong to other rows: 'pictures' has changed since" in done.stderr


def test_a_model_file_that_wants_to_run_code(tmp_path, digits):
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    path = tmp_path / "code.keras"
    layers = [keras.Input((4,)), keras.layers.Lambda(lambda x: 2 * x), keras.layers.Dense(2)]
    keras.Sequential(layers).save(path)
    with pytest.raises(howsure.ModelError, match="wants to run code of its own"):
        ModelSource(path).load()  # as a worker does
    done = run("assess", path, digits, "--out", tmp_path / "results")
    assert done.exit_code == 2
    assert "wants to run code of its own" in done.stderr


FACTORY = """
import torch

def make():
    layers = [torch.nn.Linear(3, 16), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(16, 2)]
    return torch.nn.Sequential(*layers, torch.nn.Softmax(-1))
"""


def test_a_function_with_weights(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a_network_of_torch.py").write_text(FACTORY)
    source = ModelSource("a_network_of_torch:make")
    first, second = source.load(), source.load()
    assert source.checksum(first) != source.checksum(second)  # each time other weights
    torch.save(first.state_dict(), "weights.pt")
    same = ModelSource("a_network_of_torch:make", tmp_path / "weights.pt")
    assert same.checksum(same.load()) == source.checksum(first)
    np.save("x.npy", np.random.default_rng(0).normal(size=(90, 3)).astype(np.float32))
    asked = ["assess", "a_network_of_torch:make", "x.npy", "--set", "weights=weights.pt", "--quiet"]
    done = run(*asked, "--out", "results", "--set", "part_rows=40")
    assert done.exit_code == 0, done.stderr
    assert run(*asked, "--out", "one.parquet", "--plan", "results/plan.json").exit_code == 0
    found, single = howsure.load("results"), howsure.load("one.parquet")
    assert np.abs(found.probabilities - single.probabilities).max() <= 1e-6
    torch.save(second.state_dict(), "weights.pt")
    done = run(*asked, "--out", "results")
    assert done.exit_code == 2
    assert "were made with another model" in done.stderr
