"""The lower ends of the ranges in pyproject.toml, as constraints for pip: `make oldest`.

Only what users install is held back. The tools of `dev` and `docs` come as pip finds them.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"
FLOOR = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[[^]]*\])?>=([0-9.]+)")
TOOLS = ("dev", "docs")


def floors(project: dict[str, Any]) -> dict[str, str]:
    """The oldest version of each package that a user may have.

    Args:
        project: The table `project` of pyproject.toml.
    """
    extras = project["optional-dependencies"]
    required = [
        *project["dependencies"],
        *(each for name in extras if name not in TOOLS for each in extras[name]),
    ]
    found = (FLOOR.match(each) for each in required)
    return {each[1]: each[2] for each in found if each is not None}


if __name__ == "__main__":
    with PYPROJECT.open("rb") as file:
        for name, version in floors(tomllib.load(file)["project"]).items():
            print(f"{name}=={version}")
