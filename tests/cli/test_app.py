import contextlib
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.commands import flat, run

keras = pytest.importorskip("keras", reason="Keras is not installed")

import howsure  # noqa: E402  # needs keras
from howsure.cli import assessing, comparing  # noqa: E402  # needs keras
from howsure.cli.hints import in_options  # noqa: E402
from howsure.cli.stopping import Unbreakable  # noqa: E402
from howsure.demo import mnist  # noqa: E402
from howsure.demo import run as demo_module  # noqa: E402
from howsure.models import import_keras  # noqa: E402
from validation import small_network  # noqa: E402

ROOT = Path(__file__).parent.parent.parent

FLOWERS = ("rose", "tulip", "daisy")


pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(12, activation="relu"),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(3, activation="softmax"),
        ],
        name="flowers",
    )
    path = tmp_path_factory.mktemp("model") / "flowers.keras"
    model.save(path)
    return path


@pytest.fixture(scope="module")
def image_model_file(tmp_path_factory):
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(3, activation="softmax"),
        ],
        name="pictures",
    )
    path = tmp_path_factory.mktemp("model") / "pictures.keras"
    model.save(path)
    return path


@pytest.fixture
def data_file(tmp_path):
    values = np.random.default_rng(0)
    path = tmp_path / "rows.npz"
    np.savez(path, x=values.normal(size=(30, 4)).astype(np.float32), y=np.arange(30) % 3)
    return path


