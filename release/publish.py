"""Publish a release from its tag: `make publish TAG=v0.1.0`.

Without `--upload` it is a dry run: it holds the tag against version, changelog and citation, builds, and
checks what would go out. With `--upload`, and a token of the package index in TWINE_PASSWORD, it also runs
what continuous integration runs, and uploads.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
TOKEN = "TWINE_PASSWORD"
"""Where twine finds the token."""

CI = ("bash", ".ci/run")
DIST = ("make", "dist")
TWINE = (sys.executable, "-m", "twine")


def disagreements(root: Path, tag: str) -> list[str]:
    """What keeps a folder from being the release of a tag, a sentence each."""
    read = {name: (root / name).read_text(encoding="utf-8") for name in ("CITATION.cff", "CHANGELOG.md")}
    version = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    cited = dict(re.findall(r"^(version|date-released): (\S+)$", read["CITATION.cff"], re.MULTILINE))
    heading = re.search(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", read["CHANGELOG.md"], re.MULTILINE)
    newest, date = heading.groups() if heading else (None, None)
    tagged = git(root, "rev-parse", "--verify", "--quiet", f"refs/tags/{tag}^{{commit}}")
    checks = {
        f"The tag is {tag}, and pyproject.toml says {version}": tag == f"v{version}",
        f"CITATION.cff says {cited.get('version')}, and pyproject.toml {version}": cited.get("version")
        == version,
        f"CHANGELOG.md begins with {newest}, and pyproject.toml says {version}": newest == version,
        f"CHANGELOG.md has no date for {newest}": date is not None,
        f"CITATION.cff has the date {cited.get('date-released')}, and CHANGELOG.md {date}": (
            cited.get("date-released") == date
        ),
        f"There is no tag {tag}": tagged != "",
        f"The tag {tag} is on another commit than the folder": tagged in ("", git(root, "rev-parse", "HEAD")),
        "Files were changed since the last commit": git(root, "status", "--porcelain") == "",
    }
    return [sentence for sentence, holds in checks.items() if not holds]


def git(root: Path, *arguments: str) -> str:
    """What a command of git prints, nothing where it fails."""
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def publish(
    arguments: Sequence[str],
    root: Path = ROOT,
    environment: Mapping[str, str] = os.environ,
    run: Callable[[Sequence[str | Path]], int] = lambda command: subprocess.run(command, cwd=ROOT).returncode,
) -> str:
    """Publish a tag, or show it; what was done, in words. Ends with a sentence where something is amiss."""
    tag, upload = arguments[0], "--upload" in arguments
    wrong = disagreements(root, tag)
    if upload and not environment.get(TOKEN):
        wrong.append(f"There is no token: {TOKEN} is empty")
    if wrong:
        sys.exit("Nothing was built or uploaded.\n" + "\n".join(wrong))
    for command in (CI, DIST) if upload else (DIST,):
        finish(run, command)
    files = sorted((root / "dist").glob("howsure-*"))
    finish(run, (*TWINE, "check", "--strict", *files))
    names = " and ".join(file.name for file in files)
    if not upload:
        return f"Dry run: {names} can go out. `{' '.join(CI)}` was not run, and nothing was uploaded."
    finish(run, (*TWINE, "upload", "--non-interactive", *files))
    return f"{names} are uploaded."


def finish(run: Callable[[Sequence[str | Path]], int], command: Sequence[str | Path]) -> None:
    """Run a command, and end where it fails."""
    if code := run(command):
        sys.exit(f"`{' '.join(map(str, command))}` ended with {code}. Nothing was uploaded.")


if __name__ == "__main__":
    print(publish(sys.argv[1:]))
