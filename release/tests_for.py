"""The tests that a change needs, as commands to paste.

    python -m release.tests_for                     for what this branch changed, committed or not
    python -m release.tests_for howsure/inputs      for folders or files

A file of the package needs the tests that mirror its path, or else those that mirror its folder, and those
that import it. It also needs the doors and golden texts, and the checks of the project's own rules, which
import `tests/guard.py`. Any other file needs itself and the tests that import it. `make -n` says in which
environment each of them runs.
"""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from release.structure import FRAMEWORKS

ROOT = Path(__file__).parent.parent
IMPORTING = ("tests", "release", "validation")
"""Folders whose files import the package, and each other."""

PAGES = ("README.md", "docs")
"""Pages, whose Python is a test."""

WHOLE_PACKAGE = ("tests/doors", "tests/golden")
BOTH_FRAMEWORKS = "tests/frameworks"
GUARD = "tests/guard.py"

UPSTREAM = ("origin/main", "main")
"""Branches that changes are counted from: the first one that there is."""


@dataclass(frozen=True)
class Part:
    """A part of `make test`: how it begins, and the paths that it runs and leaves out."""

    command: str
    paths: tuple[str, ...]
    ignored: tuple[str, ...]

    @classmethod
    def of(cls, line: str) -> Part:
        """Read a line that make would run."""
        command, arguments = line.split(" -q ", 1)
        words = shlex.split(arguments)
        return cls(
            f"{command} -q",
            tuple(word for word in words if not word.startswith("--")),
            tuple(word.removeprefix("--ignore=") for word in words if word.startswith("--ignore=")),
        )

    def runs(self, test: str) -> bool:
        """Whether it runs a file or folder."""
        return _is_in(test, self.paths) and not _is_in(test, self.ignored)


@cache
def parts() -> tuple[Part, ...]:
    """The parts of `make test`."""
    (names,) = re.findall(r"^PARTS = (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    lines = _printed("make", "-n", *names.split())
    return tuple(Part.of(line) for line in lines if " -m pytest " in line)


def changed() -> list[str]:
    """Paths of the files that this branch changed or added, committed or not."""
    branches = _printed("git", "branch", "--all", "--format=%(refname:short)")
    upstream = next((branch for branch in UPSTREAM if branch in branches), "HEAD")
    (base,) = _printed("git", "merge-base", upstream, "HEAD")
    added = _printed("git", "ls-files", "--others", "--exclude-standard")
    return [*_printed("git", "diff", "--name-only", base), *added]


def needed_tests(touched: Collection[str]) -> list[str]:
    """Paths of the tests that files and folders need.

    Args:
        touched: Their paths from the root of the repository.
    """
    of_package = [path for path in touched if _is_in(path, ("howsure",))]
    data = [path for path in touched if _is_in(path, ("tests",)) and Path(path).suffix not in ("", ".py")]
    tests = {path for path in touched if _is_test(path)} | _users_of(touched)
    tests |= {"/".join(path.split("/")[:2]) for path in data}
    for path in of_package:
        tests |= _mirrored(path)
        if FRAMEWORKS.search(path + "/"):
            tests.add(BOTH_FRAMEWORKS)
    if of_package:
        tests |= {*WHOLE_PACKAGE}
    if not all(_is_in(path, ("tests",)) for path in touched):
        tests |= _users_of([GUARD])
    return sorted(test for test in tests if not _is_in(test, tests - {test}))


def _is_in(path: str, folders: Collection[str]) -> bool:
    """Whether a path is one of some paths, or in one of them."""
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _is_test(path: str) -> bool:
    """Whether there is such a file or folder, and pytest collects it."""
    place = ROOT / path
    if _is_in(path, PAGES):
        return place.suffix == ".md" and place.exists()
    named = place.is_dir() or (place.name.startswith("test_") and place.exists())
    return _is_in(path, ("tests",)) and named


def _folder_of_tests(path: str) -> str:
    """The folder of tests for a file or folder of the package: `tests/keras` for `howsure/adapters/keras`."""
    folders = Path(path).parts[1:] if (ROOT / path).is_dir() else Path(path).parts[1:-1]
    for count in range(len(folders), 0, -1):
        for found in ("/".join(("tests", *folders[:count])), f"tests/{folders[count - 1]}"):
            if (ROOT / found).is_dir():
                return found
    return "tests"


def _mirrored(path: str) -> set[str]:
    """The tests whose path is that of a file of the package, or else the folder that mirrors its own."""
    folder = _folder_of_tests(path)
    named = (ROOT / folder).glob(f"test_{Path(path).stem}*.py") if path.endswith(".py") else ()
    return {f"{folder}/{file.name}" for file in named} or ({folder} - {"tests"})


def _users_of(touched: Collection[str]) -> set[str]:
    """The tests that import any of some files, directly or through other files beside the package."""
    names = {path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in touched}
    tests = set[str]()
    while True:
        users = {file for file, imports in _imports().items() if _imports_any(imports, names)}
        tests |= {file for file in users if _is_test(file)}
        modules = {file.removesuffix(".py").replace("/", ".") for file in users - tests}
        if modules <= names:
            return tests
        names |= modules


def _imports_any(imports: Collection[str], names: Collection[str]) -> bool:
    return any(f"{imported}.".startswith(f"{name}.") for imported in imports for name in names)


@cache
def _imports() -> dict[str, set[str]]:
    """By file beside the package, what it imports: `howsure.inputs.files.read_rows`."""
    files = [path for folder in IMPORTING for path in sorted((ROOT / folder).rglob("*.py"))]
    return {path.relative_to(ROOT).as_posix(): {*_imported_by(path)} for path in files}


def _imported_by(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _printed(*command: str) -> list[str]:
    """The lines that a command prints."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def main(*paths: str) -> None:
    """Print a command for each part of `make test` that has tests to run."""
    touched = [Path(path).resolve().relative_to(ROOT).as_posix() for path in paths] or changed()
    tests = needed_tests(touched)
    for part in parts():
        runs = [test for test in tests if part.runs(test)]
        if runs:
            print(f"{part.command} {' '.join(runs)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