@pytest.fixture
def picture_folder(tmp_path):
    from PIL import Image

    values = np.random.default_rng(0)
    for name in FLOWERS:
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(2):
            pixels = values.integers(0, 256, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{number}.png")
    return tmp_path / "pictures"


# --- compare ----------------------------------------------------------------------------------


def test_compare_says_which_method_is_better(model_file, data_file, tmp_path):
    report = tmp_path / "comparison.html"
    np.save(tmp_path / "far.npy", np.full((9, 4), 5, dtype=np.float32))
    other = keras.models.load_model(model_file)
    other.set_weights([1.1 * weights for weights in other.get_weights()])
    other.save(tmp_path / "other.keras")
    done = run(
        *("compare", model_file, data_file, "--member", tmp_path / "other.keras"),
        *("--outside", tmp_path / "far.npy"),
        *("--report", report, "--class-names", ",".join(FLOWERS)),
    )
    assert done.exit_code == 0, done.stderr
    said = flat(done.stdout)
    for part in ("softmax", "MC dropout", "ensemble", "MC dropout of the ensemble", "NLL"):
        assert part in said
    assert "Which method has the most accurate percentages?" in said
    assert "Which method notices 'far.npy'?" in said
    assert f"Report:  {report}" in done.stdout
    page = report.read_text(encoding="utf-8")
    assert "<html" in page
    assert "far.npy" in page
    assert not done.stderr


def test_compare_takes_rows_that_have_changed(model_file, data_file, tmp_path):
    np.save(tmp_path / "later.npy", 3 * np.load(data_file)["x"])
    done = run("compare", model_file, data_file, "--shifted", tmp_path / "later.npy")
    assert done.exit_code == 0, done.stderr
    assert "What happens when the rows change?" in done.stdout
    assert "later.npy" in flat(done.stdout).lower()
    np.save(tmp_path / "few.npy", np.load(data_file)["x"][:5])
    done = run("compare", model_file, data_file, "--shifted", tmp_path / "few.npy")
    assert done.exit_code == 2
    assert "The rows 'few.npy' are not the same rows" in done.stderr


def test_compare_refuses_two_files_of_one_name(model_file, data_file, tmp_path):
    (tmp_path / "other").mkdir()
    for folder in (tmp_path, tmp_path / "other"):
        np.save(folder / "far.npy", np.full((9, 4), 5, dtype=np.float32))
    outside = ("--outside", tmp_path / "far.npy", "--outside", tmp_path / "other" / "far.npy")
    done = run("compare", model_file, data_file, *outside)
    assert done.exit_code == 2
    assert "Two files of rows have the same name" in done.stderr


def test_compare_needs_true_classes(model_file, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((5, 4), dtype=np.float32))
    done = run("compare", model_file, tmp_path / "x.npy")
    assert done.exit_code == 2
    assert "error: A comparison needs true answers" in done.stderr


@pytest.mark.parametrize("option", ["--member", "--shifted", "--outside", "--labels"])
def test_compare_checks_every_path_before_the_model_is_loaded(
    model_file, data_file, tmp_path, monkeypatch, option
):
    monkeypatch.setattr(comparing, "load_model", lambda *_, **__: pytest.fail("loaded"))
    done = run("compare", model_file, data_file, option, tmp_path / "missing")
    assert done.exit_code == 2
    assert "does not exist" in done.stderr
    done = run("compare", model_file, data_file, "--report", tmp_path / "page.txt")
    assert done.exit_code == 2


# --- assess -----------------------------------------------------------------------------------


def test_assess_writes_the_table_and_the_report_and_says_what_came_out(model_file, data_file, tmp_path):
    out, report = tmp_path / "out.parquet", tmp_path / "out.html"
    done = run(
        "assess", model_file, data_file, "--out", out, "--report", report, "--class-names", ",".join(FLOWERS)
    )
    assert done.exit_code == 0, done.stderr
    certainty = howsure.load(out)
    assert len(certainty) == 30
    assert certainty.class_names == FLOWERS
    assert certainty.truth.tolist() == [0, 1, 2] * 10
    assert "<html" in report.read_text(encoding="utf-8")
    assert "The model is sure of none of 30 rows, " in flat(done.stdout)
    assert "right on" in flat(done.stdout)
    assert f"Table:   {out}" in done.stdout
    assert f"Report:  {report}" in done.stdout
    most = certainty[certainty.most_undecided(1)[0]]
    assert str(most)[:20] in flat(done.stdout)
    assert done.stderr == ""


def test_assess_gives_what_the_library_gives(model_file, data_file, tmp_path):
    out = tmp_path / "out.parquet"
    assert run("assess", model_file, data_file, "--out", out, "--passes", 40, "--seed", 5).exit_code == 0
    with np.load(data_file) as archive:
        x = archive["x"]
    model = keras.models.load_model(model_file)
    expected = howsure.assess(model, x, method=howsure.MCDropout(passes=40), seed=5)
    found = howsure.load(out)
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    np.testing.assert_array_equal(found.mc_error, expected.mc_error)
    assert found.seed == 5
    assert found.method == expected.method


def test_target_error_and_most_passes_reach_the_method(model_file, data_file, tmp_path):
    out = tmp_path / "out.parquet"
    done = run(
        "assess",
        model_file,
        data_file,
        "--out",
        out,
        "--target-error",
        0.05,
        "--max-passes",
        60,
        "--budget",
        50,
    )
    assert done.exit_code == 0, done.stderr
    method = howsure.load(out).method
    assert (method["target_error"], method["max_passes"], method["budget"]) == (0.05, 60, 50)


def test_divide_by(model_file, data_file, tmp_path):
    with np.load(data_file) as archive:
        x = archive["x"]
    np.save(tmp_path / "large.npy", x * 255)
    for name, source, more in (("a", data_file, ()), ("b", tmp_path / "large.npy", ("--divide-by", 255))):
        assert run("assess", model_file, source, "--out", tmp_path / f"{name}.parquet", *more).exit_code == 0
    first, second = howsure.load(tmp_path / "a.parquet"), howsure.load(tmp_path / "b.parquet")
    np.testing.assert_allclose(first.probabilities, second.probabilities, atol=1e-6)


def test_labels_from_a_file_come_before_those_in_the_data(model_file, data_file, tmp_path):
    np.save(tmp_path / "labels.npy", np.full(30, 2))
    out = tmp_path / "out.parquet"
    assert (
        run("assess", model_file, data_file, "--out", out, "--labels", tmp_path / "labels.npy").exit_code == 0
    )
    assert set(howsure.load(out).truth) == {2}


def test_without_labels_nothing_is_said_about_right_and_wrong(model_file, data_file, tmp_path):
    with np.load(data_file) as archive:
        np.save(tmp_path / "rows.npy", archive["x"])
    out = tmp_path / "out.parquet"
    done = run("assess", model_file, tmp_path / "rows.npy", "--out", out)
    assert done.exit_code == 0
    assert howsure.load(out).truth is None
    assert "right on" not in flat(done.stdout)


def test_labels_that_do_not_fit_are_refused_before_the_passes(model_file, data_file, tmp_path, monkeypatch):
    monkeypatch.setattr(howsure, "assess", lambda *_, **__: pytest.fail("work had begun"))
    np.save(tmp_path / "labels.npy", np.full(30, 3))
    done = run(
        "assess", model_file, data_file, "--out", tmp_path / "o.parquet", "--labels", tmp_path / "labels.npy"
    )
    assert done.exit_code == 2
    assert "out of range" in done.stderr


def test_class_folders_give_names_truth_and_file_names(image_model_file, picture_folder, tmp_path):
    out, report = tmp_path / "out.parquet", tmp_path / "out.html"
    done = run(
        "assess", image_model_file, picture_folder, "--out", out, "--report", report, "--divide-by", 255
    )
    assert done.exit_code == 0, done.stderr
    certainty = howsure.load(out)
    assert certainty.class_names == ("daisy", "rose", "tulip")
    assert certainty.truth.tolist() == [0, 0, 1, 1, 2, 2]
    assert certainty.kind == "image"
    assert "tulip/1.png" in done.stdout


def test_class_names_decide_which_folder_is_which_class(image_model_file, picture_folder, tmp_path):
    out = tmp_path / "out.parquet"
    names = ("--class-names", ",".join(FLOWERS))
    done = run("assess", image_model_file, picture_folder, "--out", out, "--divide-by", 255, *names)
    assert done.exit_code == 0, done.stderr
    certainty = howsure.load(out)
    assert certainty.class_names == FLOWERS
    assert certainty.truth.tolist() == [2, 2, 0, 0, 1, 1]  # read as daisy, rose, tulip


def test_a_folder_that_is_no_class_is_refused(image_model_file, picture_folder, tmp_path):
    names = ("--class-names", "rose,tulip,lily")
    done = run("assess", image_model_file, picture_folder, "--out", tmp_path / "o.parquet", *names)
    assert done.exit_code == 2
    assert "The folder 'daisy' is not among the class names" in done.stderr


def test_what_is_left_out_is_said_and_the_exit_code_is_1(image_model_file, picture_folder, tmp_path):
    (picture_folder / "rose" / "0.png").write_bytes(b"no image")
    command = (
        "assess",
        image_model_file,
        picture_folder,
        "--out",
        tmp_path / "o.parquet",
        "--divide-by",
        255,
    )
    refused = run(*command)
    assert refused.exit_code == 2
    assert not (tmp_path / "o.parquet").exists()
    done = run(*command, "--skip-unreadable")
    assert done.exit_code == 1
    assert "left out: 1 unreadable image" in done.stderr
    assert "0.png" in done.stderr
    assert len(howsure.load(tmp_path / "o.parquet")) == 5


def test_warnings_are_one_line_on_stderr(image_model_file, picture_folder, tmp_path):
    done = run("assess", image_model_file, picture_folder, "--out", tmp_path / "o.parquet")
    assert done.exit_code == 0
    (line,) = done.stderr.splitlines()
    assert line.startswith("warning: ")
    assert "--divide-by 255" in line
    compared = run("compare", image_model_file, picture_folder)  # which assesses many times
    assert sum("--divide-by 255" in each for each in compared.stderr.splitlines()) <= 5  # once for each set


def test_no_rows(model_file, tmp_path):
    np.save(tmp_path / "none.npy", np.zeros((0, 4), np.float32))
    out, report = tmp_path / "o.parquet", tmp_path / "o.html"
    done = run("assess", model_file, tmp_path / "none.npy", "--out", out, "--report", report)
    assert done.exit_code == 0, done.stderr
    assert "There were no rows to assess." in done.stdout


# --- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"MODEL": "nowhere.keras"}, "The model does not exist. Received: nowhere.keras"),
        ({"DATA": "nowhere.npz"}, "The data does not exist"),
        ({"--labels": "nowhere.npy"}, "The file of labels does not exist"),
        ({"--class-names": "nowhere.txt"}, "nowhere.txt"),
        ({"--out": "o.xlsx"}, "wrong ending. Expected: a name that ends in .parquet or .csv"),
        ({"--id-column": "id"}, "--id-column names columns, but"),
        ({"--drop": "a,,b"}, "--drop names columns, but"),
        ({"--out": "taken.parquet"}, "is a folder"),
        ({"--out": "nowhere/o.parquet"}, "nowhere/o."),
        ({"--report": "o.pdf"}, "ends in .html"),
        ({"--report": "nowhere/o.html"}, "nowhere/o."),
        ({"DATA": "rows.parquet", "--out": "./rows.parquet"}, "would overwrite 'rows.parquet'"),
        ({"--passes": "1"}, "at least 2"),
        ({"--passes": "20", "--target-error": "0.01"}, "--passes"),
        ({"--passes": "20", "--budget": "20"}, "--budget"),
        ({"--divide-by": "0"}, "a number other than 0"),
        ({"--divide-by": "nan"}, "a number other than 0"),
    ],
)
def test_everything_is_checked_before_the_model_is_loaded(
    model_file, data_file, tmp_path, monkeypatch, change, message
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(assessing, "load_model", lambda *_, **__: pytest.fail("the model was loaded"))
    (tmp_path / "taken.parquet").mkdir()
    (tmp_path / "rows.parquet").touch()
    given = {"MODEL": model_file, "DATA": data_file, "--out": "o.parquet", **change}
    arguments = [given.pop("MODEL"), given.pop("DATA"), *(part for pair in given.items() for part in pair)]
    done = run("assess", *arguments)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_a_link_to_an_input_is_that_input(model_file, data_file, tmp_path):
    (tmp_path / "link.parquet").symlink_to(data_file)
    done = run("assess", model_file, data_file, "--out", tmp_path / "link.parquet")
    assert done.exit_code == 2
    assert "would overwrite" in done.stderr


def test_the_report_may_not_be_the_table(model_file, data_file, tmp_path):
    (tmp_path / "o.html").symlink_to(tmp_path / "o.parquet")
    done = run(
        "assess", model_file, data_file, "--out", tmp_path / "o.parquet", "--report", tmp_path / "o.html"
    )
    assert done.exit_code == 2
    assert "would overwrite" in done.stderr


def test_wrong_use_ends_with_2(model_file, data_file, tmp_path):
    assert run("assess", model_file, data_file).exit_code == 2  # no --out
    assert (
        run("assess", model_file, data_file, "--out", tmp_path / "o.parquet", "--seed", "-1").exit_code == 2
    )
    assert (
        run("assess", model_file, data_file, "--out", tmp_path / "o.parquet", "--outputs", "x").exit_code == 2
    )
    assert run("guess").exit_code == 2


def test_a_kept_plan_makes_a_row_independent_of_its_neighbours(model_file, data_file, tmp_path):
    plan = tmp_path / "plan.json"
    assert run("audit", model_file, "--data", data_file, "--save-plan", plan).exit_code == 0
    np.save(tmp_path / "few.npy", np.load(data_file)["x"][:3])
    found = []
    for rows in (data_file, tmp_path / "few.npy"):
        out = tmp_path / f"{rows.stem}.parquet"
        assert run("assess", model_file, rows, "--out", out, "--plan", plan).exit_code == 0
        found.append(howsure.load(out))
    many, few = found
    np.testing.assert_allclose(many[:3].probabilities, few.probabilities, atol=3e-6)
    np.testing.assert_array_equal(many[:3].passes, few.passes)
    assert many.plan == few.plan


def test_one_of_several_outputs(tmp_path, data_file):
    keras.utils.set_random_seed(3)
    inputs = keras.Input((4,))
    hidden = keras.layers.Dropout(0.5)(keras.layers.Dense(8, activation="relu")(inputs))
    kind = keras.layers.Dense(3, activation="softmax", name="kind")(hidden)
    keras.Model(inputs, [keras.layers.Dense(1, name="price")(hidden), kind]).save(tmp_path / "m.keras")
    wanted = howsure.assess(keras.Model(inputs, kind), np.load(data_file)["x"]).probabilities
    given, out = ("assess", tmp_path / "m.keras", data_file), tmp_path / "out.parquet"
    for name in ("kind", "1"):
        assert run(*given, "--out", out, "--output", name).exit_code == 0
        np.testing.assert_allclose(howsure.load(out).probabilities, wanted, atol=1e-5)
    for output, said in (("x", "or a name: 'price', 'kind'"), ("2", "a place from 0 to 1")):
        wrong = run(*given, "--out", out, "--output", output)
        assert (wrong.exit_code, said in wrong.stderr) == (2, True)
    parts = run(*given, "--out", tmp_path / "parts", "--output", "1")
    assert parts.exit_code == 0, parts.stderr
    np.testing.assert_allclose(howsure.load(tmp_path / "parts").probabilities, wanted, atol=0.1)
    other = run(*given, "--out", tmp_path / "parts", "--output", "kind")
    assert (other.exit_code, "were made with another output" in other.stderr) == (2, True)
    page = run(*given, "--out", out, "--output", "kind", "--report", tmp_path / "page.html")
    assert page.exit_code == 0, page.stderr
    assert "'dropout" in run("audit", given[1], "--output", "kind").stdout
    compared = run("compare", *given[1:], "--output", "kind")
    assert compared.exit_code == 0, compared.stderr


def test_a_layer_that_is_kept_off_by_name(tmp_path, data_file):
    keras.utils.set_random_seed(3)
    layers = keras.layers.Dropout(0.3, name="in"), keras.layers.Dropout(0.5, name="late")
    model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(3, activation="softmax")])
    model.save(tmp_path / "m.keras")
    plan, out, folder = tmp_path / "plan.json", tmp_path / "out.parquet", tmp_path / "parts"
    off = ("--keep-off", "in")
    done = run("audit", tmp_path / "m.keras", "--data", data_file, "--save-plan", plan, *off)
    assert "stays fixed: --keep-off names it" in done.stdout
    given = ("assess", tmp_path / "m.keras", data_file, "--plan", plan)
    assert run(*given, "--out", out, *off).exit_code == 0
    assert run(*given, "--out", folder, *off).exit_code == 0
    wanted = howsure.assess(model, np.load(data_file)["x"], method=howsure.MCDropout(keep_off=["in"]))
    for found in (howsure.load(out), howsure.load(folder)):
        np.testing.assert_allclose(found.probabilities, wanted.probabilities, atol=1e-5)
        assert found.method["keep_off"] == ["in"]
    assert "plan was made for another model" in run(*given, "--out", tmp_path / "b.parquet").stderr
    wrong = run("assess", tmp_path / "m.keras", data_file, "--out", out, "--keep-off", "dense")
    assert (wrong.exit_code, "Expected: some of 'in', 'late'" in wrong.stderr) == (2, True)


