"""Settings: what they are, how they are read, which command takes which, and what is said of the others."""

import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest
import typer.main

from howsure.cli.app import COMMANDS, app
from howsure.cli.settings import SENTENCES, Settings, read_settings, sentences_of
from howsure.errors import HowsureError
from howsure.methods.choices import CHOICES, OPTIONS, choice_of
from howsure.words import listed
from tests.commands import refused, run
from tests.guard import check_none, check_same

NAMES = [*SENTENCES]
PAGE = Path(__file__).parent.parent.parent / "docs" / "command-line.md"
TAKEN = {command.name(): command.takes for command in COMMANDS}


def read(*typed):
    return read_settings(typed, NAMES, "assess")


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_has_a_sentence_and_a_command(name):
    open = "howsure/cli/settings.py: the docstring of `Settings`, and the names that commands take below it"
    wrong = [] if SENTENCES[name].endswith(".") else [name]
    check_none(wrong, "settings have no sentence that ends in a full stop", open=open)
    check_none(
        [] if any(name in taken for taken in TAKEN.values()) else [name], "no command takes", open=open
    )


def test_every_setting_has_a_sentence_and_a_default():
    own = [field.name for field in fields(Settings) if field.name != "options"]
    open = "howsure/cli/settings.py: the docstring of `Settings`"
    check_same(sentences_of(Settings), own, found_in=open, expected_in="its fields", open=open)
    check_none([name for name in own if not hasattr(Settings, name)], "have no default", open=open)


def test_the_page_has_a_line_for_each_setting():
    listed = re.findall(r"^\| `(\w+)` \| (.*?) \|$", PAGE.read_text(encoding="utf-8"), re.M)
    check_same(
        [pair for pair in listed if pair[0] in NAMES],
        SENTENCES.items(),
        found_in="the table of settings",
        expected_in="`SENTENCES`",
        open="docs/command-line.md, and write there the sentence that `SENTENCES` has",
    )


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name())
def test_every_option_and_argument_has_a_sentence(command):
    wrong = {field.name for field in fields(command)} - sentences_of(command).keys()
    path = inspect.getsourcefile(command)
    check_none(wrong, "have no sentence", open=f"{path}: `Attributes:` of `{command.__name__}`")


def test_no_command_has_more_than_fourteen_options():
    for name, command in typer.main.get_command(app).commands.items():
        options = [parameter.name for parameter in command.params if parameter.param_type_name == "option"]
        options = [option for option in options if option != "help"]
        open = "its class in howsure/cli/, and make one of them a setting: howsure/cli/settings.py"
        shown = f"howsure {name} -h"
        check_none(options if len(options) > 14 else [], "are more than 14", open=open, command=shown)
        check_none({*options} & {*NAMES}, "are options and settings", open=open, command=shown)


@pytest.mark.parametrize(
    ("text", "line", "value"),
    [
        ("passes=50", "passes = 50", 50),
        ("budget=5", "budget = 5", 5.0),
        ("normalise=true", "normalise = true", True),
        ("outputs=logits", 'outputs = "logits"', "logits"),
        ("label_column=2024", 'label_column = "2024"', "2024"),
        ("drop=note, colour", 'drop = ["note", "colour"]', ("note", "colour")),
        ("drop=note", 'drop = ["note"]', ("note",)),
        ("tile=512", "tile = 512", 512),
        ("keep_off=['in', 'late']", 'keep_off = ["in", "late"]', ("in", "late")),
        ("tile=[512, 256]", "tile = [512, 256]", (512, 256)),
        ("tile=512,256", "tile = [512, 256]", (512, 256)),
        ("output=1", "output = 1", 1),
        ("output=kind", 'output = "kind"', "kind"),
        ("background=0", 'background = "0"', "0"),
        ("separator==", 'separator = "="', "="),
        ("members=a.keras,b.keras", 'members = ["a.keras", "b.keras"]', (Path("a.keras"), Path("b.keras"))),
    ],
)
def test_a_text_and_a_line_of_a_file_give_the_same(text, line, value, tmp_path):
    (tmp_path / "s.toml").write_text(line, encoding="utf-8")
    name = text.partition("=")[0]
    settings = [read(source) for source in (text, str(tmp_path / "s.toml"))]
    values = [{**vars(those), **those.options}[name] for those in settings]
    assert values == [value, value]
    assert [type(read_value) for read_value in values] == [type(value)] * 2


