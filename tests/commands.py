"""The command line as tests give it."""

import csv

from typer.testing import CliRunner

from howsure.cli.app import app


def run(*arguments, **more):
    """What comes of a command; an error that is none of its own comes through."""
    return CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False, **more)


def done(*arguments):
    """What a command prints that does what it should."""
    found = run(*arguments)
    assert found.exit_code == 0, found.stderr
    return found.stdout


def refused(*arguments):
    """The one line in which a command says why it does not."""
    found = run(*arguments)
    assert found.exit_code == 2, found.stdout
    assert len(found.stderr.splitlines()) == 1
    return found.stderr


def flat(text):
    """A text in which all white space, no-break spaces too, is single spaces."""
    return " ".join(text.replace("\u00a0", " ").split())


def lines_of(path):
    """The rows of a csv file, by the names of its columns."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
