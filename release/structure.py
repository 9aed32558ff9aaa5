"""How the package hangs together, as a table: circles of imports, who knows which kind of answer, sizes.

    python -m release.structure                 of the package here
    python -m release.structure ../before ...   of other copies beside it, one column each

A circle is a group of files, or folders, that import each other, directly or through others.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

PACKAGE = "howsure"

KINDS = {
    *("Certainty", "Classes", "Evaluation", "Row", "Calibrator", "PredictionSets"),
    *("MultilabelCertainty", "Labels", "MultilabelEvaluation", "MultilabelRow", "MultilabelCalibrator"),
}
"""Names of classes that belong to one kind of answer."""

KIND_FOLDERS = ("answers/",)
"""Where these may be named."""

MOST_PARAMETERS = 8


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
    lines: dict[str, int]

    @classmethod
    def read(cls, root: Path) -> Package:
        """Of the folder that holds the package."""
        texts = {
            path.relative_to(root / PACKAGE).as_posix(): path.read_text(encoding="utf-8")
            for path in sorted((root / PACKAGE).rglob("*.py"))
        }
        return cls(
            {name: ast.parse(text) for name, text in texts.items()},
            {name: text.count("\n") for name, text in texts.items()},
        )

    def imports(self) -> Iterator[Import]:
        """All imports of the package's own files, but those for type checkers alone."""
        for by, tree in self.trees.items():
            for node, lazy in _import_nodes(tree, False):
                for module, name in _imported(node):
                    of = self._file(module, name)
                    if of is not None and of != by:
                        yield Import(by, of, lazy, name.startswith("_"))

    def _file(self, module: str, name: str) -> str | None:
        parts = module.split(".")
        if parts[0] != PACKAGE:
            return None
        inside = "/".join(parts[1:])
        candidates = (f"{inside}/{name}.py", f"{inside}.py", f"{inside}/__init__.py")
        return next((each for each in (each.lstrip("/") for each in candidates) if each in self.trees), None)


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


def folder_of(file: str) -> str:
    """The folder of a file, or the file itself where it is loose."""
    return file.rpartition("/")[0] or file


def circles(pairs: set[tuple[str, str]]) -> tuple[int, int]:
    """How many circles there are, and how many members the largest has."""
    names = sorted({name for pair in pairs for name in pair})
    if not names:
        return 0, 0
    place = {name: number for number, name in enumerate(names)}
    rows, columns = zip(*((place[a], place[b]) for a, b in pairs), strict=True)
    graph = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(names), len(names)))
    sizes = np.bincount(connected_components(graph, connection="strong")[1])
    return int(np.sum(sizes > 1)), int(sizes.max()) if sizes.max() > 1 else 0


def _of_files(package: Package, *, lazy: bool) -> str:
    return _told({(each.by, each.of) for each in package.imports() if lazy or not each.lazy})


def _of_folders(package: Package, *, lazy: bool) -> str:
    pairs = {(folder_of(each.by), folder_of(each.of)) for each in package.imports() if lazy or not each.lazy}
    return _told({pair for pair in pairs if pair[0] != pair[1] and "__init__.py" not in pair})


def _told(pairs: set[tuple[str, str]]) -> str:
    count, largest = circles(pairs)
    return f"{count} (largest {largest})" if count else "0"


def _is_of_a_kind(file: str) -> bool:
    return file.startswith(KIND_FOLDERS) or file == "__init__.py"


def _type_tests(package: Package) -> int:
    """`isinstance` on a class of one kind, outside the folders of kinds."""
    return sum(
        isinstance(node, ast.Call)
        and ast.unparse(node.func) == "isinstance"
        and any(isinstance(part, ast.Name) and part.id in KINDS for part in ast.walk(node.args[1]))
        for file, tree in package.trees.items()
        if not _is_of_a_kind(file)
        for node in ast.walk(tree)
    )


def _name_a_kind(package: Package) -> int:
    """Files outside the folders of kinds whose code names a class of one kind."""
    return sum(
        any(
            (isinstance(node, ast.Name) and node.id in KINDS)
            or (isinstance(node, ast.alias) and node.name in KINDS)
            for node in ast.walk(tree)
        )
        for file, tree in package.trees.items()
        if not _is_of_a_kind(file)
    )


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
    "circles of folders, imports at the top": lambda package: _of_folders(package, lazy=False),
    "circles of folders, with imports in functions": lambda package: _of_folders(package, lazy=True),
    "`isinstance` on a kind outside `answers/`": _type_tests,
    "files outside `answers/` that name a kind": _name_a_kind,
    f"functions with more than {MOST_PARAMETERS} parameters": _long_signatures,
    "private imports across folders": lambda package: _across(package, lambda each: each.private),
    "imports in functions across folders": lambda package: _across(package, lambda each: each.lazy),
    "files": lambda package: len(package.trees),
    "lines": lambda package: f"{sum(package.lines.values()):,}",
}


def parts(package: Package) -> dict[str, int]:
    """Lines by folder; loose files are one part."""
    found: dict[str, int] = {}
    for file, lines in package.lines.items():
        part = f"{file.split('/')[0]}/" if "/" in file else "loose files"
        found[part] = found.get(part, 0) + lines
    return found


def main(*copies: str) -> None:
    """Print the table."""
    roots = [Path(copy) for copy in copies] + [Path(__file__).parent.parent]
    packages = [Package.read(root) for root in roots]
    sizes = [parts(package) for package in packages]
    print(f"| | {' | '.join(copies)}{' | ' if copies else ''}here |\n|---|{'---|' * len(packages)}")
    for name, count in ROWS.items():
        print(f"| {name} | {' | '.join(str(count(package)) for package in packages)} |")
    for part in sorted({name for size in sizes for name in size}):
        print(f"| lines of {part} | {' | '.join(f'{size.get(part, 0):,}' for size in sizes)} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
