"""Does the search of the site lead users to their page? The last step of `make docs`; it needs Node.js.

The built index is asked by the script that the pages of the site run. One of the pages named here has to be
among the first three.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

FIRST = 3

QUESTIONS = {
    "BCEWithLogitsLoss": ("torch", "index"),
    "binary": ("torch", "command-line", "index"),
    "one logit": ("torch", "command-line"),
    "binary classifier one logit": ("torch", "index"),
    "1 % risk": ("decide", "command-line", "index"),
    "U-Net": ("segmentation", "command-line", "index"),
    "nnU-Net": ("tables", "segmentation"),
    "Hugging Face": ("torch", "index"),
    "BERT": ("torch", "index"),
    "XGBoost": ("scikit-learn", "index"),
    "random forest": ("scikit-learn",),
    "from_probabilities": ("tables", "index"),
    "P(y > 10)": ("regression", "command-line", "index"),
    "prediction interval": ("regression",),
    "conformal prediction": ("decide",),
    "temperature scaling": ("calibrate",),
    "out-of-distribution": ("familiarity",),
    "deep ensemble": ("members",),
    "multilabel": ("labels",),
    "folder of images": ("command-line",),
    "install": ("index",),
    "ONNX": ("export",),
    "batch normalisation": ("from-the-question", "torch"),
    "aleatoric": ("from-the-question", "regression"),
    "which images should I label next": ("label",),
    "active learning": ("label",),
    "how many forward passes do I need": ("from-the-question",),
    "my model is overconfident": ("calibrate",),
    "imbalanced classes": ("calibrate",),
    "model drift in production": ("watch",),
    "false alarms": ("watch", "familiarity"),
    "when should a human check": ("decide", "rules"),
    "patients with several images": ("rules", "decide"),
    "GPU memory": ("rows", "segmentation"),
    "resume after crash": ("rows",),
    "pandas dataframe": ("rows", "tables"),
    "quantile regression": ("regression",),
    "time series forecast": ("regression",),
    "named entity recognition": ("objects",),
    "plot reliability diagram": ("plots",),
    "jupyter notebook": ("plots", "report", "index"),
    "deploy to Triton": ("deploy",),
    "run without python": ("export", "deploy"),
    "custom layer": ("torch", "index"),
    "error bars": ("from-the-question",),
    "slow": ("index",),
    "how to cite": ("index",),
    "CSV with predictions": ("tables",),
    "can I trust the softmax": ("from-the-question", "calibrate"),
}
"""What users type, and the pages of docs/ that answer it."""


def pages(site: Path, questions: list[str]) -> list[list[str]]:
    """For each question the pages that the search of a built site finds, the best first."""
    script = Path(__file__).with_suffix(".js")
    node = shutil.which("node") or "node"
    command: list[str | Path] = [node, script, site.resolve(), json.dumps(questions)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return [[place.partition("#")[0].removesuffix(".html") for place in places] for places in found]


def missed(site: Path) -> list[str]:
    """Each question whose page is not among the first, and what is there instead."""
    found = pages(site, [*QUESTIONS])
    return [
        f"{question!r} finds {', '.join(each[:FIRST]) or 'nothing'}"
        for (question, wanted), each in zip(QUESTIONS.items(), found, strict=True)
        if not {*wanted} & {*each[:FIRST]}
    ]


if __name__ == "__main__":
    if shutil.which("node") is None:
        print("There is no node, so the search was asked nothing.")
    elif lacking := missed(Path(sys.argv[1])):
        sys.exit("\n".join(["The search does not lead to a page for users:", *lacking]))
    else:
        print(f"search: {len(QUESTIONS)} questions lead to a page for users among the first {FIRST}")
