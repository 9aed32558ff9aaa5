import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.commands import flat, run

keras = pytest.importorskip("keras", reason="Keras is not installed")

import howsure  # noqa: E402  # needs keras
from howsure.adapters import import_keras  # noqa: E402
from howsure.cli import assessing, comparing  # noqa: E402  # needs keras
from howsure.cli.app import COMMANDS, Demo  # noqa: E402
from howsure.demo import run as demo_module  # noqa: E402
from validation import small_network  # noqa: E402

ROOT = Path(__file__).parent.parent.parent

FLOWERS = ("rose", "tulip", "daisy")


pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture(scope="module")
def model_file(network_of):
    return network_of(4)


@pytest.fixture(scope="module")
def image_model_file(network_of):
    return network_of(8, 8, 1)


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
        *("compare", model_file, data_file, "--set", f"members={tmp_path / 'other.keras'}"),
        *("--outside", tmp_path / "far.npy"),
        *("--report", report, "--class-names", ",".join(FLOWERS)),
    )
    assert done.exit_code == 0, done.stderr
    output = flat(done.stdout)
    for part in ("softmax", "MC dropout", "ensemble", "MC dropout of the ensemble", "NLL"):
        assert part in output
    assert "Which method has the most accurate percentages?" in output
    assert "Which method notices 'far.npy'?" in output
    assert f"Report:  {report}" in done.stdout
    page = report.read_text(encoding="utf-8")
    assert "<html" in page
    assert "far.npy" in page
    assert not done.stderr


@pytest.mark.parametrize("option", ["--set=members=", "--set=shifts=", "--outside=", "--labels="])
def test_compare_checks_every_path_before_the_model_is_loaded(
    model_file, data_file, tmp_path, monkeypatch, option
):
    monkeypatch.setattr(comparing, "load_model", lambda *_, **__: pytest.fail("loaded"))
    done = run("compare", model_file, data_file, f"{option}{tmp_path / 'missing'}")
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
    assert "The model is sure of none of 30 rows. " in flat(done.stdout)
    assert "right on" in flat(done.stdout)
    assert f"Table:   {out}" in done.stdout
    assert f"Report:  {report}" in done.stdout
    most = certainty[certainty.most_undecided(1)[0]]
    assert str(most)[:20] in flat(done.stdout)
    assert done.stderr == ""


def test_divide_by(model_file, data_file, tmp_path):
    with np.load(data_file) as archive:
        x = archive["x"]
    np.save(tmp_path / "large.npy", x * 255)
    for name, source, more in (
        ("a", data_file, ()),
        ("b", tmp_path / "large.npy", ("--set", "divide_by=255")),
    ):
        assert run("assess", model_file, source, "--out", tmp_path / f"{name}.parquet", *more).exit_code == 0
    first, second = howsure.load(tmp_path / "a.parquet"), howsure.load(tmp_path / "b.parquet")
    np.testing.assert_allclose(first.probabilities, second.probabilities, atol=1e-6)


def test_what_is_left_out_is_said_and_the_exit_code_is_1(image_model_file, picture_folder, tmp_path):
    (picture_folder / "rose" / "0.png").write_bytes(b"no image")
    command = (
        "assess",
        image_model_file,
        picture_folder,
        "--out",
        tmp_path / "o.parquet",
        "--set",
        "divide_by=255",
    )
    refused = run(*command)
    assert refused.exit_code == 2
    assert not (tmp_path / "o.parquet").exists()
    done = run(*command, "--set", "skip_unreadable=true")
    assert done.exit_code == 1
    assert "left out: 1 unreadable image" in done.stderr
    assert "0.png" in done.stderr
    assert len(howsure.load(tmp_path / "o.parquet")) == 5


