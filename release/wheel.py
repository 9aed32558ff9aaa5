"""Is the wheel whole, and does it work where nothing else is installed? The last step of `make dist`.

It is installed into an empty environment, without extras. There `howsure --version` has to answer, and the
first example of docs/index.md has to print what the page shows. With the extras that are named after
the folder (`make dist EXTRAS="tensorflow jax keras,torch torch tensorflow,onnx"`) the first examples of the
page that `PAGES` names for the last of them run, each time in an environment of their own.
"""

import re
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
_BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\n+```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)


BACKENDS = ("tensorflow", "jax", "torch")

NETWORK = ("from-the-question.md", 3, ())

PAGES: dict[str, tuple[str, int, tuple[str, ...]]] = {
    "keras,torch": NETWORK,
    "torch": ("torch.md", 2, ("scikit-learn",)),  # which has the digits of that page
    "pandas": ("tables.md", 1, ()),
    "plots": ("plots.md", 2, ("scikit-learn",)),
    "scikit-learn": ("scikit-learn.md", 1, ("pandas",)),
    "onnx": ("export.md", 4, ()),
    "mlflow": ("deploy.md", 3, ("scikit-learn",)),
    "ray": ("from-the-question.md", 2, ()),
}
"""By extras, or the last of them: a page of docs/, how many of its blocks run, and what else they need."""

RAY = """
import pathlib, subprocess, sys
import howsure
model.save("model.keras")
np.save("rows.npy", fading)
command = pathlib.Path(sys.executable).with_name("howsure")
subprocess.run([command, *"assess model.keras rows.npy --out results/ --workers 2".split()], check=True)
print(len(howsure.load("results")), "rows")
"""
"""Runs after the blocks of `ray`: no page assesses rows by workers in Python."""


def check_contents(wheel: Path) -> None:
    """The wheel holds every file of the package, the licence, and nothing else."""
    about = f"howsure-{wheel.name.split('-')[1]}.dist-info/"
    expected = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "howsure").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
    found = {name for name in names if not name.startswith(about)}
    lacking, strange = sorted(expected - found), sorted(found - expected)
    if lacking or strange:
        sys.exit(f"{wheel.name} lacks {lacking}, and has {strange} beside the package")
    if f"{about}licenses/LICENSE" not in names:
        sys.exit(f"{wheel.name} lacks the licence")
    print(f"{wheel.name}: the {len(found)} files of the package, and the licence")


def check_alone(wheel: Path) -> None:
    """The wheel works in an environment that has nothing but what it asks for."""
    code, shown = blocks("index.md")[0]
    with tempfile.TemporaryDirectory() as folder:
        programs = install(folder, wheel.resolve())
        version = run([programs / "howsure", "--version"], folder)
        if wheel.name.split("-")[1] not in version:
            sys.exit(f"howsure --version says {version!r}")
        printed = run([programs / "python", "-c", code], folder)
    if printed != shown:
        sys.exit(f"docs/index.md shows\n{shown}but it prints\n{printed}")
    print(f"alone: {version.strip()}: {printed.strip()}")


def check_with(wheel: Path, extras: str) -> None:
    """With these extras the first examples of their page run."""
    names = extras.split(",")
    page, count, others = PAGES.get(extras) or PAGES.get(names[-1], NETWORK)
    backend = next((name for name in names if name in BACKENDS), "")
    code = f"import os\nos.environ['KERAS_BACKEND'] = {backend!r}\n" if backend else ""
    code += "".join(part for part, _ in blocks(page)[:count]) + (RAY if "ray" in names else "")
    with tempfile.TemporaryDirectory() as folder:
        programs = install(folder, f"howsure[{extras}] @ {wheel.resolve().as_uri()}", *others)
        printed = run([programs / "python", "-c", code], folder)
    *_, last = ["the examples ran", *printed.splitlines()]
    print(f"with {extras}: {last}", flush=True)


def blocks(page: str) -> list[tuple[str, str]]:
    """The Python on a page of docs/, each block with what it prints, which may be nothing."""
    return _BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))


def install(folder: str, *packages: str | Path) -> Path:
    """Where the programs of a new environment lie that has these packages and what they ask for."""
    venv.create(folder, with_pip=True)
    programs = Path(folder) / "bin"
    run([programs / "python", "-m", "pip", "install", "--quiet", *packages], folder)
    return programs


def run(command: list[str | Path], folder: str) -> str:
    """What a command prints, run in a folder where this project is not found by chance."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    [built] = Path(sys.argv[1]).glob("howsure-*.whl")
    check_contents(built)
    check_alone(built)
    for named in sys.argv[2:]:
        check_with(built, named)
