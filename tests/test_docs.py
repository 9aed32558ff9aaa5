"""The pages name things that exist: links, options, make targets, fields; and every public name is on one."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import typer.main

import howsure
from howsure.cli.app import app
from release import reference
from tests.guard import check_none, check_same

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
REFERENCE = sorted((ROOT / "docs" / "reference").glob("*.md"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
START = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
DOCS = "make docs"
WRITE = "python -m release.reference"
SITE = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
COMMAND_LINE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
PROGRAM = typer.main.get_command(app)
COMMANDS = PROGRAM.commands


def relative(page):
    return str(page.relative_to(ROOT))


def without_blocks(text):
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(page):
    """The anchors GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ +(.+)$", without_blocks(page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def shell_lines(text):
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line.split("#")[0].strip() for line in lines]


def commands_in(text):
    """What follows `howsure` on the command lines and in the sentences of a page."""
    lines = shell_lines(text) + re.findall(r"`(howsure (?!\.)[a-z][^`]*)`", text)
    return [line.removeprefix("howsure ").split() for line in lines if line.startswith("howsure ")]


def heading_of(text):
    """The first line of a page, behind settings of the site."""
    return re.sub(r"\A---\n.*?\n---\s+", "", text, flags=re.DOTALL).split("\n")[0]


@pytest.mark.parametrize("name", ["README.md", "docs/index.md"])
def test_a_page_is_called_by_its_heading_in_lists_of_pages(name):
    page = ROOT / name
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"^- \[([^\]]+)\]\(([^)#\s]+\.md)", text, re.MULTILINE)
    links += re.findall(r"\| \[([^\]]+)\]\(([^)#\s]+\.md)", text)
    assert links
    headings = {target: heading_of((page.parent / target).read_text(encoding="utf-8")) for _, target in links}
    wrong = [f"[{title}]({target})" for title, target in links if headings[target] != f"# {title}"]
    check_none(wrong, "links are not called as the first line of their page", open=name)


@pytest.fixture(scope="module")
def next_of_guides():
    """By name of each guide, its last line, which says the next step."""
    guides = SITE.partition("  - Start:\n      - index.md\n")[2].partition("  - Evidence:")[0]
    names = re.findall(r"- ([\w-]+)\.md$", guides, re.MULTILINE)
    return {
        name: (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8").splitlines()[-1] for name in names
    }


def test_every_guide_ends_with_the_next_step(next_of_guides):
    step = r"\*\*Next: (evaluate|rules|hand over|watch|label)\.\*\* .*\]\(([\w-]+)\.md[#)].*\.|.*"
    wrong = [name for name, line in next_of_guides.items() if re.fullmatch(step, line)[1] is None]
    check_none(wrong, "do not end with a line '**Next: STEP.** [page](…) …'", open="docs/NAME.md")


def test_the_next_steps_of_every_guide_lead_to_the_watch(next_of_guides):
    following = {name: re.search(r"\]\(([\w-]+)\.md", line)[1] for name, line in next_of_guides.items()}
    for name in following:
        path = [name]
        while path[-1] != "watch":
            path.append(following[path[-1]])
            assert len(path) <= len(("assess", "evaluate", "rules", "decision", "hand over", "watch")), path


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)\s]+)\)", without_blocks(page.read_text(encoding="utf-8")))
    wrong = [target for target in targets if "://" not in target and not leads_somewhere(page, target)]
    check_none(
        wrong, "links lead to no file of the project, or to no heading", open=relative(page), command=DOCS
    )


def leads_somewhere(page, target):
    path, _, anchor = target.partition("#")
    linked = (page.parent / path).resolve() if path else page
    inside = linked.exists() and ROOT in linked.parents
    return inside and (not anchor or anchor in anchors(linked))


@pytest.mark.parametrize("name", howsure.__all__)
def test_every_public_name_is_on_a_page(name):
    text = " ".join(page.read_text(encoding="utf-8") for page in PAGES if page not in REFERENCE)
    wrong = [] if re.search(rf"\b{name}\b", text) else [f"howsure.{name}"]
    check_none(wrong, "are on no page beside the reference", open="the page of docs/ where a user needs it")