def test_a_plan_that_cannot_be_kept_or_used_ends_with_an_error(model_file, data_file, tmp_path):
    assert "needs rows for the plan" in run("audit", model_file, "--save-plan", tmp_path / "plan.json").stderr
    wrong = run("audit", model_file, "--data", data_file, "--save-plan", tmp_path / "plan.txt")
    assert wrong.exit_code == 2
    assert "ends in .json" in wrong.stderr
    out = tmp_path / "out.parquet"
    missing = run("assess", model_file, data_file, "--out", out, "--plan", tmp_path / "none.json")
    assert missing.exit_code == 2
    assert "Cannot read the plan" in missing.stderr


def test_audit_with_rows_tells_the_plan(model_file, data_file):
    done = run("audit", model_file, "--data", data_file)
    assert done.exit_code == 0
    assert "The plan:" in done.stdout
    assert run("audit", model_file, "--data", "nowhere.npz").exit_code == 2


def test_brackets_in_a_message_are_no_markup(tmp_path):
    done = run("audit", tmp_path / "[bold]a[/x].keras")
    assert done.exit_code == 2
    assert "[bold]a[/x].keras" in done.stderr


def test_an_interruption_ends_with_130_and_one_line(model_file, data_file, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(howsure, "stream", interrupt)
    done = run("assess", model_file, data_file, "--out", tmp_path / "o.parquet")
    assert done.exit_code == 130
    assert done.stderr == "interrupted\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.npz"]


