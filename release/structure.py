"""How the package hangs together: circles of imports, names, who knows which kind of answer, code lines.

    python -m release.structure                 of the package here, and what changed since `origin/main`
    python -m release.structure --since v0.1    what changed since another commit
    python -m release.structure ../before ...   of other copies beside it, one column each

A code line says something to the machine: docstrings, comments and blank lines are free, and the lines of
templates, scripts and styles count.

A circle is a group of files, or folders, that import each other, directly or through others. A room is a
folder, a loose file, or all folders of kinds of answers. `ROOMS` has them in their order; an import of
a later one runs up.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tarfile
import tempfile
import tokenize
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

PACKAGE = "howsure"

OF_A_KIND = re.compile(r"tasks/\w+/")
"""Where the files of each kind of answer begin."""

MOST_PARAMETERS = 8

FRAMEWORKS = re.compile(r"(^|/)(keras|torch)(/|\.py$)")
"""The part of a path in which files of one idea in both frameworks differ."""

CONVENIENCES = re.compile(
    r"displayed\.py|results/result\.py|compare/comparison\.py|evaluation/watch\.py|tasks/\w+/result\.py"
)
"""Files of results, whose methods import on first use what shows a result, or makes one: `result.report(…)`.
These imports count as neither circles nor as running up."""

ROOMS = (
    *("displayed.py", "digits.py", "words.py", "terminal.py", "statistics.py", "errors.py"),
    *("arguments.py", "atomic.py", "optional.py", "tuning.py", "random_ops.py"),
    *("onnx.py", "inputs"),
    *("adapters", "sampling", "results", "progress.py", "request.py", "tasks", "evaluation", "methods"),
    *("prepare.py", "shifts.py", "divide.py", "audit.py", "passes.py", "assess.py", "scale"),
    *("compare", "report", "external", "tasks/*", "objects.py", "own_tasks.py"),
    *("export", "mlflow.py", "plot.py", "__init__.py"),
    *("demo", "cli", "__main__.py"),
)

CEILING = 43_150
"""Code lines that the package may have: see decision 40."""

SINCE = "origin/main"
"""The commit that changes are counted from, where the command names no other."""

TEMPLATES = (".j2", ".js", ".css")

_SILENT = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE),
    *(tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER),
}
"""Kinds of tokens that say nothing to the machine."""


@dataclass(frozen=True)
class Import:
    """One import of one file of the package by another; `lazy` is one inside a function."""

    by: str
    of: str
    lazy: bool
    private: bool


@dataclass(frozen=True)
class Package:
    """The parsed files of a copy of the package, by their paths in it."""

    trees: dict[str, ast.Module]
    code_lines: dict[str, int]

    @classmethod
    def read(cls, root: Path) -> Package:
        """Of the folder that holds the package."""
        folder = root / PACKAGE
        texts = {
            path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
            for path in sorted(folder.rglob("*"))
            if path.suffix in (".py", *TEMPLATES)
        }
        trees = {name: ast.parse(text) for name, text in texts.items() if name.endswith(".py")}
        counts = {
            name: count_code_lines(text, trees[name]) if name in trees else _count_written(text)
            for name, text in texts.items()
        }
        return cls(trees, counts)

    def imports(self) -> Iterator[Import]:
        """All imports of the package's own files, but those for type checkers alone, and `CONVENIENCES`."""
        for by, tree in self.trees.items():
            for node, lazy in _import_nodes(tree, False):
                for module, name in _imported(node):
                    of = self._file(module, name)
                    if of is not None and of != by and not (lazy and CONVENIENCES.fullmatch(by)):
                        yield Import(by, of, lazy, name.startswith("_"))

    def classes(self) -> dict[str, list[str]]:
        """Files that define a class of each name."""
        found = defaultdict(list)
        for file, tree in self.trees.items():
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    found[node.name].append(file)
        return found

    def kinds(self) -> set[str]:
        """Names of classes that belong to one kind of answer."""
        return {name for name, files in self.classes().items() if all(map(OF_A_KIND.match, files))}

    def _file(self, module: str, name: str) -> str | None:
        parts = module.split(".")
        if parts[0] != PACKAGE:
            return None
        inside = "/".join(parts[1:])
        candidates = (f"{inside}/{name}.py", f"{inside}.py", f"{inside}/__init__.py")
        return next((each for each in (each.lstrip("/") for each in candidates) if each in self.trees), None)


def count_code_lines(text: str, tree: ast.Module) -> int:
    """Lines of Python that hold a token other than comments and docstrings."""
    docstrings: set[int] = set()
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            docstrings.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _SILENT:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - docstrings)


