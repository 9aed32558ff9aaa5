"""Runs the Python in README.md and docs/ as tests.

A `python` block runs, in the order of the page and in the page's own namespace. A `text` block right
after it is what it prints: its words must be the same, its numbers nearly so, as networks trained on
another version or machine differ a little. Blocks in another language, or in none, are not run.
"""

import contextlib
import gc
import importlib.util
import io
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from sybil import Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser
from sybil.sybil import SybilCollection

BACKENDS = ("tensorflow", "jax", "torch")
INSTALLED = [name for name in BACKENDS if importlib.util.find_spec(name) is not None]

# Before anything imports Keras.
if INSTALLED:
    os.environ.setdefault("KERAS_BACKEND", INSTALLED[0])
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# PyTorch's optimizers load triton, which aborts a process that has loaded TensorFlow. howsure loads none
# (tests/torch/test_without_keras.py), but pages train networks of both in one process.
sys.modules.setdefault("triton", None)  # type: ignore[arg-type]

STARTED_IN = Path.cwd()

PAGE = Path(__file__).parent / "docs" / "from-the-question.md"
PRINTED_ON = "tensorflow"
"""The backend whose numbers the pages show; on the others only the words are compared."""

_TIME = re.compile(r"[\d.]+ m?s\b")
"""Seconds, which differ from machine to machine."""

_NUMBER = re.compile(r"(?<![\w'.])\d+(?:[.,]\d+)*")
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is slow, unless every test is asked for."""
    if "EVERY_TEST" not in os.environ:
        slow = [item for item in items if item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


def pytest_collection_finish() -> None:
    """Look for cycles seldom, and not in all that is imported: it was a tenth of the time."""
    gc.freeze()
    gc.set_threshold(50_000)


def run_python(example: Example) -> None:
    """Run a block and keep what it prints for the `text` block after it; skip it where a package lacks."""
    printed = io.StringIO()
    example.namespace["_printed"] = None
    try:
        with contextlib.redirect_stdout(printed):
            PythonEvaluator()(example)
    except ModuleNotFoundError as missing:
        if str(missing.name).startswith("howsure"):
            raise
        pytest.skip(f"{missing.name} is not installed")
    example.namespace["_printed"] = printed.getvalue()


def compare_output(example: Example) -> None:
    """Compare a `text` block with what the block before it printed."""
    if example.namespace.get("_printed", "") is None:
        pytest.skip("the block before was not run")
    printed, shown = example.namespace.pop("_printed", "").strip(), example.parsed.strip()
    assert words(printed) == words(shown), f"\nthe page shows\n{shown}\nbut it prints\n{printed}"
    if os.environ["KERAS_BACKEND"] == PRINTED_ON:
        pairs = zip(numbers(printed), numbers(shown), strict=True)
        assert all(is_near(*pair) for pair in pairs), f"\nthe page shows\n{shown}\nbut it prints\n{printed}"


def words(text: str) -> str:
    """A text with every number replaced by `#` and every run of blanks by one."""
    return " ".join(_NUMBER.sub("#", text).split())


def numbers(text: str) -> list[str]:
    """The numbers in a text but seconds; `'8'` in quotes is a name."""
    return [number.replace(",", "") for number in _NUMBER.findall(_TIME.sub("", text))]


def is_near(printed: str, shown: str) -> bool:
    """Whether a number is within 40 % of the one shown, or 0.05, or 2 where that is whole."""
    allowed = max(0.4 * float(shown), 0.05 if "." in shown else 2.0)
    return abs(float(printed) - float(shown)) <= allowed


def need_backend(namespace: dict[str, Any]) -> None:
    """Skip the page where Keras cannot run."""
    if not INSTALLED or importlib.util.find_spec("keras") is None:
        pytest.skip("Keras with a backend is not installed")


def lend_model(namespace: dict[str, Any]) -> None:
    """Give a page the `model` and rows of the first blocks of docs/from-the-question.md."""
    need_backend(namespace)
    made: dict[str, Any] = {}
    for block in _BLOCK.findall(PAGE.read_text(encoding="utf-8"))[:2]:
        exec(block, made)
    known, new = slice(1000), slice(1000, None)
    namespace.update(model=made["model"], x=made["fading"], x_new=made["x_test"][new])
    namespace.update(x_labelled=made["x_test"][known], labels=made["y_test"][known])


def need_torch(namespace: dict[str, Any]) -> None:
    """Skip the page of PyTorch modules where PyTorch is not there; it needs no Keras."""
    pytest.importorskip("torch", reason="PyTorch is not installed")


def go_back(namespace: dict[str, Any]) -> None:
    """Leave the folder of a page, and forget its kind of answer: other tests run in the same process."""
    from howsure.tasks import task  # not before the backend is chosen

    os.chdir(STARTED_IN)
    task._TASKS.pop("measures", None)  # of docs/extend.md


PARSERS = [CodeBlockParser("python", run_python), CodeBlockParser("text", compare_output)]

pytest_collect_file = SybilCollection(
    [
        Sybil(
            PARSERS,
            patterns=["docs/*.md", "docs/decisions/*.md"],
            excludes=["docs/torch*.md", "docs/index.md"],
            setup=need_backend,
            teardown=go_back,
        ),
        Sybil(PARSERS, patterns=["docs/torch*.md"], setup=need_torch, teardown=go_back),
        Sybil(PARSERS, patterns=["README.md", "docs/index.md"], setup=lend_model, teardown=go_back),
    ]
).pytest()
