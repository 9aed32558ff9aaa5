"""Pictures of the demo's report, for README and site: `make pictures`.

A browser without a window, Chromium or Chrome, draws the page as a reader in the light sees it.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTH = 1280
"""In pixels: the width of a common laptop's window."""

PICTURES = {
    "report": ("", 1085),
    "coin-flips": ("header, nav { display: none } section:first-child { margin-top: 0 }", 770),
}
"""For each picture the style that leaves out what is above it, and its height in pixels."""


def browser() -> str:
    """The path of the first browser that is there."""
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    sys.exit(f"Pictures need a browser; none of {', '.join(BROWSERS)} is on the PATH. Install one.")


def draw(report: Path, style: str, height: int, picture: Path) -> None:
    """Save what a window of WIDTH × height pixels shows of a report as WebP."""
    with tempfile.TemporaryDirectory() as folder:
        page, drawn = Path(folder) / "page.html", Path(folder) / "drawn.png"
        text = report.read_text(encoding="utf-8").replace("</head>", f"<style>{style}</style></head>")
        page.write_text(text, encoding="utf-8")
        subprocess.run(
            [
                browser(),
                *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
                f"--user-data-dir={folder}/profile",
                f"--window-size={WIDTH},{height}",
                f"--screenshot={drawn}",
                page.as_uri(),
            ],
            check=True,
            capture_output=True,
        )
        with Image.open(drawn) as image:
            image.convert("RGB").save(picture, quality=85, method=6)
    print(f"{picture}: {picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    given, into = Path(sys.argv[1]), Path(sys.argv[2])
    for name, (style, height) in PICTURES.items():
        draw(given, style, height, into / f"{name}.webp")