def _count_written(text: str) -> int:
    """Lines of a template, script or style that are not blank."""
    return sum(bool(line.strip()) for line in text.splitlines())


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _import_nodes(node: ast.AST, lazy: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child, lazy
        elif not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield from _import_nodes(
                child, lazy or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
            )


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    for each in node.names:
        if isinstance(node, ast.Import):
            yield each.name, ""
        else:
            yield node.module or "", each.name


def room_of(file: str) -> str:
    """The room of a file, one of `ROOMS`."""
    folder, _, rest = file.partition("/")
    return "tasks/*" if folder == "tasks" and "/" in rest else folder


def upward(package: Package) -> Counter[tuple[str, str]]:
    """Pairs of rooms of which the lower imports the higher, and how often."""
    height = {room: number for number, room in enumerate(ROOMS)}
    pairs = ((room_of(each.by), room_of(each.of)) for each in package.imports())
    return Counter((by, of) for by, of in pairs if height.get(by, 0) < height.get(of, 0))


def doubled(package: Package) -> dict[str, list[str]]:
    """Names of several classes, with their files, but for pairs of one idea in both frameworks."""
    return {
        name: files
        for name, files in sorted(package.classes().items())
        if len(files) > 1 and (len(files) > 2 or len({FRAMEWORKS.sub(r"\1*\3", file) for file in files}) > 1)
    }


def longest(package: Package, count: int = 10) -> list[tuple[int, str, str]]:
    """Functions with the longest bodies: their lines without the docstring, file and name."""
    found = []
    for file, tree in package.trees.items():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                body = node.body[1:] if _is_text(node.body[0]) else node.body
                size = body[-1].end_lineno - body[0].lineno + 1 if body else 0  # type: ignore[operator]
                found.append((size, file, node.name))
    return sorted(found, reverse=True)[:count]


def folder_of(file: str) -> str:
    """The folder of a file, or the file itself where it is loose."""
    return file.rpartition("/")[0] or file


def circles(pairs: set[tuple[str, str]]) -> list[list[str]]:
    """The members of each circle; the largest circle comes first."""
    names = sorted({name for pair in pairs for name in pair})
    if not names:
        return []
    place = {name: number for number, name in enumerate(names)}
    rows, columns = zip(*((place[a], place[b]) for a, b in pairs), strict=True)
    graph = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(names), len(names)))
    members = defaultdict(list)
    for name, circle in zip(names, connected_components(graph, connection="strong")[1], strict=True):
        members[circle].append(name)
    return sorted((circle for circle in members.values() if len(circle) > 1), key=len, reverse=True)


def _of_files(package: Package, *, lazy: bool) -> str:
    return _told({(each.by, each.of) for each in package.imports() if lazy or not each.lazy})


def _for_type_checkers(package: Package) -> set[tuple[str, str]]:
    """Files, and the files from which they import for type checkers alone, beside all other imports."""
    pairs = {(each.by, each.of) for each in package.imports()}
    for by, tree in package.trees.items():
        for node in [] if CONVENIENCES.fullmatch(by) else ast.walk(tree):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                for child in ast.walk(node):
                    if isinstance(child, (ast.Import, ast.ImportFrom)):
                        of = {package._file(*pair) for pair in _imported(child)}
                        pairs |= {(by, file) for file in of - {None, by} if file is not None}
    return pairs


def _of_folders(package: Package, *, lazy: bool) -> str:
    pairs = {(folder_of(each.by), folder_of(each.of)) for each in package.imports() if lazy or not each.lazy}
    return _told({pair for pair in pairs if pair[0] != pair[1] and "__init__.py" not in pair})


def _told(pairs: set[tuple[str, str]]) -> str:
    found = circles(pairs)
    return f"{len(found)} (largest {len(found[0])})" if found else "0"


def _is_of_a_kind(file: str) -> bool:
    return file.startswith("tasks/") or file == "__init__.py"


def _type_tests(package: Package) -> int:
    """`isinstance` on a class of one kind, outside the folders of kinds."""
    kinds = package.kinds()
    return sum(
        isinstance(node, ast.Call)
        and ast.unparse(node.func) == "isinstance"
        and any(isinstance(part, ast.Name) and part.id in kinds for part in ast.walk(node.args[1]))
        for file, tree in package.trees.items()
        if not _is_of_a_kind(file)
        for node in ast.walk(tree)
    )


def know_a_kind(package: Package) -> tuple[list[str], list[str]]:
    """Files outside `tasks/` that import from the folder of one kind: to run, and for type checkers alone.

    A name alone counts for nothing: a class of a kind may have the name of something else. The latter are
    signatures that say which result a function takes and gives; when it runs, it asks the task.
    """
    running = {each.by for each in package.imports() if OF_A_KIND.match(each.of)}
    found = {
        file
        for file, tree in package.trees.items()
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for pair in _imported(node)
        if OF_A_KIND.match(package._file(*pair) or "")
    }
    outside = sorted(file for file in found if not _is_of_a_kind(file))
    return [file for file in outside if file in running], [file for file in outside if file not in running]


