"""A release goes out from its tag alone, and only where all that names its version agrees."""

import subprocess

import pytest

from release.publish import CI, DIST, TOKEN, TWINE, publish

FILES = {
    "pyproject.toml": '[project]\nversion = "0.2.0"\n',
    "CITATION.cff": "version: 0.2.0\ndate-released: 2027-01-05\n",
    "CHANGELOG.md": "# Changelog\n\n## [0.2.0] - 2027-01-05\n\n## [0.1.0] - 2026-12-03\n",
    "dist/howsure-0.2.0-py3-none-any.whl": "",
    ".gitignore": "dist\n",
}


@pytest.fixture
def clone(tmp_path):
    """A folder of git with a release and its tag."""
    (tmp_path / "dist").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "Release")
    git(tmp_path, "tag", "v0.2.0")
    return tmp_path


def git(folder, *arguments):
    who = (
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "tag.gpgsign=false",
    )
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True)


def published(clone, *arguments, token="", fails=None):
    """What `publish` says, and the commands that it ran."""
    ran = []

    def run(command):
        ran.append(tuple(command))
        return int(tuple(command) == fails)

    return publish(["v0.2.0", *arguments], clone, {TOKEN: token}, run), ran


def check_command(clone, kind, *options):
    return (*TWINE, kind, *options, clone / "dist" / "howsure-0.2.0-py3-none-any.whl")


def test_a_dry_run_builds_and_checks_and_uploads_nothing(clone):
    said, ran = published(clone, token="secret")
    assert ran == [DIST, check_command(clone, "check", "--strict")]
    assert said.startswith("Dry run: howsure-0.2.0-py3-none-any.whl can go out.")


def test_an_upload_runs_what_continuous_integration_runs_first(clone):
    said, ran = published(clone, "--upload", token="secret")
    check, upload = (
        check_command(clone, "check", "--strict"),
        check_command(clone, "upload", "--non-interactive"),
    )
    assert ran == [CI, DIST, check, upload]
    assert said == "howsure-0.2.0-py3-none-any.whl are uploaded."


def test_nothing_is_uploaded_without_a_token(clone):
    with pytest.raises(SystemExit, match="There is no token: TWINE_PASSWORD is empty"):
        published(clone, "--upload")


@pytest.mark.parametrize("fails", [CI, DIST])
def test_nothing_is_uploaded_where_a_command_fails(clone, fails):
    with pytest.raises(SystemExit, match=r"ended with 1\. Nothing was uploaded"):
        published(clone, "--upload", token="secret", fails=fails)


@pytest.mark.parametrize(
    ("name", "old", "new", "sentence"),
    [
        ("pyproject.toml", "0.2.0", "0.3.0", "The tag is v0.2.0, and pyproject.toml says 0.3.0"),
        ("CITATION.cff", "0.2.0", "0.1.0", "CITATION.cff says 0.1.0, and pyproject.toml 0.2.0"),
        ("CITATION.cff", "2027-01-05", "2026-01-05", "CITATION.cff has the date 2026-01-05"),
        ("CHANGELOG.md", "## [0.2.0] - 2027-01-05", "## [Unreleased]", "CHANGELOG.md begins with Unreleased"),
        ("CHANGELOG.md", " - 2027-01-05", "", "CHANGELOG.md has no date for 0.2.0"),
    ],
)
def test_what_names_the_version_has_to_agree(clone, name, old, new, sentence):
    (clone / name).write_text(FILES[name].replace(old, new), encoding="utf-8")
    git(clone, "commit", "--quiet", "--all", "--message", "Change")
    git(clone, "tag", "--force", "v0.2.0")
    with pytest.raises(SystemExit, match=sentence):
        published(clone)


def test_changed_files_are_refused(clone):
    (clone / "new.py").write_text("", encoding="utf-8")
    with pytest.raises(SystemExit, match="Files were changed since the last commit"):
        published(clone)


def test_another_commit_than_that_of_the_tag_is_refused(clone):
    git(clone, "commit", "--quiet", "--allow-empty", "--message", "More")
    with pytest.raises(SystemExit, match=r"The tag v0\.2\.0 is on another commit than the folder"):
        published(clone)


def test_a_tag_that_does_not_exist_is_refused(clone):
    git(clone, "tag", "--delete", "v0.2.0")
    with pytest.raises(SystemExit, match=r"There is no tag v0\.2\.0"):
        published(clone)
