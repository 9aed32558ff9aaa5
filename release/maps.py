"""The picture of maps in docs/segmentation.md, from the U-Net of that page: part of `make pictures`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PAGE = Path(__file__).parent.parent / "docs" / "segmentation.md"
SCALE, GAP, CAPTION = 6, 14, 26
COLOURS = np.array([[232, 230, 225], [36, 86, 125], [173, 53, 23]], "uint8")
"""Of ground, disc and ring: those of the reports."""


def result() -> tuple[Any, Any]:
    """The result of the page and its images."""
    made: dict[str, Any] = {}
    exec(re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)[0], made)
    return made["result"], made["x"]


def drawn(result: Any, x: Any) -> Image.Image:
    """The most doubtful image, its classes, its doubt and its coin flips, side by side."""
    row = int(result.most_undecided(1)[0])
    image = x[row, 0]
    doubt = result.entropy[row] / np.log(len(result.class_names))
    panels = {
        "image": _grey((image - image.min()) / np.ptp(image)),
        "class": COLOURS[result.label[row]],
        "doubt (entropy)": _grey(doubt),
        "coin flips": _grey(result.verdict[row] == "coin flip"),
    }
    side = SCALE * image.shape[0]
    canvas = Image.new("RGB", (len(panels) * (side + GAP) - GAP, side + CAPTION), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(14)
    for number, (name, colours) in enumerate(panels.items()):
        left = number * (side + GAP)
        canvas.paste(Image.fromarray(colours).resize((side, side), Image.Resampling.NEAREST), (left, 0))
        draw.text((left, side + 5), name, fill="#33302b", font=font)
    return canvas


def _grey(share: Any) -> Any:
    return np.repeat((255 * np.asarray(share, float)).astype("uint8")[..., None], 3, axis=-1)


if __name__ == "__main__":
    picture = Path(sys.argv[1])
    drawn(*result()).save(picture, lossless=True)
    print(f"{picture}: {picture.stat().st_size / 1000:.0f} kB")