def test_an_interruption_keeps_the_rows_that_are_done(model_file, data_file, tmp_path, monkeypatch):
    whole = howsure.stream

    def one_block(*args, **kwargs):
        yield next(whole(*args, **kwargs))[:2]
        raise KeyboardInterrupt

    monkeypatch.setattr(howsure, "stream", one_block)
    done = run("assess", model_file, data_file, "--out", tmp_path / "o.parquet")
    assert done.exit_code == 130
    assert "kept: the first 2 rows" in done.stderr
    assert len(howsure.load(tmp_path / "o.part.parquet")) == 2
    assert not (tmp_path / "o.parquet").exists()


def test_a_fault_elsewhere_passes_through(model_file, data_file, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError("in the user's layer")

    monkeypatch.setattr(howsure, "stream", fail)
    with pytest.raises(ZeroDivisionError, match="in the user's layer"):
        run("assess", model_file, data_file, "--out", tmp_path / "o.parquet")


def test_whatever_stops_it_the_rows_that_are_done_are_kept(model_file, data_file, tmp_path, monkeypatch):
    whole, (earlier, second) = howsure.stream, (tmp_path / "o.part.parquet", tmp_path / "o.part-2.parquet")
    earlier.write_bytes(b"of the time before")

    def late_fault(*args, **kwargs):
        yield next(whole(*args, **kwargs))[:7]
        raise howsure.ModelError("A late block put out NaN")

    monkeypatch.setattr(howsure, "stream", late_fault)
    done = run("assess", model_file, data_file, "--out", tmp_path / "o.parquet")
    assert done.exit_code == 2
    assert done.stderr == f"kept: the first 7 rows, in '{second}'\nerror: A late block put out NaN.\n"
    assert howsure.load(second).truth.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert earlier.read_bytes() == b"of the time before"


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_keeps_the_rows_even_where_a_library_swallows_it(
    model_file, data_file, tmp_path, monkeypatch, name
):
    whole = howsure.stream

    def told_between_blocks(*args, progress, **kwargs):
        yield next(whole(*args, **kwargs))[:4]
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), getattr(signal, name))
        progress(4, 30)

    number, own = getattr(signal, name), signal.default_int_handler
    before = signal.signal(number, own)  # what runs in the background may have been told to ignore it
    try:
        monkeypatch.setattr(howsure, "stream", told_between_blocks)
        done = run("assess", model_file, data_file, "--out", tmp_path / "o.parquet")
        assert done.exit_code == 130
        assert len(howsure.load(tmp_path / "o.part.parquet")) == 4
        assert signal.getsignal(number) is own
    finally:
        signal.signal(number, before)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_signal_waits_until_the_table_is_written(model_file, data_file, tmp_path, monkeypatch):
    save = howsure.Certainty.save

    def interrupted(certainty, path):
        os.kill(os.getpid(), signal.SIGTERM)
        save(certainty, path)

    monkeypatch.setattr(howsure.Certainty, "save", interrupted)
    done = run("assess", model_file, data_file, "--out", tmp_path / "o.parquet")
    assert done.exit_code == 130
    assert len(howsure.load(tmp_path / "o.parquet")) == 30
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.parquet", "rows.npz"]