def _long_signatures(package: Package) -> int:
    return sum(
        len(node.args.posonlyargs) + len(node.args.args) + len(node.args.kwonlyargs) > MOST_PARAMETERS
        for tree in package.trees.values()
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    )


def _across(package: Package, which: Callable[[Import], bool]) -> int:
    return sum(which(each) and folder_of(each.by) != folder_of(each.of) for each in package.imports())


ROWS: dict[str, Callable[[Package], object]] = {
    "circles of files, imports at the top": lambda package: _of_files(package, lazy=False),
    "circles of files, with imports in functions": lambda package: _of_files(package, lazy=True),
    "circles of files, with imports for type checkers": lambda package: _told(_for_type_checkers(package)),
    "circles of folders, imports at the top": lambda package: _of_folders(package, lazy=False),
    "circles of folders, with imports in functions": lambda package: _of_folders(package, lazy=True),
    "`isinstance` on a kind outside `tasks/`": _type_tests,
    "files outside `tasks/` that import from a kind": lambda package: len(know_a_kind(package)[0]),
    "files that do so for type checkers alone": lambda package: len(know_a_kind(package)[1]),
    f"functions with more than {MOST_PARAMETERS} parameters": _long_signatures,
    "private imports across folders": lambda package: _across(package, lambda each: each.private),
    "imports in functions across folders": lambda package: _across(package, lambda each: each.lazy),
    "pairs of rooms with an import that runs up": lambda package: len(upward(package)),
    "names of two or more classes": lambda package: len(doubled(package)),
    "files": lambda package: len(package.trees),
    "code lines": lambda package: f"{sum(package.code_lines.values()):,}",
}


def by_room(package: Package) -> Counter[str]:
    """Code lines of each folder, two levels deep; loose files are one."""
    sizes: Counter[str] = Counter()
    for file, count in package.code_lines.items():
        sizes["/".join(file.split("/")[:-1][:2]) or "loose files"] += count
    return sizes


def package_at(commit: str) -> Package | None:
    """The package as it was at a commit of this repository; None if there is no such commit."""
    root = Path(__file__).parent.parent
    archive = subprocess.run(["git", "archive", commit, PACKAGE], cwd=root, capture_output=True, check=False)
    if archive.returncode:
        return None
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as opened:
            opened.extractall(folder, filter="data")
        return Package.read(Path(folder))


def main(*arguments: str) -> None:
    """Print the table, what of the package here it counts, and what changed since a commit."""
    copies = list(arguments)
    since = SINCE
    if "--since" in copies:
        place = copies.index("--since")
        since = copies[place + 1]
        del copies[place : place + 2]
    here = Package.read(Path(__file__).parent.parent)
    packages = [*(Package.read(Path(copy)) for copy in copies), here]
    before = package_at(since)
    print(f"| | {' | '.join(copies)}{' | ' if copies else ''}here |\n|---|{'---|' * len(packages)}")
    for name, figure in ROWS.items():
        print(f"| {name} | {' | '.join(str(figure(package)) for package in packages)} |")
    rooms = [by_room(package) for package in packages]
    sizes = by_room(here)
    changes = sizes.copy()
    changes.subtract(by_room(before or here))
    print(f"\nCode lines by room{'' if before is None else f', and the change since {since}'}:")
    for room in sorted(set().union(*rooms, changes), key=lambda name: -sizes[name]):
        counts = " ".join(f"{room_sizes[room]:6,}" for room_sizes in rooms)
        print(f"  {counts}{'' if before is None else f' {changes[room]:+6,}'} {room}")
    total = sum(sizes.values())
    changed = "" if before is None else f", {total - sum(before.code_lines.values()):+,} since {since}"
    print(f"  {total:,} of at most {CEILING:,}{changed}\n\nImports that run up:")
    for (by, of), count in upward(here).most_common():
        print(f"  {by} imports {of}: {count}")
    print("\nCircles of files:")
    for circle in circles({(each.by, each.of) for each in here.imports()}):
        print(f"  {', '.join(circle)}")
    print("\nNames of two or more classes:")
    for name, files in doubled(here).items():
        print(f"  {name}: {', '.join(files)}")
    print("\nThe longest bodies, in lines:")
    for size, file, name in longest(here):
        print(f"  {size} {name} in {file}")


if __name__ == "__main__":
    main(*sys.argv[1:])
