"""The glossary has every column, setting, score, verdict, class and word of ours, with the field's term."""

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

import howsure
from howsure.tasks.task import tasks
from howsure.tasks.verdict import NO_CLEAR_ANSWER, REASONS, VERDICTS
from release.held_back import held_back
from tests.guard import check_none, check_same

ROOT = Path(__file__).parent.parent
METHOD = (ROOT / "docs" / "method.md").read_text(encoding="utf-8")
GLOSSARY = "\n".join(
    [
        (ROOT / "docs" / "words.md").read_text(encoding="utf-8"),
        "## Words inside MC dropout" + METHOD.split("\n## Words inside MC dropout")[1].split("\n## ")[0],
    ]
)
PAGES = [
    ROOT / "README.md",
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if page.name != "words.md"),
]

RESULTS = [answer.result_type for answer in tasks()]
COLUMNS = {column.name for result in RESULTS for column in result.columns}
SETTINGS = {field.name for result in RESULTS for field in dataclasses.fields(result)} - COLUMNS
SCORES = {
    field.name
    for field in dataclasses.fields(howsure.Evaluation)
    if field.name != "rows" and not field.name.startswith("_")
}
CLASSES = {name for name in howsure.__all__ if inspect.isclass(getattr(howsure, name))}

OURS = (
    *("adapter", "balanced", "block", "branching", "cell", "chunk", "coin flip", "columns", "design"),
    *(
        "design effect",
        "disagreement",
        "doubt",
        "early",
        "families",
        "familiarity",
        "flat",
        "fold",
        "gap",
        "graph",
    ),
    *("group", "hand over", "held-out rows", "kept", "labelled rows", "late", "leaning", "level", "manifest"),
    *("member", "method", "outcome", "own", "part", "pass", "pilot", "plain prediction", "plan", "promise"),
    *(
        "random op",
        "reason",
        "replicate",
        "round",
        "row",
        "rows from outside",
        "seal",
        "second look",
        "settled",
        "share",
    ),
    *("shift", "sketch", "snapshot", "splitting", "spread", "stage", "stranger", "sure", "SWAG"),
    *("thinned network", "trunk", "unfamiliar", "unit", "usual", "verdict", "width", "baseline"),
)
"""Words that howsure uses in a sense of its own, or that the literature calls something else."""


MOST_HELD_BACK = 3
"""A sentence that slips in stops nobody at once; the list says which to rewrite."""


def without_code(text):
    """A page without blocks of code, and without where its links lead."""
    return re.sub(r"\]\([^)]*\)", "]", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


def rows_of(text):
    """The rows of all tables of a page as lists of cells, without their heads."""
    tables = re.findall(r"^\|.*\n\|[-| ]+\n((?:\|.*(?:\n|$))+)", text, re.MULTILINE)
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for table in tables
        for line in table.splitlines()
    ]


def entries_of(text):
    """What is explained on a page: the names in the first cell of each row."""
    return {name.strip(" `") for first, *_ in rows_of(text) for name in first.split(",")}


def part_of(text, heading):
    """What stands under a heading, up to the next one."""
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


ENTRIES = entries_of(GLOSSARY)
WORDS = "docs/words.md"


def check_entries(heading, names, declared):
    check_same(
        entries_of(part_of(GLOSSARY, heading)),
        names,
        found_in=f'the table "{heading}"',
        expected_in=declared,
        open=f"{WORDS}: one row for each, with its term in the literature and its meaning",
    )


@pytest.fixture(scope="module")
def pages():
    return " ".join(" ".join(without_code(page.read_text(encoding="utf-8")).split()) for page in PAGES)


def is_on(word, text):
    return re.search(rf"\b{re.escape(word)}s?\b", text, re.IGNORECASE) is not None


def test_every_column_is_explained_with_the_columns():
    check_entries("Columns of a result", COLUMNS | SETTINGS, "the columns and settings of results")


def test_every_score_is_explained_with_the_scores():
    check_entries("Scores", SCORES, "the fields of `Evaluation`")


def test_every_verdict_and_reason_is_explained():
    said = {*VERDICTS, *REASONS} - ENTRIES
    said |= {NO_CLEAR_ANSWER} if f'"{NO_CLEAR_ANSWER}"' not in GLOSSARY else set()
    check_none(sorted(said), "have no row", open=f'{WORDS}, table "Verdicts and reasons"')


def test_every_public_class_is_explained():
    check_none(
        sorted(CLASSES - ENTRIES), "public classes have no row", open=f"{WORDS}, and its tables of classes"
    )


@pytest.mark.parametrize("word", OURS)
def test_a_word_of_ours_on_a_page_is_explained(word, pages):
    known = {entry.lower() for entry in ENTRIES}
    wrong = [word] if is_on(word, pages) and word.lower() not in known else []
    check_none(wrong, "are words of ours on a page, and have no row", open=f"{WORDS} or docs/method.md")


@pytest.mark.parametrize(
    ("heading", "width"),
    [
        ("Columns of a result", 4),
        ("Verdicts and reasons", 3),
        ("Scores", 3),
        ("Words inside MC dropout", 3),
    ],
)
def test_an_entry_has_the_term_of_the_literature_and_a_meaning(heading, width):
    rows = rows_of(part_of(GLOSSARY, heading))
    wrong = [" | ".join(cells) for cells in rows if len(cells) != width or not all(cells)]
    check_none(
        wrong, f"rows have not {width} cells with something in each", open=f'{WORDS}, table "{heading}"'
    )


def test_no_word_has_two_entries():
    names = _explained_once()
    check_none({name for name in names if names.count(name) > 1}, "have two rows", open=WORDS)


def test_every_word_that_is_explained_is_used(pages):
    sources = " ".join(path.read_text(encoding="utf-8") for path in (ROOT / "howsure").rglob("*.py"))
    unused = [word for word in sorted(ENTRIES) if not is_on(word, pages) and not is_on(word, sources)]
    check_none(unused, "are explained, and neither a page nor the code uses them", open=WORDS)


def test_hardly_a_sentence_holds_its_subject_back():
    sources = sorted((ROOT / "howsure").rglob("*.py"))
    sentences = [
        f"{path.relative_to(ROOT)}:{line}: {sentence}"
        for path in sources
        for line, sentence in held_back(path.read_text(encoding="utf-8"))
    ]
    check_none(
        sentences if len(sentences) > MOST_HELD_BACK else [],
        f"sentences hold their subject back, and there may be {MOST_HELD_BACK}",
        open="the file, and begin with who does it",
        command="python -m release.held_back",
    )


def _explained_once():
    """Names in the tables but that of words with several meanings, as they are written."""
    text = GLOSSARY.replace(part_of(GLOSSARY, "Words with more than one meaning"), "")
    return [name.strip() for first, *_ in rows_of(text) for name in first.split(",")]
