"""What goes out is whole: the wheel, and the papers beside it."""

import re
import zipfile
from pathlib import Path

import pytest

from release.oldest import floors
from release.publish import disagreements
from release.structure import (
    CEILING,
    ROOMS,
    Package,
    by_room,
    circles,
    doubled,
    know_a_kind,
    longest,
    room_of,
    upward,
)
from release.tests_for import main, needed_tests, parts
from release.wheel import PAGES, ROOT, blocks, check_contents
from tests.guard import check_none, check_same

STRUCTURE = "python -m release.structure"
FILES = [
    str(path.relative_to(ROOT))
    for path in (ROOT / "howsure").rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
]
LICENCE = "howsure-0.1.0.dist-info/licenses/LICENSE"


def wheel(folder: Path, names: list[str]) -> Path:
    path = folder / "howsure-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as opened:
        for name in names:
            opened.writestr(name, "")
    return path


def test_a_wheel_with_every_file_is_whole(tmp_path, capsys):
    check_contents(wheel(tmp_path, [*FILES, LICENCE]))
    assert f"the {len(FILES)} files of the package, and the licence" in capsys.readouterr().out


@pytest.mark.parametrize("lacking", ["howsure/py.typed", "howsure/report/report.css", LICENCE])
def test_a_wheel_that_lacks_a_file_is_refused(tmp_path, lacking):
    names = [name for name in [*FILES, LICENCE] if name != lacking]
    with pytest.raises(SystemExit, match="lacks .*" + ("licence" if lacking == LICENCE else lacking)):
        check_contents(wheel(tmp_path, names))


def test_a_wheel_with_tests_is_refused(tmp_path):
    with pytest.raises(SystemExit, match=r"tests/test_docs\.py"):
        check_contents(wheel(tmp_path, [*FILES, LICENCE, "tests/test_docs.py"]))


def test_the_first_example_needs_no_framework_and_has_an_output():
    code, shown = blocks("index.md")[0]
    assert set(re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE)) == {"howsure"}
    assert "coin flip" in shown


def test_the_examples_of_extras_exist():
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for extras, (page, count, others) in PAGES.items():
        assert len(blocks(page)) >= count
        for extra in {*extras.split(","), *others}:
            assert re.search(rf"^{extra} = \[", pyproject, re.MULTILINE), extra


def test_citation_and_changelog_are_of_this_version():
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)[1]
    wrong = [sentence for sentence in disagreements(ROOT, f"v{version}") if sentence.startswith("C")]
    check_none(wrong, "do not agree", open="CITATION.cff or CHANGELOG.md", command="make publish TAG=v…")


def test_what_changed_in_a_version_is_short():
    _, *versions = re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text("utf-8"), flags=re.MULTILINE)
    wrong = [f"{each.split()[0]} {len(each.split())} words" for each in versions if len(each.split()) > 1650]
    assert versions
    check_none(wrong, "are too long for a user to read", open="CHANGELOG.md, and say what users see")


def test_the_oldest_versions_are_the_lower_ends_of_the_ranges():
    project = {
        "dependencies": ["numpy>=1.26", "narwhals>=1.20,<3", "unbounded"],
        "optional-dependencies": {"many": ["ray[data]>=2.52 ; os_name == 'posix'"], "dev": ["ruff>=0.8"]},
    }
    assert floors(project) == {"numpy": "1.26", "narwhals": "1.20", "ray": "2.52"}


def package(folder, **files):
    """A package of files, whose names have `__` for the `/` of folders."""
    for name, text in files.items():
        path = folder / "howsure" / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Package.read(folder)


@pytest.fixture(scope="module")
def howsure():
    return Package.read(ROOT)


def test_the_package_has_no_more_code_lines_than_its_ceiling(howsure):
    lines = sum(howsure.code_lines.values())
    check_none(
        [f"{lines:,} code lines, of at most {CEILING:,}"] if lines > CEILING else [],
        "are too many",
        open="docs/decisions/0040-a-ceiling-of-code-lines.md",
        command=STRUCTURE,
    )


def test_code_lines_are_without_docstrings_comments_and_blank_lines(tmp_path):
    code = '"""Say\nwhat."""\n\n# Why.\na = (\n    1,  # one\n)\n'
    code += 'def f():\n    """Do it."""\n    return "a"\n'
    package(tmp_path, evaluation__here=code)
    (tmp_path / "howsure" / "page.css").write_text("a {\n\n}\n", encoding="utf-8")
    found = Package.read(tmp_path)
    assert found.code_lines == {"evaluation/here.py": 5, "page.css": 2}
    assert by_room(found) == {"evaluation": 5, "loose files": 2}


