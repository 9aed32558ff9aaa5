"""Several labels per row from the command line."""

import numpy as np
import pytest

from tests.commands import done, flat, lines_of, refused, run

pytest.importorskip("keras", reason="Keras is not installed")
import keras

import howsure

NAMES = ("rain", "wind", "fog")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model whose outputs are logits, compiled with binary cross-entropy, and rows with labels."""
    folder = tmp_path_factory.mktemp("labels")
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.3), keras.layers.Dense(3)])
    model.compile(loss=keras.losses.BinaryCrossentropy(from_logits=True))
    model.save(folder / "model.keras")
    random = np.random.default_rng(0)
    x = random.normal(size=(40, 4)).astype("float32")
    y = random.integers(0, 2, (40, 3))
    np.savez(folder / "rows.npz", x=x, y=y)
    np.savez(folder / "one.npz", x=x, y=y[:, 0])
    np.savez(folder / "plain.npz", x=x)
    np.savetxt(folder / "y.csv", y, fmt="%d", delimiter=",", header="rain,wind,fog", comments="")
    return folder


def test_each_label_is_told_scored_and_saved(folder):
    out, report = folder / "out.parquet", folder / "out.html"
    done = run(
        *("assess", folder / "model.keras", folder / "rows.npz", "--out", out, "--report", report),
        *("--class-names", ",".join(NAMES)),
    )
    assert done.exit_code == 0, done.stderr
    assert "of 120 answers" in " ".join(done.stdout.split())
    found = howsure.load(out)
    assert isinstance(found, howsure.MultilabelCertainty)
    assert found.label_names == NAMES
    np.testing.assert_array_equal(found.truth, np.load(folder / "rows.npz")["y"] == 1)
    page = report.read_text(encoding="utf-8")
    assert all(name in page for name in NAMES)


def test_labels_of_another_shape_are_refused_before_the_passes(folder):
    done = run("assess", folder / "model.keras", folder / "one.npz", "--out", folder / "none.parquet")
    assert done.exit_code == 2
    assert "yes or no for each of 3 labels" in done.stderr
    assert not (folder / "none.parquet").exists()


def test_commands_for_one_class_per_row_take_one_label(folder):
    """Each does what it does with `of_label` in Python; without it, its hint says how, and works."""
    table = folder / "of_label.parquet"
    done(
        "assess",
        folder / "model.keras",
        folder / "rows.npz",
        "--out",
        table,
        "--class-names",
        ",".join(NAMES),
    )
    whole = howsure.load(table)
    said = refused("sets", table, "--coverage", 0.8)
    assert "`certainty.of_label('rain')` has the classes 'no' and 'yes'" in said
    option = ("--set", "of_label=rain")
    assert flat(done("sets", table, "--coverage", 0.8, *option)) == flat(
        str(howsure.prediction_sets(whole.of_label("rain"), coverage=0.8))
    )
    assert flat(done("evaluate", table, *option)) == flat(str(howsure.evaluate(whole.of_label(0))))
    done("handover", table, "--out", folder / "wind.csv", "--set", "of_label=1", "--which", "all")
    assert len(lines_of(folder / "wind.csv")) == 40
    csv = folder / "of_label.csv"
    csv.write_text("rain,wind\n" + "0.1,0.9\n" * 30)
    done(
        "handover", csv, "--set", "several_labels=true", *option, "--out", folder / "c.csv", "--which", "all"
    )
    np.savetxt(folder / "one.csv", [[0.1, 0.9]] * 3, delimiter=",", header="a,b", comments="")
    assert "`of_label` has no effect on one class per row" in refused(
        "report", folder / "one.csv", *option, "--report", folder / "page.html"
    )