def test_the_reference_has_every_public_name_once():
    texts = [page.read_text(encoding="utf-8") for page in REFERENCE]
    paths = [path for text in texts for path in reference.described(text)]
    names = [path.rpartition(".")[2] for path in paths if not path.startswith("howsure.plot.")]
    open = "the page of docs/reference/ that it belongs to, and write a heading '## `howsure.NAME`'"
    found_in, expected_in = "the reference", "`howsure.__all__`"
    check_same(names, howsure.__all__, found_in=found_in, expected_in=expected_in, open=open, command=WRITE)
    check_none({name for name in names if names.count(name) > 1}, "are in the reference twice", open=open)


@pytest.mark.parametrize("page", REFERENCE, ids=relative)
def test_the_reference_is_as_signatures_and_docstrings_say(page):
    written = reference.pages()[page.name].splitlines()
    wrong = {*page.read_text(encoding="utf-8").splitlines()} ^ {*written}
    check_none(wrong, "lines differ from what the command writes", open=relative(page), command=WRITE)


@pytest.mark.parametrize("page", REFERENCE, ids=relative)
def test_each_heading_of_the_reference_has_an_anchor_of_its_own(page):
    headings = re.findall(r"^##+ ", without_blocks(page.read_text(encoding="utf-8")), re.MULTILINE)
    assert len(anchors(page)) == len(headings) + 1


def documented(passes: int, *, name: str = "a") -> float:
    """Do `this` with an (N, *P) array, see `docs/words.md`.

    More.

    Args:
        passes: How many,
            at least 2 < 3.
        name: A name.

    Returns:
        A number.

    Raises:
        ValueError: Never.

    Example:
        >>> documented(2)
        1.0
    """


def test_the_reference_shows_all_that_a_docstring_says():
    assert "\n\n".join(reference.of_function("howsure.documented", documented)) == (
        "```python\nhowsure.documented(passes: int, *, name: str = 'a') -> float\n```\n\n"
        "Do `this` with an (N, \\*P) array, see [docs/words.md](../words.md).\n\nMore.\n\n"
        "Arguments:\n\n- `passes`: How many, at least 2 \\< 3.\n- `name`: A name.\n\n"
        "Returns: A number.\n\nErrors:\n\n- `ValueError`: Never.\n\n"
        "```pycon\n>>> documented(2)\n1.0\n```"
    )