def test_where_the_report_fails_the_findings_are_there(model_file, data_file, tmp_path, monkeypatch):
    def no_room(*_, **__):
        raise howsure.FileError("No space")

    monkeypatch.setattr(assessing, "write_report", no_room)
    out = tmp_path / "o.parquet"
    done = run("assess", model_file, data_file, "--out", out, "--report", tmp_path / "r.html")
    assert done.exit_code == 2
    assert done.stderr == "error: No space.\n"
    assert f"Table:   {out}" in done.stdout
    assert len(howsure.load(out)) == 30
    monkeypatch.setattr("howsure.report.comparison.write_comparison", no_room)
    done = run("compare", model_file, data_file, "--report", tmp_path / "r.html")
    assert done.exit_code == 2
    assert "Which method has the most accurate percentages?" in done.stdout


def test_the_longest_name_and_one_that_is_longer(model_file, data_file, tmp_path):
    out = tmp_path / ("n" * 247 + ".parquet")
    assert run("assess", model_file, data_file, "--out", out).exit_code == 0
    assert len(howsure.load(out)) == 30
    for arguments in (
        (model_file, data_file, "--out", tmp_path / ("n" * 250 + ".parquet")),
        (model_file, tmp_path / ("n" * 300 + ".npz"), "--out", tmp_path / "o.parquet"),
    ):
        done = run("assess", *arguments)
        assert done.exit_code == 2
        assert "File name too long" in done.stderr


