"""The site: its search leads users to pages for users. `make docs` asks the same questions."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from release import asked

ROOT = Path(__file__).parent.parent
DOCS_PYTHON = ROOT / ".venv-docs" / "bin" / "python"
SITE = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    if not DOCS_PYTHON.exists() or shutil.which("node") is None:
        pytest.skip("`make docs` was not run here, or there is no Node.js")
    folder = tmp_path_factory.mktemp("site")
    build = [DOCS_PYTHON, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", folder]
    subprocess.run(build, cwd=ROOT, check=True)
    return folder


@pytest.mark.parametrize("wanted", asked.QUESTIONS.values(), ids=[*asked.QUESTIONS])
def test_answers_are_pages_for_users(wanted):
    for_users = SITE.partition("  - Start:")[2].partition("  - Evidence:")[0]
    assert {*wanted} <= {*re.findall(r"- ([\w-]+)\.md$", for_users, re.MULTILINE)}


@pytest.mark.slow
def test_thirty_questions_lead_to_pages_for_users(site):
    assert len(asked.QUESTIONS) >= 30
    assert asked.missed(site) == []


def test_pages_with_words_for_search_exist():
    tags = (ROOT / "release" / "pages.py").read_text(encoding="utf-8").split("TAGS = {")[1].split("}")[0]
    pages = re.findall(r'"([\w-]+\.md)"', tags)
    assert pages
    assert [page for page in pages if not (ROOT / "docs" / page).exists()] == []


@pytest.mark.slow
def test_a_search_that_leads_elsewhere_is_told(site, monkeypatch):
    monkeypatch.setattr(asked, "QUESTIONS", {"zxqv": ("torch",), "ONNX": ("labels",)})
    nothing, elsewhere = asked.missed(site)
    assert nothing == "'zxqv' finds nothing"
    assert elsewhere.startswith("'ONNX' finds export")


@pytest.mark.slow
def test_pages_outside_the_navigation_are_not_found(site):
    (found,) = asked.pages(site, ["splitting"])
    assert found
    assert not [page for page in found if page.startswith("decisions/") or page == "performance"]