def test_structure_counts_imports_that_run_up_also_in_functions_but_for_results(tmp_path):
    found = package(
        tmp_path,
        results__shown="def show():\n    import howsure.report.page\n",
        results__result="def report():\n    import howsure.report.page\n",
        report__page="from howsure.results.shown import show\n",
    )
    assert upward(found) == {("results", "report"): 1}


def test_structure_counts_names_of_two_classes_but_for_one_idea_in_both_frameworks(tmp_path):
    one = "class Graph: ...\n"
    assert not doubled(package(tmp_path, adapters__keras__graph=one, adapters__torch__graph=one))
    assert doubled(package(tmp_path, adapters__other__graph=one))["Graph"][1] == "adapters/other/graph.py"


def test_structure_counts_files_that_import_from_a_kind_and_not_what_has_the_same_name(tmp_path):
    found = package(
        tmp_path,
        tasks__regression__outcome="class Numbers: ...\n",
        tasks__registry="from howsure.tasks.regression.outcome import Numbers\n",
        adapters__shapes="Numbers = tuple[int, ...]\n",
        evaluation__signatures="if TYPE_CHECKING:\n"
        "    from howsure.tasks.regression.outcome import Numbers\n",
        cli__words="def say():\n    from howsure.tasks.regression.outcome import Numbers\n",
    )
    assert know_a_kind(found) == (["cli/words.py"], ["evaluation/signatures.py"])


def test_structure_counts_bodies_without_docstrings(tmp_path):
    found = package(tmp_path, atomic='def write(\n    path,\n):\n    """Write."""\n    a = 1\n    return a\n')
    assert longest(found) == [(2, "atomic.py", "write")]


def test_no_files_of_the_package_import_each_other_in_a_circle_also_in_functions(howsure):
    check_none(
        [", ".join(circle) for circle in circles({(each.by, each.of) for each in howsure.imports()})],
        "files import each other in a circle",
        open="one of them; what both need goes into the lower one, or into a file of its own",
        command=STRUCTURE,
    )


def test_no_import_of_the_package_runs_up(howsure):
    check_same(
        {room_of(file) for file in howsure.trees},
        ROOMS,
        found_in="the package",
        expected_in="`ROOMS`",
        open="release/structure.py, and put each name into `ROOMS` above what it imports",
    )
    check_none(
        [f"{by} imports {of}" for by, of in upward(howsure)],
        "imports run up",
        open="the files of the first room, or `ROOMS` of release/structure.py if the order is to change",
        command=STRUCTURE,
    )


def test_no_two_classes_have_the_same_name(howsure):
    check_none(
        [f"{name}: {' and '.join(files)}" for name, files in doubled(howsure).items()],
        "classes have the name of another one",
        open="one of the files, and give its class the name of what it is",
        command=STRUCTURE,
    )


def test_every_test_is_in_a_part_of_make_test():
    files = [path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")]
    wrong = [file for file in files if not any(part.runs(file) for part in parts())]
    check_none(wrong, "run in no part of `make test`", open="Makefile, and extend one of its `test-` targets")


@pytest.mark.parametrize(
    ("touched", "tests"),
    [
        ("howsure/inputs", {"tests/inputs", "tests/doors", "tests/golden", "tests/test_words.py"}),
        ("howsure/inputs/files.py", {"tests/inputs/test_files.py", "tests/inputs/test_tables.py"}),
        ("howsure/adapters/keras/switch.py", {"tests/keras", "tests/frameworks"}),
        ("howsure/tasks/regression/scores.py", {"tests/tasks", "tests/test_words.py"}),
        ("howsure/atomic.py", {"tests/test_atomic.py"}),
        ("release/held_back.py", {"tests/test_words.py"}),
        ("docs/words.md", {"docs/words.md", "tests/test_docs.py", "tests/test_words.py"}),
        ("tests/formats.py", {"tests/results/test_forged.py"}),
        ("tests/golden/said/names.txt", {"tests/golden"}),
    ],
)
def test_a_change_needs_the_tests_of_its_path_and_those_that_import_it(touched, tests):
    assert tests <= {*needed_tests([touched])}


def test_the_tests_of_a_change_are_printed_with_their_environment(capsys):
    main("howsure/adapters/keras")
    printed = capsys.readouterr().out
    for backend in ("tensorflow", "jax", "torch"):
        assert re.search(rf"^.*KERAS_BACKEND={backend} .* -m pytest -q .*tests/keras$", printed, re.MULTILINE)
    assert "tests/torch" not in printed