def test_what_would_steer_the_terminal_is_shown_instead(tmp_path):
    done = run("audit", tmp_path / "\x1b[2Jmodel\x07.keras")
    assert done.exit_code == 2
    assert "\\x1b[2Jmodel\\x07.keras" in done.stderr


@pytest.mark.parametrize("divisor", ["0", "nan", "inf", "1e39", "-1e39", "1e-39"])
def test_no_divisor(model_file, data_file, tmp_path, divisor):
    done = run("assess", model_file, data_file, "--out", tmp_path / "o.parquet", f"--divide-by={divisor}")
    assert done.exit_code == 2
    assert "--divide-by cannot be used" in done.stderr


def test_a_divisor_that_leaves_nothing(model_file, data_file, tmp_path):
    done = run("assess", model_file, data_file, "--out", tmp_path / "o.parquet", "--divide-by=3e38")
    assert done.exit_code == 2
    assert "too small for float32 when they are divided by 3e+38" in done.stderr


def test_rows_that_are_divided_and_rescaled_are_said_to_be(picture_folder, tmp_path):
    layers = [
        keras.layers.Rescaling(1 / 255, name="scaled"),
        keras.layers.Flatten(),
        keras.layers.Dropout(0.5),
    ]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers, keras.layers.Dense(3, activation="softmax")])
    model.save(tmp_path / "m.keras")
    arguments = ("assess", tmp_path / "m.keras", picture_folder, "--out", tmp_path / "o.parquet")
    assert run(*arguments).stderr == ""
    done = run(*arguments, "--divide-by", 255)
    assert done.exit_code == 0
    assert "The rows are divided by 255" in done.stderr
    assert "layer 'scaled' of the model rescales" in done.stderr


