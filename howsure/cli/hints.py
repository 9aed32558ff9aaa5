"""Messages as the command line says them, with options and commands instead of Python."""

from __future__ import annotations

import functools
import re

import typer.main
from rich.console import Console

from howsure import terminal
from howsure.errors import HowsureError
from howsure.methods.choices import CHOICES, DEFAULT, ENSEMBLE
from howsure.on_first_use import imported

COMMANDS = {
    "assess": "assess",
    "audit": "audit",
    "plan": "audit",
    "compare": "compare",
    "evaluate": "evaluate",
    "calibrate": "calibrate",
    "prediction_sets": "sets",
    "prediction_intervals": "sets",
    "abstain": "abstain",
    "hand_over": "handover",
    "export": "export",
}
"""The command for each function that has one."""

PLACES = {
    "model": "MODEL",
    "module": "MODEL",
    "x": "ROWS",
    "certainty": "TABLE",
    "result": "TABLE",
    "labels": "--labels FILE",
    "y": "--labels FILE",
}
"""Place on the command line of an argument without a name."""

OTHERWISE = {
    "howsure.audit(model, x)": "howsure audit MODEL --data ROWS",
    "howsure.plan(model, x)": "howsure audit MODEL --data ROWS --save-plan PLAN",
    "howsure.plan(model, x, precision='float32')": "howsure audit MODEL --data ROWS --save-plan PLAN "
    "--precision float32",
    "plan=howsure.plan(model, x), or x=": "--plan PLAN, or --data ROWS",
    "x=,": "--data ROWS,",
    "howsure.calibrate(result_of_held_out, y)(result)": "howsure calibrate HELD_OUT --labels FILE --out "
    "C.json`, then `howsure calibrate TABLE --calibrator C.json --out NEW.parquet",
    "howsure.Thresholds(sure=0.95, coin_flip=0.2)": "--sure 0.95 --coin-flip 0.2",
    "howsure.MultilabelCertainty.from_probabilities": "the command with --several-labels",
    "method=howsure.Members()": "without --method",
    "method=howsure.PlainPrediction()": "without --method",
    "howsure.Ensemble([…])": "--member",
    "method=howsure.MCDropout(gaussian_noise=True)": "gaussian_noise=True, in Python",
    "with positions=…": "in Python with positions=…",
    "`threshold`": "--above",
    "`calibrator.of_label[name]` is for one label, as `certainty.of_label(name)` gives it": "Learn that of "
    "one label with --of-label",
    "`numpy.array(certainty.class_names)[labels]`": "write them into the file instead of numbers",
    "`howsure.Comparison.of_results`": "`howsure compare FIRST SECOND`",
    "`result.share`": "The column `share`",
    "`howsure.DenseCertainty`, which has the same function": "a file that `DenseCertainty` saves in Python",
    "`howsure.RegressionCertainty.from_mean_std(mean, std)`, or a table": "give a table",
    "`shifts`": "--shifted",
}
"""Replacements that do not follow from names."""

METHODS = {"Softmax": CHOICES[0].option, "MCDropout": DEFAULT.option, "Ensemble": ENSEMBLE.option}
"""Names of methods for `--method`."""

_IN_PYTHON = re.compile(r"\bin Python\b")
_VALUE = r"'[^']*'|\"[^\"]*\"|\[[^\]]*\]|howsure\.\w+\([^()]*\)|[−-]?[\w.]*\w|…|"
_PYTHON = re.compile(
    "|".join(
        [
            *(f"(?:{re.escape(each)})" for each in sorted(OTHERWISE, key=len, reverse=True)),
            r"(?<!\w)'[^'\n]*'(?!\w)",  # what users call things
            r"howsure\.(?P<function>\w+)\((?P<arguments>[^()]*(?:\([^()]*\)[^()]*)*)\)",
            r"(?:result|certainty)\.(?P<question>above|of_label)\((?P<asked>[^()]*)\)",
            rf"(?<![\w/.-])(?P<name>[a-z]\w*)=(?P<value>{_VALUE})",
            r"`(?P<alone>[a-z]\w*)`",
            r"howsure\.(?P<bare>(?!assess)\w+)\b(?!\(|\.\w)",
        ]
    )
)


def in_options(text: str) -> str:
    """A message in the words of the command line. The text after the words "in Python" stays as it is.

    Args:
        text: Has arguments as `name=value` or `` `name` ``, functions as `howsure.name(…)`, and in single
            quotes what users call things.

    Example:
        >>> in_options("If they are logits, say so: outputs='logits'. `keep_off` is for networks.")
        'If they are logits, say so: --outputs logits. --keep-off is for networks.'
        >>> in_options("Make one with howsure.plan(model, x), or give method=howsure.Softmax()")
        'Make one with howsure audit MODEL --data ROWS --save-plan PLAN, or give --method softmax'
    """
    own = _IN_PYTHON.search(text)
    end = len(text) if own is None else own.start()
    return _PYTHON.sub(_said, text[:end]) + text[end:]


def told(error: HowsureError) -> str:
    """An error in the words of the command line. The received value stays as the caller gave it."""
    expected, hint = (each and in_options(each) for each in (error.expected, error.hint))
    return str(HowsureError(in_options(error.what), expected=expected, received=error.received, hint=hint))


def paragraph(console: Console, text: str) -> None:
    """Print a paragraph in the words of the command line."""
    terminal.paragraph(console, in_options(text))


@functools.cache
def options() -> dict[str, str]:
    """Options of all commands, by the names of their parameters."""
    commands = typer.main.get_command(imported("howsure.cli.app:app")).commands  # type: ignore[attr-defined]
    parameters = (each for command in commands.values() for each in command.params)
    return {each.name: each.opts[0] for each in parameters if each.param_type_name == "option"}


def _said(found: re.Match[str]) -> str:
    """A piece of Python in the words of the command line."""
    parts, text = found.groupdict(), found[0]
    if text in OTHERWISE:
        return OTHERWISE[text]
    if parts["function"] in COMMANDS:
        given = re.findall(r"(?:[^,\s()\[\]]|\([^()]*\)|\[[^\]]*\])+", parts["arguments"])
        return " ".join(["howsure", COMMANDS[parts["function"]], *map(_argument, given)])
    if parts["question"]:
        return _option(parts["question"], parts["asked"])
    if parts["name"] in options():
        return _option(parts["name"], parts["value"])
    if parts["alone"] in options():
        return options()[parts["alone"]]
    if parts["bare"] in COMMANDS:
        return f"howsure {COMMANDS[parts['bare']]}"
    return text


def _argument(given: str) -> str:
    place, said = re.match(r"\w*", given), _PYTHON.sub(_said, given)
    known = "" if place is None or "=" in given else PLACES.get(place[0], "")
    return f"{known} {said}" if said.startswith("--") and known else known or said


def _option(name: str, value: str) -> str:
    option = options()[name]
    if value in ("True", "False", "None", ""):
        return f"no {option}" if value in ("False", "None") else option
    if (method := re.fullmatch(r"howsure\.(\w+)\(.*\)", value)) is not None:
        return f"{option} {METHODS.get(method[1], name.upper())}"
    plain = re.sub(r"['\"\[\]]", "", value).replace(", ", ",")
    return f"{option} '{plain}'" if " " in plain else f"{option} {plain}"