def test_warnings_are_one_line_on_stderr(image_model_file, picture_folder, tmp_path):
    done = run("assess", image_model_file, picture_folder, "--out", tmp_path / "o.parquet")
    assert done.exit_code == 0
    (line,) = done.stderr.splitlines()
    assert line.startswith("warning: ")
    assert "--set divide_by=255" in line
    compared = run("compare", image_model_file, picture_folder)  # which assesses many times
    assert (
        sum("--set divide_by=255" in line for line in compared.stderr.splitlines()) <= 5
    )  # once for each set


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
        ({"--set": "drop=a,b"}, "drop names columns, but"),
        ({"--set": "drop=a,,b"}, "`drop` cannot be used"),
        ({"--out": "taken.parquet"}, "is a folder"),
        ({"--out": "nowhere/o.parquet"}, "nowhere/o."),
        ({"--report": "o.pdf"}, "ends in .html"),
        ({"--report": "nowhere/o.html"}, "nowhere/o."),
        ({"DATA": "rows.parquet", "--out": "./rows.parquet"}, "would overwrite 'rows.parquet'"),
        ({"--set": "passes=1"}, "at least 2"),
        ({"--settings": "both.toml"}, "`passes`"),
        ({"--set": "divide_by=0"}, "a number other than 0"),
        ({"--set": "divide_by=nan"}, "a number other than 0"),
        ({"--set": "divide_by=1e39"}, "`divide_by` cannot be used"),
        ({"--set": "outputs=x", "--report": "o.txt"}, "ends in .html"),
        ({"--seed": "-1"}, "`seed` cannot be used"),
        ({"--plan": "none.json"}, "Cannot read the plan"),
        ({"--workers": "0", "--out": "folder"}, "`workers` cannot be used"),
        ({"--set": "part_rows=0", "--out": "folder"}, "`part_rows` cannot be used"),
    ],
)
def test_everything_is_checked_before_the_model_is_loaded(
    model_file, data_file, tmp_path, monkeypatch, change, message
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(assessing, "load_model", lambda *_, **__: pytest.fail("the model was loaded"))
    (tmp_path / "taken.parquet").mkdir()
    (tmp_path / "rows.parquet").touch()
    (tmp_path / "both.toml").write_text("passes = 20\nbudget = 20")
    options = {"--out": "o.parquet", **change}
    model, data = options.pop("MODEL", model_file), options.pop("DATA", data_file)
    arguments = [model, data, *(part for option in options.items() for part in option)]
    done = run("assess", *arguments)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_one_of_several_outputs(tmp_path, data_file):
    keras.utils.set_random_seed(3)
    inputs = keras.Input((4,))
    hidden = keras.layers.Dropout(0.5)(keras.layers.Dense(8, activation="relu")(inputs))
    kind = keras.layers.Dense(3, activation="softmax", name="kind")(hidden)
    keras.Model(inputs, [keras.layers.Dense(1, name="price")(hidden), kind]).save(tmp_path / "m.keras")
    wanted = howsure.assess(keras.Model(inputs, kind), np.load(data_file)["x"]).probabilities
    arguments, out = ("assess", tmp_path / "m.keras", data_file), tmp_path / "out.parquet"
    for name in ("kind", "1"):
        assert run(*arguments, "--out", out, "--set", f"output={name}").exit_code == 0
        np.testing.assert_allclose(howsure.load(out).probabilities, wanted, atol=1e-5)
    for output, message in (("x", "or a name: 'price', 'kind'"), ("2", "a place from 0 to 1")):
        wrong = run(*arguments, "--out", out, "--set", f"output={output}")
        assert (wrong.exit_code, message in wrong.stderr) == (2, True)
    parts = run(*arguments, "--out", tmp_path / "parts", "--set", "output=1")
    assert parts.exit_code == 0, parts.stderr
    np.testing.assert_allclose(howsure.load(tmp_path / "parts").probabilities, wanted, atol=0.1)
    other = run(*arguments, "--out", tmp_path / "parts", "--set", "output=kind")
    assert (other.exit_code, "were made with another output" in other.stderr) == (2, True)
    page = run(*arguments, "--out", out, "--set", "output=kind", "--report", tmp_path / "page.html")
    assert page.exit_code == 0, page.stderr
    assert "'dropout" in run("audit", arguments[1], "--set", "output=kind").stdout
    compared = run("compare", *arguments[1:], "--set", "output=kind")
    assert compared.exit_code == 0, compared.stderr


def test_a_layer_that_is_kept_off_by_name(tmp_path, data_file):
    keras.utils.set_random_seed(3)
    layers = keras.layers.Dropout(0.3, name="in"), keras.layers.Dropout(0.5, name="late")
    model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(3, activation="softmax")])
    model.save(tmp_path / "m.keras")
    plan, out, folder = tmp_path / "plan.json", tmp_path / "out.parquet", tmp_path / "parts"
    off = ("--set", "keep_off=in")
    done = run("audit", tmp_path / "m.keras", "--data", data_file, "--save-plan", plan, *off)
    assert "`keep_off` names it" in done.stdout
    arguments = ("assess", tmp_path / "m.keras", data_file, "--plan", plan)
    assert run(*arguments, "--out", out, *off).exit_code == 0
    assert run(*arguments, "--out", folder, *off).exit_code == 0
    wanted = howsure.assess(model, np.load(data_file)["x"], method=howsure.MCDropout(keep_off=["in"]))
    for result in (howsure.load(out), howsure.load(folder)):
        np.testing.assert_allclose(result.probabilities, wanted.probabilities, atol=1e-5)
        assert result.method["keep_off"] == ["in"]
    assert "plan was made for another model" in run(*arguments, "--out", tmp_path / "b.parquet").stderr
    wrong = run("assess", tmp_path / "m.keras", data_file, "--out", out, "--set", "keep_off=dense")
    assert (wrong.exit_code, "Expected: some of 'in', 'late'" in wrong.stderr) == (2, True)


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