def test_a_full_disk_loses_nothing(model_file, data_file, tmp_path, monkeypatch):
    """The earlier table stays, and the new one is kept where there is room."""
    out, room = tmp_path / "full" / "o.parquet", tmp_path / "room"
    for folder in (out.parent, room):
        folder.mkdir()
    out.write_bytes(b"earlier")
    monkeypatch.setattr("tempfile.tempdir", str(room))
    save = howsure.Certainty.save

    def no_room_there(certainty, path):
        if os.path.dirname(path) == str(out.parent):
            raise howsure.FileError(
                f"Writing '{path}' failed (No space left on device)", hint="It is unchanged"
            )
        save(certainty, path)

    monkeypatch.setattr(howsure.Certainty, "save", no_room_there)
    done = run("assess", model_file, data_file, "--out", out)
    assert done.exit_code == 2
    assert out.read_bytes() == b"earlier"
    (kept,) = room.iterdir()
    assert f"kept: the first 30 rows, in '{kept}'" in done.stderr
    assert len(howsure.load(kept)) == 30


def test_full_disks_everywhere_leave_no_files_behind(model_file, data_file, tmp_path, monkeypatch):
    out, room = tmp_path / "full" / "o.parquet", tmp_path / "room"
    for folder in (out.parent, room):
        folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(room))

    def full(*arguments, **settings):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pyarrow.parquet.write_table", full)
    done = run("assess", model_file, data_file, "--out", out)
    assert done.exit_code == 2
    assert "lost: the first 30 rows, which cannot be written anywhere: " in done.stderr
    assert f"error: Writing '{out}' failed (No space left on device)" in done.stderr
    assert not [*out.parent.iterdir(), *room.iterdir()]


# --- audit and demo ---------------------------------------------------------------------------


def test_audit_prints_what_the_library_says(model_file):
    done = run("audit", model_file)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == in_options(f"{howsure.audit(keras.models.load_model(model_file))}\n")


def test_demo_makes_its_folder_and_passes_the_options_on(tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr(demo_module, "run", lambda folder, **more: seen.update(folder=folder, **more))
    folder = tmp_path / "new" / "demo"
    done = run("demo", "--folder", folder, "--epochs", 3, "--ensemble", 2, "--seed", 7)
    assert done.exit_code == 0, done.stderr
    assert folder.is_dir()
    assert seen["folder"] == folder
    assert (seen["epochs"], seen["members"], seen["seed"]) == (3, 2, 7)


def test_demo_without_mnist_says_why(tmp_path, monkeypatch):
    def nothing():
        raise howsure.FileError("MNIST could not be had")

    monkeypatch.setattr(mnist, "load", nothing)
    done = run("demo", "--folder", tmp_path)
    assert done.exit_code == 2
    assert "error: MNIST could not be had" in done.stderr


def test_demo_in_a_place_that_is_a_file(tmp_path):
    (tmp_path / "demo").touch()
    done = run("demo", "--folder", tmp_path / "demo")
    assert done.exit_code == 2
    assert "cannot be made" in done.stderr


# --- the backend ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("installed", "chosen"),
    [
        ({"keras", "tensorflow", "jax", "torch"}, "tensorflow"),
        ({"keras", "jax", "torch"}, "jax"),
        ({"keras", "torch"}, "torch"),
    ],
)
def test_the_backend_is_the_first_that_is_installed(monkeypatch, installed, chosen):
    monkeypatch.delenv("KERAS_BACKEND")
    monkeypatch.setattr(import_keras, "_is_installed", installed.__contains__)
    import_keras.load_keras()
    assert os.environ["KERAS_BACKEND"] == chosen


@pytest.mark.parametrize(
    ("asked", "installed", "missing"),
    [
        (None, {"keras"}, "Keras with a backend is not installed"),
        (None, {"torch"}, "Keras with a backend is not installed"),
        ("jax", {"keras", "torch"}, "jax is not installed"),
    ],
)
def test_without_a_backend_the_extras_are_named(monkeypatch, model_file, asked, installed, missing):
    if asked is None:
        monkeypatch.delenv("KERAS_BACKEND")
    else:
        monkeypatch.setenv("KERAS_BACKEND", asked)
    monkeypatch.setattr(import_keras, "_is_installed", installed.__contains__)
    done = run("audit", model_file)
    assert done.exit_code == 2
    assert missing in done.stderr
    assert "pip install 'howsure[tensorflow]'" in done.stderr