def test_a_text_goes_before_a_line(tmp_path):
    (tmp_path / "s.toml").write_text('passes = 3\noutputs = "logits"\nbackground = 0', encoding="utf-8")
    settings = read("passes=5", str(tmp_path / "s.toml"))
    assert (settings.options["passes"], settings.outputs, settings.background) == (5, "logits", 0)
    assert settings.given == ["outputs", "background", "passes"]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("passes=many", "`passes` cannot be used. Expected: a whole number. Received: 'many'."),
        ("passes=2.5", "`passes` cannot be used"),
        ("sure=", "`sure` cannot be used. Expected: a number. Received: ''."),
        ("normalise=perhaps", "Expected: true or false"),
        ("drop=a,,b", "`drop` cannot be used. Expected: a list, a,b"),
        ("tile=512,big", "Expected: a whole number or a list, a,b"),
        (
            "pases=50",
            "takes no setting `pases`; perhaps passes is meant. Expected: above, background, batch_size",
        ),
        ("pases=50", "; perhaps passes is meant"),
        ("coin-flip=0.1", "; perhaps coin_flip is meant"),
        ("seed=3", "--out and other options are none"),
        ("allow_code=true", "no file can allow code: type --allow-code"),
        ("passes", "'passes' is no setting. Expected: NAME=VALUE, such as passes=50, or a file that"),
        ("missing.toml", "The file does not exist. Received: missing.toml"),
        ('passes = "50"', "`passes` cannot be used. Expected: a whole number. Received: '50'."),
        ("passes = 50.0", "`passes` cannot be used"),
        ("drop = [1, 2]", "`drop` cannot be used"),
        ("members = [1]", "`members` cannot be used. Expected: a list, a,b. Received: [1]."),
        ("pases = 50", "; perhaps passes is meant"),
        ("allow_code = true", "no file can allow code: type --allow-code"),
        ("[method]\npasses = 50", "howsure assess takes no setting `method`"),
        (
            "passes = fifty",
            "'s.toml' is no TOML: Invalid value (at line 1, column 10). Expected: lines such as",
        ),
        ("passes = 50\npasses = 60", "'s.toml' is no TOML: Cannot overwrite a value"),
    ],
)
def test_what_cannot_be_read_is_said(setting, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if " = " in setting:
        Path("s.toml").write_text(setting, encoding="utf-8")
        setting = "s.toml"
    with pytest.raises(HowsureError) as error:
        read(setting)
    assert message in str(error.value)


def test_a_setting_that_is_given_twice_is_refused():
    with pytest.raises(HowsureError, match=r"given twice.*a list as members=a,b"):
        read("members=a", "members=b")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("assess m.keras x.npz --passes 50", "--passes is a setting: write --set passes=50"),
        ("assess m.keras x.npz --passes=50", "--passes is a setting: write --set passes=50"),
        ("assess m.keras --divide-by 255 x.npz", "--divide-by is a setting: write --set divide_by=255"),
        ("assess m.keras x.npz --skip-unreadable --out o", "write --set skip_unreadable=true"),
        ("evaluate t.csv --separator ;", "--separator is a setting: write --set 'separator=;'"),
        ("assess m.keras x.npz --passes", "write --set passes=VALUE"),
        (
            "evaluate t.csv --set passes=50",
            "evaluate takes no setting `passes`; other commands do. Expected: above,",
        ),
    ],
)
def test_an_option_that_is_a_setting_now_says_what_to_type(command, message):
    assert message in refused(*command.split())


@pytest.mark.parametrize("option", [choice.option for choice in CHOICES if choice.option])
def test_a_method_refuses_the_options_of_others(option):
    choice = choice_of(option)
    members = ["--set", "members=b.keras"] if choice.takes_members else []
    for name in [name for name in OPTIONS if not choice.takes(name)]:
        method = ["--method", option, "--set", f"{name}=2", *members]
        others = listed([f"--method {other.option}" for other in CHOICES if other.takes(name)], "or")
        message = refused("assess", "m.keras", "x.npz", "--out", "o.csv", *method)
        assert f"`{name}` has no effect with --method {option}. Expected: {others}." in message


def test_an_option_that_there_never_was_is_none():
    finished = run("evaluate", "t.csv", "--magic", "3")
    assert (finished.exit_code, "No such option" in finished.stderr) == (2, True)


def test_help_tells_the_settings_of_a_command():
    help_text = run("evaluate", "-h", env={"COLUMNS": "200"}).stdout
    assert "normalise: Divide the probabilities of each row by their sum." in help_text
    assert "passes" not in help_text