def test_a_fault_elsewhere_passes_through(model_file, data_file, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError("in the user's layer")

    monkeypatch.setattr(howsure, "stream", fail)
    with pytest.raises(ZeroDivisionError, match="in the user's layer"):
        run("assess", model_file, data_file, "--out", tmp_path / "o.parquet")


def test_rows_that_are_divided_and_rescaled_are_said_to_be(picture_folder, tmp_path):
    layers = [keras.layers.Rescaling(1 / 255, name="scaled"), keras.layers.Flatten()]
    layers += [keras.layers.Dropout(0.5), keras.layers.Dense(3, activation="softmax")]
    keras.Sequential([keras.Input((8, 8, 1)), *layers]).save(tmp_path / "m.keras")
    arguments = ("assess", tmp_path / "m.keras", picture_folder, "--out", tmp_path / "o.parquet")
    assert run(*arguments).stderr == ""
    assert "layer 'scaled' of the model rescales" in run(*arguments, "--set", "divide_by=255").stderr


# --- audit and demo ---------------------------------------------------------------------------


def test_demo_makes_its_folder_and_passes_the_options_on(tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr(demo_module, "run", lambda folder, **more: seen.update(folder=folder, **more))
    folder = tmp_path / "new" / "demo"
    done = run("demo", "--folder", folder, "--epochs", 3, "--seed", 7)
    assert done.exit_code == 0, done.stderr
    assert folder.is_dir()
    assert seen["folder"] == folder
    assert (seen["epochs"], seen["seed"]) == (3, 7)


@pytest.mark.parametrize("command", sorted(command.name() for command in COMMANDS if command is not Demo))
def test_a_command_alone_says_what_it_needs(command):
    done = run(command)
    assert done.exit_code == 2
    assert "Missing argument" in done.stderr


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
    slow = (b"Loading", b"Assessing")  # a line every ten seconds, on a machine that is busy
    assert [line for line in done.stderr.splitlines() if not line.startswith(slow)] == []
    assert "most undecided" in done.stdout.decode()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full of Linux")
def test_nobody_to_read_messages_costs_no_table(tmp_path):
    np.save(tmp_path / "rows.npy", small_network.rows(30))
    arguments = ["validation.small_network:make", tmp_path / "rows.npy", "--out", tmp_path / "o.parquet"]
    command = [sys.executable, "-m", "howsure", "assess", *arguments]
    closed = subprocess.run(["sh", "-c", 'exec "$@" 2>&- >/dev/full', "sh", *map(str, command)], cwd=ROOT)
    assert closed.returncode == 2  # not all could be printed
    assert len(howsure.load(tmp_path / "o.parquet")) == 30


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
    arguments = ["validation.small_network:make", tmp_path / "rows.npy", "--out"]
    for out in ("o.parquet", tmp_path / "o.parquet"):
        done = run("assess", *arguments, out)
        assert done.exit_code == 2
        assert done.stderr == "error: [Errno 2] No such file or directory.\n"


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