def test_the_site_names_every_page_once():
    nav, _, beside = SITE.partition("\nnav:\n")[2].partition("\nnot_in_nav:")
    named = re.findall(r"([\w./-]+\.md)$", nav, re.MULTILINE)
    linked = re.findall(r"^  /([\w./-]+)$", beside, re.MULTILINE)
    pages = [str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")]
    hidden = [page for page in pages if page.startswith(tuple(linked))]
    check_same(
        [*named, *hidden, *(path for path in linked if path not in hidden and not path.endswith("/"))],
        [*pages, "CONTRIBUTING.md", "CHANGELOG.md"],
        found_in="`nav` and `not_in_nav`",
        expected_in="docs/",
        open="mkdocs.yml: pages for users go into `nav`, those that others link to into `not_in_nav`",
        command=DOCS,
    )
    check_none({*named} & {*hidden}, "are in `nav` and in `not_in_nav`", open="mkdocs.yml")


def test_the_navigation_takes_the_title_of_a_page_from_its_heading():
    nav = SITE.partition("\nnav:\n")[2].partition("\nnot_in_nav:")[0]
    titled = re.findall(r"- .+: .+\.md$", nav, re.MULTILINE)
    check_none(
        titled, "pages have a title of their own", open="mkdocs.yml, and leave it to the page's heading"
    )


def test_every_command_is_shown_and_every_one_shown_exists():
    check_same(
        {words[0] for words in commands_in(COMMAND_LINE)},
        COMMANDS,
        found_in="docs/command-line.md",
        expected_in="`COMMANDS`",
        open="docs/command-line.md, and show it at work; `COMMANDS` is in howsure/cli/app.py",
    )
    check_none({words[0] for words in commands_in(README)} - {*COMMANDS}, "are no commands", open="README.md")


def test_the_readme_is_short():
    words = len(README.split())
    check_none([f"{words} words"] if words > 600 else [], "are more than 600", open="README.md")


def test_the_readme_leads_to_each_next_step():
    pages = ("decision", "label", "from-the-question", "reference/README", "index")
    wrong = [page for page in pages if f"](docs/{page}.md" not in README]
    check_none(wrong, "are pages that nobody finds from README", open="README.md")


def test_the_picture_of_passes_is_whole_without_motion_and_before_it():
    picture = (ROOT / "docs" / "pictures" / "passes.svg").read_text(encoding="utf-8")
    motion = re.search(r"@media \(prefers-reduced-motion: no-preference\) \{(.*?)\n  \}", picture, re.DOTALL)[
        1
    ]
    assert "animation:" in motion
    assert "animation:" not in picture.replace(motion, "")
    # Without a first frame and without `both`, it is drawn as it is until a dot moves.
    assert not re.search(r"\b(?:from|0%)\s*\{|\b(?:both|backwards)\b", picture)


def test_the_picture_of_passes_says_what_is_printed_today():
    picture = ElementTree.parse(ROOT / "docs" / "pictures" / "passes.svg").getroot()
    said = re.sub(r"\d+", "#", picture.findtext("{http://www.w3.org/2000/svg}title"))
    assert said in re.sub(r"\d+", "#", README), "run `make pictures`"


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_options_of_commands_exist(page):
    wrong = []
    for name, *arguments in commands_in(page.read_text(encoding="utf-8")):
        parameters = COMMANDS[name].params if name in COMMANDS else []
        known = {option for parameter in parameters for option in parameter.opts} | {"--help"}
        options = [word for word in arguments if word.startswith("--") and word not in known]
        wrong += [f"howsure {name} {option}" for option in options or [""] * (name not in COMMANDS)]
    check_none(wrong, "commands or options do not exist", open=relative(page), command="howsure COMMAND -h")


def test_options_in_sentences_exist():
    known = {
        option
        for command in (PROGRAM, *COMMANDS.values())
        for parameter in command.params
        for option in parameter.opts
    }
    wrong = set(re.findall(r"`(--[a-z-]+)`", README + COMMAND_LINE)) - known
    check_none(wrong, "options do not exist", open="README.md or docs/command-line.md")


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_make_targets_exist(page):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(" ".join(re.findall(r"^([a-z -]+):", makefile, re.MULTILINE)).split())
    text = page.read_text(encoding="utf-8")
    named = [
        line for line in shell_lines(text) + re.findall(r"`([^`\n]+)`", text) if line.startswith("make ")
    ]
    check_none({line.split()[1] for line in named} - targets, "are no targets of make", open=relative(page))


def test_the_extras_of_the_installation_exist():
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = ",".join(re.findall(r"(?:howsure|\.)\[([\w,]+)\]", README + START)).split(",")
    wrong = {extra for extra in extras if not re.search(rf"^{extra} = \[", pyproject, re.MULTILINE)}
    check_none(wrong, "are no extras of pyproject.toml", open="README.md or docs/index.md")


def test_paths_named_in_contributing_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:howsure|tests|docs|release)/[\w/]*(?:\.\w+)?)`", text)
    wrong = [path for path in paths if not (ROOT / path).exists()]
    check_none(wrong, "paths do not exist", open="CONTRIBUTING.md")


def test_tests_that_the_makefile_and_decisions_name_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = [f"tests/{name}" for name in re.search(r"^FEW = (.+)$", makefile, re.MULTILINE)[1].split()]
    for text in (makefile, *(page.read_text(encoding="utf-8") for page in DECISIONS)):
        named += re.findall(r"(?:pytest |PYTEST\) |ignore=)(tests/[\w/.]+)", text)
    wrong = {path for path in named if not (ROOT / path).exists()}
    check_none(wrong, "tests do not exist", open="Makefile, or the page of docs/decisions/ that names it")


@pytest.mark.parametrize("page", DECISIONS, ids=relative)
def test_decisions_have_one_form_and_are_short(page):
    text = page.read_text(encoding="utf-8")
    parts = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert [part for part in ("Status", "Context", "Decision", "Consequences") if part in parts] == parts
    assert {"Status", "Decision"} <= {*parts}
    assert len(text.split()) < 400


def test_decisions_are_listed_with_their_status():
    listed = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| \[(.+)\]\((.+)\) \| (.+) \|$", listed, re.MULTILINE)
    assert [file for _, _, file, _ in rows] == [page.name for page in DECISIONS]
    for (number, title, _, status), page in zip(rows, DECISIONS, strict=True):
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {number}. {title}\n")
        own = text.split("## Status\n\n")[1].split("\n")[0].rstrip(".")
        assert status.startswith(own)
