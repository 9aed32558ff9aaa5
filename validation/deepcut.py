"""DeepCut, a network that others trained and published, asked how sure it is; written to docs/deepcut.md.

    python -m validation.deepcut               runs the example, to docs/deepcut.json and docs/deepcut.md
    python -m validation.deepcut --page        the page alone, from the figures

It needs the extra `deepcut`.
"""

from __future__ import annotations

import contextlib
import io
import sys
from typing import Any

import numpy as np

import howsure
from benchmarks.docs import Page

PAGE = Page("deepcut")

EXAMPLE = """\
import howsure
import numpy as np
from deepcut import DeepcutTokenizer
from deepcut.utils import create_feature_array

SENTENCES = [
    "เด็กหญิงตากลมคนนั้นนั่งตากลมอยู่ริมทะเล",  # That girl with round eyes sits in the wind by the sea.
    "แมวตัวนี้ขนฟูและตากลม",  # This cat has fluffy fur and round eyes.
    "เรานั่งตากลมที่ระเบียง",  # We sit in the wind on the balcony.
    "วันนี้อากาศดีมาก",  # The weather is very good today.
    "มหาวิทยาลัยแห่งนี้มีนักศึกษาหลายพันคน",  # This university has several thousand students.
]
model = DeepcutTokenizer().model
x = [np.concatenate(each) for each in zip(*map(create_feature_array, SENTENCES))]
places = [f"{text[:at]}|{text[at:]}" for text in SENTENCES for at in range(len(text))]
certainty = howsure.assess(model, x, class_names=["continues a word", "begins a word"])
print(certainty.with_ids(places, "character"))
"""
"""What the page shows, and what is run."""

BEGINNINGS = (
    "เด็กหญิงตา|กลมคนนั้นนั่งตากลมอยู่ริมทะเล",
    "เด็กหญิงตากลมคนนั้นนั่งตาก|ลมอยู่ริมทะเล",
    "แมวตัวนี้ขนฟูและตา|กลม",
    "เรานั่งตาก|ลมที่ระเบียง",
)
"""Where a word begins within ตากลม, as each sentence is meant."""


def look() -> dict[str, Any]:
    """Run the example: what it prints, what it costs, and which characters are in doubt or meant to begin."""
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(EXAMPLE, names)
    certainty, places = names["certainty"], names["places"]
    plain = howsure.assess(names["model"], names["x"], method=howsure.Softmax()).probabilities[:, 1]
    dropout = certainty.probabilities[:, 1]
    return {
        "printed": printed.getvalue().strip(),
        "characters": len(places),
        "passes": [int(of(certainty.passes)) for of in (np.sum, np.min, np.max)],
        "in doubt": {
            places[row]: [certainty.verdict[row], bool(certainty.settled[row]), int(certainty.passes[row])]
            for row in certainty.most_undecided()
            if certainty.verdict[row] != "sure"
        },
        "begins": {at: [float(of[places.index(at)]) for of in (plain, dropout)] for at in BEGINNINGS},
    }


def page(found: dict[str, Any]) -> str:
    """The page in Markdown."""
    count, (passes, fewest, most), doubt = found["characters"], found["passes"], found["in doubt"]
    flips = {place: settled for place, (verdict, settled, _) in doubt.items() if verdict == "coin flip"}
    five, doubted, flipped = (
        sum("ตา|กลม" in place or "ตาก|ลม" in place for place in of) for of in ([*doubt][:5], doubt, flips)
    )
    right, right_of_dropout = (np.array([*found["begins"].values()]) > 0.5).sum(axis=0)
    return f"""# A network that others trained

[DeepCut](https://github.com/rkcosmos/deepcut) splits Thai text, which has no spaces between words. For each
character its network says whether a word begins there. It comes with its weights (MIT licence, 2 MB), and has
`SpatialDropout1D` on its embeddings. Nothing of it is changed here:

```python
{EXAMPLE}```

```text
{found["printed"]}
```

The bar stands before the character in question. Of the 5 most undecided characters, {five} lie at ตากลม.
People read it in two ways: ตา|กลม means "round eyes", and ตาก|ลม means "in the wind". Of all {count}
characters, {len(doubt)} are in doubt, {doubted} of them at ตากลม. {len(flips)} are coin flips, {flipped} of
them at ตากลม. This is the question of [the 8 and the 6](from-the-question.md), asked of a network of others.
Of the {len(flips)} coin flips, {[*flips.values()].count(False)} are not settled: more passes may call them
leaning. The sentences were written for this page, three of them with ตากลม.

**What it cost.** The {count} characters took {passes:,} passes. A pass costs one plain prediction here,
because the dropout comes first. So a character cost {passes / count:.1f} plain predictions on average. The
default [budget](method.md#the-budget) is 20. A character got {fewest} to {most} passes. The {len(doubt)}
characters in doubt took {sum(each[2] for each in doubt.values()):,} of all passes.

**What doubt does not do.** It shows where to look, but does not correct the answer. Each sentence is meant in
one way, so a word begins at {len(BEGINNINGS)} places within ตากลม. The plain prediction finds {right} of
them, and MC dropout {right_of_dropout}. So few places do not tell which method is better. On labelled text,
`howsure.compare` does.

## Run it yourself

In a clone of the repository, in an environment of its own:

```sh
pip install '.[deepcut]'    # brings the package tensorflow
python -m validation.deepcut
```

On Linux, `.[tensorflow]` installs `tensorflow-cpu`, which has the same files as `tensorflow`. Beside it, use
`pip install --no-deps deepcut` and `pip install pandas scikit-learn`. The command writes this page and
[deepcut.json](deepcut.json). With `--page` it only writes the page.
"""


if __name__ == "__main__":
    if sys.argv[1:] != ["--page"]:
        PAGE.keep(look())
    PAGE.write(page(PAGE.figures()))
