"""The logger `howsure`: a line about each `assess`, and warnings; it shows nothing by itself."""

import logging
import subprocess
import sys

import pytest

import howsure
from howsure.errors import warn
from tests.test_passes import rows_of, two_layers

METHOD = howsure.MCDropout(passes=4)


@pytest.fixture
def records():
    """What the logger is told."""
    logger, records = logging.getLogger("howsure"), []
    handler = logging.Handler()
    handler.emit = records.append
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield records
    logger.setLevel(logging.NOTSET)
    logger.removeHandler(handler)


def test_a_call_leaves_a_line(records):
    howsure.assess(two_layers(), rows_of((4,), rows=30)[0], method=METHOD)
    (record,) = records
    assert record.levelname == "INFO"
    assert record.getMessage().startswith("Assessed 30 rows by MC dropout: 4.0 passes a row, ")


def test_warnings_are_there_too(records):
    with pytest.warns(howsure.HowsureWarning, match="Look here"):
        warn("Look here.")
    (record,) = records
    assert (record.name, record.levelname, record.getMessage()) == ("howsure", "WARNING", "Look here.")


def test_nothing_is_printed_unless_the_caller_configures_it():
    code = "import warnings; warnings.simplefilter('ignore'); from howsure.errors import warn; warn('Look.')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
