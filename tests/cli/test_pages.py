"""The pages that commands write name rows and columns as their files do."""

import numpy as np
import pytest
from typer.testing import CliRunner

keras = pytest.importorskip("keras", reason="Keras is not installed")

from howsure.cli import app as cli  # noqa: E402  # needs keras

NAMES = ("petal length", "petal width", "sepal length")


@pytest.fixture(autouse=True)
def backend(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())


@pytest.fixture
def model_file(tmp_path):
    keras.utils.set_random_seed(3)
    layers = [keras.layers.Dropout(0.5), keras.layers.Dense(2, activation="softmax")]
    keras.Sequential([keras.Input((3,)), *layers]).save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


def test_every_row_of_a_table_has_its_id_and_the_names_of_its_columns(model_file, tmp_path):
    values = np.random.default_rng(0).normal(size=(20, 3)).round(2)
    lines = [",".join(["id", *NAMES, "y"])]
    lines += [",".join([f"flower-{k}", *map(str, row), str(k % 2)]) for k, row in enumerate(values)]
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    page = tmp_path / "report.html"
    arguments = [
        "assess",
        model_file,
        tmp_path / "rows.csv",
        "--out",
        tmp_path / "t.parquet",
        "--report",
        page,
    ]
    done = CliRunner().invoke(cli.app, [str(each) for each in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    gallery = page.read_text(encoding="utf-8").split('id="coin-flips"')[1].split("</section>")[0]
    cards = gallery.split('<li class="card')[1:]
    assert len(cards) >= 12
    for card in cards:
        k = next(k for k in range(20) if f"id flower-{k}<" in card)
        said = ", ".join(f"{name} {value:.4g}" for name, value in zip(NAMES, values[k], strict=True))
        assert said in card