# --- as a program -----------------------------------------------------------------------------


def program(*arguments, **environment):
    kept = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-m", "howsure", *map(str, arguments)],
        capture_output=True,
        env={**kept, **environment},
    )


def test_as_a_program_it_is_quiet_on_an_old_terminal_too(model_file, data_file, tmp_path):
    done = program("assess", model_file, data_file, "--out", tmp_path / "o.parquet", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert done.stderr == b""
    assert "most undecided" in done.stdout.decode()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full of Linux")
def test_nobody_to_read_messages_costs_no_table(tmp_path):
    np.save(tmp_path / "rows.npy", small_network.rows(30))
    given = ["validation.small_network:make", tmp_path / "rows.npy", "--out", tmp_path / "o.parquet"]
    command = [sys.executable, "-m", "howsure", "assess", *given]
    closed = subprocess.run(["sh", "-c", 'exec "$@" 2>&- >/dev/full', "sh", *map(str, command)], cwd=ROOT)
    assert closed.returncode == 2  # not all could be printed
    assert len(howsure.load(tmp_path / "o.parquet")) == 30


def test_a_stream_that_broke_takes_anything():
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as broken:
        stream = Unbreakable(broken)
        for _ in range(2):
            stream.write("x" * 100_000)
            stream.flush()
        assert stream.lost is None
        assert not stream.isatty()
        with contextlib.suppress(BrokenPipeError):
            broken.close()
    stream.write("after it was closed")


def test_as_a_program_a_missing_model_is_one_line(tmp_path):
    done = program("audit", tmp_path / "nowhere.keras")
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.decode().splitlines() == [
        f"error: The model does not exist. Received: {tmp_path / 'nowhere.keras'}."
    ]


@pytest.mark.parametrize("columns", ["0", "\u00b2"])
def test_a_width_that_is_none(columns):
    helped = program("--help", COLUMNS=columns)
    assert helped.returncode == 0
    assert "Write a model and its certainty" in helped.stdout.decode()


def test_a_current_folder_that_was_deleted(tmp_path, monkeypatch):
    np.save(tmp_path / "rows.npy", small_network.rows(30))
    (tmp_path / "gone").mkdir()
    gone = f'cd {tmp_path / "gone"} && rmdir ../gone; mkdir -p ../gone; exec "$@"'
    command = ["sh", "-c", gone, "sh", sys.executable, "-m", "howsure", "assess", "--help"]
    helped = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "howsure" in helped.stdout
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    given = ["validation.small_network:make", tmp_path / "rows.npy", "--out"]
    for out in ("o.parquet", tmp_path / "o.parquet"):
        done = run("assess", *given, out)
        assert done.exit_code == 2
        assert (
            done.stderr == "error: The current folder was deleted. Expected: one that exists, as after cd.\n"
        )


def test_code_that_goes_to_another_folder_takes_no_output_there(tmp_path):
    """When it is imported and when it runs. A warning would end it, so there is none."""
    np.save(tmp_path / "rows.npy", small_network.rows(30))
    leave = f"import os; os.chdir({str(tmp_path / 'other')!r})"
    (tmp_path / "wanders.py").write_text(
        "from validation import small_network\n"
        f"{leave}\n"
        "def make():\n"
        "    made = small_network.make()\n"
        "    predict = made.predict\n"
        "    def predicted(rows):\n"
        f"        {leave}\n"
        "        return predict(rows)\n"
        "    made.predict = predicted\n"
        "    return made\n"
    )
    (tmp_path / "other").mkdir()
    command = [sys.executable, "-W", "error", "-m", "howsure", "assess", "wanders:make", "rows.npy"]
    done = subprocess.run(
        [*command, "--method", "softmax", "--out", "o.parquet", "--report", "r.html"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not list((tmp_path / "other").iterdir())
    assert len(howsure.load(tmp_path / "o.parquet")) == 30
    assert (tmp_path / "r.html").exists()


def test_what_is_held_back_while_loading_is_shown_if_loading_fails(capfd):
    def load(*, fail):
        with import_keras.native_stderr_held():
            os.write(2, b"the cause\n")
            if fail:
                raise ImportError

    load(fail=False)
    assert capfd.readouterr().err == ""
    with pytest.raises(ImportError):
        load(fail=True)
    assert capfd.readouterr().err == "the cause\n"
